//! Leaving no trace: everything that a deployment made is gone, however it ends. Counted in `/proc`, so each count is
//! taken in a process of its own, which this test binary starts from itself.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "functions and helpers of tests fail as tests do")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, thread};

use faast::ErrorKind;
use faast::prelude::*;
use faast_testkit::watch::is_alive;
use rustix::process::{Pid, Signal, kill_process};

faast::test_worker!();

/// Which program a process runs; unset in a test run.
const PROGRAM: &str = "FAAST_TEST_PROGRAM";

#[faast::function]
fn sleeps(millis: u64) -> u32 {
    thread::sleep(Duration::from_millis(millis));
    std::process::id()
}

/// Does not look whether anybody still waits.
#[faast::function]
fn busy() -> u32 {
    loop {
        std::hint::spin_loop();
    }
}

/// Descriptors, threads and children of this process.
fn held() -> [usize; 3] {
    let count = |folder: &str| fs::read_dir(folder).unwrap().count();
    [count("/proc/self/fd"), count("/proc/self/task"), children(std::process::id()).len()]
}

/// A thread that has been joined stands in `/proc` for a moment longer.
fn assert_held(before: [usize; 3]) {
    let since = Instant::now();
    while held() != before && since.elapsed() < Duration::from_secs(20) {
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(held(), before);
}

fn children(of: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{of}/task")).into_iter().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<_>>()).collect()
}

fn start(program: &str, home: &Path) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["program", "--exact", "--nocapture"]).env(PROGRAM, program).env("FAAST_HOME", home);
    command.stdout(Stdio::piped()).spawn().unwrap()
}

/// Does nothing in a test run; the others start it in processes of its own.
#[test]
fn program() {
    let Ok(program) = env::var(PROGRAM) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        match program.as_str() {
            "counts" => counts().await,
            "drops" => drops().await,
            "runs" => runs().await,
            other => panic!("no program `{other}`"),
        }
    });
}

async fn counts() {
    let before = held();
    for _ in 0..3 {
        let cloud = faast::local().concurrency(4).deploy().await.unwrap();
        let mut map = cloud.map([1, 1, 60_000, 60_000, 60_000, 60_000, 60_000, 60_000].map(sleeps::call));
        assert!(map.next().await.unwrap().is_ok() && map.next().await.unwrap().is_ok());
        cloud.cleanup().await.unwrap();
        let mut canceled = 0;
        while let Some(result) = map.next().await {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::Canceled);
            canceled += 1;
        }
        assert_eq!(canceled, 6);
        cloud.cleanup().await.unwrap();
        assert_eq!(cloud.run(sleeps::call(0)).await.unwrap_err().kind(), ErrorKind::Canceled);
        drop((map, cloud));
        assert_held(before);
    }
}

async fn drops() {
    let before = held();
    let cloud = faast::local().concurrency(2).deploy().await.unwrap();
    assert!(cloud.run(sleeps::call(1)).await.is_ok());
    let run = cloud.run(busy::call());
    assert!(tokio::time::timeout(Duration::from_millis(100), run).await.is_err());
    drop(cloud);
    assert_held(before);
}

/// Says when its workers are busy, and never ends by itself.
async fn runs() {
    let cloud = faast::local().concurrency(2).deploy().await.unwrap();
    let mut map = cloud.map((0..100).map(|n| if n == 0 { sleeps::call(1) } else { busy::call() }));
    assert!(map.next().await.unwrap().is_ok());
    println!("running");
    map.next().await;
}

fn succeeds(program: &str) {
    let home = tempfile::tempdir().unwrap();
    assert!(start(program, home.path()).wait_with_output().unwrap().status.success(), "{program}");
    assert_eq!(files(home.path()), Vec::<PathBuf>::new());
}

/// All but when garbage was last collected, which stays.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let entries = entries.filter(|path| !path.ends_with("local/gc"));
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn cleanup_in_the_middle_of_a_map_cancels_every_call_and_leaves_nothing() {
    succeeds("counts");
}

#[test]
fn dropping_the_last_handle_leaves_nothing() {
    succeeds("drops");
}

#[test]
fn workers_end_when_the_client_is_killed() {
    let home = tempfile::tempdir().unwrap();
    let mut client = start("runs", home.path());
    let line = BufReader::new(client.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .find(|line| line.ends_with("running"));
    assert!(line.is_some());
    let workers = children(client.id());
    assert_eq!(workers.len(), 2);
    kill_process(Pid::from_raw(client.id().try_into().unwrap()).unwrap(), Signal::KILL).unwrap();
    client.wait().unwrap();
    let since = Instant::now();
    while workers.iter().any(is_alive) {
        assert!(since.elapsed() < Duration::from_secs(20), "busy workers live on after their client");
        thread::sleep(Duration::from_millis(5));
    }
}

#[tokio::test]
async fn logs_stay_only_on_request() {
    let log = |detail: &faast::Detail<u32>| PathBuf::from(detail.log_url.strip_prefix("file://").unwrap());
    let cloud = faast::local().concurrency(1).deploy().await.unwrap();
    let gone = log(&cloud.run(sleeps::call(1)).detail().await.unwrap());
    assert!(gone.is_file());
    cloud.cleanup().await.unwrap();
    assert!(!gone.exists());

    let cloud = faast::local().concurrency(1).keep_logs().deploy().await.unwrap();
    let kept = log(&cloud.run(sleeps::call(1)).detail().await.unwrap());
    cloud.cleanup().await.unwrap();
    assert!(kept.is_file());
    fs::remove_dir_all(kept.parent().unwrap()).unwrap();
}
