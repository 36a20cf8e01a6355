//! Messages: what became of a request that Pub/Sub had taken, and of the way there and back.

use faast_core::ErrorKind;
use faast_core::provider::{InvokeError, Ran, RetryClass};

use super::super::control::{Cause, Refusal};

/// A request was not taken, or nobody knows. Calls that wait for messages are not touched by a network that is gone.
pub(crate) fn unpublished(refusal: &Refusal) -> InvokeError {
    let ran = if refusal.maybe_done() { Ran::Maybe } else { Ran::No };
    let message = format!("the request could not be published: {refusal}");
    let class = match refusal.cause() {
        Cause::Unreachable => RetryClass::Unreachable,
        Cause::Throttled | Cause::Quota => RetryClass::Throttled,
        Cause::Unavailable | Cause::Busy => RetryClass::Transient,
        _ => RetryClass::Permanent,
    };
    let error = InvokeError::new(class, ran, message);
    match refusal.cause() {
        Cause::Gone => error.kind(ErrorKind::Unavailable),
        _ if class == RetryClass::Permanent => error.kind(ErrorKind::Denied).hint(refusal.advice()),
        _ => error,
    }
}

/// The request was delivered as often as it is, and nobody answered. One that no worker began found no place; one that was
/// begun now and then and was refused else may have crashed, or its answers were lost.
pub(crate) fn dead(begun: bool, crashed: bool) -> InvokeError {
    if crashed {
        let message = "the process ended in the middle of the call, and so did those that were given it after that";
        return InvokeError::new(RetryClass::Crash, Ran::Yes, message);
    }
    if begun {
        let message = "a worker began the call and gave no answer, and others had no place for it";
        return InvokeError::new(RetryClass::WorkerLost, Ran::Maybe, message);
    }
    let message = "found no instance that took it, as often as Pub/Sub delivers a message";
    InvokeError::new(RetryClass::Throttled, Ran::No, message)
}

/// No request of the deployment was ever begun, for longer than room or a policy takes.
pub(crate) fn never_begun(advice: &str) -> InvokeError {
    let message = "no worker has begun any request of the deployment: the service seems to refuse what Pub/Sub pushes";
    InvokeError::new(RetryClass::Permanent, Ran::No, message).kind(ErrorKind::Denied).hint(advice)
}

/// The worker could not read the request.
pub(crate) fn unread(why: &str) -> InvokeError {
    InvokeError::new(RetryClass::Permanent, Ran::No, format!("the worker does not take the request: {why}"))
        .kind(ErrorKind::StaleBuild)
}

/// The messages with the answers can't be had; `None` if that passes by itself. A token that can't be had may be had again.
pub(crate) fn queue_lost(refusal: &Refusal) -> Option<InvokeError> {
    let kind = match refusal.cause() {
        Cause::Gone => ErrorKind::Unavailable,
        Cause::BadCredentials | Cause::Denied | Cause::ApiDisabled => ErrorKind::Denied,
        _ => return None,
    };
    let message = format!("the answers can't be pulled: {refusal}");
    Some(InvokeError::new(RetryClass::Permanent, Ran::Maybe, message).kind(kind))
}

#[cfg(test)]
mod tests {
    use super::super::super::control::Told;
    use super::*;

    #[test]
    fn a_request_that_did_not_get_out_did_not_run() {
        let unsent = unpublished(&Refusal::unreachable("pubsub.topics.publish", "no route", true));
        assert_eq!((unsent.class, unsent.ran), (RetryClass::Unreachable, Ran::No));
        let lost = unpublished(&Refusal::unreachable("pubsub.topics.publish", "reset", false));
        assert_eq!((lost.class, lost.ran), (RetryClass::Unreachable, Ran::Maybe));
    }

    #[test]
    fn a_refusal_to_publish_has_its_class() {
        for (status, class, kind) in [
            (429, RetryClass::Throttled, ErrorKind::Throttled),
            (503, RetryClass::Transient, ErrorKind::Unavailable),
            (403, RetryClass::Permanent, ErrorKind::Denied),
            (404, RetryClass::Permanent, ErrorKind::Unavailable),
        ] {
            let told = Told { status, ..Told::default() };
            let error = unpublished(&Refusal::told("pubsub.topics.publish", told));
            assert_eq!((error.class, error.kind), (class, kind), "{status}");
        }
    }

    #[test]
    fn a_dead_letter_is_what_those_who_began_it_make_of_it() {
        let class = |begun, crashed| (dead(begun, crashed).class, dead(begun, crashed).ran);
        assert_eq!(class(false, false), (RetryClass::Throttled, Ran::No));
        assert_eq!(class(true, false), (RetryClass::WorkerLost, Ran::Maybe));
        assert_eq!(class(true, true), (RetryClass::Crash, Ran::Yes));
    }
}
