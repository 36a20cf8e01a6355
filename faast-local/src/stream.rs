//! The stream of one request's events: gives the request to its host when first polled, cancels it when dropped.

use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::vec;

use faast_core::provider::{Event, InvokeError, Request};
use futures_core::Stream;

use crate::job::{Found, Job};
use crate::peer::Peer;

/// Who runs requests: the pool of processes, or the threads of the client.
pub(crate) trait Host: Send + Sync + Sized + 'static {
    /// Takes a request in. Does not block.
    fn submit(self: &Arc<Self>, job: &Arc<Job>);

    /// Nobody wants the job any more that the worker has.
    fn cancel(&self, job: &Arc<Job>, peer: &Arc<Peer>);
}

/// One request.
#[derive(Debug)]
pub(crate) struct Invocation<H: Host> {
    host: Arc<H>,
    job: Arc<Job>,
    stage: Stage,
    events: vec::IntoIter<Event>,
}

#[derive(Debug, PartialEq, Eq)]
enum Stage {
    New,
    Submitted,
    Ended,
}

impl<H: Host> Invocation<H> {
    pub(crate) fn new(host: Arc<H>, request: Request) -> Self {
        Self { host, job: Job::new(request), stage: Stage::New, events: Vec::new().into_iter() }
    }
}

impl<H: Host> Stream for Invocation<H> {
    type Item = Result<Event, InvokeError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(event) = this.events.next() {
                return Poll::Ready(Some(Ok(event)));
            }
            match this.stage {
                Stage::Ended => return Poll::Ready(None),
                Stage::New => {
                    this.stage = Stage::Submitted;
                    this.host.submit(&this.job);
                }
                Stage::Submitted => {}
            }
            let mut events = Vec::new();
            match this.job.poll(&mut events, cx.waker()) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Found::Events) => this.events = events.into_iter(),
                Poll::Ready(Found::Failed(error)) => {
                    this.stage = Stage::Ended;
                    return Poll::Ready(Some(Err(error)));
                }
                Poll::Ready(Found::Finished) => this.stage = Stage::Ended,
            }
        }
    }
}

impl<H: Host> Drop for Invocation<H> {
    fn drop(&mut self) {
        if mem::replace(&mut self.stage, Stage::Ended) == Stage::Submitted
            && let Some(peer) = self.job.drop_stream()
        {
            self.host.cancel(&self.job, &peer);
        }
    }
}
