//! What a failed invocation means: its class, its kind, whether the function may have run, and words for the user.
//!
//! Three things can fail: the connection, the service (an error code), and the execution (a function error, which Lambda
//! describes in words). `invoke/refusal.rs` and `invoke/execution.rs` have the tables of the last two.

mod execution;
mod record;
mod refusal;

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use faast_core::ErrorKind;
use faast_core::provider::{InvokeError, Metering, Ran, RetryClass};

pub(crate) use self::execution::FunctionError;
pub(crate) use self::record::{queue_lost, undone};
pub(crate) use self::refusal::{Refusal, refused};

/// There is no connection, so that nothing was sent.
pub(crate) fn not_connected(error: io::Error) -> InvokeError {
    faast_http::not_connected("Lambda", error)
}

/// The connection broke after the request was sent.
pub(crate) fn broken(error: impl Into<Box<dyn StdError + Send + Sync>>) -> InvokeError {
    let error = error.into();
    let message = format!("the connection to Lambda broke after the request was sent: {error}");
    InvokeError::new(RetryClass::Transient, Ran::Maybe, message).source(error)
}

/// An event that did not get through: there is no way to the service now, and calls that wait for answers in the queue
/// are not touched by that.
pub(crate) fn out_of_reach(mut error: InvokeError) -> InvokeError {
    if error.class == RetryClass::Transient {
        error.class = RetryClass::Unreachable;
        // If it was accepted, its record says later what it cost.
        error.metering = Metering::default();
    }
    error
}

/// A streamed answer ended before its time.
pub(crate) fn cut_off() -> InvokeError {
    let message = "the connection to Lambda ended before every call had its answer";
    InvokeError::new(RetryClass::Transient, Ran::Maybe, message)
}

/// The answer is not what a worker of ours says.
pub(crate) fn undecodable(error: faast_core::Error) -> InvokeError {
    InvokeError::new(RetryClass::Permanent, Ran::Yes, format!("the worker's answer can't be decoded: {error}"))
        .kind(error.kind())
        .source(error)
}

/// The answer is no event stream.
pub(crate) fn undecodable_stream(error: impl Into<Box<dyn StdError + Send + Sync>>) -> InvokeError {
    let message = "the streamed answer of Lambda can't be decoded";
    InvokeError::new(RetryClass::Permanent, Ran::Yes, message).kind(ErrorKind::Decode).source(error)
}

/// The execution ended well, and did not say what became of a call.
pub(crate) fn unanswered() -> InvokeError {
    let message = "the worker ended its answer without one for this call";
    InvokeError::new(RetryClass::WorkerLost, Ran::Maybe, message)
}

/// The request can't be made into bytes.
pub(crate) fn unsendable(error: impl Into<Box<dyn StdError + Send + Sync>>) -> InvokeError {
    InvokeError::new(RetryClass::Permanent, Ran::No, "the request can't be put together")
        .kind(ErrorKind::Encode)
        .source(error)
}

/// Larger than the service takes; known before anything is sent.
pub(crate) fn argument_too_large(size: usize, most: usize) -> InvokeError {
    let message = format!(
        "the arguments have {size} bytes, encoded; Lambda takes at most {most} bytes for a call: send less in one call, or a \
         reference to where it lies"
    );
    InvokeError::new(RetryClass::Permanent, Ran::No, message).kind(ErrorKind::TooLarge)
}

/// A call may take longer than its function.
pub(crate) fn timeout_not_deployed(asked: Duration, deployed: Duration) -> InvokeError {
    let message = format!(
        "the call has a time-out of {asked:?}, and its function was deployed for {deployed:?}: set `.timeout(..)` on the \
         builder to the longest one that is needed"
    );
    InvokeError::new(RetryClass::Permanent, Ran::No, message).kind(ErrorKind::Config)
}

/// The deployment was cleaned up meanwhile.
pub(crate) fn runtime_ended() -> InvokeError {
    InvokeError::new(RetryClass::Canceled, Ran::No, "the deployment has ended")
}

const LOG_IN: &str = "set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or log in with `aws sso login`";

/// The configuration has no credentials.
pub(crate) fn no_credentials() -> InvokeError {
    let message = format!("there are no AWS credentials: {LOG_IN}");
    InvokeError::new(RetryClass::Permanent, Ran::No, message).kind(ErrorKind::Denied)
}

/// The credentials could not be had.
pub(crate) fn credentials(error: CredentialsError) -> InvokeError {
    let (class, kind) = match error {
        CredentialsError::ProviderTimedOut(_) | CredentialsError::ProviderError(_) => {
            (RetryClass::Transient, ErrorKind::Denied)
        }
        _ => (RetryClass::Permanent, ErrorKind::Denied),
    };
    // Sources of this error are the provider's; they name files and profiles, and no secrets.
    let message = format!("no AWS credentials: {error}; {LOG_IN}");
    InvokeError::new(class, Ran::No, message).kind(kind).source(error)
}
