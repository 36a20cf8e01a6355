//! Events of a deployment: what happened to which call, in order, until the cleanup.

#![expect(clippy::panic, clippy::unwrap_used, reason = "functions and helpers of tests fail as tests do")]

use std::path::Path;
use std::{fs, process};

use faast::prelude::*;
use faast::{CloudEvent, CloudEventKind, ErrorKind, Events};
use rustix::process::{Signal, getpid, kill_process};

faast::test_worker!();

#[faast::function]
fn double(n: u32) -> u32 {
    n * 2
}

#[faast::function]
fn count(until: u32) -> impl Iterator<Item = u32> {
    0..until
}

#[faast::function]
fn panics(why: &str) -> u32 {
    panic!("because {why}")
}

/// Its first worker is ended as if from outside.
#[faast::function]
fn loses_its_worker(marker: &Path) -> u32 {
    if !marker.exists() {
        fs::write(marker, "").unwrap();
        kill_process(getpid(), Signal::KILL).unwrap();
    }
    process::id()
}

/// All that is still to come; ends with the cleanup.
async fn rest(mut events: Events) -> Vec<CloudEvent> {
    let mut all = Vec::new();
    while let Some(event) = events.next().await {
        all.push(event);
    }
    all
}

/// A word for each event.
fn words(events: &[CloudEvent]) -> Vec<(&str, u32, String)> {
    let word = |kind: &CloudEventKind| match kind {
        CloudEventKind::Sent { hedge } => format!("sent, hedge: {hedge}"),
        CloudEventKind::Completed { duration, elapsed, instance } => {
            assert!(duration <= elapsed && instance.is_some(), "{kind:?}");
            "completed".into()
        }
        CloudEventKind::Retried { error, .. } => format!("retried: {error}"),
        CloudEventKind::Failed { error, message } => format!("failed: {error}: {message}"),
        other => panic!("{other:?}"),
    };
    events.iter().map(|event| (event.function, event.attempt, word(&event.kind))).collect()
}

#[tokio::test]
async fn events_tell_what_happened_to_each_call() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = faast::local().concurrency(1).deploy().await.unwrap();
    cloud.run(double::call(0)).await.unwrap();
    let events = cloud.events();
    cloud.run(double::call(1)).await.unwrap();
    assert_eq!(cloud.run(panics::call("of this")).await.unwrap_err().kind(), ErrorKind::Panic);
    cloud.run(loses_its_worker::call(&folder.path().join("marker"))).await.unwrap();
    cloud.cleanup().await.unwrap();

    let events = rest(events).await;
    let sent = || String::from("sent, hedge: false");
    let [double, panics, loses] = ["double", "panics", "loses_its_worker"].map(|name| format!("events::{name}"));
    let expected = [
        (double.as_str(), 1, sent()),
        (&double, 1, "completed".into()),
        (&panics, 1, sent()),
        (&panics, 1, "failed: panic: panicked: because of this".into()),
        (&loses, 1, sent()),
        (&loses, 1, "retried: worker lost".into()),
        (&loses, 2, sent()),
        (&loses, 2, "completed".into()),
    ];
    assert_eq!(words(&events), expected);
    let calls: Vec<_> = events.iter().map(|event| event.call.0).collect();
    assert!(calls.is_sorted() && calls[0] == calls[1] && calls[4] == calls[7] && calls[1] < calls[2], "{calls:?}");
}

#[tokio::test]
async fn a_generator_is_one_call_with_one_worker_whatever_it_gives() {
    let cloud = faast::local().concurrency(1).deploy().await.unwrap();
    let events = cloud.events();
    let mut items = cloud.stream(count::call(3));
    while let Some(item) = items.next().await {
        item.unwrap();
    }
    drop(items);
    cloud.cleanup().await.unwrap();
    let expected = [("events::count", 1, "sent, hedge: false".into()), ("events::count", 1, "completed".into())];
    assert_eq!(words(&rest(events).await), expected);
}
