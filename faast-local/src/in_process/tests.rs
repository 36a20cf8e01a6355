//! Functions on threads: values, panics, time-outs, and the end.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use faast_core::ErrorKind;
use faast_core::function::{Body, FunctionEntry, Registered, build_fingerprint};
use faast_core::provider::{CallFrame, CallId, DeploymentId, FunctionId, Outcome, Payload, RetryClass};
use futures_util::StreamExt;

use super::*;

const MINUTE: Duration = Duration::from_mins(1);

static PLAY: FunctionEntry = FunctionEntry {
    name: "play",
    signature: 1,
    location: "here",
    idempotent: true,
    body: Body::Sync(|args, out| {
        match args {
            b"panic" => panic!("on purpose"),
            b"sleep" => thread::sleep(Duration::from_millis(300)),
            _ => out.extend_from_slice(format!("{:?}", thread::current().name()).as_bytes()),
        }
        Ok(())
    }),
};

faast_core::inventory::submit! { Registered(&PLAY) }

fn request(calls: impl IntoIterator<Item = (u64, &'static str)>, timeout: Duration) -> Request {
    let calls = calls.into_iter().map(|(id, args)| CallFrame {
        id: CallId(id),
        attempt: 1,
        function: FunctionId { name: Cow::Borrowed("play"), signature: 1 },
        timeout,
        args: Payload::Inline(Bytes::from_static(args.as_bytes())),
        trace: None,
    });
    let deployment = DeploymentId::from("d");
    Request { deployment, build: build_fingerprint(), calls: calls.collect() }
}

fn play(threads: &Threads, args: &[&'static str], timeout: Duration) -> Vec<Result<Event, InvokeError>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(threads.invoke(request((1..).zip(args.iter().copied()), timeout)).collect())
}

fn failures(events: &[Result<Event, InvokeError>]) -> Vec<ErrorKind> {
    let failure = |event: &Result<Event, _>| match event {
        Ok(Event::Done { outcome: Outcome::Err(failure), .. }) => Some(failure.kind),
        _ => None,
    };
    events.iter().filter_map(failure).collect()
}

#[test]
fn functions_run_on_threads_and_panics_are_answers() {
    let threads = Threads::new(1);
    let name = |threads| match play(threads, &["name"], MINUTE).pop() {
        Some(Ok(Event::Done { outcome: Outcome::Ok(Payload::Inline(name)), .. })) => name,
        other => panic!("{other:?}"),
    };
    let before = name(&threads);
    assert_eq!(before, &b"Some(\"faast-thread-0\")"[..]);
    assert_eq!(failures(&play(&threads, &["panic"], MINUTE)), [ErrorKind::Panic]);
    assert_eq!(name(&threads), before);
}

#[test]
fn a_call_over_its_time_is_an_error_and_its_thread_is_replaced() {
    let threads = Threads::new(1);
    let events = play(&threads, &["sleep"], Duration::from_millis(20));
    assert_eq!(failures(&events), [ErrorKind::Timeout]);
    assert!(failures(&play(&threads, &["name"], MINUTE)).is_empty());
}

#[test]
fn after_cleanup_requests_are_canceled() {
    let threads = Threads::new(2);
    threads.close();
    let events = play(&threads, &["name"], MINUTE);
    assert!(matches!(&events[..], [Err(error)] if error.class == RetryClass::Canceled), "{events:?}");
}

#[test]
fn a_thread_takes_the_next_request_only_when_all_of_the_last_is_answered() {
    let desk = Arc::new(Desk { state: Mutex::default(), work: Condvar::new() });
    let sink = Arc::new(Sink {
        desk: Arc::clone(&desk),
        instance: InstanceId("thread".into()),
        current: Mutex::new(None),
        abandoned: AtomicBool::new(false),
    });
    let jobs = [1, 3].map(|id| Job::new(request([(id, "name"), (id + 1, "name")], MINUTE)));
    for job in &jobs {
        desk.submit(job);
    }
    let mut transport = ThreadTransport { sink: Arc::clone(&sink) };
    assert_eq!(transport.next().unwrap().calls[0].id, CallId(1));
    let (tell, told) = std::sync::mpsc::channel();
    let next = thread::spawn(move || tell.send(transport.next().unwrap().calls[0].id));
    let answer = |id| sink.send(&mut Event::Returned { call: CallId(id) }, 0).unwrap();
    answer(1);
    assert!(told.recv_timeout(Duration::from_millis(100)).is_err(), "the other call of the first request is open");
    answer(2);
    assert_eq!(told.recv().unwrap(), CallId(3));
    next.join().unwrap().unwrap();
}
