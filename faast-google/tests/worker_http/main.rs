//! The worker as a real process, which is this binary, started as Cloud Run would start it.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod instance;
mod pubsub;

use std::time::Duration;

use faast_core::ErrorKind;
use faast_core::function::FunctionEntry;
use faast_core::provider::{Event, ExecutionId, Payload};
// Linked, so that its entry is there.
use faast_google as _;
use faast_testkit::frame::{call, failure, value};
use faast_testkit::play::{ECHO, ENDLESS, EXIT, GREEDY, ITEMS, LARGE, NAP, PANIC, SLEEP};
use rustix::process::Signal;

use self::instance::{Instance, request};
use self::pubsub::PubSub;

faast_testkit::test_worker!();

const MINUTE: Duration = Duration::from_mins(1);

fn one(function: &FunctionEntry, args: &[u8]) -> Vec<u8> {
    request(vec![call(1, &function.id(), args, MINUTE)])
}

fn is_started(event: &Event) -> bool {
    matches!(event, Event::Started { .. })
}

#[test]
fn a_call_is_answered_in_chunks_behind_the_word_that_it_started() {
    let instance = Instance::start(&[]);
    let mut connection = instance.connect();
    let trace = ("X-Cloud-Trace-Context", "105445aa7843bc8bf206b12000100000/1;o=1");
    for turn in 0..3_u8 {
        connection.send("POST", "/call", &[trace], &one(&ECHO, &[turn]));
        let answer = connection.answer();
        assert_eq!((answer.status, answer.header("faast"), answer.cut), (200, Some("1"), false));
        assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
        let events = answer.events();
        let Event::Started { execution, .. } = &events[0] else { unreachable!("{events:?}") };
        assert_eq!(*execution, Some(ExecutionId("105445aa7843bc8bf206b12000100000".into())));
        assert_eq!((value(&events[1]), events.len()), (&[turn][..], 2));
    }
}

#[test]
fn the_first_answer_has_the_start_on_its_bill() {
    const HELD_UP: Duration = Duration::from_secs(1);
    let instance = Instance::start(&[]);
    instance.signal(Signal::STOP);
    std::thread::sleep(HELD_UP);
    instance.signal(Signal::CONT);
    let billed = |events: &[Event]| match &events[1] {
        Event::Done { metering, .. } => metering.billed.unwrap().saturating_sub(metering.duration),
        other => unreachable!("{other:?}"),
    };
    let first = billed(&instance.post("/call", &one(&ECHO, b"cold")).events());
    let second = billed(&instance.post("/call", &one(&ECHO, b"warm")).events());
    assert!(second < HELD_UP && HELD_UP <= first, "{first:?} {second:?}");
}

#[test]
fn health_is_told_while_a_call_runs_and_needs_no_secret() {
    let instance = Instance::start(&[("FAAST_SECRET", "s3cret")]);
    let mut busy = instance.connect();
    busy.send("POST", "/call", &[("x-faast-secret", "s3cret")], &one(&SLEEP, b""));
    assert_eq!(busy.head().status, 200);
    let mut other = instance.connect();
    for (method, path, status) in [
        ("GET", "/", 200),
        ("GET", "/healthz", 200),
        ("HEAD", "/", 200),
        ("GET", "/call", 405),
        ("POST", "/other", 404),
    ] {
        other.send(method, path, &[], b"");
        assert_eq!(other.answer().status, status, "{method} {path}");
    }
}

#[test]
fn without_the_secret_nothing_runs() {
    let instance = Instance::start(&[("FAAST_SECRET", "s3cret")]);
    for secret in [None, Some(""), Some("s3cre"), Some("s3crets"), Some("S3CRET")] {
        let mut connection = instance.connect();
        let headers: Vec<_> = secret.map(|secret| ("x-faast-secret", secret)).into_iter().collect();
        connection.send("POST", "/call", &headers, &one(&EXIT, b""));
        let answer = connection.answer();
        assert_eq!((answer.status, answer.header("faast")), (401, Some("1")), "{secret:?}");
        assert!(!String::from_utf8_lossy(&answer.body).contains("s3cret"));
    }
    let mut connection = instance.connect();
    connection.send("POST", "/call", &[("X-Faast-Secret", "s3cret")], &one(&ECHO, b"in"));
    assert_eq!(value(&connection.answer().events()[1]), b"in");
}

