//! Who pays for a crash, and calls that no worker can run: the fault stays where it belongs.

#![expect(
    clippy::needless_pass_by_value,
    clippy::unnecessary_wraps,
    clippy::unwrap_used,
    reason = "functions and helpers of tests fail as tests do"
)]

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process;

use faast::core::function::{Body, FunctionEntry};
use faast::prelude::*;
use faast::{Error, ErrorKind};
use rustix::process::{Signal, getpid, kill_process};
use serde::{Deserialize, Deserializer, Serialize};

faast::test_worker!();

/// Writes down that it ran, and where; one input kills its worker.
#[faast::function]
fn recorded(n: u32, deadly: Option<u32>, journal: &Path) -> u32 {
    let mut journal = File::options().append(true).open(journal).unwrap();
    journal.write_all(format!("{n} {}\n", process::id()).as_bytes()).unwrap();
    while deadly == Some(n) {
        kill_process(getpid(), Signal::SEGV).unwrap();
    }
    n
}

/// Calls that ran, and the processes that they ran in.
fn read(journal: &Path) -> (Vec<u32>, Vec<u32>) {
    let text = fs::read_to_string(journal).unwrap();
    let lines = text.lines().map(|line| line.split_once(' ').unwrap());
    let (mut calls, mut processes): (Vec<u32>, Vec<u32>) =
        lines.map(|(call, process)| (call.parse::<u32>().unwrap(), process.parse::<u32>().unwrap())).unzip();
    calls.sort_unstable();
    processes.sort_unstable();
    processes.dedup();
    (calls, processes)
}

#[tokio::test]
async fn a_deadly_input_costs_one_worker_and_of_its_frame_only_itself() {
    let journal = tempfile::NamedTempFile::new().unwrap();
    let cloud = faast::local().concurrency(1).deploy().await.unwrap();
    // Short calls share frames: the deadly one has others before and behind it in its own.
    let calls = (0..2000).map(|n| recorded::call(n, Some(1000), journal.path()));
    let results = cloud.map(calls).collect().await;
    for (n, result) in (0..).zip(&results) {
        match result {
            Ok(value) => assert!(n == *value && n != 1000),
            Err(error) => assert!(n == 1000 && error.kind() == ErrorKind::Crash && error.attempts() == 1, "{error:?}"),
        }
    }
    let (calls, processes) = read(journal.path());
    assert_eq!(calls, (0..2000).collect::<Vec<_>>(), "each ran once, and no other a second time");
    assert_eq!(processes.len(), 2, "one was lost, and one took its place");
    cloud.cleanup().await.unwrap();
}

#[derive(Debug, Serialize)]
struct Picky(u8);

/// Refuses what it is given in workers, and nothing before.
impl<'de> Deserialize<'de> for Picky {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let value = u8::deserialize(input)?;
        if faast::context().is_worker() {
            return Err(serde::de::Error::custom("not to my taste"));
        }
        Ok(Self(value))
    }
}

#[faast::function]
fn taste(food: Picky) -> u8 {
    food.0
}

#[tokio::test]
async fn an_argument_that_can_not_be_decoded_is_named() {
    let cloud = faast::local().concurrency(1).deploy().await.unwrap();
    let error = cloud.run(taste::call(Picky(1))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode, "{error:?}");
    let words = format!("{error:?}");
    assert!(words.contains("food") && words.contains("not to my taste"), "{words}");
    cloud.cleanup().await.unwrap();
}

fn nothing(_: &[u8], _: &mut Vec<u8>) -> faast::core::function::Ended {
    Ok(())
}

/// As a client has them whose worker is of another build: never registered here, or with another signature.
static GHOST: FunctionEntry = FunctionEntry {
    name: "elsewhere::ghost",
    signature: 1,
    location: "elsewhere.rs:1:1",
    idempotent: true,
    body: Body::Sync(nothing),
};
static CHANGED: FunctionEntry = FunctionEntry { name: "blame::taste", signature: 1, ..GHOST };

#[tokio::test]
async fn a_function_that_the_worker_has_not_or_has_differently_is_told_as_such() {
    let cloud = faast::local().concurrency(1).deploy().await.unwrap();
    let error = cloud.run(Call::<()>::new(&GHOST, Ok(Vec::new()))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownFunction, "{error:?}");
    assert!(format!("{error:?}").contains("use elsewhere as _;"), "{error:?}");
    let error = cloud.run(Call::<()>::new(&CHANGED, Ok(Vec::new()))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StaleBuild, "{error:?}");
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn workers_that_can_not_start_say_why_and_are_not_started_for_ever() {
    // What the test harness refuses to start with.
    let cloud = faast::local().concurrency(2).env("RUST_TEST_THREADS", "none").deploy().await;
    let errors: Vec<Error> = match cloud {
        Err(error) => vec![error],
        Ok(cloud) => {
            let calls = (0..20).map(|_| recorded::call(0, None, Path::new("/")));
            let results = cloud.map(calls).collect().await;
            cloud.cleanup().await.unwrap();
            results.into_iter().map(Result::unwrap_err).collect()
        }
    };
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Deploy, "{error:?}");
        assert!(error.message().contains("RUST_TEST_THREADS"), "{error:?}");
    }
}
