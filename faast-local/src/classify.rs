//! What a worker's death means: from its exit status and the last lines of its log to a class, a kind and words.
//!
//! The only place that looks at signals and at what Rust's runtime prints before it aborts.

use faast_core::ErrorKind;
use faast_core::provider::{InvokeError, Ran, RetryClass};

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// With an exit status.
    Exited(i32),
    /// By a signal.
    Signaled(i32),
    /// The system did not say.
    Unknown,
}

/// A cause of death.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cause {
    pub(crate) class: RetryClass,
    pub(crate) message: String,
}

/// Signals that a program raises by what it does itself; every other one comes from outside.
const OWN_FAULT: [(i32, &str); 9] = [
    (3, "SIGQUIT"),
    (4, "SIGILL"),
    (5, "SIGTRAP"),
    (6, "SIGABRT"),
    (7, "SIGBUS"),
    (8, "SIGFPE"),
    (11, "SIGSEGV"),
    (13, "SIGPIPE"),
    (31, "SIGSYS"),
];

/// Signals that others send.
const OUTSIDE: [(i32, &str); 6] =
    [(1, "SIGHUP"), (2, "SIGINT"), (9, "SIGKILL"), (15, "SIGTERM"), (24, "SIGXCPU"), (25, "SIGXFSZ")];

/// Why a worker died in the middle of a call. `log` is the end of its log.
pub(crate) fn cause(ended: Ended, log: &str, memory_mb: Option<u32>) -> Cause {
    match ended {
        Ended::Exited(status) => Cause {
            class: RetryClass::Crash,
            message: format!("the process exited with status {status} in the middle of a call"),
        },
        Ended::Signaled(signal) => by_signal(signal, log, memory_mb),
        Ended::Unknown => {
            // Where SIGCHLD is ignored, the system forgets it. It had a call: one such input costs one worker, not three.
            Cause { class: RetryClass::Crash, message: "the worker ended, and the system can't say how".into() }
        }
    }
}

fn by_signal(signal: i32, log: &str, memory_mb: Option<u32>) -> Cause {
    let crash = |message: String| Cause { class: RetryClass::Crash, message };
    if signal == 6
        && let Some(cause) = by_last_words(log, memory_mb)
    {
        return cause;
    }
    if let Some((_, name)) = OWN_FAULT.iter().find(|(number, _)| *number == signal) {
        return crash(format!("the process was ended by signal {signal} ({name}) in the middle of a call"));
    }
    let name = OUTSIDE.iter().find(|(number, _)| *number == signal).map_or("unnamed", |(_, name)| name);
    let by = if signal == 9 { "the system's out-of-memory killer or an operator" } else { "an operator or a limit" };
    Cause {
        class: RetryClass::WorkerLost,
        message: format!("the worker was killed by signal {signal} ({name}): not by faast; by {by}"),
    }
}

/// What Rust's runtime printed before it aborted. Only words that always precede an abort count: a panic that was
/// caught earlier has left its lines in the log too.
fn by_last_words(log: &str, memory_mb: Option<u32>) -> Option<Cause> {
    if let Some(bytes) = between(log, "memory allocation of ", " bytes failed") {
        let limit = memory_mb.map_or_else(|| "no memory is left".into(), |mb| format!("it may have {mb} MiB"));
        let message = format!("could not allocate {bytes} bytes of memory: {limit}");
        return Some(Cause { class: RetryClass::OutOfMemory, message });
    }
    if log.contains("overflowed its stack") {
        return Some(Cause { class: RetryClass::Crash, message: "stack overflow".into() });
    }
    if cfg!(panic = "abort") || log.contains("panic in a destructor") || log.contains("panic in a function that cannot")
    {
        let (_, panic) = log.rsplit_once("panicked at ")?;
        let mut lines = panic.lines();
        let place = lines.next()?.trim_end_matches(':');
        let message = lines.next().unwrap_or_default();
        let message = format!("panicked where it can't unwind: {message} at {place}");
        return Some(Cause { class: RetryClass::Panic, message });
    }
    None
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.rsplit_once(before)?;
    Some(rest.split_once(after)?.0)
}

