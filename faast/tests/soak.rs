//! Many calls for long: results equal the model's, and memory, descriptors, threads, processes and disk stay flat.
//!
//! An ordinary run is short; `cargo xtask soak --seconds N` makes a million calls, and goes on for so long at least.

#![expect(clippy::unwrap_used, reason = "functions and helpers of tests fail as tests do")]

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use faast::ErrorKind;
use faast::prelude::*;
use faast_testkit::soak::{self, Sample, Slack};

faast::test_worker!();

/// Set by `cargo xtask soak`: how many calls at least.
const CALLS: &str = "FAAST_TEST_SOAK_CALLS";

/// Calls of an ordinary run: more than a record has rows for, three times.
const FEW: u64 = 90_000;

/// Calls between two samples.
const ROUND: u64 = 5_000;

/// What a value has to be.
fn model(n: u64) -> Result<u64, ErrorKind> {
    match n % 2_500 {
        777 => Err(ErrorKind::User),
        1_555 => Err(ErrorKind::Crash),
        _ => Ok(n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(7)),
    }
}

#[faast::function]
fn mix(n: u64) -> Result<u64, String> {
    match model(n) {
        Err(ErrorKind::Crash) => std::process::exit(3),
        Err(_) => Err(format!("{n} is declined")),
        Ok(value) => Ok(value),
    }
}

#[faast::function]
fn numbers(below: u64) -> impl Iterator<Item = u64> {
    0..below
}

#[faast::function]
fn turned(bytes: Vec<u8>) -> Vec<u8> {
    bytes.into_iter().rev().collect()
}

/// One round: calls with values and failures, a generator, large payloads, and a map that is given up.
async fn round(cloud: &Cloud, from: u64) {
    let mut map = cloud.map((from..from + ROUND).map(mix::call)).indexed();
    let mut seen = 0;
    while let Some((index, result)) = map.next().await {
        assert_eq!(result.map_err(|error| error.kind()), model(from + index), "call {}", from + index);
        seen += 1;
    }
    assert_eq!(seen, ROUND);
    let mut items = cloud.stream(numbers::call(100));
    for n in 0..100 {
        assert_eq!(items.next().await.unwrap().unwrap(), n);
    }
    assert!(items.next().await.is_none());
    let large: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let back = cloud.run(turned::call(large.clone())).await.unwrap();
    assert!(back.iter().rev().eq(&large));
    let mut given_up = cloud.map((0..100).map(mix::call));
    given_up.next().await.unwrap().unwrap();
    drop(given_up);
}

/// A worker that was replaced may not have its thread or its descriptors yet, or still. The summary of a record swings: its
/// bins fill and are merged, and lanes and buckets come until there are as many as it has; rows without a bound would be
/// 1.4 MB more in a third of an ordinary run.
const SLACK: Slack = Slack { resident_kib: 6 << 10, counts: 8, disk_bytes: 256 << 10 };

/// Does nothing in a test run; the next test runs it in a process of its own.
#[tokio::test]
async fn measured_process() {
    if soak::place().is_none() {
        return;
    }
    let home = PathBuf::from(env::var_os("FAAST_HOME").unwrap());
    let calls = env::var(CALLS).map_or(FEW, |text| text.parse().unwrap());
    let cloud = faast::local().concurrency(3).record().deploy().await.unwrap();
    let rounds = usize::try_from(calls.div_ceil(ROUND)).unwrap();
    soak::rounds(rounds, SLACK, async |number| {
        round(&cloud, number as u64 * ROUND).await;
        while cloud.stats().in_flight > 0 || Sample::take(&home).unwrap().children > 3 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let stats = cloud.stats();
    println!("{} calls with a value, {} with their error", stats.completed, stats.failed);
    cloud.cleanup().await.unwrap();
}

#[test]
fn what_a_client_holds_stays_flat_over_many_calls() {
    soak::in_a_process("measured_process", "local workers");
}
