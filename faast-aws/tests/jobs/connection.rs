//! Connections that break after the service has taken the call.

use faast::{ErrorKind, Hedge};
use faast_testkit::emulator_aws::{AwsEmulator, Faults};
use faast_testkit::notes;

use super::{noted, noted_once, on};

const CALLS: u32 = 100;

fn breaking() -> AwsEmulator {
    AwsEmulator::builder().seed(7).faults(Faults { drop_after: 0.2, ..Faults::default() }).start()
}

/// Nobody sends a call again that may have run, if it may not run twice: not faast, and not the SDK.
#[tokio::test]
async fn what_may_not_run_twice_runs_once_when_connections_break() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes").display().to_string();
    let aws = breaking();
    let cloud = on(&aws.endpoint()).concurrency(8).deploy().await.unwrap();
    let results = cloud.map((0..CALLS).map(|n| noted_once::call(&path, n))).collect().await;
    let failed: Vec<_> = results.iter().filter_map(|result| result.as_ref().err()).collect();
    println!("{} of {CALLS} calls lost their connection", failed.len());
    assert!(!failed.is_empty(), "connections break");
    for error in &failed {
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Unavailable, 1), "{error:?}");
    }
    assert_eq!(notes::times(&path, 0..CALLS), vec![1; CALLS as usize], "each ran once, heard of or not");
    cloud.cleanup().await.unwrap();
}

/// What may run twice is sent again by faast, as often as it counts and no more.
#[tokio::test]
async fn every_run_of_a_call_is_an_attempt_that_faast_counts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes").display().to_string();
    let aws = breaking();
    let cloud = on(&aws.endpoint()).concurrency(8).hedge(Hedge::Off).retries(10).deploy().await.unwrap();
    let sum: u32 = cloud.map((0..CALLS).map(|n| noted::call(&path, n))).try_collect().await.unwrap().iter().sum();
    assert_eq!(sum, CALLS * (CALLS - 1) / 2);
    let stats = cloud.stats();
    let runs: usize = notes::times(&path, 0..CALLS).iter().sum();
    println!("{CALLS} calls ran {runs} times, {} retries", stats.retried);
    assert!(stats.retried > 0);
    assert_eq!(runs as u64, u64::from(CALLS) + stats.retried);
    cloud.cleanup().await.unwrap();
}
