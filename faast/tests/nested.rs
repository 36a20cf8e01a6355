//! Deployments within workers: a function may use faast like any other code. What ends those that never end is in
//! `programs/main.rs`.

use std::collections::BTreeSet;

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
