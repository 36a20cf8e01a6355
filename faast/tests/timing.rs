//! When calls run: concurrency, rate and hedging, by what the workers themselves saw.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use faast::prelude::*;
use faast::{ErrorKind, Hedge};

faast::test_worker!();

type Span = (SystemTime, SystemTime);

/// When it started and when it ended.
#[faast::function]
fn span(millis: u64) -> Span {
    let start = SystemTime::now();
    std::thread::sleep(Duration::from_millis(millis));
    (start, SystemTime::now())
}

/// Slow in its first attempt only, if at all.
#[faast::function]
fn straggles(slow: bool, marker: &Path) -> u32 {
    if slow && fs::File::create_new(marker).is_ok() {
        std::thread::sleep(Duration::from_secs(50));
    }
    std::thread::sleep(Duration::from_millis(5));
    faast::context().attempt()
}

/// Calls that run at the same moment, at most.
fn overlap(spans: &[Span]) -> usize {
    spans.iter().map(|(at, _)| spans.iter().filter(|(start, end)| start <= at && at < end).count()).max().unwrap_or(0)
}

#[tokio::test]
async fn concurrency_is_reached_and_never_passed() {
    for workers in [1, 3] {
        let cloud = faast::local().concurrency(workers).deploy().await.unwrap();
        let spans = cloud.map((0..30).map(|n| span::call(10 + n % 3 * 10))).try_collect().await.unwrap();
        assert_eq!(overlap(&spans), workers);
        cloud.cleanup().await.unwrap();
    }
}

#[tokio::test]
async fn no_call_starts_before_the_rate_and_the_burst_allow_it() {
    let cloud = faast::local().concurrency(4).rate(40.0).burst(5).deploy().await.unwrap();
    let begun = SystemTime::now();
    let spans = cloud.map((0..80).map(|_| span::call(1))).try_collect().await.unwrap();
    let mut starts: Vec<_> = spans.iter().map(|(start, _)| *start).collect();
    starts.sort_unstable();
    for (n, start) in starts.iter().enumerate() {
        let earliest = Duration::from_millis(25 * n.saturating_sub(4) as u64);
        let at = start.duration_since(begun).unwrap();
        assert!(at >= earliest, "call {n} started after {at:?}, not {earliest:?}");
    }
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn a_straggler_is_overtaken_and_the_loser_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let marker = folder.path().join("straggler");
    let cloud = faast::local().concurrency(2).hedge(Hedge::On).deploy().await.unwrap();
    let attempts = cloud.map((0..40).map(|n| straggles::call(n == 20, &marker))).try_collect();
    let attempts = tokio::time::timeout(Duration::from_secs(40), attempts).await.unwrap().unwrap();
    assert_eq!(attempts.iter().filter(|attempt| **attempt == 2).count(), 1);
    assert_eq!((attempts[20], cloud.stats().hedged), (2, 1));
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn a_call_that_never_starts_ends_by_its_deadline() {
    let cloud = faast::local().concurrency(1).deadline(Duration::from_millis(300)).deploy().await.unwrap();
    let results = cloud.map([20_000, 1].map(span::call)).collect().await;
    for result in results {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Deadline);
    }
    cloud.cleanup().await.unwrap();
}
