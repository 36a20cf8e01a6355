//! The worker as a real process against a Runtime API: this binary, started as Lambda would start it.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod runtime;

use std::time::{Duration, Instant};

// Linked, so that its entry is there.
use faast_aws as _;
use faast_core::ErrorKind;
use faast_core::function::FunctionEntry;
use faast_core::provider::{Event, ExecutionId, InstanceId, Payload};

use faast_testkit::frame::{call, failure, value};
use faast_testkit::play::{ECHO, ENDLESS, EXIT, GREEDY, ITEMS, LARGE, PANIC, SLEEP};

use self::runtime::{INVOCATION, Sandbox, event, queued};

faast_testkit::test_worker!();

const MINUTE: Duration = Duration::from_mins(1);

fn one(function: &FunctionEntry, args: &[u8]) -> String {
    event(vec![call(1, &function.id(), args, MINUTE)])
}

#[test]
fn the_first_answer_says_what_the_start_took() {
    let mut sandbox = Sandbox::start(128);
    let billed = |event: &Event| match event {
        Event::Done { metering, .. } => metering.billed.map(|billed| billed.saturating_sub(metering.duration)),
        other => unreachable!("{other:?}"),
    };
    let first = sandbox.turn(&one(&ECHO, b"cold")).events();
    assert!(billed(&first[1]).is_some_and(|init| init <= Duration::from_secs(10)), "{first:?}");
    let second = sandbox.turn(&one(&ECHO, b"warm")).events();
    assert_eq!(billed(&second[1]), None);
}

#[test]
fn a_queued_call_is_answered_as_a_whole_if_both_fit_into_one_record() {
    let mut sandbox = Sandbox::start(128);
    let large = |bytes: u32, event: usize| queued(vec![call(1, &LARGE.id(), &bytes.to_le_bytes(), MINUTE)], event);
    let posted = sandbox.turn(&large(80_000, 100_000));
    assert_eq!(value(&posted.events()[1]).len(), 80_000);
    // Alone either of them would fit.
    for (bytes, event) in [(80_000, 160_000), (150_000, 100_000)] {
        let posted = sandbox.turn(&large(bytes, event));
        assert!(posted.body.len() < 10_000, "{} bytes", posted.body.len());
        let events = posted.events();
        let failure = failure(&events[1]);
        assert_eq!(failure.kind, ErrorKind::TooLarge);
        let limit = 256 * 1024 - 8 * 1024 - event;
        assert!(failure.message.contains(&limit.to_string()), "{}", failure.message);
    }
    let posted = sandbox.turn(&queued(vec![call(1, &ECHO.id(), b"others go on", MINUTE)], 100));
    assert_eq!(value(&posted.events()[1]), b"others go on");
}

#[test]
fn a_call_is_answered_in_one_json_string() {
    let mut sandbox = Sandbox::start(128);
    let posted = sandbox.turn(&one(&ECHO, b"hello"));
    assert_eq!(posted.path, "invocation/request-1/response");
    assert_eq!(posted.header("lambda-runtime-invocation-id"), Some(INVOCATION));
    assert_eq!(posted.header("lambda-runtime-function-response-mode"), None);
    let events = posted.events();
    let Event::Started { instance, execution, .. } = &events[0] else { unreachable!("{events:?}") };
    assert_eq!(*instance, InstanceId("the-stream".into()));
    assert_eq!(*execution, Some(ExecutionId("request-1".into())));
    assert_eq!(value(&events[1]), b"hello");
    assert_eq!(events.len(), 2);
}

#[test]
fn calls_go_on_after_each_freeze_on_the_same_connection() {
    let mut sandbox = Sandbox::start(128);
    for turn in 0..5_u8 {
        assert_eq!(value(&sandbox.turn(&one(&ECHO, &[turn])).events()[1]), [turn]);
        sandbox.wait_for_next();
        sandbox.freeze();
        // What comes while it is frozen waits in the socket.
        sandbox.give(&one(&ECHO, b"frozen"), MINUTE);
        sandbox.thaw();
        assert_eq!(value(&sandbox.take("202 Accepted").events()[1]), b"frozen");
    }
    assert_eq!(sandbox.connections, 1);
}

