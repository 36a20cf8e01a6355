//! Maps with a journal: what is sent again and what is not, whatever has changed since.

#![expect(clippy::unwrap_used, reason = "functions and helpers of tests fail as tests do")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;

use faast::prelude::*;
use faast::{ErrorKind, Stats};
use tempfile::TempDir;

faast::test_worker!();

#[faast::function]
fn square(n: u64) -> u64 {
    n * n
}

#[faast::function(version = 2)]
fn cube(n: u64) -> u64 {
    n * n * n
}

/// Another value each time.
#[faast::function]
fn unique(_: u64) -> String {
    format!("{} {:?}", std::process::id(), std::time::Instant::now())
}

#[faast::function]
fn needs(file: &Path, n: u64) -> Result<u64, String> {
    if n.is_multiple_of(3) && !file.exists() { Err(format!("{n} is not ready")) } else { Ok(n) }
}

#[faast::function]
fn sum(weights: &HashMap<String, u64>) -> u64 {
    weights.values().sum()
}

#[faast::function]
fn nothing() -> u64 {
    7
}

#[faast::function]
fn large(n: u8) -> Vec<u8> {
    vec![n; 3_000_000]
}

#[faast::function]
fn sleeps(millis: u64) -> u64 {
    std::thread::sleep(Duration::from_millis(millis));
    millis
}

fn home() -> (TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("job.journal");
    (home, path)
}

async fn cloud() -> Cloud {
    faast::local().concurrency(2).deploy().await.unwrap()
}

/// Runs a map with a journal in a deployment of its own, as another start of the program would.
async fn run<T>(path: &Path, calls: impl IntoIterator<Item = Call<T>>) -> (Vec<faast::Result<T>>, Stats) {
    let cloud = cloud().await;
    let results = cloud.map(calls).journal(path).collect().await;
    let stats = cloud.stats();
    cloud.cleanup().await.unwrap();
    (results, stats)
}

fn values<T>(results: Vec<faast::Result<T>>) -> Vec<T> {
    results.into_iter().map(Result::unwrap).collect()
}

#[tokio::test]
async fn a_second_run_sends_only_what_is_missing_in_any_order() {
    let (_home, path) = home();
    let (results, stats) = run(&path, (0..50).map(square::call)).await;
    assert_eq!(values(results), (0..50).map(|n| n * n).collect::<Vec<_>>());
    assert_eq!((stats.replayed, stats.submitted), (0, 50));

    let changed: Vec<u64> = (10..80).rev().collect();
    let (results, stats) = run(&path, changed.iter().map(|n| square::call(*n))).await;
    assert_eq!(values(results), changed.iter().map(|n| n * n).collect::<Vec<_>>());
    assert_eq!((stats.replayed, stats.submitted, stats.completed), (40, 30, 30));

    let (results, stats) = run(&path, (0..80).map(square::call)).await;
    assert_eq!(values(results), (0..80).map(|n| n * n).collect::<Vec<_>>());
    assert_eq!((stats.replayed, stats.submitted), (80, 0));
}

#[tokio::test]
async fn any_provider_and_any_shape_of_map_goes_on() {
    let (_home, path) = home();
    run(&path, (0..20).map(square::call)).await;
    let threads = faast::local().in_process().concurrency(2).deploy().await.unwrap();
    let mut ordered = threads.map((0..40).map(square::call)).journal(&path).ordered();
    for n in 0..40 {
        assert_eq!(ordered.next().await.unwrap().unwrap(), n * n);
    }
    assert!(ordered.next().await.is_none());
    let stream = futures_util::stream::iter((0..60).map(square::call));
    let mut indexed = threads.map_stream(stream).journal(&path).indexed();
    let mut seen = BTreeMap::new();
    while let Some((index, result)) = indexed.next().await {
        seen.insert(index, result.unwrap());
    }
    assert_eq!(seen, (0..60).map(|n| (n, n * n)).collect());
    assert_eq!((threads.stats().replayed, threads.stats().submitted), (60, 40));
    assert!(threads.cost().await.lines.is_empty());
    threads.cleanup().await.unwrap();
}

