//! What a failure means: the only place that looks at exit statuses and at errors of the connection.

use std::error::Error as StdError;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use faast_core::ErrorKind;
use faast_core::provider::{Event, InvokeError, Outcome, Ran, RetryClass};

/// Signals that come from outside of a program: SIGHUP, SIGINT, SIGKILL, SIGTERM.
const FROM_OUTSIDE: [i32; 4] = [1, 2, 9, 15];

/// No worker could be started.
pub(crate) fn not_started(error: io::Error) -> InvokeError {
    InvokeError::new(RetryClass::Permanent, Ran::No, "a worker can't be started").kind(ErrorKind::Io).source(error)
}

/// The request could not be sent.
pub(crate) fn not_sent(error: impl Into<Box<dyn StdError + Send + Sync>>) -> InvokeError {
    InvokeError::new(RetryClass::WorkerLost, Ran::No, "the worker does not listen any more").source(error)
}

/// The worker refused the request: not what a worker of this version does.
pub(crate) fn refused(status: u16) -> InvokeError {
    let message = format!("the worker answered with status {status}");
    InvokeError::new(RetryClass::Permanent, Ran::No, message).kind(ErrorKind::Internal)
}

/// The answer is no sequence of events.
pub(crate) fn undecodable(error: faast_core::Error) -> InvokeError {
    let message = "the worker's answer can't be decoded";
    InvokeError::new(RetryClass::Permanent, Ran::Yes, message).kind(ErrorKind::Decode).source(error)
}

/// The connection broke before every call was answered, because the worker ended in that way.
pub(crate) fn died(status: Option<ExitStatus>, ran: Ran) -> InvokeError {
    let Some(status) = status else {
        return InvokeError::new(RetryClass::WorkerLost, ran, "the connection to the worker broke");
    };
    let class = match status.signal() {
        Some(signal) if FROM_OUTSIDE.contains(&signal) => RetryClass::WorkerLost,
        // By its own doing, as a status says too: a worker does not exit while it has work.
        _ => RetryClass::Crash,
    };
    InvokeError::new(class, ran, format!("the worker ended in the middle of a call: {status}"))
}

/// Whether a worker ends itself after this event: there is no other way to stop the function.
pub(crate) fn ends_worker(event: &Event) -> bool {
    let Event::Done { outcome: Outcome::Err(failure), .. } = event else { return false };
    matches!(failure.kind, ErrorKind::Timeout | ErrorKind::OutOfMemory)
}
