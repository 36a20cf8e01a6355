//! Running one call: a lazy future that owns it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::Cloud;
use crate::call::{Call, Decoder, RawCall};
use crate::dispatch::{CallRef, CallSpan, Owner, Report, Settled, Submission};
use crate::error::Result;
use crate::provider::{ExecutionId, InstanceId, Metering};

/// One call on its way; see [`Cloud::run`].
#[must_use = "a run does nothing until it is awaited"]
pub struct Run<T>(Running<T>);

/// A value with everything that is known about how it came to be.
///
/// ```
/// # mod square { pub use faast_testkit::probe::identity as call; }
/// # async fn example(cloud: faast_core::Cloud) -> faast_core::Result<()> {
/// let detail = cloud.run(square::call(7)).detail().await?;
/// println!("{} in {:?}, for ${}: {}", detail.value, detail.timings.execution, detail.cost_usd, detail.log_url);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Detail<T> {
    /// What the function returned.
    pub value: T,
    /// Where the logs of the execution are.
    pub log_url: String,
    /// The execution, as the provider's logs name it.
    pub execution: Option<ExecutionId>,
    /// The worker.
    pub instance: Option<InstanceId>,
    /// Attempts that were made, the first one included.
    pub attempts: u32,
    /// How long what took.
    pub timings: Timings,
    /// What the platform or the worker measured.
    pub metering: Metering,
    /// US dollars for the attempt that answered.
    pub cost_usd: f64,
}

/// How long what took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timings {
    /// From submission to the first attempt.
    pub queued: Duration,
    /// In the function.
    pub execution: Duration,
    /// From submission to the result.
    pub total: Duration,
}

impl<T> Run<T> {
    pub(super) fn new(cloud: Cloud, call: Call<T>) -> Self {
        Self(Running { cloud, raw: Some(call.raw), decoder: Some(call.decoder), waiting: None, detailed: false })
    }

    /// Gives the value with its log URL, execution, attempts, timings and cost.
    ///
    /// # Errors
    ///
    /// As the run itself; what is known of a failed call is in its error.
    pub fn detail(mut self) -> impl Future<Output = Result<Detail<T>>> + Send + 'static
    where
        T: Send + 'static,
    {
        self.0.detailed = true;
        async move {
            let cloud = self.0.cloud.clone();
            let (value, report) = std::future::poll_fn(|cx| self.0.poll(cx)).await?;
            let report = report.ok_or_else(missing_report)?;
            Ok(Detail {
                value,
                log_url: cloud.0.function.log_url(report.execution.as_ref()),
                execution: report.execution,
                instance: report.instance,
                attempts: report.attempts,
                timings: Timings { queued: report.queued, execution: report.metering.duration, total: report.total },
                metering: report.metering,
                cost_usd: report.cost_usd,
            })
        }
    }
}

fn missing_report() -> crate::Error {
    crate::Error::new(crate::ErrorKind::Internal, "the call was answered without a report")
}

impl<T> Future for Run<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        self.0.poll(cx).map(|settled| settled.map(|(value, _)| value))
    }
}

impl<T> fmt::Debug for Run<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("sent", &self.0.raw.is_none()).finish_non_exhaustive()
    }
}

struct Running<T> {
    cloud: Cloud,
    raw: Option<RawCall>,
    decoder: Option<Decoder<T>>,
    /// From the first poll to the end.
    waiting: Option<(Arc<Waiting>, Option<CallRef>)>,
    detailed: bool,
}

// Nothing is pinned: the decoder and the call are plain data.
impl<T> Unpin for Running<T> {}

impl<T> Running<T> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(T, Option<Box<Report>>)>> {
        if let Some(raw) = self.raw.take() {
            let (submission, waiting) = self.submission(raw, cx)?;
            let call = self.cloud.0.dispatcher.submit_one(submission);
            self.waiting = Some((waiting, call));
        }
        let Some((waiting, _)) = &self.waiting else { return Poll::Pending };
        let Some(settled) = waiting.take(cx.waker()) else { return Poll::Pending };
        self.waiting = None;
        let Some(decoder) = self.decoder.take() else { return Poll::Pending };
        Poll::Ready(settled.result.and_then(|bytes| decoder.decode(&bytes)).map(|value| (value, settled.report)))
    }

    fn submission(&self, raw: RawCall, cx: &Context<'_>) -> Result<(Submission, Arc<Waiting>)> {
        self.cloud.0.check(raw.entry)?;
        let state = WaitingState { settled: None, waker: Some(cx.waker().clone()) };
        let waiting = Arc::new(Waiting { detailed: self.detailed, state: Mutex::new(state) });
        let span = CallSpan::new(raw.entry, None, raw.options.as_deref());
        let owner = Arc::clone(&waiting) as Arc<dyn Owner>;
        let submission =
            Submission { entry: raw.entry, args: raw.args?, options: raw.options, owner, key: 0, index: None, span };
        Ok((submission, waiting))
    }
}

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        if let Some((_, Some(call))) = self.waiting.take() {
            self.cloud.0.dispatcher.cancel_one(call);
        }
    }
}

/// Where the dispatcher leaves the result.
struct Waiting {
    detailed: bool,
    state: Mutex<WaitingState>,
}

struct WaitingState {
    settled: Option<Settled>,
    waker: Option<Waker>,
}

impl Waiting {
    fn take(&self, waker: &Waker) -> Option<Settled> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let settled = state.settled.take();
        if settled.is_none() && !state.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            state.waker = Some(waker.clone());
        }
        settled
    }
}

impl Owner for Waiting {
    fn settle(&self, settled: Vec<Settled>) {
        let waker = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.settled = settled.into_iter().next();
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn wants_report(&self) -> bool {
        self.detailed
    }
}
