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

fn play(threads: &Threads, args: &[&'static str], timeout: Duration) -> Vec<Result<Event, InvokeError>> {
    let calls = (1..).zip(args).map(|(id, args)| CallFrame {
        id: CallId(id),
        attempt: 1,
        function: FunctionId { name: Cow::Borrowed("play"), signature: 1 },
        timeout,
        args: Payload::Inline(Bytes::from_static(args.as_bytes())),
        trace: None,
    });
    let deployment = DeploymentId::from("d");
    let request = Request { deployment, build: build_fingerprint(), calls: calls.collect() };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(threads.invoke(request).collect())
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
