//! Several calls, or a generator: `InvokeWithResponseStream`, whose events are passed on as they arrive.
//!
//! The platform says what an execution was billed after its last byte. The answer that ends the work is held back for
//! that moment, which follows at once, so that the bill is exact.

use std::collections::VecDeque;
use std::sync::Arc;

use aws_smithy_eventstream::frame::{DecodedFrame, MessageFrameDecoder};
use aws_smithy_types::event_stream::Message;
use aws_smithy_types::str_bytes::StrBytes;
use bytes::{Bytes, BytesMut};
use faast_core::ErrorKind;
use faast_core::provider::{
    CallId, Event, ExecutionId, Incoming, InvokeError, Metering, Outcome, Ran, Request, answered,
};
use faast_core::wire::{frame, sealed};
use futures_core::Stream;
use futures_util::FutureExt as _;
use http_body_util::BodyExt as _;
use serde::Deserialize;

use super::exchange::{Answer, Client, Operation, execution};
use super::unary;
use crate::classify::invoke::{self as classify, FunctionError, Refusal};
use crate::log_tail::{self, Report};

type Item = Result<Event, InvokeError>;

/// The events of a request, which is sent when the stream is first polled.
pub(super) fn invoke(client: Arc<Client>, request: Request) -> impl Stream<Item = Item> + Send + 'static {
    answered(async move { Running::start(client, &request).await })
}

/// What Lambda says after the last byte of an answer.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Complete {
    error_code: Option<String>,
    error_details: Option<String>,
    log_result: Option<String>,
}

/// A request whose answer comes in.
struct Running {
    client: Arc<Client>,
    execution: Option<ExecutionId>,
    /// Calls without an answer, in the order they run.
    pending: VecDeque<CallId>,
    /// Whether the first of `pending` has started.
    started: bool,
    /// `None` when the answer has come to its end.
    answer: Option<Answer>,
    decoder: MessageFrameDecoder,
    /// Bytes that are no whole message yet.
    raw: BytesMut,
    /// Bytes of messages that are no whole event yet.
    received: BytesMut,
    /// Bytes of events.
    bytes: usize,
    /// What core has not been told yet.
    ready: VecDeque<Item>,
    /// The answer that waits for its bill.
    held: Option<Event>,
}

impl Drop for Running {
    /// Nobody waits for it any more, such as for the rest of a generator: it is billed all the same.
    fn drop(&mut self) {
        for unseen in self.ready.drain(..) {
            match unseen {
                Ok(Event::Done { metering, .. }) => self.client.note_dropped(metering),
                Ok(_) => {}
                Err(error) => self.client.note_dropped(error.metering),
            }
        }
        if let Some(answer) = self.answer.take() {
            self.client.note_dropped(self.client.meter.of_failure(None, answer.sent.elapsed(), self.bytes));
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
                    if let Ok(data) = frame.into_data() {
                        self.raw.extend_from_slice(&data);
                        self.messages();
                    }
                }
                Some(Err(error)) => self.fail(classify::broken(error), None),
                None => self.fail(classify::cut_off(), None),
            }
        }
    }
}

impl Running {
    async fn start(client: Arc<Client>, request: &Request) -> Result<Self, InvokeError> {
        let answer = client.send(Operation::Stream, unary::encode(request)?).await?;
        Ok(Self {
            client,
            execution: execution(&answer.headers),
            pending: request.calls.iter().map(|frame| frame.id).collect(),
            started: false,
            answer: Some(answer),
            decoder: MessageFrameDecoder::new(),
            raw: BytesMut::new(),
            received: BytesMut::new(),
            bytes: 0,
            ready: VecDeque::new(),
            held: None,
        })
    }

    /// Takes in the messages that have arrived as a whole.
    fn messages(&mut self) {
        while self.answer.is_some() {
            match self.decoder.decode_frame(&mut self.raw) {
                Ok(DecodedFrame::Complete(message)) => self.message(&message),
                Ok(DecodedFrame::Incomplete) => return,
                Err(error) => self.fail(classify::undecodable_stream(error), None),
            }
        }
    }

