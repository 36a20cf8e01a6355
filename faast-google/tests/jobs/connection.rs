//! Connections that break after the service has taken the call.

use std::path::Path;

use faast::{ErrorKind, Hedge};
use faast_testkit::emulator_google::{Faults, GoogleEmulator};
use faast_testkit::notes;

use super::{noted, noted_once, on};

const CALLS: u32 = 100;

/// Instances see the folder as the test does.
fn breaking(folder: &Path) -> GoogleEmulator {
    let faults = Faults { drop_after: 0.2, ..Faults::default() };
    GoogleEmulator::builder().seed(7).faults(faults).shared_folder(folder).start()
}

/// Nobody sends a call again that may have run, if it may not run twice.
#[tokio::test]
async fn what_may_not_run_twice_runs_once_when_connections_break() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes").display().to_string();
    let google = breaking(folder.path());
    let cloud = on(&google.endpoint()).memory_mb(512).concurrency(8).deploy().await.unwrap();
    let results = cloud.map((0..CALLS).map(|n| noted_once::call(&path, n))).collect().await;
    let times = notes::times(&path, 0..CALLS);
    let mut lost = 0;
    for (result, times) in results.iter().zip(times) {
        match result {
            Ok(_) => assert_eq!(times, 1),
            Err(error) => {
                assert_eq!((error.kind(), error.attempts()), (ErrorKind::Unavailable, 1), "{error:?}");
                assert!(times <= 1, "it ran {times} times");
                lost += 1;
            }
        }
    }
    println!("{lost} of {CALLS} calls lost their connection");
    assert!(lost > 0, "connections break");
    cloud.cleanup().await.unwrap();
    assert_eq!(google.leftovers(), Vec::<String>::new());
}

/// What may run twice is sent again by faast, as often as it counts and no more.
#[tokio::test]
async fn every_run_of_a_call_is_an_attempt_that_faast_counts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes").display().to_string();
    let google = breaking(folder.path());
    let cloud = on(&google.endpoint()).memory_mb(512).concurrency(8).hedge(Hedge::Off).retries(10);
    let cloud = cloud.deploy().await.unwrap();
    let sum: u32 = cloud.map((0..CALLS).map(|n| noted::call(&path, n))).try_collect().await.unwrap().iter().sum();
    assert_eq!(sum, CALLS * (CALLS - 1) / 2);
    let stats = cloud.stats();
    let times = notes::times(&path, 0..CALLS);
    let runs: usize = times.iter().sum();
    println!("{CALLS} calls ran {runs} times, {} retries", stats.retried);
    assert!(stats.retried > 0 && times.iter().all(|times| *times >= 1), "{times:?}");
    assert!(runs as u64 <= u64::from(CALLS) + stats.retried, "{runs} runs, {} retries", stats.retried);
    cloud.cleanup().await.unwrap();
}
