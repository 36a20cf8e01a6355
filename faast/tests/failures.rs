//! Every way to fail reaches the caller as its own kind, with words and logs, and the other calls of the map go on.

#![expect(
    clippy::panic,
    clippy::unnecessary_literal_unwrap,
    clippy::unused_async,
    clippy::unwrap_used,
    reason = "functions and helpers of tests fail as tests do"
)]

use std::fs;
use std::io;
use std::path::Path;
use std::process;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use faast::ErrorKind::{self, Crash, OutOfMemory, Panic, Timeout, User};
use faast::prelude::*;
use rustix::process::{Pid, Signal, getpid, kill_process};
use serde::{Deserialize, Serialize};

faast::test_worker!();

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum OrderError {
    SoldOut { left: u32 },
}

#[faast::function]
fn order(wanted: u32) -> Result<u32, OrderError> {
    if wanted > 3 { Err(OrderError::SoldOut { left: 3 }) } else { Ok(wanted) }
}

/// An error with nothing in it.
#[faast::function]
fn declines() -> Result<u32, ()> {
    Err(())
}

#[faast::function]
fn open(path: &Path) -> io::Result<u32> {
    fs::read(path).map(|_| 0)
}

#[faast::function]
fn chain() -> anyhow::Result<u32> {
    Err(io::Error::other("the bottom")).context("the middle").context("the top")
}

#[faast::function]
fn panics(why: &str) -> u32 {
    panic!("because {why}")
}

/// Catches its own panic.
#[faast::function]
fn recovers() -> bool {
    std::panic::catch_unwind(|| panic!("that was caught")).is_err()
}