#[test]
fn what_is_no_request_is_refused_and_serving_goes_on() {
    let instance = Instance::start(&[]);
    for body in [&b""[..], b"hello", b"{\"message\":{}}", &[0], &[1, 2, 3]] {
        let answer = instance.post("/call", body);
        assert_eq!((answer.status, answer.header("faast")), (400, Some("1")), "{body:?}");
    }
    assert_eq!(value(&instance.post("/call", &one(&ECHO, b"on")).events()[1]), b"on");
}

#[test]
fn a_batch_says_which_call_runs_and_gives_back_what_waits_behind_a_long_one() {
    let instance = Instance::start(&[]);
    let calls = (0..3).map(|id| call(id, &ECHO.id(), &[u8::try_from(id).unwrap()], MINUTE)).collect();
    let events = instance.post("/call", &request(calls)).events();
    let kinds: Vec<_> = events.iter().map(|it| (is_started(it), it.call().0)).collect();
    assert_eq!(kinds, [(true, 0), (false, 0), (true, 1), (false, 1), (true, 2), (false, 2)]);
    let calls = (0..3).map(|id| call(id, &NAP.id(), b"", MINUTE)).collect();
    let answer = instance.post("/call", &request(calls));
    let events = answer.events();
    let returned = events.iter().filter(|it| matches!(it, Event::Returned { .. })).count();
    assert!(returned == 2 && !answer.cut, "{events:?}");
}

#[test]
fn a_generators_items_arrive_while_it_makes_others() {
    let instance = Instance::start(&[]);
    let events = instance.post("/call", &one(&ITEMS, b"abc")).events();
    let items: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Item { seq, body: Payload::Inline(body), .. } => Some((*seq, body[0])),
            _ => None,
        })
        .collect();
    assert_eq!(items, [(0, b'a'), (1, b'b'), (2, b'c')]);
    assert_eq!(value(events.last().unwrap()), b"");
    let mut connection = instance.connect();
    connection.send("POST", "/call", &[], &one(&ENDLESS, b""));
    let mut answer = connection.head();
    while answer.events().len() < 4 {
        connection.chunk(&mut answer).unwrap();
    }
}

#[test]
fn a_result_of_forty_megabytes_comes_in_one_answer() {
    let instance = Instance::start(&[]);
    let events = instance.post("/call", &one(&LARGE, &40_000_000_u32.to_le_bytes())).events();
    assert_eq!(value(&events[1]).len(), 40_000_000);
}

#[test]
fn a_panic_is_an_answer_and_serving_goes_on() {
    let instance = Instance::start(&[]);
    let events = instance.post("/call", &one(&PANIC, b"")).events();
    assert_eq!(failure(&events[1]).kind, ErrorKind::Panic);
    assert!(failure(&events[1]).message.contains("oh no"), "{events:?}");
    assert_eq!(value(&instance.post("/call", &one(&ECHO, b"on")).events()[1]), b"on");
}

#[test]
fn a_call_over_its_time_says_so_and_ends_the_process() {
    let mut instance = Instance::start(&[]);
    let answer = instance.post("/call", &request(vec![call(1, &SLEEP.id(), b"", Duration::from_millis(50))]));
    assert_eq!(failure(&answer.events()[1]).kind, ErrorKind::Timeout);
    assert!(!answer.cut, "the answer is whole");
    assert_eq!(instance.ended().code(), Some(1));
}

#[test]
fn too_much_memory_is_told_with_both_sizes_before_the_platform_kills() {
    let mut instance = Instance::start(&[("FAAST_MEMORY_MB", "128")]);
    let events = instance.post("/call", &one(&GREEDY, b"")).events();
    let failure = failure(&events[1]);
    assert_eq!(failure.kind, ErrorKind::OutOfMemory);
    assert!(failure.message.contains("may have 120 MiB"), "{failure:?}");
    assert_eq!(instance.ended().code(), Some(1));
}

#[test]
fn a_crash_leaves_what_was_sent_and_whose_it_was() {
    let mut instance = Instance::start(&[]);
    let calls = vec![call(0, &ECHO.id(), b"a", MINUTE), call(1, &EXIT.id(), b"", MINUTE)];
    let answer = instance.post("/call", &request(calls));
    assert!(answer.cut);
    let events = answer.events();
    assert_eq!(value(&events[1]), b"a");
    assert!(is_started(&events[2]) && events[2].call().0 == 1 && events.len() == 3, "{events:?}");
    assert_eq!(instance.ended().code(), Some(3));
}

#[test]
fn a_client_that_hangs_up_ends_a_generator_and_the_worker_serves_others() {
    let mut instance = Instance::start(&[]);
    let mut connection = instance.connect();
    connection.send("POST", "/call", &[], &one(&ENDLESS, b""));
    let mut answer = connection.head();
    connection.chunk(&mut answer).unwrap();
    drop(connection);
    // It was told, so that the process did not have to end.
    assert_eq!(value(&instance.post("/call", &one(&ECHO, b"on")).events()[1]), b"on");
    instance.signal(Signal::TERM);
    assert!(instance.ended().success());
}

