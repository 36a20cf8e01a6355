//! The events of an answer, passed on as they arrive.
//!
//! The last one is held back until the answer has ended, which follows in the same packet: only then does its connection
//! serve the next request.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use faast_core::provider::{CallId, Event, Incoming, InvokeError, Request, answered};
use faast_core::wire::{frame, sealed};
use futures_core::Stream;
use http_body_util::BodyExt as _;

use super::exchange::{Answer, Client};
use super::seal;
use crate::classify::invoke::{self as classify, MOST_REQUEST};
use crate::cost::Bill;

type Item = Result<Event, InvokeError>;

/// The events of a request, which is sent when the stream is first polled.
pub(super) fn invoke(client: Arc<Client>, request: Request) -> impl Stream<Item = Item> + Send + 'static {
    answered(async move { Running::start(client, &request).await })
}

/// A request whose answer comes in.
struct Running {
    client: Arc<Client>,
    /// Calls without an answer, in the order they run.
    pending: VecDeque<CallId>,
    /// Whether the first of `pending` has started.
    started: bool,
    /// `None` when the answer has come to its end.
    answer: Option<Answer>,
    /// Bytes that are no whole event yet.
    received: BytesMut,
    /// Bytes that came since the last answer to a call.
    bytes: usize,
    bill: Bill,
    /// What core has not been told yet.
    ready: VecDeque<Item>,
    /// The answer to the last call.
    held: Option<Event>,
}

impl Drop for Running {
    /// Nobody waits for it any more, such as for the slower one of two attempts: it is billed all the same.
    fn drop(&mut self) {
        if let Some(answer) = self.answer.take().filter(|_| !self.pending.is_empty()) {
            self.client.note_dropped(self.bill.failed(answer.sent.elapsed(), self.bytes));
        }
    }
}

impl Incoming for Running {
    async fn next(&mut self) -> Option<Item> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Some(item);
            }
            let read = match &mut self.answer {
                Some(answer) => answer.body.frame().await,
                None => return None,
            };
            match read {
                Some(Ok(frame)) => {
                    if let Ok(chunk) = frame.into_data() {
                        self.bytes += chunk.len();
                        self.received.extend_from_slice(&chunk);
                        self.events();
                    }
                }
                Some(Err(error)) => self.end(classify::broken_off(error, self.started)),
                None => self.whole(),
            }
        }
    }
}

impl Running {
    async fn start(client: Arc<Client>, request: &Request) -> Result<Self, InvokeError> {
        let answer = client.send(seal(request, MOST_REQUEST)?.into()).await?;
        let bill = client.meter.request();
        Ok(Self {
            client,
            pending: request.calls.iter().map(|frame| frame.id).collect(),
            started: false,
            answer: Some(answer),
            received: BytesMut::new(),
            bytes: 0,
            bill,
            ready: VecDeque::new(),
            held: None,
        })
    }

    /// Takes in the events that have arrived as a whole.
    fn events(&mut self) {
        while let Some(sealed) = sealed::take_event(&mut self.received) {
            let events = match sealed::open(sealed) {
                Ok(bytes) => frame::decode_events(bytes),
                Err(error) => return self.end(classify::undecodable(error)),
            };
            for event in events {
                match event {
                    Ok(event) => self.event(event),
                    Err(error) => return self.end(classify::undecodable(error)),
                }
            }
        }
    }

    fn event(&mut self, mut event: Event) {
        let call = event.call();
        if let Event::Done { metering, .. } = &mut event {
            self.bill.done(metering, std::mem::take(&mut self.bytes));
        }
        if let Event::Done { .. } | Event::Returned { .. } = event {
            self.started &= self.pending.front() != Some(&call);
            self.pending.retain(|other| *other != call);
        } else {
            self.started |= self.pending.front() == Some(&call);
        }
        if let Some(before) = self.held.take() {
            self.ready.push_back(Ok(before));
        }
        if self.pending.is_empty() {
            self.held = Some(event);
        } else {
            self.ready.push_back(Ok(event));
        }
    }

    /// The answer has come to its end, so that its connection serves the next request.
    fn whole(&mut self) {
        let Some(answer) = self.answer.take() else { return };
        self.settle(answer.sent, classify::unanswered());
        answer.lease.give_back();
    }

    /// The answer is at an end before its time, and its connection too.
    fn end(&mut self, why: InvokeError) {
        if let Some(answer) = self.answer.take() {
            self.settle(answer.sent, why);
        }
    }

    /// Nothing more comes, which is an error for the calls that have no answer, if there are any.
    fn settle(&mut self, sent: Instant, why: InvokeError) {
        self.ready.extend(self.held.take().map(Ok));
        if self.pending.is_empty() {
            return;
        }
        let mut error = why.metering(self.bill.failed(sent.elapsed(), self.bytes));
        if self.started {
            error.ran = faast_core::provider::Ran::Yes;
        }
        self.ready.push_back(Err(error));
    }
}
