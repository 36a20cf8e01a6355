//! Executions that failed: one case for each thing that can happen to one.

use std::time::Duration;

use faast_core::ErrorKind;
use faast_core::provider::{Ran, RetryClass};

use super::expected::{Expected, check, expect};
use super::replay::{REQUEST_ID, Replay, TAIL_KILLED_AT_LIMIT, function_error, request, started, streamed};

/// Executions that failed: type, message, log, and what they mean.
const EXECUTIONS: &[(&str, &str, &str, Expected)] = &[
    ("Sandbox.Timedout", "RequestId: 1 Error: Task timed out after 3.00 seconds", "", {
        expect(RetryClass::Timeout, ErrorKind::Timeout, Ran::Yes, &["took longer", "3.00 seconds"])
    }),
    ("", "2026-11-22T10:00:00.000Z 1 Task timed out after 3.00 seconds", "", {
        expect(RetryClass::Timeout, ErrorKind::Timeout, Ran::Yes, &["took longer", "3.00 seconds"])
    }),
    ("Runtime.ExitError", "RequestId: 1 Error: Runtime exited with error: signal: killed", TAIL_KILLED_AT_LIMIT, {
        expect(RetryClass::OutOfMemory, ErrorKind::OutOfMemory, Ran::Yes, &["needed 128 MiB", "may have 128 MiB"])
    }),
    ("Runtime.ExitError", "RequestId: 1 Error: Runtime exited with error: signal: killed", "", {
        expect(RetryClass::WorkerLost, ErrorKind::WorkerLost, Ran::Yes, &["SIGKILL", "not for its memory"])
    }),
    ("Runtime.OutOfMemory", "RequestId: 1 Error: Runtime exited", TAIL_KILLED_AT_LIMIT, {
        expect(RetryClass::OutOfMemory, ErrorKind::OutOfMemory, Ran::Yes, &["128 MiB"])
    }),
    ("Runtime.ExitError", "RequestId: 1 Error: Runtime exited with error: exit status 3", "", {
        expect(RetryClass::Crash, ErrorKind::Crash, Ran::Yes, &["ended in the middle of a call", "exit status 3"])
    }),
    ("Runtime.ExitError", "RequestId: 1 Error: Runtime exited with error: signal: segmentation fault", "", {
        expect(RetryClass::Crash, ErrorKind::Crash, Ran::Yes, &["segmentation fault"])
    }),
    ("Runtime.ExitError", "RequestId: 1 Error: Runtime exited without providing a reason", "", {
        expect(RetryClass::Crash, ErrorKind::Crash, Ran::Yes, &["without providing a reason"])
    }),
    (
        "Runtime.ExitError",
        "RequestId: 1 Error: Runtime exited with error: signal: aborted",
        "memory allocation of 4096 bytes failed\n",
        { expect(RetryClass::OutOfMemory, ErrorKind::OutOfMemory, Ran::Yes, &["could not allocate 4096 bytes"]) },
    ),
    (
        "Runtime.ExitError",
        "RequestId: 1 Error: Runtime exited with error: signal: aborted",
        "thread 'main' has overflowed its stack\n",
        { expect(RetryClass::Crash, ErrorKind::Crash, Ran::Yes, &["stack overflow"]) },
    ),
    (
        "Runtime.ExitError",
        "RequestId: 1 Error: Runtime exited with error: signal: aborted",
        "thread 'main' panicked at src/a.rs:1:2:\noh no\nthread caused non-unwinding panic in a destructor\npanic in a destructor during cleanup\n",
        {
            expect(
                RetryClass::Panic,
                ErrorKind::Panic,
                Ran::Yes,
                &["panicked where it can't unwind", "oh no", "src/a.rs:1:2"],
            )
        },
    ),
    (
        "Function.ResponseSizeTooLarge",
        "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
        "",
        { expect(RetryClass::Permanent, ErrorKind::TooLarge, Ran::Yes, &["result is larger", "6291556"]) },
    ),
    ("Runtime.InvalidEntrypoint", "RequestId: 1 Error: fork/exec /var/task/bootstrap: exec format error", "", {
        expect(RetryClass::Permanent, ErrorKind::Deploy, Ran::No, &["can't start", "exec format error"])
    }),
    (
        "Runtime.ExitError",
        "RequestId: 1 Error: Runtime exited with error: exit status 1",
        "/var/task/bootstrap: /lib64/libc.so.6: version `GLIBC_2.39' not found (required by /var/task/bootstrap)\n",
        { expect(RetryClass::Permanent, ErrorKind::Deploy, Ran::No, &["GLIBC_2.39", "zigbuild"]) },
    ),
    ("Faast.NotARequest", "this function was deployed by faast", "", {
        expect(RetryClass::Permanent, ErrorKind::StaleBuild, Ran::No, &["can't read the request"])
    }),
    ("Faast.Unanswered", "1 calls of the request have no answer", "", {
        expect(RetryClass::WorkerLost, ErrorKind::WorkerLost, Ran::Yes, &["gave no answer"])
    }),
    ("SomethingElse", "what is this", "", {
        expect(RetryClass::Permanent, ErrorKind::Internal, Ran::Yes, &["SomethingElse", "what is this"])
    }),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_failed_execution_has_its_kind_and_its_bill() {
    for (kind, message, log, expected) in EXECUTIONS {
        let replay = Replay::new(function_error(kind, message, log)).await;
        let error = replay.error(&request(1)).await;
        check(&format!("{kind} {message}"), &error, expected);
        assert_eq!(error.execution.as_ref().map(|it| &*it.0), Some(REQUEST_ID), "{kind}");
        assert_eq!(error.metering.billed, Some(Duration::from_millis(20)), "{kind}: a failed attempt is billed");
        assert_eq!(error.metering.quantities.len(), 3, "{kind}: {:?}", error.metering.quantities);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_execution_in_a_stream_has_the_same_kind() {
    for (kind, message, log, expected) in EXECUTIONS {
        let events = [started(0)];
        let details = serde_json::json!({ "errorType": kind, "errorMessage": message }).to_string();
        let replay = Replay::new(streamed(&events, Some((kind, &details)), log)).await;
        let mut items = replay.items(&request(2)).await;
        let error = items.pop().unwrap().unwrap_err();
        assert_eq!(items.len(), 1, "{kind}: the event before is passed on");
        // The first call is known to have started.
        check(
            &format!("{kind} {message}"),
            &error,
            &Expected { ran: Ran::Yes, ..Expected { words: expected.words, ..*expected } },
        );
        assert_eq!(error.metering.billed, Some(Duration::from_millis(20)), "{kind}");
    }
}