#[test]
fn a_batch_is_streamed_and_says_which_call_runs() {
    let mut sandbox = Sandbox::start(128);
    let calls = (0..3).map(|id| call(id, &ECHO.id(), &[u8::try_from(id).unwrap()], MINUTE)).collect();
    let posted = sandbox.turn(&event(calls));
    assert_eq!(posted.header("lambda-runtime-function-response-mode"), Some("streaming"));
    assert_eq!(posted.header("content-type"), Some("application/octet-stream"));
    assert_eq!(posted.header("lambda-runtime-invocation-id"), Some(INVOCATION));
    let events = posted.streamed();
    let kinds: Vec<_> = events.iter().map(|it| (matches!(it, Event::Started { .. }), it.call().0)).collect();
    assert_eq!(kinds, [(true, 0), (false, 0), (true, 1), (false, 1), (true, 2), (false, 2)]);
    assert_eq!(value(&events[5]), [2]);
    assert!(!posted.cut && posted.trailers.is_empty());
}

#[test]
fn a_generators_items_are_streamed_in_order() {
    let mut sandbox = Sandbox::start(128);
    let events = sandbox.turn(&one(&ITEMS, b"abc")).streamed();
    let items: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Item { seq, body: Payload::Inline(body), .. } => Some((*seq, body[0])),
            _ => None,
        })
        .collect();
    assert_eq!(items, [(0, b'a'), (1, b'b'), (2, b'c')]);
    assert_eq!(value(events.last().unwrap()), b"");
}

#[test]
fn an_event_of_somebody_else_is_refused_and_serving_goes_on() {
    let mut sandbox = Sandbox::start(128);
    for foreign in ["{\"Records\":[]}", "\"hello\"", "null"] {
        let posted = sandbox.turn(foreign);
        assert!(posted.path.ends_with("/error"), "{posted:?}");
        assert_eq!(posted.header("lambda-runtime-function-error-type"), Some("Faast.NotARequest"));
        assert_eq!(posted.header("lambda-runtime-invocation-id"), Some(INVOCATION));
        let error: serde_json::Value = serde_json::from_slice(&posted.body).unwrap();
        assert_eq!(error["errorType"], "Faast.NotARequest");
        assert!(error["errorMessage"].as_str().unwrap().contains("deployed by faast"), "{error}");
    }
    assert_eq!(value(&sandbox.turn(&one(&ECHO, b"on")).events()[1]), b"on");
}

#[test]
fn a_panic_is_an_answer_and_serving_goes_on() {
    let mut sandbox = Sandbox::start(128);
    let events = sandbox.turn(&one(&PANIC, b"")).events();
    assert_eq!(failure(&events[1]).kind, ErrorKind::Panic);
    assert!(failure(&events[1]).message.contains("oh no"), "{events:?}");
    assert_eq!(value(&sandbox.turn(&one(&ECHO, b"on")).events()[1]), b"on");
}

#[test]
fn a_call_over_its_time_says_so_and_ends_the_process() {
    let mut sandbox = Sandbox::start(128);
    let posted = sandbox.turn(&event(vec![call(1, &SLEEP.id(), b"", Duration::from_millis(50))]));
    assert!(posted.path.ends_with("/response"));
    assert_eq!(failure(&posted.events()[1]).kind, ErrorKind::Timeout);
    assert_eq!(sandbox.ended().code(), Some(1));
}

#[test]
fn a_generator_that_meets_the_platforms_deadline_says_so_before() {
    let mut sandbox = Sandbox::start(128);
    sandbox.wait_for_next();
    let (start, deadline) = (Instant::now(), Duration::from_secs(2));
    sandbox.give(&one(&ENDLESS, b""), deadline);
    let posted = sandbox.take("202 Accepted");
    assert!(start.elapsed() < deadline, "the platform would have ended it");
    let events = posted.streamed();
    assert!(events.iter().any(|event| matches!(event, Event::Item { .. })), "{events:?}");
    assert_eq!(failure(events.last().unwrap()).kind, ErrorKind::Timeout);
    assert_eq!(sandbox.ended().code(), Some(1));
}

