//! Executions that failed: what the platform says of a worker that gave no answer of its own.
//!
//! A worker reports errors, panics, time-outs and memory itself. What arrives here is a worker that could not: killed,
//! crashed, too late, or never started. The kinds are those that the local provider gives for the same deaths.

use faast_core::ErrorKind;
use faast_core::provider::{InvokeError, Ran, RetryClass};
use serde::Deserialize;

use crate::body::MAX_PAYLOAD;
use crate::log_tail::Report;
use crate::worker::{NOT_A_REQUEST, UNANSWERED};

/// A function error, as it came.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct FunctionError {
    error_type: String,
    error_message: String,
}

/// Types of workers that did not start.
const NOT_STARTED: [&str; 6] = [
    "Runtime.InvalidEntrypoint",
    "Runtime.InvalidTaskConfig",
    "Runtime.InvalidWorkingDir",
    "Runtime.BadFunctionCode",
    "Runtime.UserCodeSyntaxError",
    "Runtime.InitError",
];

impl FunctionError {
    /// From the body of an answer that says it is a function error.
    pub(crate) fn decode(body: &[u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_else(|_| Self {
            error_type: String::new(),
            error_message: String::from_utf8_lossy(body).chars().take(1000).collect(),
        })
    }

    /// From the end of a stream: the details are the same JSON, or words only.
    pub(crate) fn of_stream(code: String, details: &str) -> Self {
        let mut error = Self::decode(details.as_bytes());
        if error.error_type.is_empty() {
            error.error_type = code;
        }
        error
    }

    /// What it means where the platform says no more than this, as in records. `SIGKILL` is then taken for what it nearly
    /// always is.
    pub(crate) fn classify_alone(&self) -> InvokeError {
        if self.error_message.contains("signal: killed") { killed(None, true) } else { self.classify(None, "") }
    }

    /// What it means. `log` is the end of the execution's log.
    pub(crate) fn classify(&self, report: Option<&Report>, log: &str) -> InvokeError {
        let Self { error_type, error_message } = self;
        let words = without_id(error_message);
        let ran = |class, message: String| InvokeError::new(class, Ran::Yes, message);
        let permanent = |ran, kind, message: String| InvokeError::new(RetryClass::Permanent, ran, message).kind(kind);
        if error_type == "Sandbox.Timedout" || error_message.contains("Task timed out") {
            return ran(RetryClass::Timeout, format!("took longer than the function may: {words}"));
        }
        if error_type == "Function.ResponseSizeTooLarge" {
            let message = format!(
                "the result is larger than the {MAX_PAYLOAD} bytes that Lambda carries: {words}; return less, or write it to \
                 storage"
            );
            return permanent(Ran::Yes, ErrorKind::TooLarge, message);
        }
        if error_type == NOT_A_REQUEST {
            let message = format!("the worker can't read the request: {words}");
            return permanent(Ran::No, ErrorKind::StaleBuild, message);
        }
        if error_type == UNANSWERED {
            return ran(RetryClass::WorkerLost, format!("the worker gave no answer: {words}"));
        }
        if let Some(missing) = missing_library(log) {
            let message = format!(
                "the worker can't start on Lambda: {missing}; build for `x86_64-unknown-linux-gnu.2.34` with cargo-zigbuild"
            );
            return permanent(Ran::No, ErrorKind::Deploy, message);
        }
        if NOT_STARTED.contains(&error_type.as_str()) {
            return permanent(Ran::No, ErrorKind::Deploy, format!("the worker can't start ({error_type}): {words}"));
        }
        if error_message.contains("signal: killed") || error_type == "Runtime.OutOfMemory" {
            return killed(report, error_type == "Runtime.OutOfMemory");
        }
        if let Some((class, message)) = last_words(log, report) {
            return ran(class, message);
        }
        let ended = ["Runtime exited", "Process exited before completing"].iter().any(|it| error_message.contains(it));
        if ended || error_type == "Runtime.ExitError" || error_type.starts_with("Extension.") {
            return ran(RetryClass::Crash, format!("the process ended in the middle of a call: {words}"));
        }
        permanent(
            Ran::Yes,
            ErrorKind::Internal,
            format!("the function failed in an unknown way ({error_type}): {words}"),
        )
    }
}

/// Without the `RequestId: .. Error: ` in front: the execution is named elsewhere.
fn without_id(message: &str) -> &str {
    match message.strip_prefix("RequestId: ").and_then(|rest| rest.split_once(' ')) {
        Some((_, rest)) => rest.trim_start_matches("Error: "),
        None => message,
    }
}

/// `SIGKILL`, which comes from the sandbox when there is no memory left, and else from whoever runs it.
fn killed(report: Option<&Report>, said: bool) -> InvokeError {
    let memory = report.and_then(|report| report.max_memory_mb.zip(report.memory_mb));
    match memory {
        Some((used, allowed)) if said || used >= allowed => InvokeError::new(
            RetryClass::OutOfMemory,
            Ran::Yes,
            format!("needed {used} MiB of memory and may have {allowed} MiB"),
        ),
        None if said => InvokeError::new(RetryClass::OutOfMemory, Ran::Yes, "needed more memory than it may have"),
        _ => InvokeError::new(
            RetryClass::WorkerLost,
            Ran::Yes,
            "the worker was killed by signal 9 (SIGKILL), and not for its memory: by the platform",
        ),
    }
}

/// What Rust's runtime printed before it aborted. Only words that always precede an abort count: a panic that was
/// caught earlier has left its lines in the log too.
fn last_words(log: &str, report: Option<&Report>) -> Option<(RetryClass, String)> {
    if let Some((_, rest)) = log.rsplit_once("memory allocation of ")
        && let Some((bytes, _)) = rest.split_once(" bytes failed")
    {
        let limit = report.and_then(|report| report.memory_mb);
        let limit = limit.map_or_else(|| "no memory is left".into(), |mb| format!("it may have {mb} MiB"));
        return Some((RetryClass::OutOfMemory, format!("could not allocate {bytes} bytes of memory: {limit}")));
    }
    if log.contains("overflowed its stack") {
        return Some((RetryClass::Crash, "stack overflow".into()));
    }
    let aborts = ["panic in a destructor", "panic in a function that cannot"];
    if cfg!(panic = "abort") || aborts.iter().any(|words| log.contains(words)) {
        let (_, panic) = log.rsplit_once("panicked at ")?;
        let mut lines = panic.lines();
        let place = lines.next()?.trim_end_matches(':');
        let message = lines.next().unwrap_or_default();
        return Some((RetryClass::Panic, format!("panicked where it can't unwind: {message} at {place}")));
    }
    None
}

/// The dynamic linker's words, if it could not start the worker.
fn missing_library(log: &str) -> Option<&str> {
    let words = [": version `GLIBC", "error while loading shared libraries"];
    // Not those of a program that a function started.
    let ours = ["/bootstrap: ", "/program: "];
    let has = |line: &&str, any: &[&str]| any.iter().any(|it| line.contains(it));
    log.lines().find(|line| has(line, &words) && has(line, &ours))
}
