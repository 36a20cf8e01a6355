//! Connections that break after the service has taken the call.

use std::time::Duration;

use faast::{ErrorKind, Hedge};
use faast_aws::AwsOptions as _;
use faast_testkit::emulator_aws::{AwsEmulator, Faults};
use faast_testkit::notes;
use futures_util::StreamExt as _;

use super::{double, noted, noted_once, on, ticks};

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

/// The clock of AWS is moved, which is the same as one of this machine that is wrong.
#[tokio::test]
async fn a_clock_that_is_off_costs_one_more_request() {
    const ALL: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    let aws = AwsEmulator::builder().enforce_iam(true).start();
    let user = aws.add_user(ALL);
    let cloud = on(&aws.endpoint()).credentials(&user.access_key, &user.secret_key, None).concurrency(1);
    let cloud = cloud.retries(0).deploy().await.unwrap();
    assert_eq!(cloud.run(double::call(1)).await.unwrap(), 2);
    aws.advance(Duration::from_mins(20));
    assert_eq!(cloud.run(double::call(2)).await.unwrap(), 4);
    assert_eq!(cloud.run(double::call(3)).await.unwrap(), 6);
    let items: Vec<_> = cloud.stream(ticks::call(2, 1)).map(Result::unwrap).collect().await;
    assert_eq!(items, [0, 1]);
    let sent = |refused: bool| {
        let invokes = aws.calls().into_iter().filter(|call| call.action.starts_with("Invoke"));
        invokes.filter(|call| call.error.is_some() == refused).count()
    };
    assert_eq!((sent(true), sent(false), aws.bill().requests), (1, 4, 4));
    cloud.cleanup().await.unwrap();
    assert_eq!(aws.leftovers(), Vec::<String>::new());
}
