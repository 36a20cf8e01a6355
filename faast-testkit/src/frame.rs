//! Requests and events by hand: for tests of one side of a provider, which play the other.

#![expect(clippy::missing_panics_doc, clippy::panic, reason = "helpers of tests fail as tests do")]

use std::time::Duration;

use bytes::Bytes;
use faast_core::function::build_fingerprint;
use faast_core::provider::{CallFrame, CallId, DeploymentId, Event, Failure, FunctionId, Outcome, Payload, Request};
use faast_core::wire::{frame, sealed};

/// The first attempt of a call.
pub fn call(id: u64, function: &FunctionId, args: &[u8], timeout: Duration) -> CallFrame {
    CallFrame {
        id: CallId(id),
        attempt: 1,
        function: function.clone(),
        timeout,
        args: Payload::Inline(Bytes::copy_from_slice(args)),
        trace: None,
    }
}

/// A request of this build.
pub fn request(calls: Vec<CallFrame>) -> Request {
    Request { deployment: DeploymentId::from("d"), build: build_fingerprint(), calls }
}

/// A request for a server that runs nothing: so many calls, 0, 1, ..., of a minute each.
pub fn unknown(calls: u64) -> Request {
    let function = FunctionId { name: "no::such".into(), signature: 1 };
    request((0..calls).map(|id| call(id, &function, b"args", Duration::from_mins(1))).collect())
}

/// The frame of a request, ready to be sealed.
pub fn encoded(request: &Request) -> Vec<u8> {
    let mut bytes = vec![0];
    frame::encode_request(request, &mut bytes);
    bytes
}

/// The frame of events, ready to be sealed.
pub fn events(events: &[Event]) -> Vec<u8> {
    let mut bytes = vec![0];
    for event in events {
        frame::encode_event(event, &mut bytes);
    }
    bytes
}

/// The events in a sealed frame.
pub fn opened(sealed: &[u8]) -> Vec<Event> {
    let opened = sealed::open(Bytes::copy_from_slice(sealed)).and_then(|bytes| frame::decode_events(bytes).collect());
    opened.unwrap_or_else(|error| panic!("these are no events: {error}"))
}

/// The events of a streamed answer, as far as they came.
pub fn streamed(mut answer: &[u8]) -> Vec<Event> {
    let mut found = Vec::new();
    while let Some((length, behind)) = answer.split_first_chunk() {
        let (event, behind) = behind.split_at(u32::from_le_bytes(*length) as usize);
        found.extend(opened(event));
        answer = behind;
    }
    found
}

/// The value that a call ended with.
pub fn value(event: &Event) -> &[u8] {
    match event {
        Event::Done { outcome: Outcome::Ok(Payload::Inline(value)), .. } => value,
        other => panic!("it has no value: {other:?}"),
    }
}

/// The failure that a call ended with.
pub fn failure(event: &Event) -> &Failure {
    match event {
        Event::Done { outcome: Outcome::Err(failure), .. } => failure,
        other => panic!("it has not failed: {other:?}"),
    }
}
