//! Running one function: on this thread, or on the worker's tokio runtime, with panics caught.

use std::future::Future;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Wake, Waker};
use std::thread::{self, Thread};

use bytes::Bytes;
use tokio::runtime::{Builder, Runtime};

use super::panic;
use crate::cancel::CancelToken;
use crate::error::ErrorKind;
use crate::function::{Body, Ended, FunctionEntry};
use crate::provider::{CallId, Event, Failure, Payload, SendError};
use crate::runtime::cores;

/// Sends an event of the running call, blocking while the client does not take more.
pub(super) type Send<'a> = &'a dyn Fn(Event) -> Result<(), SendError>;

/// Numbers the items of a generator and stops it when nobody listens.
pub(super) struct Emitter {
    pub(super) call: CallId,
    pub(super) seq: u64,
    pub(super) canceled: CancelToken,
}

impl Emitter {
    fn emit(&mut self, item: Vec<u8>, send: Send<'_>, failed: &mut Option<SendError>) -> ControlFlow<()> {
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

/// What functions run on.
#[derive(Default)]
pub(super) struct Executor {
    runtime: Option<Runtime>,
}

impl Executor {
    /// Runs a function to its end; its result, encoded.
    pub(super) fn run(
        &mut self,
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
                let runtime = self.runtime()?;
                caught(|| runtime.block_on(body(args, &mut result)))
            }
            Body::Stream(body) => {
                let runtime = self.runtime()?;
                caught(|| runtime.block_on(body(args, &mut emit)))
            }
        };
        ended?;
        match failed {
            Some(SendError::TooLarge { size, limit }) => {
                let message = format!("an item has {size} bytes and the transport carries at most {limit}");
                Err(Box::new(Failure::new(ErrorKind::TooLarge, message)))
            }
            Some(SendError::Closed) | None => Ok(result),
        }
    }

    fn runtime(&mut self) -> Result<&Runtime, Box<Failure>> {
        if self.runtime.is_none() {
            let runtime =
                Builder::new_multi_thread().worker_threads(cores()).enable_all().build().map_err(|error| {
                    Box::new(Failure::new(
                        ErrorKind::Io,
                        format!("the async runtime can't start in the worker: {error}"),
                    ))
                })?;
            self.runtime = Some(runtime);
        }
        self.runtime.as_ref().ok_or_else(|| Box::new(Failure::new(ErrorKind::Internal, "no async runtime")))
    }
}

fn caught(run: impl FnOnce() -> Ended) -> Ended {
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
