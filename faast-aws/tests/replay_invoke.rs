//! Every way an invocation can fail, replayed over HTTP: what core is told, and what a user reads.
//!
//! One case for each class of errors of the Lambda API, for each thing that can happen to an execution, and for the
//! connection itself. The answers are written as Lambda writes them.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod replay;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use faast_core::ErrorKind;
use faast_core::provider::{Event, InvokeError, Outcome, Payload, Ran, RetryClass};
use wiremock::ResponseTemplate;

use self::replay::{
    REQUEST_ID, Replay, TAIL_KILLED_AT_LIMIT, answer, config, done, failed, function_error, instance, log_tail,
    refusal, request, started, streamed,
};

/// What core is told about one failure, and words that a user reads.
struct Expected {
    class: RetryClass,
    kind: ErrorKind,
    ran: Ran,
    words: &'static [&'static str],
}

const fn expect(class: RetryClass, kind: ErrorKind, ran: Ran, words: &'static [&'static str]) -> Expected {
    Expected { class, kind, ran, words }
}

fn check(name: &str, error: &InvokeError, expected: &Expected) {
    assert_eq!((error.class, error.kind, error.ran), (expected.class, expected.kind, expected.ran), "{name}: {error}");
    for words in expected.words {
        assert!(error.message.contains(words), "{name}: `{words}` is not in `{}`", error.message);
    }
}