#[tokio::test]
async fn a_map_with_keys_goes_on_with_the_keys_of_this_run() {
    let (_home, path) = home();
    let cloud = cloud().await;
    let keyed = async |from: u64, to: u64, prefix: &str| {
        let calls = (from..to).map(|n| (format!("{prefix}{n}"), square::call(n)));
        let mut keyed = cloud.map_keyed(calls).journal(&path);
        let mut seen = BTreeMap::new();
        while let Some((key, result)) = keyed.next().await {
            assert!(seen.insert(key, result.unwrap()).is_none());
        }
        assert_eq!(seen, (from..to).map(|n| (format!("{prefix}{n}"), n * n)).collect());
    };
    keyed(0, 30, "a").await;
    assert_eq!((cloud.stats().replayed, cloud.stats().submitted), (0, 30));
    keyed(10, 50, "b").await;
    assert_eq!((cloud.stats().replayed, cloud.stats().submitted), (20, 50));

    // Where it can't be opened, nothing is sent, and a key comes with the reason.
    std::fs::write(&path, "a diary").unwrap();
    let mut refused = cloud.map_keyed((0..5).map(|n| (n, square::call(n)))).journal(&path);
    let (key, result) = refused.next().await.unwrap();
    assert_eq!((key, result.unwrap_err().kind()), (0, ErrorKind::Io));
    assert!(refused.next().await.is_none());
    assert_eq!(cloud.stats().submitted, 50);
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn equal_calls_are_counted() {
    let (_home, path) = home();
    let (first, _) = run(&path, (0..5).map(|_| unique::call(1))).await;
    let first: BTreeSet<String> = values(first).into_iter().collect();
    assert_eq!(first.len(), 5);
    let (second, stats) = run(&path, (0..7).map(|_| unique::call(1))).await;
    let second: BTreeSet<String> = values(second).into_iter().collect();
    assert!(second.len() == 7 && first.is_subset(&second));
    assert_eq!((stats.replayed, stats.submitted), (5, 2));
}

#[tokio::test]
async fn failures_are_tried_again_and_values_are_not() {
    let (home, path) = home();
    let file = home.path().join("ready");
    let calls = || (0..9).map(|n| needs::call(&file, n));
    let (results, stats) = run(&path, calls()).await;
    assert_eq!(results.iter().filter(|result| result.is_err()).count(), 3);
    assert_eq!(needs::error(results[3].as_ref().unwrap_err()).as_deref(), Some("3 is not ready"));
    assert_eq!(stats.failed, 3);
    std::fs::write(&file, "").unwrap();
    let (results, stats) = run(&path, calls()).await;
    assert_eq!(values(results), (0..9).collect::<Vec<_>>());
    assert_eq!((stats.replayed, stats.submitted), (6, 3));
}

#[tokio::test]
async fn the_same_arguments_of_another_function_are_another_call() {
    let (_home, path) = home();
    run(&path, [cube::call(3)]).await;
    let (results, stats) = run(&path, [square::call(3), cube::call(3)]).await;
    assert_eq!((values(results), stats.replayed), (vec![9, 27], 1));
}

#[tokio::test]
async fn maps_as_arguments_are_known_whatever_their_order_and_so_are_no_arguments() {
    let (_home, path) = home();
    // Each `HashMap` has an order of its own.
    let weights = || (0..30).map(|n| (format!("weight {n}"), n)).collect::<HashMap<String, u64>>();
    run(&path, [sum::call(&weights()), nothing::call()]).await;
    let (results, stats) = run(&path, [nothing::call(), sum::call(&weights())]).await;
    assert_eq!((values(results), stats.replayed), (vec![7, 435], 2));
}

#[tokio::test]
async fn large_results_come_back_whole() {
    let (_home, path) = home();
    let wanted: Vec<Vec<u8>> = (0..12).map(|n| vec![n; 3_000_000]).collect();
    let (results, _) = run(&path, (0..12).map(large::call)).await;
    assert!(values(results) == wanted);
    let (results, stats) = run(&path, (0..12).map(large::call)).await;
    assert!(values(results) == wanted && stats.replayed == 12);
}

#[tokio::test]
async fn a_map_that_is_dropped_has_kept_what_it_gave_out() {
    let (_home, path) = home();
    let cloud = cloud().await;
    let mut map = cloud.map((0..10_000).map(square::call)).journal(&path);
    for _ in 0..100 {
        map.next().await.unwrap().unwrap();
    }
    drop(map);
    // At once, and in the same program.
    let before = cloud.stats().submitted;
    let again = cloud.map((0..10_000).map(square::call)).journal(&path).try_collect().await.unwrap();
    assert_eq!(again, (0..10_000).map(|n| n * n).collect::<Vec<_>>());
    let stats = cloud.stats();
    assert!(stats.replayed >= 100, "{}", stats.replayed);
    assert_eq!(stats.replayed + stats.submitted - before, 10_000);
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn results_are_kept_while_nobody_polls() {
    let (_home, path) = home();
    let cloud = cloud().await;
    let mut map = cloud.map([0, 200, 200].map(sleeps::call)).journal(&path);
    assert_eq!(map.next().await.unwrap().unwrap(), 0);
    let mut lines = 0;
    let since = std::time::Instant::now();
    while lines < 3 {
        assert!(since.elapsed() < Duration::from_secs(50), "{lines} results are in the file");
        tokio::time::sleep(Duration::from_millis(10)).await;
        lines = faast::journal::export(&path, std::io::sink()).unwrap();
    }
    drop(map);
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn a_journal_is_used_by_one_map_at_a_time() {
    let (_home, path) = home();
    let cloud = cloud().await;
    let mut first = cloud.map([sleeps::call(1), sleeps::call(300)]).journal(&path);
    first.next().await.unwrap().unwrap();
    let refused = cloud.map((0..5).map(square::call)).journal(&path).collect().await;
    let [Err(error)] = refused.as_slice() else { unreachable!("{refused:?}") };
    assert_eq!((error.kind(), error.index()), (ErrorKind::Io, Some(0)));
    assert!(error.message().contains("in use"), "{error:?}");
    assert_eq!(cloud.stats().submitted, 2);
    first.next().await.unwrap().unwrap();
    assert!(first.next().await.is_none());
    // It has ended, so that its journal is free, though it is not dropped.
    assert_eq!(cloud.map([square::call(3)]).journal(&path).try_collect().await.unwrap(), [9]);
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn a_file_of_something_else_is_an_error_and_left_alone() {
    let (_home, path) = home();
    std::fs::write(&path, "a diary").unwrap();
    let (results, stats) = run(&path, (0..5).map(square::call)).await;
    let [Err(error)] = results.as_slice() else { unreachable!("{results:?}") };
    assert!(error.kind() == ErrorKind::Io && error.message().contains("no journal"), "{error:?}");
    assert_eq!((stats.submitted, std::fs::read_to_string(&path).unwrap().as_str()), (0, "a diary"));
}

#[tokio::test]
async fn what_is_replayed_is_delivered_as_anything_else() {
    let (_home, path) = home();
    run(&path, (0..3000).map(square::call)).await;
    let cloud = cloud().await;
    let calls = (0..3000).map(|n| square::call(n).map(move |square| (n, square)));
    let mut indexed = cloud.map(calls).journal(&path).strict_build().indexed();
    let mut seen = BTreeSet::new();
    while let Some((index, result)) = indexed.next().await {
        assert_eq!(result.unwrap(), (index, index * index));
        assert!(seen.insert(index));
    }
    assert_eq!((seen.len(), cloud.stats().replayed), (3000, 3000));
    cloud.cleanup().await.unwrap();
}
