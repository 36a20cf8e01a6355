//! The stream of one request with its fault in it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use faast_core::provider::{
    CallId, CloudFunction, Event, ExecutionId, InstanceId, InvokeError, Metering, Ran, Request, RetryClass, Runtime,
};
use futures_core::stream::BoxStream;
use futures_util::{StreamExt as _, stream};

use super::plan::{Fault, Plan, Script};

/// How long a throttled caller is asked to stay away.
const RETRY_AFTER: Duration = Duration::from_millis(2);

type Item = Result<Event, InvokeError>;

/// Sends a request through its fault.
pub(super) fn invoke(
    inner: &Arc<dyn CloudFunction>,
    script: &Arc<Script>,
    runtime: &Runtime,
    request: Request,
) -> BoxStream<'static, Item> {
    let plan = script.plan(&request);
    match plan.fault {
        Some(Fault::LostRequest) => stream::pending().boxed(),
        Some(Fault::Throttled) => {
            let error = InvokeError::new(RetryClass::Throttled, Ran::No, "429 too many requests, injected");
            failed(error.retry_after(RETRY_AFTER))
        }
        Some(Fault::Refused) => {
            failed(InvokeError::new(RetryClass::Transient, Ran::No, "503 service unavailable, injected"))
        }
        _ => {
            let calls = request.calls.iter().map(|frame| frame.id).collect();
            let first = script.late(&request).into_iter().map(Ok).collect();
            let inner = inner.invoke(request);
            let (script, runtime) = (Arc::clone(script), runtime.clone());
            let wire = Wire { inner, script, runtime, plan, calls, first, done: 0, metering: None, over: false };
            stream::unfold(wire, async |mut wire| wire.next().await.map(|item| (item, wire))).boxed()
        }
    }
}

fn failed(error: InvokeError) -> BoxStream<'static, Item> {
    stream::iter([Err(error)]).boxed()
}

/// A faulty line to a worker.
struct Wire {
    inner: BoxStream<'static, Item>,
    script: Arc<Script>,
    runtime: Runtime,
    plan: Plan,
    calls: Vec<CallId>,
    /// What comes before anything else of `inner`.
    first: VecDeque<Item>,
    done: usize,
    /// What the last call took: the failed attempt is billed too.
    metering: Option<Metering>,
    over: bool,
}

impl Wire {
    async fn next(&mut self) -> Option<Item> {
        if let Some(item) = self.first.pop_front() {
            return Some(item);
        }
        if self.over {
            return None;
        }
        match self.plan.fault {
            Some(Fault::LostAnswer) => {
                self.swallow().await;
                std::future::pending().await
            }
            Some(Fault::Broken) => {
                self.swallow().await;
                self.over = true;
                Some(Err(self.error(RetryClass::Transient, Ran::Maybe, "503 connection reset, injected")))
            }
            Some(Fault::Death) => self.until_death().await,
            Some(Fault::Duplicate) => {
                let item = self.inner.next().await?;
                if let Ok(event @ Event::Done { .. }) = &item {
                    self.first.push_back(Ok(event.clone()));
                }
                Some(item)
            }
            Some(Fault::Delay) => {
                let delay = std::mem::take(&mut self.plan.delay);
                if let Some(runtime) = self.runtime.handle().filter(|_| !delay.is_zero()) {
                    // A task that can't be joined was stopped with its runtime, and then nobody waits for this.
                    let _ = runtime.spawn(tokio::time::sleep(delay)).await;
                }
                self.inner.next().await
            }
            _ => self.inner.next().await,
        }
    }

    /// Lets the request run to its end unheard. Answers are kept, to arrive late; not that of a generator, whose items
    /// are lost: no platform tells the end without them.
    async fn swallow(&mut self) {
        let mut items_lost = false;
        while let Some(Ok(event)) = self.inner.next().await {
            match &event {
                Event::Item { .. } => items_lost = true,
                Event::Done { metering, .. } => {
                    self.metering = Some(metering.clone());
                    if !items_lost {
                        self.script.keep(event);
                    }
                }
                _ => {}
            }
        }
    }

    /// Passes some answers on, says that the next call has started, and fails.
    async fn until_death(&mut self) -> Option<Item> {
        if self.done < self.plan.dies_after {
            match self.inner.next().await {
                Some(Ok(event)) => {
                    self.done += usize::from(matches!(event, Event::Done { .. } | Event::Returned { .. }));
                    if let Event::Done { .. } | Event::Returned { .. } = event {
                        self.calls.retain(|call| *call != event.call());
                    }
                    return Some(Ok(event));
                }
                other => return other,
            }
        }
        self.over = true;
        let execution = ExecutionId("injected".into());
        let error = self.error(RetryClass::WorkerLost, Ran::Yes, "the worker died, injected").execution(execution);
        let Some(call) = self.calls.first().copied() else { return self.inner.next().await };
        self.first.push_back(Err(error));
        Some(Ok(Event::Started { call, instance: InstanceId("injected".into()), execution: None }))
    }

    fn error(&mut self, class: RetryClass, ran: Ran, message: &str) -> InvokeError {
        InvokeError::new(class, ran, message).metering(self.metering.take().unwrap_or_default())
    }
}
