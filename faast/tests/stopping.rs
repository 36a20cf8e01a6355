//! Stopping a map: by its user, and by more failures than it tolerates.

#![expect(clippy::unwrap_used, reason = "functions and helpers of tests fail as tests do")]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use faast::prelude::*;
use faast::{CancelToken, ErrorKind, Result};

faast::test_worker!();

/// Says that it runs, and does so for ever.
#[faast::function]
fn spins(folder: &Path, n: u64) -> u64 {
    std::fs::write(folder.join(std::process::id().to_string()), "").unwrap();
    loop {
        std::hint::black_box(n);
    }
}

#[faast::function]
fn quick(n: u64) -> u64 {
    n
}

#[faast::function]
fn refuses(n: u64) -> std::result::Result<u64, String> {
    if n.is_multiple_of(10) { Err(format!("{n} is round")) } else { Ok(n) }
}

async fn cloud() -> Cloud {
    faast::local().concurrency(2).deploy().await.unwrap()
}

/// Workers that have said that they run, as soon as there are so many.
async fn running(folder: &Path, workers: usize) -> Vec<String> {
    let since = Instant::now();
    loop {
        let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let names: Vec<_> = names.collect();
        if names.len() >= workers {
            return names;
        }
        assert!(since.elapsed() < Duration::from_secs(50), "{names:?} run");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn have_ended(workers: &[String]) {
    let since = Instant::now();
    while workers.iter().any(|worker| Path::new("/proc").join(worker).join("exe").exists()) {
        assert!(since.elapsed() < Duration::from_secs(50), "{workers:?} go on");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn kinds<T>(results: &[Result<T>]) -> Vec<Option<ErrorKind>> {
    results.iter().map(|result| result.as_ref().err().map(faast::Error::kind)).collect()
}

#[tokio::test]
async fn canceling_ends_what_runs_pulls_no_more_and_gives_out_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = cloud().await;
    let pulled = Cell::new(0);
    let calls = (0..).inspect(|_| pulled.set(pulled.get() + 1)).map(|n| match n {
        0 => quick::call(0),
        n => spins::call(folder.path(), n),
    });
    let mut map = cloud.map(calls);
    assert_eq!(map.next().await.unwrap().unwrap(), 0);
    let workers = tokio::select! {
        _ = map.next() => unreachable!("they run for ever"),
        workers = running(folder.path(), 2) => workers,
    };
    map.cancel();
    let before = pulled.get();
    let mut ended = 1;
    while let Some(result) = map.next().await {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Canceled);
        ended += 1;
    }
    assert_eq!((pulled.get(), ended), (before, before), "each call that was pulled has a result");
    have_ended(&workers).await;
    assert_eq!(cloud.stats().abandoned, 0);
    // The deployment goes on.
    assert_eq!(cloud.run(quick::call(5)).await.unwrap(), 5);
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn a_token_cancels_from_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let (cloud, token) = (cloud().await, CancelToken::new());
    let calls: Vec<_> = (0..5).map(|n| spins::call(folder.path(), n)).collect();
    let map = tokio::spawn(cloud.map(calls).cancel_on(&token).collect());
    let workers = running(folder.path(), 2).await;
    token.cancel();
    let results = map.await.unwrap();
    assert!(!results.is_empty() && kinds(&results).iter().all(|kind| *kind == Some(ErrorKind::Canceled)));
    have_ended(&workers).await;
    // One that was fired before sends nothing.
    let sent = cloud.stats().submitted;
    assert!(cloud.map([quick::call(1)]).cancel_on(&token).next().await.is_none());
    assert_eq!(cloud.stats().submitted, sent);
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn dropping_a_map_ends_its_workers() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = cloud().await;
    let mut map = cloud.map((0..9).map(|n| spins::call(folder.path(), n)));
    let workers = tokio::select! {
        _ = map.next() => unreachable!("they run for ever"),
        workers = running(folder.path(), 2) => workers,
    };
    drop(map);
    have_ended(&workers).await;
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn a_map_goes_on_while_failures_are_tolerated_and_says_when_they_are_too_many() {
    let cloud = cloud().await;
    let all = cloud.map((0..100).map(refuses::call)).tolerate(10).collect().await;
    assert_eq!((all.len(), all.iter().filter(|result| result.is_err()).count()), (100, 10));

    let stopped = cloud.map((0..100_000).map(refuses::call)).tolerate(10).collect().await;
    let kinds = kinds(&stopped);
    assert_eq!(kinds.last(), Some(&Some(ErrorKind::TooManyFailed)));
    assert!(kinds.iter().filter(|kind| **kind == Some(ErrorKind::User)).count() >= 11);
    assert!(kinds.iter().filter(|kind| kind.is_none()).count() >= 90, "what was done is there");
    assert!(kinds.len() < 100_000);
    let last = stopped.last().unwrap().as_ref().unwrap_err();
    assert!(last.message().starts_with("11 calls failed, and 10 are tolerated"), "{last:?}");
    assert_eq!(last.index(), Some(stopped.len() as u64 - 1));
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn in_a_map_with_keys_the_call_that_was_one_too_many_says_so() {
    let cloud = cloud().await;
    // Once with more calls to come, and once with all of them sent.
    for calls in [100_000, 20] {
        let mut keyed = cloud.map_keyed((0..calls).map(|n| (n, refuses::call(n)))).tolerate(1);
        let mut ends = BTreeMap::new();
        while let Some((n, result)) = keyed.next().await {
            assert!(ends.insert(n, result).is_none(), "{n} comes twice");
        }
        let of = |kind| ends.iter().filter(move |(_, end)| end.as_ref().is_err_and(|error| error.kind() == kind));
        let [(n, Err(error))] = of(ErrorKind::TooManyFailed).collect::<Vec<_>>()[..] else { unreachable!("{ends:?}") };
        assert!(error.message().starts_with("2 calls failed, and 1 are tolerated"), "{error:?}");
        assert_eq!(error.index(), Some(*n));
        let own = std::error::Error::source(error).and_then(|source| source.downcast_ref()).unwrap();
        assert_eq!(refuses::error(own), Some(format!("{n} is round")));
        assert!(of(ErrorKind::User).count() >= 1);
        assert!((0..ends.len() as u64).eq(ends.keys().copied()), "each call that was pulled has its result");
        assert!(calls == 20 || ends.len() < 100_000);
    }
    let unknown = (0..9).filter(|n| n % 2 == 0).map(|n| (n, quick::call(n)));
    let sent = cloud.stats().submitted;
    let mut refused = cloud.map_keyed(unknown).tolerate_share(0.5);
    assert_eq!(refused.next().await.map(|(n, result)| (n, result.unwrap_err().kind())), Some((0, ErrorKind::Config)));
    assert!(refused.next().await.is_none());
    assert_eq!(cloud.stats().submitted, sent);
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn a_map_with_keys_is_canceled_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let (cloud, token) = (cloud().await, CancelToken::new());
    let mut keyed = cloud.map_keyed((0..5).map(|n| (n, spins::call(folder.path(), n)))).cancel_on(&token);
    let workers = tokio::select! {
        _ = keyed.next() => unreachable!("they run for ever"),
        workers = running(folder.path(), 2) => workers,
    };
    token.cancel();
    let mut keys = Vec::new();
    while let Some((n, result)) = keyed.next().await {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Canceled);
        keys.push(n);
    }
    keys.sort_unstable();
    assert!(
        keys.len() >= 2 && (0..).zip(&keys).all(|(n, key)| n == *key),
        "each that was pulled has its result: {keys:?}"
    );
    have_ended(&workers).await;
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn a_share_of_the_failures_is_tolerated_where_the_input_knows_its_length() {
    let cloud = cloud().await;
    let all = cloud.map((0..1000).map(refuses::call)).tolerate_share(0.1).collect().await;
    assert_eq!(all.len(), 1000);
    let stopped = cloud.map((0..10_000).map(refuses::call)).tolerate_share(0.05).collect().await;
    assert_eq!(kinds(&stopped).last(), Some(&Some(ErrorKind::TooManyFailed)));
    let unknown = (0..100).filter(|n| n % 2 == 0).map(refuses::call);
    let refused = cloud.map(unknown).tolerate_share(0.1).collect().await;
    assert_eq!(kinds(&refused), [Some(ErrorKind::Config)]);
    cloud.cleanup().await.unwrap();
}
