//! `InvokeWithResponseStream`: what the function streams goes to the caller as it comes, in an event stream.

use axum::body::{Body, Bytes};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures_util::stream::unfold;
use serde_json::{Map, Value};
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::mpsc;

use super::super::protocol::{ApiError, ApiRequest, Reply};
use super::super::sandbox::{Answer, Outcome};
use super::super::state::Shared;
use super::event_stream::message;
use super::invoke::{Admitted, Invocation, Kind, admit, executed, read};

/// Parts that may wait for a slow caller before the function waits too.
const PARTS: usize = 64;

/// Bytes of a streamed answer that are not charged for.
const FREE_BYTES: u64 = 6 << 20;

pub(super) fn invoke(emulator: &Shared, request: &ApiRequest) -> Result<Reply, ApiError> {
    let invocation = read(emulator, request)?;
    if invocation.kind == Kind::Dry {
        return Ok(executed(Reply::empty(204)));
    }
    let admitted = admit(emulator, &invocation.key)?;
    let (send, receive) = mpsc::channel::<Bytes>(PARTS);
    tokio::spawn(pass_on(Arc::clone(emulator), admitted, invocation, send));
    let parts = unfold(receive, |mut receive| async {
        let part = receive.recv().await?;
        Some((Ok::<_, Infallible>(part), receive))
    });
    let reply = Reply { status: 200, headers: Vec::new(), body: Body::from_stream(parts) };
    Ok(executed(reply).header("content-type", "application/vnd.amazon.eventstream"))
}

/// Runs the event and writes messages until its end. The event runs to its end also when nobody listens any more.
async fn pass_on(emulator: Shared, admitted: Admitted, mut invocation: Invocation, send: mpsc::Sender<Bytes>) {
    let (stream, mut parts) = mpsc::channel(PARTS);
    invocation.call.stream = Some(stream);
    let call = invocation.call;
    let running = tokio::spawn(async move { admitted.run(&call).await });
    let mut bytes = 0;
    while let Some(part) = parts.recv().await {
        bytes += part.len() as u64;
        let _ = send.send(payload(&part)).await;
    }
    // It can only panic, which was printed; the caller sees a stream without an end.
    let Ok(outcome) = running.await else { return };
    if let Answer::Body(body) = &outcome.answer {
        bytes += body.len() as u64;
        if !body.is_empty() {
            let _ = send.send(payload(body)).await;
        }
    }
    {
        let mut state = emulator.state();
        state.bill.answer_bytes += bytes;
        state.bill.streamed_bytes += bytes.saturating_sub(FREE_BYTES);
    }
    let _ = send.send(complete(&outcome, invocation.wants_log)).await;
}

fn payload(chunk: &[u8]) -> Bytes {
    message("PayloadChunk", "application/octet-stream", chunk)
}

fn complete(outcome: &Outcome, wants_log: bool) -> Bytes {
    let mut members = Map::new();
    if let Answer::Failed { body, .. } = &outcome.answer {
        members.insert("ErrorCode".into(), "Unhandled".into());
        members.insert("ErrorDetails".into(), String::from_utf8_lossy(body).into());
    }
    if wants_log {
        members.insert("LogResult".into(), BASE64_STANDARD.encode(&outcome.log_tail).into());
    }
    message("InvokeComplete", "application/json", Value::Object(members).to_string().as_bytes())
}