#[test]
fn a_client_that_hangs_up_ends_a_function_that_listens_to_nobody() {
    let mut instance = Instance::start(&[]);
    let mut connection = instance.connect();
    connection.send("POST", "/call", &[], &one(&SLEEP, b""));
    assert_eq!(connection.head().status, 200);
    drop(connection);
    assert_eq!(instance.ended().code(), Some(1));
}

#[test]
fn an_idle_worker_ends_when_the_platform_says_so() {
    let mut instance = Instance::start(&[]);
    instance.post("/call", &one(&ECHO, b"x"));
    instance.signal(Signal::TERM);
    assert!(instance.ended().success());
}

#[test]
fn a_call_that_runs_when_the_platform_ends_the_instance_is_still_answered() {
    let mut instance = Instance::start(&[]);
    let mut connection = instance.connect();
    connection.send("POST", "/call", &[], &one(&NAP, b""));
    let mut answer = connection.head();
    connection.chunk(&mut answer).unwrap();
    instance.signal(Signal::TERM);
    while connection.chunk(&mut answer).is_some() {}
    assert_eq!(value(&answer.events()[1]), [1]);
    assert!(instance.ended().success());
}

#[test]
fn a_call_that_is_too_long_for_that_is_told_that_its_worker_is_lost() {
    let mut instance = Instance::start(&[]);
    let mut connection = instance.connect();
    let calls = vec![call(0, &SLEEP.id(), b"", MINUTE)];
    connection.send("POST", "/call", &[], &request(calls));
    let mut answer = connection.head();
    connection.chunk(&mut answer).unwrap();
    instance.signal(Signal::TERM);
    while connection.chunk(&mut answer).is_some() {}
    assert_eq!(failure(&answer.events()[1]).kind, ErrorKind::WorkerLost);
    assert!(!answer.cut && instance.ended().success());
}

#[test]
fn a_pushed_request_is_answered_by_messages_and_then_acknowledged() {
    let service = PubSub::start();
    let instance = Instance::start(&service.variables());
    let answer = instance.post("/queue", &PubSub::push(&one(&ECHO, b"queued"), "17", None, 1));
    assert_eq!(answer.status, 200);
    let published = service.published();
    assert_eq!(published.len(), 2, "{published:?}");
    let started = &published[0];
    assert!(started.path.ends_with(&format!("{}-responses:publish", instance::SERVICE)), "{}", started.path);
    assert_eq!(started.token.as_deref(), Some("Bearer of-the-metadata-server"));
    assert!(published.iter().all(|it| it.attribute("faast-request") == "17" && it.attribute("faast-delivery") == "1"));
    let Event::Started { instance: worker, .. } = &started.events()[0] else { unreachable!("{published:?}") };
    assert!(published.iter().all(|it| it.attribute("faast-worker") == &*worker.0), "{published:?}");
    assert_eq!(value(&published[1].events()[0]), b"queued");
}

#[test]
fn a_pushed_call_over_its_time_is_acknowledged_before_its_process_ends() {
    let service = PubSub::start();
    let mut instance = Instance::start(&service.variables());
    let calls = vec![call(1, &SLEEP.id(), b"", Duration::from_millis(100))];
    let answer = instance.post("/queue", &PubSub::push(&request(calls), "17", None, 1));
    assert_eq!((answer.status, answer.cut), (200, false), "or it would be delivered again");
    assert_eq!(failure(&service.published()[1].events()[0]).kind, ErrorKind::Timeout);
    assert_eq!(instance.ended().code(), Some(1));
}

#[test]
fn what_a_function_says_after_pubsub_has_hung_up_is_no_answer() {
    let service = PubSub::start();
    let instance = Instance::start(&service.variables());
    let mut connection = instance.connect();
    connection.send("POST", "/queue", &[], &PubSub::push(&one(&ENDLESS, b""), "17", None, 1));
    while service.published().len() < 2 {
        std::thread::yield_now();
    }
    drop(connection);
    // One thread runs functions: the first has ended when another one has.
    while instance.post("/queue", &PubSub::push(&one(&ECHO, b"next"), "18", None, 1)).status != 200 {}
    let of_first = service.published().into_iter().filter(|it| it.attribute("faast-request") == "17");
    let events: Vec<_> = of_first.flat_map(|it| it.events()).collect();
    assert!(events.iter().all(|event| !matches!(event, Event::Done { .. })), "{events:?}");
}

