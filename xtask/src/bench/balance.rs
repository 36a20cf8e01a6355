//! Balance: how near a map comes to two cores that are busy all the time, and to handing out calls one by one.
//!
//! Beside it, two bare threads take the same list one by one, in the same process and minute: the speed of the machine
//! drifts more than the aims allow. Calls are counted in rounds of arithmetic, so that a core shared with others shows.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::floor::{rounds_per_micro, spin};
use super::report::Row;
use super::run::{Bencher, answer, number, subject};
use super::sample::{median, median_ratio, millis};

const SHORT_MICROS: u64 = 10;
const LONG_MICROS: u64 = 200_000;
const SHORT_CALLS: usize = 990;
const LONG_CALLS: usize = 10;

/// Where the long calls of a mixed load stand.
const SHAPES: &[&str] = &["front", "back", "block", "random"];

#[faast::function]
fn busy(rounds: u64) -> u64 {
    spin(rounds)
}

#[faast::function]
fn started(millis: u64) -> u32 {
    std::thread::sleep(std::time::Duration::from_millis(millis));
    std::process::id()
}

/// 64 calls of 20 ms.
pub(super) async fn even() -> Result<Value> {
    compare(&[20_000; 64]).await
}

/// 990 short calls and 10 long ones.
pub(super) async fn mixed(shape: &str) -> Result<Value> {
    compare(&list(shape)).await
}

/// Microseconds of each call.
fn list(shape: &str) -> Vec<u64> {
    let short = vec![SHORT_MICROS; SHORT_CALLS];
    let long = vec![LONG_MICROS; LONG_CALLS];
    match shape {
        "front" => [long, short].concat(),
        "back" => [short, long].concat(),
        "block" => [&short[..SHORT_CALLS / 2], &long, &short[SHORT_CALLS / 2..]].concat(),
        _ => {
            let mut all = [long, short].concat();
            // Shuffled, and each time alike.
            let mut seed: u64 = 42;
            for at in (1..all.len()).rev() {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let other = usize::try_from((seed >> 33) % (at as u64 + 1)).unwrap_or(at);
                all.swap(at, other);
            }
            all
        }
    }
}

/// Milliseconds of a map over calls of so many microseconds, and of two bare threads.
async fn compare(list: &[u64]) -> Result<Value> {
    let micro = rounds_per_micro();
    let list: Vec<u64> = list.iter().map(|micros| micros * micro).collect();
    // A new deployment knows nothing of the function yet.
    let cloud = faast::local().concurrency(2).deploy().await?;
    let workers = cloud.map([started::call(20), started::call(20)]).try_collect().await?;
    ensure!(workers[0] != workers[1], "two calls of 20 ms shared a worker");
    let before = two_threads(&list);
    let start = Instant::now();
    let mut results = cloud.map(list.iter().map(|rounds| busy::call(*rounds)));
    let mut answered = 0;
    while let Some(result) = results.next().await {
        result?;
        answered += 1;
    }
    let time = millis(start.elapsed());
    ensure!(answered == list.len(), "{answered} results");
    let after = two_threads(&list);
    cloud.cleanup().await?;
    Ok(json!({ "ms": time, "bare": before.midpoint(after) }))
}

fn two_threads(list: &[u64]) -> f64 {
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(rounds) = list.get(next.fetch_add(1, Ordering::Relaxed)) {
            std::hint::black_box(spin(*rounds));
        }
    };
    let start = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(work);
        work();
    });
    millis(start.elapsed())
}

pub(super) fn measure(bencher: &mut Bencher) -> Result<()> {
    let rounds = bencher.times(3, 1);
    let [ours, bare] = bencher.rounds(rounds, || pair(&["even"]))?;
    let ratio = median_ratio(&ours, &bare);
    bencher.row(Row::new("64 calls of 20 ms: share of two cores", 100.0 / ratio, "%").at_least(95.0));
    bencher.row(Row::new("their makespan", median(&ours), "ms").beside("2 bare threads", median(&bare)).ratio(ratio));
    for shape in SHAPES {
        let [ours, bare] = bencher.rounds(rounds, || pair(&["mixed", shape]))?;
        bencher.row(
            Row::new(format!("990 x 10 us, 10 x 200 ms, {shape}"), median(&ours), "ms")
                .beside("2 bare threads", median(&bare))
                .ratio(median_ratio(&ours, &bare))
                .times_at_most(1.08),
        );
    }
    Ok(())
}

fn pair(words: &[&str]) -> Result<[f64; 2]> {
    let answer = answer(subject(words))?;
    Ok([number(&answer, "ms")?, number(&answer, "bare")?])
}
