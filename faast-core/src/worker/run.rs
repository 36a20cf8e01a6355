//! Running one function: on this thread, or on the worker's tokio runtime, with panics caught.

use std::future::Future;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context as TaskContext, Poll, Wake, Waker};
use std::thread::{self, Thread};

use bytes::Bytes;
use tokio::runtime::{Builder, Runtime};

use super::panic;
use crate::cancel::CancelToken;
use crate::error::ErrorKind;
use crate::function::{Body, Ended, FunctionEntry};
use crate::provider::{CallId, Event, Failure, Payload};
use crate::runtime::cores;

/// Sends an event of the running call, blocking while the client does not take more.
pub(super) type Send<'a> = &'a dyn Fn(Event) -> Result<(), Undelivered>;

/// Why an event of the running call did not get to the client.
#[derive(Debug)]
pub(super) enum Undelivered {
    /// Nobody listens any more.
    Closed,
    /// It is too large, and there is no way around.
    Refused(Box<Failure>),
}

/// Numbers the items of a generator and stops it when nobody listens.
pub(super) struct Emitter {
    pub(super) call: CallId,
    pub(super) seq: u64,
    pub(super) canceled: CancelToken,
}

impl Emitter {
    fn emit(&mut self, item: Vec<u8>, send: Send<'_>, failed: &mut Option<Undelivered>) -> ControlFlow<()> {
        if self.canceled.is_canceled() {
            return ControlFlow::Break(());
        }
        let event = Event::Item { call: self.call, seq: self.seq, body: Payload::Inline(Bytes::from(item)) };
        self.seq += 1;
        match send(event) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                *failed = Some(error);
                ControlFlow::Break(())
            }
        }
    }
}

/// The worker's tokio runtime: made by the first async function, or by the first use of the store.
#[derive(Default)]
pub(super) struct AsyncRuntime(OnceLock<Runtime>);

impl AsyncRuntime {
    pub(super) fn get(&self) -> Result<&Runtime, Box<Failure>> {
        if let Some(runtime) = self.0.get() {
            return Ok(runtime);
        }
        let made = Builder::new_multi_thread().worker_threads(cores()).enable_all().build().map_err(|error| {
            Box::new(Failure::new(ErrorKind::Io, format!("the async runtime can't start in the worker: {error}")))
        })?;
        // Only the thread that runs functions asks.
        Ok(self.0.get_or_init(|| made))
    }
}

/// What functions run on.
pub(super) struct Executor {
    pub(super) runtime: Arc<AsyncRuntime>,
}

impl Executor {
    /// Runs a function to its end; its result, encoded.
    pub(super) fn run(
        &self,
        entry: &FunctionEntry,
        args: &[u8],
        mut emitter: Emitter,
        send: Send<'_>,
    ) -> Result<Vec<u8>, Box<Failure>> {
        let mut result = Vec::new();
        let mut failed = None;
        let mut emit = |item| emitter.emit(item, send, &mut failed);
        let ended = match entry.body {
            Body::Sync(body) => caught(|| body(args, &mut result)),
            Body::Iterator(body) => caught(|| body(args, &mut emit)),
            Body::Async(body) => {
                let runtime = self.runtime.get()?;
                caught(|| runtime.block_on(body(args, &mut result)))
            }
            Body::Stream(body) => {
                let runtime = self.runtime.get()?;
                caught(|| runtime.block_on(body(args, &mut emit)))
            }
        };
        ended?;
        match failed {
            Some(Undelivered::Refused(failure)) => Err(failure),
            Some(Undelivered::Closed) | None => Ok(result),
        }
    }
}

fn caught(run: impl FnOnce() -> Ended) -> Ended {
    panic::forget();
    // The function's arguments are its own and are dropped with it: nothing that was broken is seen again.
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|payload| Err(Box::new(panic::take(&*payload))))
}

/// Drives a future on this thread; for futures that bring what they need to run.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut TaskContext::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
