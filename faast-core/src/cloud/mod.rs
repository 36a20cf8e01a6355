//! The cloud handle: one deployment, as its user holds it.

mod adapter;
mod cleanup;
mod deploy;
mod estimate;
mod inbox;
mod items;
mod journaled;
mod keyed;
mod map;
mod quote;
mod renew;
mod run;
mod setting;
mod source;
mod stop;
mod underway;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use futures_core::Stream;

pub use self::adapter::{Indexed, Ordered};
pub(crate) use self::cleanup::clean_up_all;
use self::deploy::Deployment;
pub(crate) use self::deploy::deploy;
pub use self::estimate::{Bound, Estimate, Interval};
pub use self::items::Items;
pub use self::keyed::Keyed;
pub use self::map::Map;
pub use self::quote::{Quote, Sampled};
pub use self::run::{Detail, Run, Timings};
pub use self::source::{FromIter, FromStream};
use crate::call::{Call, StreamCall};
use crate::cost::CostReport;
use crate::dispatch::Dispatcher;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Events;
use crate::provider::{CloudFunction, DeploymentId};
use crate::record::RecordedRun;
use crate::stats::Stats;

/// A deployment: runs calls on its workers, wherever they are.
///
/// Cheap to clone; clones are the same deployment.
///
/// Usable from any thread and any async runtime. Call [`cleanup`](Self::cleanup) at the end; dropping the last clone
/// without it cleans up too, but blocks meanwhile and can't report what went wrong.
///
/// ```
/// # mod square { pub use faast_testkit::probe::identity as call; }
/// # async fn example(cloud: faast_core::Cloud) -> faast_core::Result<()> {
/// // #[faast::function] fn square(n: u64) -> u64
/// let one = cloud.run(square::call(7)).await?;
/// let many = cloud.map((0..1000).map(square::call)).try_collect().await?;
/// println!("{one}, and {} more:\n{}", many.len(), cloud.cost().await);
/// cloud.cleanup().await
/// # }
/// ```
#[derive(Clone)]
pub struct Cloud(pub(crate) Arc<Deployment>);

impl Cloud {
    /// Runs one call. Lazy: it is sent when the future is first polled. Dropping the future cancels it.
    pub fn run<T>(&self, call: Call<T>) -> Run<T> {
        Run::new(self.clone(), call)
    }

    /// Runs calls as they come from an iterator, which is pulled lazily while the result is polled.
    ///
    /// Results come in the order of completion; see [`Map`]. Dropping it cancels what has not ended.
    pub fn map<T, I>(&self, calls: I) -> Map<FromIter<I::IntoIter>, T>
    where
        I: IntoIterator<Item = Call<T>>,
    {
        Map::new(self.clone(), FromIter::new(calls.into_iter()))
    }

    /// Like [`map`](Self::map), for a stream of calls.
    pub fn map_stream<T, S>(&self, calls: S) -> Map<FromStream<S>, T>
    where
        S: Stream<Item = Call<T>>,
    {
        Map::new(self.clone(), FromStream::new(calls))
    }

    /// Like [`map`](Self::map), with a key of the caller's for each result; see [`Keyed`].
    pub fn map_keyed<K, T, I>(&self, calls: I) -> Keyed<I::IntoIter, K, T>
    where
        I: IntoIterator<Item = (K, Call<T>)>,
    {
        Keyed::new(self.clone(), calls.into_iter())
    }

    /// Runs the first `sample` of `calls`, and says what all of them will take.
    ///
    /// That is time, cost and memory, with intervals, and what bounds the time. [`Quote::go`] runs the rest; the sample
    /// is not run again.
    ///
    /// The sample should be like the rest: shuffle inputs that are sorted by size. Thirty calls make a good one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if the iterator does not know its length, and the first error of the sample, if no call of it
    /// gave a value.
    pub async fn quote<T, I>(&self, calls: I, sample: usize) -> Result<Quote<I::IntoIter, T>>
    where
        I: IntoIterator<Item = Call<T>>,
    {
        Quote::new(self, calls.into_iter(), sample).await
    }

    /// Runs a generator function and yields its items as they are made.
    ///
    /// There is no second attempt after the first item was delivered; dropping the stream stops the worker.
    pub fn stream<T>(&self, call: StreamCall<T>) -> Items<T> {
        Items::new(self.clone(), call)
    }

    /// Numbers of this deployment, now.
    pub fn stats(&self) -> Stats {
        self.0.dispatcher.stats()
    }

    /// What this deployment has cost so far.
    pub async fn cost(&self) -> CostReport {
        bill(&self.0.function, &self.0.dispatcher).await
    }

    /// Writes the report of this run, as far as it has come: a page, or JSON where `path` ends in `.json`.
    ///
    /// The page needs nothing else. The deployment needs [`record`](crate::Builder::record). Works after the cleanup
    /// too.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] where nothing is recorded, [`ErrorKind::Io`] where the file can't be written.
    pub async fn report(&self, path: impl AsRef<Path>) -> Result<()> {
        let Some(recording) = &self.0.recording else {
            return Err(Error::new(ErrorKind::Config, "there is no record of this run to make a report from")
                .with_hint("add `.record()` before `.deploy()`"));
        };
        let cost = bill(&self.0.function, &self.0.dispatcher).await;
        RecordedRun::open(&recording.flush(&cost))?.report(path)
    }

    /// What happens to calls from now on.
    pub fn events(&self) -> Events {
        self.0.dispatcher.events()
    }

    /// Where the logs of this deployment are.
    pub fn log_url(&self) -> String {
        self.0.function.log_url(None)
    }

    /// The deployment's id, which its resources carry.
    pub fn deployment(&self) -> &DeploymentId {
        &self.0.id
    }

    /// The provider's name.
    pub fn provider(&self) -> &'static str {
        self.0.provider
    }

    /// Ends the deployment: open calls fail as canceled, and everything that was made is removed.
    ///
    /// A map that is polled on goes through the rest of its input, and each of those calls is canceled too; the input of
    /// a map that is to end here must not be endless.
    ///
    /// Idempotent, and goes on to its end even if this future is dropped.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Cleanup`] with what is left and why.
    pub async fn cleanup(&self) -> Result<()> {
        self.0.cleanup().await
    }
}

/// What a deployment has cost so far, with what was used beyond calls.
async fn bill(function: &Arc<dyn CloudFunction>, dispatcher: &Dispatcher) -> CostReport {
    let beyond_calls = function.usage().await;
    dispatcher.with_state(|state| {
        let mut usage = state.usage().clone();
        usage.extend(&beyond_calls);
        state.prices().report(&usage)
    })
}

impl fmt::Debug for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cloud")
            .field("provider", &self.0.provider)
            .field("deployment", &self.0.id)
            .finish_non_exhaustive()
    }
}
