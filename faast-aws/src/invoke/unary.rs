//! One call, one answer: `Invoke`, waited for.

use std::sync::Arc;

use bytes::Bytes;
use faast_core::provider::{CallId, Event, InvokeError, Request};
use faast_core::wire::{frame, sealed};
use faast_http::read_to_end;

use super::exchange::{Answer, Client, Operation, execution, text};
use crate::body;
use crate::classify::invoke::{self as classify, FunctionError};
use crate::log_tail;

/// Bytes of an answer at most: Lambda's own limit and some room.
const MAX_ANSWER: usize = 8 * 1024 * 1024;

/// A call's events: mostly two, `Started` and `Done`.
pub(super) async fn invoke(client: Arc<Client>, request: Request) -> Vec<Result<Event, InvokeError>> {
    let Some(call) = request.calls.first().map(|frame| frame.id) else { return Vec::new() };
    match ask(&client, &request, call).await {
        Ok(events) => events.into_iter().map(Ok).collect(),
        Err(error) => vec![Err(error)],
    }
}

/// The JSON text of a request.
#[expect(clippy::result_large_err, reason = "the error of the contract, made once for a failed request")]
pub(super) fn encode(request: &Request) -> Result<Bytes, InvokeError> {
    Ok(body::to_json(&seal(request, body::MAX_PAYLOAD)?).into())
}

/// A request, sealed; its JSON string may have so many bytes.
#[expect(clippy::result_large_err, reason = "the error of the contract, made once for a failed request")]
pub(crate) fn seal(request: &Request, most: usize) -> Result<Vec<u8>, InvokeError> {
    let mut encoded = vec![0];
    frame::encode_request(request, &mut encoded);
    let sealed = sealed::seal(encoded).map_err(classify::unsendable)?;
    let length = body::json_len(sealed.len());
    if length > most {
        return Err(classify::argument_too_large(length, most));
    }
    Ok(sealed)
}

async fn ask(client: &Client, request: &Request, call: CallId) -> Result<Vec<Event>, InvokeError> {
    let Answer { headers, body, sent, lease } = client.send(Operation::Invoke, encode(request)?).await?;
    let execution = execution(&headers);
    let with_execution = |error: InvokeError| match &execution {
        Some(execution) => error.execution(execution.clone()),
        None => error,
    };
    let pending = client.pending(sent);
    let answer = read_to_end(body, MAX_ANSWER).await;
    pending.answered();
    let answer = answer
        .map_err(|error| with_execution(classify::broken(error).metering(client.meter.estimate(sent.elapsed()))))?;
    lease.give_back();
    let tail = text(&headers, "x-amz-log-result");
    let report = tail.and_then(log_tail::report);
    if headers.contains_key("x-amz-function-error") {
        let log = tail.map(log_tail::text).unwrap_or_default();
        let error = FunctionError::decode(&answer).classify(report.as_ref(), &log);
        let metering = client.meter.of_failure(report.as_ref(), sent.elapsed(), answer.len());
        return Err(with_execution(error.metering(metering)));
    }
    let mut events = decode(&answer).map_err(|error| {
        let metering = client.meter.of_failure(report.as_ref(), sent.elapsed(), answer.len());
        with_execution(classify::undecodable(error).metering(metering))
    })?;
    let done = events.iter_mut().find_map(|event| match event {
        Event::Done { call: done, metering, .. } if *done == call => Some(metering),
        _ => None,
    });
    let Some(metering) = done else {
        let metering = client.meter.of_failure(report.as_ref(), sent.elapsed(), answer.len());
        return Err(with_execution(classify::unanswered().metering(metering)));
    };
    client.meter.bill(metering, report.as_ref(), answer.len());
    Ok(events)
}

fn decode(answer: &[u8]) -> faast_core::Result<Vec<Event>> {
    frame::decode_events(sealed::open(body::from_json(answer)?)?).collect()
}