#[test]
fn a_batch_that_meets_the_platforms_deadline_gives_back_what_did_not_start() {
    let mut sandbox = Sandbox::start(128);
    sandbox.wait_for_next();
    let calls = (0..3).map(|id| call(id, &SLEEP.id(), b"", MINUTE)).collect();
    sandbox.give(&event(calls), Duration::from_secs(2));
    let events = sandbox.take("202 Accepted").streamed();
    let ends: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Done { call, .. } => Some((call.0, true)),
            Event::Returned { call } => Some((call.0, false)),
            _ => None,
        })
        .collect();
    assert!(ends.contains(&(0, true)) && ends.contains(&(1, false)) && ends.contains(&(2, false)), "{events:?}");
    assert_eq!(ends.len(), 3, "each once");
    assert_eq!(sandbox.ended().code(), Some(1));
}

#[test]
fn too_much_memory_is_told_with_both_sizes_before_the_platform_kills() {
    let mut sandbox = Sandbox::start(128);
    let events = sandbox.turn(&one(&GREEDY, b"")).events();
    let failure = failure(&events[1]);
    assert_eq!(failure.kind, ErrorKind::OutOfMemory);
    assert!(failure.message.contains("may have 120 MiB"), "{failure:?}");
    assert_eq!(sandbox.ended().code(), Some(1));
}

#[test]
fn too_large_a_result_is_told_with_both_sizes_and_what_just_fits_is_sent() {
    let mut sandbox = Sandbox::start(512);
    let events = sandbox.turn(&one(&LARGE, &5_000_000_u32.to_le_bytes())).events();
    let failure = failure(&events[1]);
    assert_eq!(failure.kind, ErrorKind::TooLarge);
    assert!(failure.message.contains("6291456") && failure.message.contains("66667"), "{failure:?}");
    let posted = sandbox.turn(&one(&LARGE, &4_718_000_u32.to_le_bytes()));
    assert!(posted.body.len() <= 6_291_456);
    assert_eq!(value(&posted.events()[1]).len(), 4_718_000);
}

#[test]
fn after_a_413_there_is_no_error_call() {
    let mut sandbox = Sandbox::start(128);
    sandbox.wait_for_next();
    sandbox.give(&one(&ECHO, b"x"), MINUTE);
    let posted = sandbox.take("413 Request Entity Too Large");
    assert!(posted.path.ends_with("/response"));
    // The next thing that it asks for is an event.
    assert_eq!(value(&sandbox.turn(&one(&ECHO, b"on")).events()[1]), b"on");
}

#[test]
fn a_crash_in_a_stream_leaves_what_was_sent() {
    let mut sandbox = Sandbox::start(128);
    let calls = vec![call(0, &ECHO.id(), b"a", MINUTE), call(1, &EXIT.id(), b"", MINUTE)];
    let posted = sandbox.turn(&event(calls));
    assert!(posted.cut);
    let events = posted.streamed();
    assert_eq!(value(&events[1]), b"a");
    assert!(matches!(&events[2], Event::Started { call, .. } if call.0 == 1), "{events:?}");
    assert_eq!(sandbox.ended().code(), Some(3));
}

#[test]
fn a_worker_ends_with_its_runtime_api() {
    let mut sandbox = Sandbox::start(128);
    sandbox.turn(&one(&ECHO, b"x"));
    sandbox.wait_for_next();
    sandbox.hang_up();
    assert!(sandbox.ended().success());
}

#[test]
fn a_handler_that_is_no_mark_of_aws_makes_no_worker() {
    for handler in ["bootstrap", "index.handler", "faast-worker:local:1:1", "faast-worker:aws"] {
        // The test that would be the worker passes at once.
        assert!(Sandbox::with_handler(handler, 128).ended().success(), "{handler}");
    }
}