/// Passes on the panic of a thread, after one of its own that it caught.
#[faast::function]
fn passes_on() -> u32 {
    let _ = recovers();
    std::thread::spawn(|| panic!("of a thread")).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

#[faast::function]
async fn panics_later() -> u32 {
    tokio::time::sleep(Duration::from_millis(1)).await;
    None::<u32>.expect("nothing there")
}

#[faast::function]
fn exits(status: i32) -> u32 {
    process::exit(status)
}

#[faast::function]
fn aborts() -> u32 {
    process::abort()
}

#[faast::function]
fn segfaults() -> u32 {
    // Rust's own handler takes the first, finds that it is no stack overflow, and lets the second through.
    loop {
        kill_process(getpid(), Signal::SEGV).unwrap();
    }
}

#[faast::function]
fn overflows(depth: u64) -> u64 {
    let pad = std::hint::black_box([depth; 64]);
    if depth == u64::MAX { 0 } else { overflows(depth + 1) + pad[3] }
}

#[faast::function]
fn loops() -> u32 {
    loop {
        std::hint::spin_loop();
    }
}

#[faast::function]
async fn waits() -> u32 {
    std::future::pending().await
}

#[faast::function]
async fn loops_in_async() -> u32 {
    loop {
        std::hint::spin_loop();
    }
}

#[faast::function]
fn fills_memory() -> u32 {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    loop {
        kept.push(vec![1; 1 << 20]);
    }
}

#[faast::function]
fn double(n: u32) -> u32 {
    n * 2
}

/// Writes its process down, then takes its time.
#[faast::function]
fn lingers(folder: &Path) -> u32 {
    let ids = fs::read_dir(folder).unwrap().count();
    fs::write(folder.join(process::id().to_string()), "").unwrap();
    if ids == 0 {
        std::thread::sleep(Duration::from_mins(1));
    }
    7
}

/// The same for something that must not happen twice.
#[faast::function(idempotent = false)]
fn lingers_once(folder: &Path) -> u32 {
    lingers(folder)
}

/// What a way to fail has to say.
type Expected = (&'static str, Call<u32>, ErrorKind, &'static str);

fn ways_to_fail() -> Vec<Expected> {
    vec![
        ("order", order::call(9), User, "SoldOut { left: 3 }"),
        ("open", open::call(Path::new("/nowhere")), User, "No such file"),
        ("chain", chain::call(), User, "the top"),
        ("panics", panics::call("of this"), Panic, "because of this"),
        ("panics_later", panics_later::call(), Panic, "nothing there"),
        ("exits 0", exits::call(0), Crash, "status 0"),
        ("exits 1", exits::call(1), Crash, "status 1"),
        ("aborts", aborts::call(), Crash, "SIGABRT"),
        ("segfaults", segfaults::call(), Crash, "SIGSEGV"),
        ("overflows", overflows::call(0).map(|_| 0), Crash, "stack overflow"),
        ("loops", loops::call().timeout(Duration::from_millis(300)), Timeout, "300ms"),
        ("waits", waits::call().timeout(Duration::from_millis(300)), Timeout, "300ms"),
        ("loops_in_async", loops_in_async::call().timeout(Duration::from_millis(300)), Timeout, "300ms"),
        ("fills_memory", fills_memory::call(), OutOfMemory, "MiB"),
    ]
}

#[tokio::test]
async fn each_failure_has_its_kind_words_and_logs_while_the_others_go_on() {
    let cloud = faast::local().concurrency(3).memory_mb(256).deploy().await.unwrap();
    let failing = ways_to_fail();
    let expected: Vec<_> = failing.iter().map(|(name, _, kind, words)| (*name, *kind, *words)).collect();
    let calls = failing.into_iter().flat_map(|(name, call, ..)| [call.label(name), double::call(21)]);
    let results = cloud.map(calls).collect().await;
    assert_eq!(results.len(), 2 * expected.len());
    for (pair, (name, kind, words)) in results.chunks(2).zip(expected) {
        let error = pair[0].as_ref().unwrap_err();
        assert_eq!(error.kind(), kind, "{name}: {error:?}");
        assert!(error.message().contains(words), "{name}: {error:?}");
        assert_eq!((error.label(), error.attempts()), (Some(name), 1), "{name}: {error:?}");
        let log = error.log_url().unwrap().strip_prefix("file://").unwrap();
        assert!(Path::new(log).is_file(), "{name}: {log}");
        assert_eq!(*pair[1].as_ref().unwrap(), 42, "beside {name}");
    }
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn an_error_comes_back_as_itself_or_by_its_words() {
    let cloud = faast::local().concurrency(1).deploy().await.unwrap();
    let error = cloud.run(order::call(9)).await.unwrap_err();
    assert_eq!(order::error(&error), Some(OrderError::SoldOut { left: 3 }));
    let error = cloud.run(declines::call()).await.unwrap_err();
    assert_eq!((error.kind(), declines::error(&error)), (User, Some(())), "{error:?}");
    let error = cloud.run(chain::call()).await.unwrap_err();
    let mut causes = vec![error.message().to_owned()];
    let mut cause = std::error::Error::source(&error);
    while let Some(below) = cause {
        causes.push(below.to_string());
        cause = below.source();
    }
    assert_eq!(causes, ["the top", "the middle", "the bottom"]);
    cloud.cleanup().await.unwrap();
}

/// The model's own list of configurations: in processes and in threads, one worker and two, with retries and without.
#[tokio::test]
async fn calls_may_be_awaited_in_another_order_than_they_were_started() {
    for (workers, retries) in [(1, 0), (2, 0), (2, 2)] {
        let local = || faast::local().concurrency(workers).retries(retries);
        for builder in [local(), local().in_process()] {
            let cloud = builder.deploy().await.unwrap();
            let first = tokio::spawn(cloud.run(declines::call()));
            let second = tokio::spawn(cloud.run(double::call(21)));
            assert_eq!(second.await.unwrap().unwrap(), 42);
            assert_eq!(declines::error(&first.await.unwrap().unwrap_err()), Some(()));
            cloud.cleanup().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_panic_that_was_caught_is_not_taken_for_another() {
    let cloud = faast::local().concurrency(1).deploy().await.unwrap();
    assert!(cloud.run(recovers::call()).await.unwrap());
    let error = cloud.run(passes_on::call()).await.unwrap_err();
    assert_eq!(error.kind(), Panic);
    assert!(error.message().contains("of a thread"), "{error:?}");
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn a_panic_says_where_it_happened() {
    let cloud = faast::local().concurrency(1).deploy().await.unwrap();
    let error = cloud.run(panics::call("of this")).await.unwrap_err();
    assert!(error.location().unwrap().starts_with("faast/tests/failures.rs:"), "{error:?}");
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn a_worker_killed_from_outside_is_replaced_and_its_call_run_again() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = faast::local().concurrency(1).deploy().await.unwrap();
    let run = tokio::spawn(cloud.run(lingers::call(folder.path())).detail());
    let victim = await_file(folder.path()).await;
    kill_process(Pid::from_raw(victim).unwrap(), Signal::KILL).unwrap();
    let detail = run.await.unwrap().unwrap();
    assert_eq!((detail.value, detail.attempts), (7, 2));

    let folder = tempfile::tempdir().unwrap();
    let run = tokio::spawn(cloud.run(lingers::call(folder.path()).retries(0)));
    let victim = await_file(folder.path()).await;
    kill_process(Pid::from_raw(victim).unwrap(), Signal::KILL).unwrap();
    let error = run.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WorkerLost, "{error:?}");
    assert!(error.message().contains("SIGKILL") && error.log_url().is_some(), "{error:?}");
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn what_must_not_run_twice_is_not_sent_again_after_its_worker_was_killed() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = faast::local().concurrency(1).deploy().await.unwrap();
    let run = tokio::spawn(cloud.run(lingers_once::call(folder.path()).retries(9).retry_if(|_| true)));
    let victim = await_file(folder.path()).await;
    kill_process(Pid::from_raw(victim).unwrap(), Signal::KILL).unwrap();
    let error = run.await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::WorkerLost, 1), "{error:?}");
    assert!(error.message().contains("SIGKILL"), "{error:?}");
    assert!(error.hint().unwrap().contains("idempotent = false"), "{error:?}");
    assert_eq!(cloud.run(double::call(1)).await.unwrap(), 2);
    cloud.cleanup().await.unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "it ran a second time");
}

/// The process that has written itself down.
async fn await_file(folder: &Path) -> i32 {
    loop {
        if let Some(entry) = fs::read_dir(folder).unwrap().next() {
            return entry.unwrap().file_name().to_str().unwrap().parse().unwrap();
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn a_failure_is_tried_again_where_the_call_asks_for_it() {
    let cloud = faast::local().concurrency(1).deploy().await.unwrap();
    let call = segfaults::call().retries(2).retry_if(|error| error.kind() == Crash);
    let error = cloud.run(call).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (Crash, 3));
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn retry_if_may_ask_the_cloud_and_a_panic_of_it_is_a_no() {
    let cloud = faast::local().concurrency(1).deploy().await.unwrap();
    let asked = cloud.clone();
    let error = cloud.run(panics::call("x").retry_if(move |_| asked.stats().retried == 0)).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (Panic, 2));
    let error = cloud.run(panics::call("x").retry_if(|_| panic!("undecided"))).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (Panic, 1));
    assert_eq!(cloud.run(double::call(1)).await.unwrap(), 2);
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn a_time_out_reaches_the_caller_and_not_much_later() {
    let cloud = faast::local().concurrency(1).timeout(Duration::from_millis(100)).deploy().await.unwrap();
    let start = Instant::now();
    let error = cloud.run(loops::call()).await.unwrap_err();
    assert!(error.is_timeout() && start.elapsed() >= Duration::from_millis(100), "{error:?}");
    assert_eq!(cloud.run(double::call(1)).await.unwrap(), 2);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    cloud.cleanup().await.unwrap();
}