    fn message(&mut self, message: &Message) {
        let kind = header(message, ":message-type").unwrap_or_default();
        match (kind, header(message, ":event-type").or_else(|| header(message, ":exception-type"))) {
            ("event", Some("PayloadChunk")) => self.chunk(message.payload()),
            ("event", Some("InvokeComplete")) => self.complete(message.payload()),
            // Others may be added to the protocol.
            ("event", _) => {}
            (_, code) => {
                let refusal = Refusal::of_stream(code.unwrap_or_default(), message.payload());
                let error = classify::refused(&refusal, self.client.function_name());
                self.fail(error, None);
            }
        }
    }

    fn chunk(&mut self, payload: &Bytes) {
        self.bytes += payload.len();
        self.received.extend_from_slice(payload);
        while let Some(event) = sealed::take_event(&mut self.received) {
            let events = match sealed::open(event) {
                Ok(bytes) => frame::decode_events(bytes),
                Err(error) => return self.fail(classify::undecodable(error), None),
            };
            for event in events {
                match event {
                    Ok(event) => self.event(event),
                    Err(error) => return self.fail(classify::undecodable(error), None),
                }
            }
        }
    }

    fn event(&mut self, event: Event) {
        let call = event.call();
        if let Event::Done { .. } | Event::Returned { .. } = event {
            self.started &= self.pending.front() != Some(&call);
            self.pending.retain(|other| *other != call);
        } else {
            self.started |= self.pending.front() == Some(&call);
        }
        let ends = matches!(event, Event::Done { .. }) && (self.pending.is_empty() || ends_worker(&event));
        if !ends {
            self.ready.push_back(Ok(event));
        } else if let Some(before) = self.held.replace(event) {
            self.ready.push_back(Ok(before));
        }
    }

    /// The execution has ended.
    fn complete(&mut self, payload: &Bytes) {
        let complete: Complete = serde_json::from_slice(payload).unwrap_or_default();
        let tail = complete.log_result.unwrap_or_default();
        let report = log_tail::report(&tail);
        if self.pending.is_empty() {
            // Whatever went wrong afterwards, every call has its answer.
            return self.end(report.as_ref());
        }
        let error = match complete.error_code {
            Some(code) => {
                let details = complete.error_details.unwrap_or_default();
                FunctionError::of_stream(code, &details).classify(report.as_ref(), &log_tail::text(&tail))
            }
            None => classify::unanswered(),
        };
        self.fail(error, report.as_ref());
    }

    /// Passes on what was held, with the bill.
    fn end(&mut self, report: Option<&Report>) {
        let Some(answer) = self.answer.take() else { return };
        if let Some(event) = self.take_held(report) {
            self.ready.push_back(Ok(event));
        }
        let Answer { mut body, lease, .. } = answer;
        // At its end by now, unless the service has something to add; then the connection is not worth the wait.
        if let Some(None) = body.frame().now_or_never() {
            lease.give_back();
        }
    }

    /// Ends the request with an error for the calls that have no answer, if there are any.
    fn fail(&mut self, error: InvokeError, report: Option<&Report>) {
        let Some(answer) = self.answer.take() else { return };
        let metering = match self.take_held(report) {
            // It carries the bill of the whole execution.
            Some(event) => {
                self.ready.push_back(Ok(event));
                Metering::default()
            }
            None => self.client.meter.of_failure(report, answer.sent.elapsed(), self.bytes),
        };
        if self.pending.is_empty() {
            return;
        }
        let mut error = error.metering(metering);
        if self.started {
            error.ran = Ran::Yes;
        }
        error.execution = self.execution.clone().or(error.execution);
        self.ready.push_back(Err(error));
    }

    fn take_held(&mut self, report: Option<&Report>) -> Option<Event> {
        let mut event = self.held.take()?;
        if let Event::Done { metering, .. } = &mut event {
            self.client.meter.bill(metering, report, self.bytes);
        }
        Some(event)
    }
}

/// Whether a worker ends itself after this event: there is no other way to stop the function.
fn ends_worker(event: &Event) -> bool {
    let Event::Done { outcome: Outcome::Err(failure), .. } = event else { return false };
    matches!(failure.kind, ErrorKind::Timeout | ErrorKind::OutOfMemory)
}

fn header<'a>(message: &'a Message, name: &str) -> Option<&'a str> {
    let header = message.headers().iter().find(|header| header.name().as_str() == name)?;
    header.value().as_string().ok().map(StrBytes::as_str)
}
