//! Many calls for long: results equal the model's, and memory, descriptors, threads, processes and disk stay flat.
//!
//! An ordinary run is short; `cargo xtask soak --seconds N` makes a million calls, and goes on for so long at least.

#![expect(clippy::unwrap_used, reason = "functions and helpers of tests fail as tests do")]

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, str};

use faast::ErrorKind;
use faast::prelude::*;
use faast_testkit::soak::{Sample, Slack, is_flat};

faast::test_worker!();

/// Set by `cargo xtask soak`: for how many seconds at least.
const SECONDS: &str = "FAAST_TEST_SOAK_SECONDS";

/// Set by `cargo xtask soak`: how many calls at least.
const CALLS: &str = "FAAST_TEST_SOAK_CALLS";

/// Says that this process is the one that is measured.
const MEASURED: &str = "FAAST_TEST_SOAK";

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

fn set(name: &str, otherwise: u64) -> u64 {
    env::var(name).ok().map_or(otherwise, |text| text.parse().unwrap())
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

/// Does nothing in a test run; the next test runs it in a process of its own.
#[tokio::test]
async fn measured_process() {
    if env::var_os(MEASURED).is_none() {
        return;
    }
    let home = PathBuf::from(env::var_os("FAAST_HOME").unwrap());
    let (calls, time) = (set(CALLS, FEW), Duration::from_secs(set(SECONDS, 0)));
    let cloud = faast::local().concurrency(3).record().deploy().await.unwrap();
    let (since, mut from, mut samples) = (Instant::now(), 0, Vec::new());
    while from < calls || since.elapsed() < time {
        round(&cloud, from).await;
        from += ROUND;
        while cloud.stats().in_flight > 0 || Sample::take(&home).unwrap().children > 3 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        samples.push(Sample::take(&home).unwrap());
    }
    let stats = cloud.stats();
    println!(
        "{from} calls in {:.0?}: {} with a value, {} with their error",
        since.elapsed(),
        stats.completed,
        stats.failed
    );
    for (when, sample) in [("first", samples[0]), ("middle", samples[samples.len() / 2])] {
        println!("{when}: {sample}");
    }
    println!("last: {}", samples[samples.len() - 1]);
    // A worker that was replaced may not have its thread or its descriptors yet, or still.
    is_flat(&samples, Slack { resident_kib: 6 << 10, counts: 8, disk_bytes: 64 << 10 }).unwrap();
    cloud.cleanup().await.unwrap();
}

#[test]
fn what_a_client_holds_stays_flat_over_many_calls() {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["measured_process", "--exact", "--nocapture"]).env(MEASURED, "1").env("FAAST_HOME", home.path());
    let output = command.output().unwrap();
    let text = str::from_utf8(&output.stdout).unwrap();
    println!("soak, local workers\n{text}");
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
}