#[test]
fn a_pushed_call_of_an_instance_that_ends_is_left_to_the_next_delivery() {
    let service = PubSub::start();
    let mut instance = Instance::start(&service.variables());
    let mut connection = instance.connect();
    connection.send("POST", "/queue", &[], &PubSub::push(&one(&SLEEP, b""), "17", None, 1));
    while service.published().is_empty() {
        std::thread::yield_now();
    }
    instance.signal(Signal::TERM);
    assert!(connection.answer().cut, "it is not acknowledged");
    assert!(instance.ended().success());
    assert_eq!(service.published().len(), 1, "nothing but that it began");
}

#[test]
fn a_pushed_call_whose_start_can_not_be_published_does_not_run_and_is_delivered_again() {
    let service = PubSub::refusing(vec!["404 Not Found"]);
    let instance = Instance::start(&service.variables());
    // It would end the process.
    let ends = PubSub::push(&one(&EXIT, b""), "17", None, 1);
    assert_eq!((instance.post("/queue", &ends).status, service.published().len()), (500, 0));
    let next = PubSub::push(&one(&ECHO, b"next"), "18", None, 1);
    assert_eq!((instance.post("/queue", &next).status, service.published().len()), (200, 2));
}

/// The trap: the policy by which workers publish is as new as the deployment, and not known everywhere at once.
#[test]
fn a_new_worker_that_may_not_publish_yet_goes_on_until_it_may() {
    let service = PubSub::refusing(vec!["403 Forbidden"; 2]);
    let instance = Instance::start(&service.variables());
    assert_eq!(instance.post("/queue", &PubSub::push(&one(&ECHO, b"x"), "17", None, 1)).status, 200);
    assert_eq!(value(&service.published()[1].events()[0]), b"x");
}

#[test]
fn a_worker_without_descriptors_takes_connections_again_when_it_has_some() {
    let instance = Instance::start(&[]);
    assert_eq!(instance.get().status, 200);
    let usual = instance.descriptors(Some(4));
    // One is set aside for the connection that is waited for.
    let waiting = [(); 3].map(|()| instance.connect());
    std::thread::sleep(Duration::from_millis(100));
    instance.descriptors(usual);
    drop(waiting);
    assert_eq!(value(&instance.post("/call", &one(&ECHO, b"on")).events()[1]), b"on");
}

#[test]
fn a_worker_that_can_take_no_connection_any_more_ends() {
    let mut instance = Instance::start(&[]);
    assert_eq!(instance.get().status, 200);
    instance.descriptors(Some(4));
    let _waiting = [(); 3].map(|()| instance.connect());
    assert_eq!(instance.ended().code(), Some(101));
}

#[test]
fn a_pushed_request_needs_the_secret_too() {
    let service = PubSub::start();
    let mut variables = service.variables();
    variables.push(("FAAST_SECRET", "s3cret"));
    let instance = Instance::start(&variables);
    let push = |secret| instance.post("/queue", &PubSub::push(&one(&ECHO, b"x"), "17", secret, 1)).status;
    assert_eq!((push(None), push(Some("other")), push(Some("s3cret"))), (401, 401, 200));
    assert_eq!(service.published().len(), 2);
}

#[test]
fn a_pushed_request_of_another_version_is_refused_by_a_message() {
    let service = PubSub::start();
    let instance = Instance::start(&service.variables());
    assert_eq!(instance.post("/queue", &PubSub::push(&[0, 0xff], "17", None, 1)).status, 200);
    let published = service.published();
    assert!(published[0].attribute("faast-refused").contains("can't be read"), "{published:?}");
    assert_eq!(instance.post("/queue", b"{}").status, 400);
}

#[test]
fn an_answer_that_is_too_large_for_a_message_says_so_where_it_can_not_be_stored() {
    let service = PubSub::start();
    let instance = Instance::start(&service.variables());
    let large = one(&LARGE, &9_000_000_u32.to_le_bytes());
    assert_eq!(instance.post("/queue", &PubSub::push(&large, "17", None, 1)).status, 200);
    let published = service.published();
    let events = published[1].events();
    assert!(failure(&events[0]).message.contains("can't be stored"), "{events:?}");
}

#[test]
fn a_process_without_the_mark_of_google_is_no_worker() {
    for mark in ["", "index.js", "faast-worker:google"] {
        // The test that would be the worker passes at once.
        assert!(Instance::with_mark(mark, &[]).ended().success(), "{mark}");
    }
}
