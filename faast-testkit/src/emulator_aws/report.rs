//! The lines that Lambda itself writes into logs, and the errors that it reports for a function that can't.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;

/// What is known of an invocation when it is over.
#[derive(Debug, Clone)]
pub(super) struct Report<'a> {
    pub(super) request_id: &'a str,
    pub(super) duration: Duration,
    /// Of an environment that was made for this invocation.
    pub(super) init: Option<Duration>,
    pub(super) memory_mb: u32,
    pub(super) max_memory_mb: u32,
    /// `Runtime.ExitError`, or none if it went well; a time-out has no type.
    pub(super) status: Status<'a>,
}

/// How an invocation or initialisation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status<'a> {
    Success,
    Timeout,
    Error(&'a str),
}

impl Report<'_> {
    /// Whole milliseconds, rounded up, that are charged for.
    pub(super) fn billed_ms(&self) -> u64 {
        let micros = (self.duration + self.init.unwrap_or_default()).as_micros();
        u64::try_from(micros.div_ceil(1000)).unwrap_or(u64::MAX).max(1)
    }

    /// The last line of an invocation.
    pub(super) fn line(&self) -> String {
        let mut line = format!(
            "REPORT RequestId: {}\tDuration: {}\tBilled Duration: {} ms\tMemory Size: {} MB\tMax Memory Used: {} MB\t",
            self.request_id,
            milliseconds(self.duration),
            self.billed_ms(),
            self.memory_mb,
            self.max_memory_mb
        );
        if let Some(init) = self.init {
            let _ = write!(line, "Init Duration: {}\t", milliseconds(init));
        }
        line.push_str(&status(self.status));
        line
    }
}

/// The first line of an environment.
pub(super) fn init_start(region: &str) -> String {
    format!("INIT_START Runtime Version: provided:al2023.v100\tRuntime Version ARN: {}", runtime_arn(region))
}

/// The version of the runtime that every function has.
pub(super) fn runtime_arn(region: &str) -> String {
    format!("arn:aws:lambda:{region}::runtime:{}", "0bdb3cbe40e5cf4b7bd0fcc9b7e0f0b5ba0a8cb3a6d2f7f1c6c1c8f8de0e7a6b")
}

/// Of an initialisation that failed. `phase` is `init` or `invoke`.
pub(super) fn init_report(took: Duration, phase: &str, how: Status<'_>) -> String {
    format!("INIT_REPORT Init Duration: {}\tPhase: {phase}\t{}", milliseconds(took), status(how))
}

pub(super) fn start(request_id: &str) -> String {
    format!("START RequestId: {request_id} Version: $LATEST")
}

pub(super) fn end(request_id: &str) -> String {
    format!("END RequestId: {request_id}")
}

/// The body of an error that Lambda reports itself.
pub(super) fn error_body(kind: &str, message: &str) -> String {
    json!({ "errorType": kind, "errorMessage": message }).to_string()
}

/// What a caller reads after the deadline.
pub(super) fn timed_out(request_id: &str, timeout: Duration) -> String {
    format!("RequestId: {request_id} Error: Task timed out after {}", seconds(timeout))
}

/// What the log has of it.
pub(super) fn timed_out_line(request_id: &str, iso: &str, timeout: Duration) -> String {
    format!("{iso}Z {request_id} Task timed out after {}", seconds(timeout))
}

/// What a caller reads when the process is gone. `how` is `exit status 1` or `signal: killed`; nothing is status 0.
pub(super) fn exited(request_id: &str, how: Option<&str>) -> String {
    match how {
        Some(how) => format!("RequestId: {request_id} Error: Runtime exited with error: {how}"),
        None => format!("RequestId: {request_id} Error: Runtime exited without providing a reason"),
    }
}

fn status(status: Status<'_>) -> String {
    match status {
        Status::Success => String::new(),
        Status::Timeout => "Status: timeout".into(),
        Status::Error(kind) => format!("Status: error\tError Type: {kind}"),
    }
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1000.0)
}

fn seconds(duration: Duration) -> String {
    format!("{:.2} seconds", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initialisation_is_billed_and_rounded_up_once() {
        let report = Report {
            request_id: "id",
            duration: Duration::from_micros(1440),
            init: Some(Duration::from_micros(18_450)),
            memory_mb: 128,
            max_memory_mb: 15,
            status: Status::Success,
        };
        assert_eq!(
            report.line(),
            "REPORT RequestId: id\tDuration: 1.44 ms\tBilled Duration: 20 ms\tMemory Size: 128 MB\tMax Memory Used: 15 \
             MB\tInit Duration: 18.45 ms\t"
        );
        let warm = Report { init: None, duration: Duration::from_secs(3), status: Status::Timeout, ..report };
        assert_eq!(
            warm.line(),
            "REPORT RequestId: id\tDuration: 3000.00 ms\tBilled Duration: 3000 ms\tMemory Size: 128 MB\tMax Memory \
             Used: 15 MB\tStatus: timeout"
        );
    }

    #[test]
    fn texts_are_those_of_the_service() {
        let three = Duration::from_secs(3);
        assert_eq!(timed_out("id", three), "RequestId: id Error: Task timed out after 3.00 seconds");
        let killed = "RequestId: id Error: Runtime exited with error: signal: killed";
        assert_eq!(exited("id", Some("signal: killed")), killed);
        assert_eq!(exited("id", None), "RequestId: id Error: Runtime exited without providing a reason");
    }
}