/// The service's own refusals: status, code, message, and what they mean.
const REFUSALS: &[(u16, &str, &str, Expected)] = &[
    (429, "EC2ThrottledException", "EC2 throttled us", {
        expect(RetryClass::Throttled, ErrorKind::Throttled, Ran::No, &["throttled", "EC2ThrottledException"])
    }),
    (400, "ThrottlingException", "Rate exceeded", {
        expect(RetryClass::Throttled, ErrorKind::Throttled, Ran::No, &["throttled", "Rate exceeded"])
    }),
    (429, "", "slow down", expect(RetryClass::Throttled, ErrorKind::Throttled, Ran::No, &["status 429"])),
    (500, "ServiceException", "An error occurred", {
        expect(RetryClass::Transient, ErrorKind::Unavailable, Ran::Maybe, &["in passing", "ServiceException"])
    }),
    (503, "", "<html>busy</html>", {
        expect(RetryClass::Transient, ErrorKind::Unavailable, Ran::Maybe, &["in passing", "status 503", "busy"])
    }),
    (502, "EC2UnexpectedException", "EC2 said no", {
        expect(RetryClass::Transient, ErrorKind::Unavailable, Ran::No, &["in passing", "EC2UnexpectedException"])
    }),
    (
        409,
        "ResourceConflictException",
        "The operation cannot be performed at this time. The function is currently in the following state: Pending",
        { expect(RetryClass::Throttled, ErrorKind::Unavailable, Ran::No, &["not ready", "Pending"]) },
    ),
    (502, "ResourceNotReadyException", "The function is inactive", {
        expect(RetryClass::Throttled, ErrorKind::Unavailable, Ran::No, &["not ready", "inactive"])
    }),
    (400, "InvalidParameterValueException", "The role defined for the function cannot be assumed by Lambda.", {
        expect(RetryClass::Throttled, ErrorKind::Unavailable, Ran::No, &["role can't be assumed yet"])
    }),
    (400, "InvalidParameterValueException", "Invalid qualifier", {
        expect(RetryClass::Permanent, ErrorKind::Config, Ran::No, &["an option of the function", "Invalid qualifier"])
    }),
    (400, "InvalidRequestContentException", "Could not parse request body into json", {
        expect(RetryClass::Permanent, ErrorKind::Internal, Ran::No, &["refused the request", "into json"])
    }),
    (415, "UnsupportedMediaTypeException", "Unsupported", {
        expect(RetryClass::Permanent, ErrorKind::Internal, Ran::No, &["refused the request"])
    }),
    (413, "RequestTooLargeException", "Request must be smaller than 6291456 bytes for the InvokeFunction operation", {
        expect(RetryClass::Permanent, ErrorKind::TooLarge, Ran::No, &["arguments are larger", "6291456"])
    }),
    (413, "SerializedRequestEntityTooLargeException", "too large", {
        expect(RetryClass::Permanent, ErrorKind::TooLarge, Ran::No, &["arguments are larger", "6291456"])
    }),
    (413, "RequestEntityTooLargeException", "too large", {
        expect(RetryClass::Permanent, ErrorKind::TooLarge, Ran::No, &["arguments are larger", "6291456"])
    }),
    (502, "InvalidZipFileException", "Lambda could not unzip the deployment package.", {
        expect(RetryClass::Permanent, ErrorKind::Deploy, Ran::No, &["can't run the package", "unzip"])
    }),
    (502, "InvalidRuntimeException", "The runtime or runtime version specified is not supported.", {
        expect(RetryClass::Permanent, ErrorKind::Deploy, Ran::No, &["can't run the package"])
    }),
    (502, "KMSAccessDeniedException", "Lambda was unable to decrypt the environment variables", {
        expect(RetryClass::Permanent, ErrorKind::Denied, Ran::No, &["denied", "KMSAccessDeniedException"])
    }),
    (502, "KMSDisabledException", "the key is disabled", {
        expect(RetryClass::Permanent, ErrorKind::Config, Ran::No, &["encrypts the function's environment"])
    }),
    (408, "EFSMountTimeoutException", "mount timed out", {
        expect(RetryClass::Permanent, ErrorKind::Config, Ran::No, &["file system"])
    }),
    (502, "ENILimitReachedException", "limit of network interfaces", {
        expect(RetryClass::Permanent, ErrorKind::Config, Ran::No, &["network interfaces", "VPC"])
    }),
    (502, "SubnetIPAddressLimitReachedException", "no addresses left", {
        expect(RetryClass::Permanent, ErrorKind::Config, Ran::No, &["subnets"])
    }),
    (502, "EC2AccessDeniedException", "Need additional permissions to configure VPC settings.", {
        expect(RetryClass::Permanent, ErrorKind::Denied, Ran::No, &["denied", "VPC"])
    }),
    (400, "SnapStartException", "afterRestore failed", {
        expect(RetryClass::Permanent, ErrorKind::Config, Ran::No, &["snapshots"])
    }),
    (400, "RecursiveInvocationException", "Lambda has detected your function being invoked in a recursive loop", {
        expect(RetryClass::Permanent, ErrorKind::Config, Ran::No, &["loop of functions", "ordinary function"])
    }),
    (404, "ResourceNotFoundException", "Function not found: arn:aws:lambda:us-west-2:123456789012:function:faast-x", {
        expect(RetryClass::Permanent, ErrorKind::Unavailable, Ran::No, &["faast-x", "is gone"])
    }),
    (
        403,
        "AccessDeniedException",
        "User: arn:aws:iam::123456789012:user/u is not authorized to perform: lambda:InvokeFunction on resource: arn:aws:lambda:us-west-2:123456789012:function:faast-x because no identity-based policy allows the lambda:InvokeFunction action",
        { expect(RetryClass::Permanent, ErrorKind::Denied, Ran::No, &["denied `lambda:InvokeFunction`", "user/u"]) },
    ),
    (403, "ExpiredTokenException", "The security token included in the request is expired", {
        expect(RetryClass::Permanent, ErrorKind::Denied, Ran::No, &["have expired", "aws sso login"])
    }),
    (403, "UnrecognizedClientException", "The security token included in the request is invalid.", {
        expect(
            RetryClass::Permanent,
            ErrorKind::Denied,
            Ran::No,
            &["does not accept the credentials", "get-caller-identity"],
        )
    }),
    (403, "InvalidSignatureException", "Signature expired: 20260101T000000Z is now earlier than 20260101T001500Z", {
        expect(RetryClass::Permanent, ErrorKind::Denied, Ran::No, &["does not accept the credentials", "clock"])
    }),
    (418, "BrandNewException", "never seen before", {
        expect(RetryClass::Permanent, ErrorKind::Internal, Ran::No, &["BrandNewException", "never seen before"])
    }),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_has_its_class_its_kind_and_words() {
    for (status, code, message, expected) in REFUSALS {
        for streams in [false, true] {
            let replay = Replay::new(refusal(*status, code, message)).await;
            let error = replay.error(&request(if streams { 2 } else { 1 })).await;
            check(&format!("{status} {code}"), &error, expected);
            assert!(error.metering.quantities.is_empty(), "{code}: what did not run costs nothing");
            assert_eq!(error.execution.as_ref().map(|it| &*it.0), Some(REQUEST_ID), "{code}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_limit_that_throttles_is_named_and_its_pause_is_kept() {
    for reason in [
        "ConcurrentInvocationLimitExceeded",
        "ReservedFunctionConcurrentInvocationLimitExceeded",
        "FunctionInvocationRateLimitExceeded",
        "ReservedFunctionInvocationRateLimitExceeded",
        "CallerRateLimitExceeded",
        "ConcurrentSnapshotCreateLimitExceeded",
    ] {
        let body = serde_json::json!({ "Reason": reason, "Type": "User", "message": "Rate Exceeded." });
        let throttled = ResponseTemplate::new(429)
            .insert_header("x-amzn-ErrorType", "TooManyRequestsException")
            .insert_header("Retry-After", "3")
            .set_body_json(body);
        let error = Replay::new(throttled).await.error(&request(1)).await;
        check(reason, &error, &expect(RetryClass::Throttled, ErrorKind::Throttled, Ran::No, &["throttled"]));
        assert!(error.message.contains(reason), "{error}");
        assert_eq!(error.retry_after, Some(Duration::from_secs(3)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_ready_is_asked_again_after_a_moment() {
    let error = Replay::new(refusal(409, "ResourceConflictException", "state: Pending")).await.error(&request(1)).await;
    assert_eq!(error.retry_after, Some(Duration::from_secs(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_in_the_body_counts_where_the_header_is_missing() {
    let body = serde_json::json!({ "__type": "com.amazonaws.lambda#TooManyRequestsException", "Message": "Rate" });
    let error = Replay::new(ResponseTemplate::new(400).set_body_json(body)).await.error(&request(1)).await;
    check("body", &error, &expect(RetryClass::Throttled, ErrorKind::Throttled, Ran::No, &["Rate"]));
}

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

#[tokio::test(flavor = "multi_thread")]
async fn a_call_comes_back_with_the_platforms_bill() {
    let events = [instance(0), done(0, b"value")];
    let items = Replay::new(answer(&events)).await.items(&request(1)).await;
    let events: Vec<_> = items.into_iter().map(Result::unwrap).collect();
    assert_eq!(events[0], instance(0));
    let Event::Done { outcome: Outcome::Ok(Payload::Inline(value)), metering, .. } = &events[1] else {
        unreachable!("{events:?}")
    };
    assert_eq!(&value[..], b"value");
    assert_eq!((metering.billed, metering.peak_memory), (Some(Duration::from_millis(20)), Some(15 << 20)));
    assert!(metering.quantities.iter().any(|it| it.metric == "duration" && it.measured));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_gives_events_as_they_are_and_the_bill_to_the_last() {
    let events = [started(0), done(0, b"a"), started(1), done(1, b"b")];
    let items = Replay::new(streamed(&events, None, "")).await.items(&request(2)).await;
    let events: Vec<_> = items.into_iter().map(Result::unwrap).collect();
    let billed = |event: &Event| match event {
        Event::Done { metering, .. } => metering.billed,
        _ => None,
    };
    assert_eq!(events.iter().map(Event::call).map(|call| call.0).collect::<Vec<_>>(), [0, 0, 1, 1]);
    assert_eq!(events.iter().map(billed).collect::<Vec<_>>(), [None, None, None, Some(Duration::from_millis(20))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timed_out_call_keeps_the_bill_though_others_are_given_back_behind_it() {
    let events = [started(0), failed(0, ErrorKind::Timeout), Event::Returned { call: replay::call(1) }];
    let items = Replay::new(streamed(&events, Some(("Runtime.ExitError", "exit")), "")).await.items(&request(2)).await;
    let bills: Vec<_> = items
        .into_iter()
        .filter_map(|item| match item.unwrap() {
            Event::Done { metering, .. } => Some(metering.billed),
            _ => None,
        })
        .collect();
    assert_eq!(bills, [Some(Duration::from_millis(20))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exception_in_the_middle_of_a_stream_is_a_refusal() {
    let replay = Replay::new(replay::stream_exception(&[started(0)], "ServiceException", "An error occurred")).await;
    let error = replay.items(&request(2)).await.pop().unwrap().unwrap_err();
    check("exception", &error, &expect(RetryClass::Transient, ErrorKind::Unavailable, Ran::Yes, &["ServiceException"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_cut_off_leaves_its_calls_unknown() {
    for (events, ran) in [(vec![started(0)], Ran::Yes), (vec![], Ran::Maybe)] {
        let replay = Replay::new(replay::cut_stream(&events)).await;
        let error = replay.items(&request(2)).await.pop().unwrap().unwrap_err();
        check("cut", &error, &expect(RetryClass::Transient, ErrorKind::Unavailable, ran, &["ended before every call"]));
        assert!(error.metering.quantities.iter().any(|it| it.metric == "duration" && !it.measured), "an estimate");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_somebody_else_are_undecodable() {
    for body in ["{\"statusCode\":200}", "\"AAAA\"", "null", ""] {
        let replay = Replay::new(ResponseTemplate::new(200).set_body_string(body)).await;
        let error = replay.error(&request(1)).await;
        assert!(matches!(error.class, RetryClass::Permanent | RetryClass::WorkerLost), "{body}: {error}");
        assert!(
            matches!(error.kind, ErrorKind::Decode | ErrorKind::StaleBuild | ErrorKind::WorkerLost),
            "{body}: {error}"
        );
    }
    let replay =
        Replay::new(ResponseTemplate::new(200).set_body_string("no event stream, but long enough to be one")).await;
    let error = replay.items(&request(2)).await.pop().unwrap().unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Decode | ErrorKind::Unavailable), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_means_that_nothing_ran() {
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let error = Replay::at(&format!("http://127.0.0.1:{port}")).error(&request(1)).await;
    check("refused", &error, &expect(RetryClass::Transient, ErrorKind::Unavailable, Ran::No, &["no connection"]));
    assert!(error.metering.quantities.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_after_the_request_leaves_it_unknown() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let mut requests = 0;
        // The first connection is the one that was opened in advance.
        for stream in listener.incoming().take(1) {
            let mut stream = stream.unwrap();
            let mut bytes = vec![0; 65536];
            let mut read = 0;
            while !bytes[..read].ends_with(b"\"") {
                read += stream.read(&mut bytes[read..]).unwrap();
            }
            requests += 1;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n\"half").unwrap();
        }
        requests
    });
    let error = Replay::at(&endpoint).error(&request(1)).await;
    check(
        "broken",
        &error,
        &expect(RetryClass::Transient, ErrorKind::Unavailable, Ran::Maybe, &["broke after the request was sent"]),
    );
    assert!(error.metering.quantities.iter().any(|it| it.metric == "requests"), "it may be billed");
    assert_eq!(server.join().unwrap(), 1, "it is not sent a second time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_larger_time_out_than_deployed_is_refused_before_anything_is_sent() {
    let replay = Replay::new(answer(&[done(0, b"")])).await;
    let mut request = request(1);
    request.calls[0].timeout = Duration::from_secs(61);
    let error = replay.error(&request).await;
    check(
        "timeout",
        &error,
        &expect(RetryClass::Permanent, ErrorKind::Config, Ran::No, &["61s", "60s", ".timeout(..)"]),
    );
    assert_eq!(replay.received().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_large_an_argument_is_refused_with_both_sizes_before_anything_is_sent() {
    let replay = Replay::new(answer(&[done(0, b"")])).await;
    let mut request = request(1);
    // Random bytes, which no compression makes small.
    let mut random = fastrand::Rng::with_seed(7);
    let bytes: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(5_000_000).collect();
    request.calls[0].args = Payload::Inline(bytes.into());
    let error = replay.error(&request).await;
    check("size", &error, &expect(RetryClass::Permanent, ErrorKind::TooLarge, Ran::No, &["66667", "6291456"]));
    assert_eq!(replay.received().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_credentials_a_call_says_how_to_get_some() {
    let server = Replay::new(answer(&[done(0, b"")])).await;
    let unsigned = Replay::with(config(&server.endpoint()), None);
    let error = unsigned.error(&request(1)).await;
    check(
        "credentials",
        &error,
        &expect(RetryClass::Permanent, ErrorKind::Denied, Ran::No, &["no AWS credentials", "AWS_PROFILE"]),
    );
    assert_eq!(server.received().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_sent_or_said() {
    const SECRET: &str = "PLANTEDSECRETPLANTEDSECRETPLANTEDSECRET";
    let server = Replay::new(refusal(403, "AccessDeniedException", "no")).await;
    let credentials = SharedCredentialsProvider::new(Credentials::new("AKID", SECRET, None, None, "test"));
    let replay = Replay::with(config(&server.endpoint()), Some(credentials));
    let error = replay.error(&request(1)).await;
    assert!(!format!("{error:?} {error} {:?}", replay.invoker).contains(SECRET));
    for request in server.requests().await {
        assert!(!format!("{:?} {}", request.headers, String::from_utf8_lossy(&request.body)).contains(SECRET));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_a_request_closes_its_connection() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let replay = Replay::at(&format!("http://{}", listener.local_addr().unwrap()));
    let (mut stream, _) = listener.accept().unwrap();
    let asked = tokio::spawn(async move { replay.items(&request(1)).await });
    let mut bytes = vec![0; 65536];
    let read = stream.read(&mut bytes).unwrap();
    assert!(read > 0);
    asked.abort();
    // Comes back when the other side has closed, and not before.
    let _ = stream.read_to_end(&mut bytes);
    assert!(asked.await.unwrap_err().is_cancelled());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_serves_calls_that_follow_each_other() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let body = replay::json(&[done(0, b"x")]);
    let tail = log_tail("");
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        drop(listener);
        let mut bytes = vec![0; 65536];
        loop {
            let mut read = 0;
            while !bytes[..read].ends_with(b"\"") {
                match stream.read(&mut bytes[read..]) {
                    Ok(0) | Err(_) => return,
                    Ok(more) => read += more,
                }
            }
            let length = body.len();
            write!(stream, "HTTP/1.1 200 OK\r\nX-Amz-Log-Result: {tail}\r\nContent-Length: {length}\r\n\r\n{body}")
                .unwrap();
        }
    });
    let replay = Replay::at(&endpoint);
    for _ in 0..20 {
        let items = replay.items(&request(1)).await;
        assert!(items.iter().all(Result::is_ok), "{items:?}");
    }
}
