//! One request on its way: a stream that starts it when first polled, decodes what comes back, and cancels when dropped.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use faast_core::ErrorKind;
use faast_core::cost::Quantity;
use faast_core::provider::{
    CallId, CancelSupport, Event, ExecutionId, InvokeError, Metering, Ran, Request, RetryClass,
};
use faast_core::wire::frame;
use futures_core::Stream;

use super::channel::{Receiver, channel};
use super::function::Deployed;
use super::pool::Job;
use super::reply::Reply;

/// Messages that wait for a slow consumer before the worker is held back.
const ROOM: usize = 8;

pub(super) struct Invocation {
    deployed: Arc<Deployed>,
    execution: u64,
    /// Taken when the request starts.
    request: Option<Request>,
    answers: Option<Receiver<Bytes>>,
    /// Decoded and not yet given out.
    events: VecDeque<Event>,
    /// Calls without an answer, in the order they run.
    pending: VecDeque<CallId>,
    /// Whether the first of `pending` is known to have started.
    started: bool,
    ended: bool,
}

impl Invocation {
    pub(super) fn new(deployed: Arc<Deployed>, execution: u64, request: Request) -> Self {
        let pending = request.calls.iter().map(|frame| frame.id).collect();
        Self {
            deployed,
            execution,
            request: Some(request),
            answers: None,
            events: VecDeque::new(),
            pending,
            started: false,
            ended: false,
        }
    }

    /// Starts the request; gives back why it can't.
    fn start(&mut self, request: &Request) -> Option<InvokeError> {
        let mut encoded = Vec::new();
        frame::encode_request(request, &mut encoded);
        let size = encoded.len() as u64;
        if let Some(limit) = self.deployed.capabilities.max_request_bytes.filter(|limit| size > *limit) {
            let message = format!("the request has {size} bytes and the transport carries at most {limit}");
            return Some(InvokeError::new(RetryClass::Permanent, Ran::No, message).kind(ErrorKind::TooLarge));
        }
        // Answers of a queue wait in the queue, not in the worker: there is no way to hold the worker back.
        let room = if self.deployed.queues.is_some() { usize::MAX } else { ROOM };
        let (sender, receiver) = channel(room);
        self.answers = Some(receiver);
        let (execution, request) = (self.execution, Bytes::from(encoded));
        match &self.deployed.queues {
            Some(queues) => queues.send(execution, request, sender),
            None => self.deployed.pool.start(Job { request, execution, reply: Reply::Direct(sender) }),
        }
        None
    }

    /// Keeps the books on an event, and adds what it costs.
    fn account(&mut self, mut event: Event) -> Event {
        match &mut event {
            Event::Started { call, .. } | Event::Item { call, .. } => {
                self.started |= self.pending.front() == Some(call);
            }
            Event::Done { call, metering, .. } => {
                self.started &= self.pending.front() != Some(call);
                self.pending.retain(|other| other != call);
                metering.quantities.extend(self.deployed.price_per_call.map(|_| one_request()));
            }
            Event::Returned { call } => self.pending.retain(|other| other != call),
            _ => {}
        }
        event
    }

    /// The channel closed before every call was answered.
    fn lost(&self) -> InvokeError {
        let ran = if self.started { Ran::Yes } else { Ran::Maybe };
        let mut metering = Metering::default();
        metering.quantities.extend(self.deployed.price_per_call.map(|_| one_request()));
        InvokeError::new(RetryClass::WorkerLost, ran, "the worker went away before it answered")
            .metering(metering)
            .execution(ExecutionId(self.execution.to_string().into()))
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Event, InvokeError>>> {
        if let Some(request) = self.request.take()
            && let Some(error) = self.start(&request)
        {
            return Poll::Ready(Some(Err(error)));
        }
        loop {
            if let Some(event) = self.events.pop_front() {
                return Poll::Ready(Some(Ok(self.account(event))));
            }
            if self.pending.is_empty() {
                return Poll::Ready(None);
            }
            let Some(answers) = &self.answers else { return Poll::Ready(None) };
            let Some(body) = ready!(answers.poll(cx)) else { return Poll::Ready(Some(Err(self.lost()))) };
            for event in frame::decode_events(body) {
                match event {
                    Ok(event) => self.events.push_back(event),
                    Err(error) => {
                        let error = InvokeError::new(RetryClass::Permanent, Ran::Yes, "the answer can't be decoded")
                            .kind(ErrorKind::Decode)
                            .source(error);
                        return Poll::Ready(Some(Err(error)));
                    }
                }
            }
        }
    }
}

/// What one call costs, in the units of the price table.
pub(super) fn one_request() -> Quantity {
    Quantity { metric: super::REQUESTS.into(), amount: 1.0, measured: true }
}

impl Stream for Invocation {
    type Item = Result<Event, InvokeError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let event = ready!(self.poll_event(cx));
        self.ended = !matches!(event, Some(Ok(_)));
        Poll::Ready(event)
    }
}

impl Drop for Invocation {
    fn drop(&mut self) {
        if let Some(queues) = &self.deployed.queues {
            queues.forget(self.execution);
        }
        if !self.pending.is_empty() && self.deployed.capabilities.cancel == CancelSupport::Kills {
            self.deployed.pool.cancel(self.execution);
        }
    }
}
