//! What comes of an event: its answer, its faults in the service's words, and the lines that go into the log.

use std::io;
use std::time::Duration;

use axum::body::Bytes;

use super::super::log_store::LogEvent;
use super::super::report::{self, Report, Status, error_body};
use super::runtime_api::RESPONSE_LIMIT;

/// What a caller gets back of the log.
const TAIL: usize = 4096;

/// An event that was carried out, well or not.
#[derive(Debug)]
pub(in super::super) struct Outcome {
    pub(in super::super) answer: Answer,
    /// The last 4 KB of the log.
    pub(in super::super) log_tail: Vec<u8>,
}

/// What the caller gets.
#[derive(Debug, Clone)]
pub(in super::super) enum Answer {
    /// The function's answer; empty if it was streamed.
    Body(Bytes),
    /// An error of the function, or of the service for it.
    Failed {
        /// `Runtime.ExitError`.
        kind: String,
        /// JSON with `errorType` and `errorMessage`.
        body: Bytes,
    },
}

impl Answer {
    pub(super) fn too_large() -> Self {
        let kind = "Function.ResponseSizeTooLarge";
        let text = format!("Response payload size exceeded maximum allowed payload size ({RESPONSE_LIMIT} bytes).");
        Self::Failed { kind: kind.into(), body: error_body(kind, &text).into() }
    }
}

/// Why there is no answer of the function.
#[derive(Debug)]
pub(super) enum Fault {
    /// The deadline has passed.
    Late,
    /// The process has ended, in this way; nothing is status 0.
    Exited(Option<String>),
    /// The process said so itself.
    Reported { kind: String, body: Bytes },
    /// There is no process; why not.
    Entrypoint(String),
}

impl Fault {
    /// A program that can't be started.
    pub(super) fn entrypoint(error: &io::Error) -> Self {
        Self::Entrypoint(match error.kind() {
            io::ErrorKind::NotFound => "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]".into(),
            io::ErrorKind::PermissionDenied => "fork/exec /var/task/bootstrap: permission denied".into(),
            // ENOEXEC
            _ if error.raw_os_error() == Some(8) => "fork/exec /var/task/bootstrap: exec format error".into(),
            _ => format!("fork/exec /var/task/bootstrap: {error}"),
        })
    }

    pub(super) fn kind(&self) -> &str {
        match self {
            Self::Late => "Sandbox.Timedout",
            Self::Exited(_) => "Runtime.ExitError",
            Self::Reported { kind, .. } => kind,
            Self::Entrypoint(_) => "Runtime.InvalidEntrypoint",
        }
    }

    pub(super) fn status(&self) -> Status<'_> {
        match self {
            Self::Late => Status::Timeout,
            _ => Status::Error(self.kind()),
        }
    }

    /// What a caller reads.
    pub(super) fn answer(self, request_id: &str, timeout: Duration) -> Answer {
        let kind = self.kind().to_owned();
        let body = match self {
            Self::Late => error_body(&kind, &report::timed_out(request_id, timeout)).into(),
            Self::Exited(how) => error_body(&kind, &report::exited(request_id, how.as_deref())).into(),
            Self::Reported { body, .. } => body,
            Self::Entrypoint(why) => error_body(&kind, &format!("RequestId: {request_id} Error: {why}")).into(),
        };
        Answer::Failed { kind, body }
    }
}

/// The lines of one event, in order.
#[derive(Debug, Default)]
pub(super) struct Journal {
    lines: Vec<String>,
    /// Where the lines of the event itself begin; those of the initialisation are not in the tail.
    start: usize,
}

impl Journal {
    pub(super) fn line(&mut self, line: String) {
        self.lines.push(line);
    }

    /// The event begins.
    pub(super) fn begin(&mut self, line: String) {
        self.start = self.lines.len();
        self.lines.push(line);
    }

    /// What the service writes about a fault.
    pub(super) fn fault(&mut self, fault: &Fault, request_id: &str, now: &str, timeout: Duration) {
        match fault {
            Fault::Late => self.line(report::timed_out_line(request_id, now, timeout)),
            Fault::Exited(how) => {
                self.line(report::exited(request_id, how.as_deref()));
                self.line("Runtime.ExitError".into());
            }
            Fault::Entrypoint(why) => self.line(format!("RequestId: {request_id} Error: {why}")),
            // It wrote what it had to say.
            Fault::Reported { .. } => {}
        }
    }

    pub(super) fn end(&mut self, report: &Report<'_>) {
        self.line(report::end(report.request_id));
        self.line(report.line());
    }

    /// All lines, as events of a log.
    pub(super) fn events(&self, at_ms: u64) -> Vec<LogEvent> {
        self.lines.iter().map(|line| LogEvent { at_ms, message: format!("{line}\n") }).collect()
    }

    /// The last bytes of the event's own lines.
    pub(super) fn tail(&self) -> Vec<u8> {
        let mut length = 0;
        let own = &self.lines[self.start..];
        let from = own.iter().rposition(|line| {
            length += line.len() + 1;
            length >= TAIL
        });
        let text: String = own[from.unwrap_or(0)..].iter().flat_map(|line| [line.as_str(), "\n"]).collect();
        text.as_bytes()[text.len().saturating_sub(TAIL)..].to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_the_last_four_kilobytes_of_the_event() {
        let mut journal = Journal::default();
        journal.line("INIT_START".into());
        journal.begin("START".into());
        assert_eq!(journal.tail(), b"START\n");
        (0..1000).for_each(|it| journal.line(format!("line {it}")));
        let tail = journal.tail();
        assert_eq!(tail.len(), TAIL);
        assert!(tail.ends_with(b"line 998\nline 999\n"));
        assert_eq!(journal.events(5).len(), 1002);
    }

    #[test]
    fn programs_that_cannot_start_are_told_in_the_words_of_the_service() {
        let text = |code| match Fault::entrypoint(&io::Error::from_raw_os_error(code)) {
            Fault::Entrypoint(text) => text,
            other => panic!("{other:?}"),
        };
        assert!(text(2).starts_with("Couldn't find valid bootstrap(s)"));
        assert_eq!(text(8), "fork/exec /var/task/bootstrap: exec format error");
        assert_eq!(text(13), "fork/exec /var/task/bootstrap: permission denied");
    }
}
