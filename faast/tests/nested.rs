//! Threads, processes and deployments within workers: a function may do what any other code does. What ends deployments
//! that never end is in `programs/main.rs`.

#![expect(clippy::unwrap_used, reason = "functions and helpers of tests fail as tests do")]

use std::collections::BTreeSet;
use std::env;
use std::process::Command;

use faast::prelude::*;

faast::test_worker!();

#[faast::function]
fn process(_: u32) -> u32 {
    std::process::id()
}

/// The processes of so many calls in a deployment of its own, and last its own process.
#[faast::function]
async fn deploys(calls: u32) -> faast::Result<Vec<u32>> {
    let cloud = faast::local().concurrency(2).deploy().await?;
    let mut processes = cloud.map((0..calls).map(process::call)).try_collect().await?;
    cloud.cleanup().await?;
    processes.push(std::process::id());
    Ok(processes)
}

/// What a thread of its own says, and what the same executable says as a process of its own: its help.
#[faast::function]
fn starts_others() -> (String, String) {
    let thread = std::thread::spawn(|| std::thread::current().name().unwrap_or("a thread").to_owned());
    let output = Command::new(env::current_exe().unwrap()).arg("--help").output().unwrap();
    (thread.join().unwrap(), String::from_utf8(output.stdout).unwrap())
}

#[tokio::test]
async fn a_function_may_start_threads_and_its_own_executable() {
    for builder in [faast::local().concurrency(1), faast::local().concurrency(1).in_process()] {
        let cloud = builder.deploy().await.unwrap();
        let (thread, help) = cloud.run(starts_others::call()).await.unwrap();
        assert_eq!(thread, "a thread");
        assert!(help.contains("--test-threads"), "no worker, but what was asked for: {help}");
        cloud.cleanup().await.unwrap();
    }
}

#[tokio::test]
async fn a_function_may_deploy_and_map() {
    let cloud = faast::local().concurrency(2).deploy().await.unwrap();
    let mut above = BTreeSet::from([std::process::id()]);
    let mut below = BTreeSet::new();
    for mut processes in cloud.map([5, 9].map(deploys::call)).try_collect().await.unwrap() {
        above.insert(processes.pop().unwrap());
        assert!(processes.len() == 5 || processes.len() == 9);
        below.extend(processes);
    }
    assert!(above.len() >= 2 && above.is_disjoint(&below), "{above:?} {below:?}");
    cloud.cleanup().await.unwrap();
}