/// A worker that ended before it was ready for its first request.
pub(crate) fn start_failure(ended: Ended, log: &str, log_url: &str) -> InvokeError {
    let how = match ended {
        Ended::Exited(status) => format!("exited with status {status}"),
        Ended::Signaled(signal) => format!("was ended by signal {signal}"),
        Ended::Unknown => "ended".into(),
    };
    // Killed from outside while it started: another one may well start.
    if matches!(ended, Ended::Signaled(9 | 15) | Ended::Unknown) {
        return InvokeError::new(RetryClass::WorkerLost, Ran::No, format!("the worker {how} while it started"));
    }
    let words = log.trim();
    let said = if words.is_empty() { "it printed nothing".into() } else { format!("it printed: {words}") };
    let message = format!("the worker {how} before it was ready; {said} (log: {log_url})");
    InvokeError::new(RetryClass::Permanent, Ran::No, message).kind(ErrorKind::Deploy)
}

/// Several workers in a row have not started; another one is not tried.
pub(crate) fn no_start(last: &str) -> InvokeError {
    InvokeError::new(RetryClass::Permanent, Ran::No, format!("workers of this deployment can't start: {last}"))
        .kind(ErrorKind::Deploy)
}

/// A worker process that could not be started.
pub(crate) fn spawn_failure(error: std::io::Error) -> InvokeError {
    use rustix::io::Errno;
    // Limits of the system that may be free again when other workers have ended.
    let full = [Errno::AGAIN, Errno::NOMEM, Errno::MFILE, Errno::NFILE];
    let class = match error.raw_os_error() {
        Some(code) if full.iter().any(|errno| errno.raw_os_error() == code) => RetryClass::Throttled,
        _ => RetryClass::Permanent,
    };
    let kind = if class == RetryClass::Permanent { ErrorKind::Deploy } else { ErrorKind::Throttled };
    InvokeError::new(class, Ran::No, "a worker process can't be started").kind(kind).source(error)
}

/// The deployment was cleaned up under a call.
pub(crate) fn canceled() -> InvokeError {
    InvokeError::new(RetryClass::Canceled, Ran::Maybe, "the deployment was cleaned up")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_die_has_its_class() {
        use RetryClass::{Crash, OutOfMemory, Panic, WorkerLost};
        let overflow = "thread 'main' has overflowed its stack\nfatal runtime error: stack overflow, aborting\n";
        let destructor = "thread 'main' panicked at a.rs:1:2:\nboom\nthread 'main' panicked at core/panicking.rs:1:1:\n\
                          panic in a destructor during cleanup\nthread caused non-unwinding panic. aborting.\n";
        let caught = "thread 'main' panicked at a.rs:1:2:\nboom\n";
        let table = [
            (Ended::Exited(0), "", Crash, "status 0"),
            (Ended::Exited(1), "", Crash, "status 1"),
            (Ended::Signaled(11), "", Crash, "SIGSEGV"),
            (Ended::Signaled(6), "", Crash, "SIGABRT"),
            (Ended::Signaled(6), overflow, Crash, "stack overflow"),
            (
                Ended::Signaled(6),
                "memory allocation of 123 bytes failed\n",
                OutOfMemory,
                "123 bytes of memory: it may have 64 MiB",
            ),
            (Ended::Signaled(6), destructor, Panic, "destructor"),
            (Ended::Signaled(11), "memory allocation of 123 bytes failed\n", Crash, "SIGSEGV"),
            (Ended::Signaled(9), "", WorkerLost, "SIGKILL"),
            (Ended::Signaled(15), "", WorkerLost, "SIGTERM"),
            (Ended::Unknown, "", Crash, "can't say"),
        ];
        for (ended, log, class, words) in table {
            let cause = cause(ended, log, Some(64));
            assert!(cause.class == class && cause.message.contains(words), "{ended:?} {log:?}: {cause:?}");
        }
        if cfg!(panic = "unwind") {
            assert_eq!(cause(Ended::Signaled(6), caught, None).class, Crash, "a caught panic is not the cause");
        }
    }

    #[test]
    fn a_worker_that_cannot_start_says_what_it_printed() {
        let error = start_failure(Ended::Exited(127), "error while loading shared libraries\n", "file:///log");
        assert_eq!((error.kind, error.class, error.ran), (ErrorKind::Deploy, RetryClass::Permanent, Ran::No));
        assert!(error.message.contains("shared libraries") && error.message.contains("file:///log"), "{error}");
    }

    #[test]
    fn a_full_system_is_no_permanent_failure() {
        let class = |errno: rustix::io::Errno| spawn_failure(errno.into()).class;
        assert_eq!(class(rustix::io::Errno::AGAIN), RetryClass::Throttled);
        assert_eq!(class(rustix::io::Errno::NOENT), RetryClass::Permanent);
    }
}
