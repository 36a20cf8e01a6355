//! Records of events that had no answer: what became of a request that Lambda had accepted.

use faast_core::ErrorKind;
use faast_core::provider::{InvokeError, Ran, RetryClass};
use serde_json::Value;

use super::FunctionError;
use crate::classify::control::{Cause, Refusal};

/// How a record says that its event waited too long.
const TOO_OLD: &str = "EventAgeExceeded";

/// What a record of an event without an answer means. `invoked` is how often Lambda says that it was begun.
pub(crate) fn undone(condition: &str, invoked: u32, payload: &Value) -> InvokeError {
    if condition == TOO_OLD {
        let ran = if invoked == 0 { Ran::No } else { Ran::Maybe };
        let message =
            format!("found no place to run within the time that Lambda keeps it: throttled by AWS ({TOO_OLD})");
        return InvokeError::new(RetryClass::Throttled, ran, message);
    }
    FunctionError::decode(payload.to_string().as_bytes()).classify_alone()
}

/// The queue with the answers can't be read; `None` if that passes by itself. Credentials that can't be had may be had
/// again: where they come from may be out of reach too.
pub(crate) fn queue_lost(refusal: &Refusal) -> Option<InvokeError> {
    let kind = match refusal.cause() {
        Cause::Gone => ErrorKind::Unavailable,
        Cause::BadCredentials | Cause::Denied => ErrorKind::Denied,
        _ => return None,
    };
    let message = format!("the queue with the answers can't be read: {refusal}");
    Some(InvokeError::new(RetryClass::Permanent, Ran::Maybe, message).kind(kind))
}
