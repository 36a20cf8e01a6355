//! Records: what Lambda writes into the queue when an event has ended, well or not. It repeats the request, whose number
//! says whose answer it is.

use faast_core::provider::{CallId, Event, ExecutionId, InvokeError};
use faast_core::wire::{frame, sealed};
use serde::Deserialize;
use serde_json::Value;

use crate::body;
use crate::classify::invoke as classify;

/// Bytes that the service counts as one request.
const UNIT: usize = 64 * 1024;

/// Requests that so many bytes are billed as.
pub(super) fn units(bytes: usize) -> usize {
    bytes.div_ceil(UNIT).max(1)
}

/// One record.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    request_context: Context,
    request_payload: Asked,
    #[serde(default)]
    response_payload: Value,
    #[serde(skip)]
    bytes: usize,
    #[serde(skip)]
    is_again: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Context {
    /// Lambda always says it, and only errors show it.
    request_id: Option<String>,
    condition: String,
    #[serde(default)]
    approximate_invoke_count: u32,
}

#[derive(Debug, Deserialize)]
struct Asked {
    id: u64,
}

impl Record {
    /// What a message says, if it is a record of one of faast's events.
    pub(super) fn read(message: &str) -> Option<Self> {
        let record: Self = serde_json::from_str(message).ok()?;
        Some(Self { bytes: message.len(), ..record })
    }

    /// The same record, delivered before.
    pub(super) fn again(self) -> Self {
        Self { is_again: true, ..self }
    }

    pub(super) fn is_again(&self) -> bool {
        self.is_again
    }

    /// The number of its request.
    pub(super) fn id(&self) -> u64 {
        self.request_payload.id
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The execution, as the logs name it.
    pub(super) fn execution(&self) -> Option<ExecutionId> {
        self.request_context.request_id.as_deref().map(|id| ExecutionId(id.into()))
    }

    /// Whether nothing ran, so that nothing is billed.
    pub(super) fn never_ran(&self) -> bool {
        !self.is_answer() && self.request_context.approximate_invoke_count == 0
    }

    fn is_answer(&self) -> bool {
        self.request_context.condition == "Success"
    }

    /// The worker's events, or why there are none.
    #[expect(clippy::result_large_err, reason = "the error of the contract, made once for a failed request")]
    pub(super) fn events(&self) -> Result<Vec<Event>, InvokeError> {
        let Context { condition, approximate_invoke_count, .. } = &self.request_context;
        if !self.is_answer() {
            return Err(classify::undone(condition, *approximate_invoke_count, &self.response_payload));
        }
        let text = self.response_payload.as_str().unwrap_or_default();
        let events = body::from_text(text).and_then(sealed::open).map(frame::decode_events);
        events.and_then(Iterator::collect).map_err(classify::undecodable)
    }
}

/// Whether a call has its answer among these events.
pub(super) fn answers(events: &[Event], call: CallId) -> bool {
    events.iter().any(|event| matches!(event, Event::Done { call: done, .. } if *done == call))
}

#[cfg(test)]
mod tests {
    use faast_core::ErrorKind;
    use faast_core::provider::{Metering, Outcome, Payload, Ran, RetryClass};
    use serde_json::json;

    use super::*;

    fn record(condition: &str, invoked: u32, answer: &Value) -> Record {
        let record = json!({
            "version": "1.0",
            "timestamp": "2026-11-22T16:14:20.123Z",
            "requestContext": {
                "requestId": "8f5f36f6-0a3d-4b5c-9a3c-111111111111",
                "functionArn": "arn:aws:lambda:us-west-2:123456789012:function:faast-x:$LATEST",
                "condition": condition,
                "approximateInvokeCount": invoked,
            },
            "requestPayload": { "id": 17, "request": "AAAA" },
            "responseContext": { "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled" },
            "responsePayload": answer,
        });
        Record::read(&record.to_string()).unwrap()
    }

    #[test]
    fn a_damaged_record_is_none_or_says_something() {
        let valid = serde_json::json!({
            "requestContext": { "requestId": "8f5f36f6", "condition": "Success", "approximateInvokeCount": 1 },
            "requestPayload": { "id": 17, "request": "AAAA" },
            "responsePayload": "AAEB",
        });
        let valid = valid.to_string();
        let mut read = 0;
        for seed in 0..5_000 {
            let damaged = faast_testkit::hostile::text(seed, valid.as_bytes());
            if let Some(record) = Record::read(&String::from_utf8_lossy(&damaged)) {
                read += 1;
                let _ = (record.events(), record.never_ran(), record.execution());
            }
        }
        assert!(read > 500, "{read}");
    }

    fn failure(message: &str) -> Value {
        json!({ "errorType": "Runtime.ExitError", "errorMessage": format!("RequestId: 8f5f Error: {message}") })
    }

    #[test]
    fn an_answer_is_the_workers_events() {
        let done = Event::Done {
            call: CallId(3),
            outcome: Outcome::Ok(Payload::Inline("value".into())),
            metering: Metering::default(),
        };
        let mut encoded = vec![0];
        frame::encode_event(&done, &mut encoded);
        let json = body::to_json(&sealed::seal(encoded).unwrap());
        let record = record("Success", 1, &serde_json::from_slice(&json).unwrap());
        assert_eq!((record.id(), &*record.execution().unwrap().0), (17, "8f5f36f6-0a3d-4b5c-9a3c-111111111111"));
        let events = record.events().unwrap();
        assert_eq!(events, [done]);
        assert!(answers(&events, CallId(3)) && !answers(&events, CallId(4)));
    }

    #[test]
    fn every_way_to_fail_has_the_kind_that_it_has_without_a_queue() {
        let cases = [
            ("Runtime exited with error: signal: killed", RetryClass::OutOfMemory, ErrorKind::OutOfMemory),
            ("Runtime exited with error: signal: segmentation fault", RetryClass::Crash, ErrorKind::Crash),
            ("Runtime exited with error: exit status 3", RetryClass::Crash, ErrorKind::Crash),
            ("Runtime exited without providing a reason", RetryClass::Crash, ErrorKind::Crash),
            ("Task timed out after 3.00 seconds", RetryClass::Timeout, ErrorKind::Timeout),
        ];
        for (message, class, kind) in cases {
            let record = record("RetriesExhausted", 1, &failure(message));
            let error = record.events().unwrap_err();
            assert_eq!((error.class, error.kind, error.ran), (class, kind, Ran::Yes), "{message}");
            assert!(!record.never_ran());
        }
    }

    #[test]
    fn what_waited_too_long_was_throttled_and_did_not_run() {
        let record = record("EventAgeExceeded", 0, &Value::Null);
        let error = record.events().unwrap_err();
        assert_eq!((error.class, error.kind, error.ran), (RetryClass::Throttled, ErrorKind::Throttled, Ran::No));
        assert!(record.never_ran());
    }

    #[test]
    fn what_is_no_record_is_nobodys_answer() {
        for message in ["", "hello", "{}", r#"{"requestContext":{"requestId":"1","condition":"Success"}}"#] {
            assert!(Record::read(message).is_none(), "{message}");
        }
        let error = record("Success", 1, &json!({ "not": "ours" })).events().unwrap_err();
        assert_eq!(error.kind, ErrorKind::Decode);
    }

    #[test]
    fn every_64_kilobytes_are_a_request() {
        assert_eq!([0, 1, 65_536, 65_537, 262_144].map(units), [1, 1, 1, 2, 4]);
    }
}
