//! The journal: what it takes from a map of calls of a millisecond that keep both cores busy, and how fast a map comes
//! back from it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::floor::{rounds_per_micro, spin};
use super::report::Row;
use super::run::{Bencher, answer, number, subject};
use super::sample::{median, median_ratio};

#[faast::function]
fn spins(n: u64, rounds: u64) -> u64 {
    spin(rounds);
    n
}

/// Maps over calls of a millisecond, without a journal and with one, again and again in turns; then from the journal.
pub(super) async fn compare(calls: u64, turns: u32) -> Result<Value> {
    let cloud = faast::local().concurrency(2).deploy().await?;
    let rounds = 1000 * rounds_per_micro();
    let journal = beside_the_executable()?;
    let (mut without, mut with) = (Vec::new(), Vec::new());
    map(&cloud, calls / 5, rounds, None).await?;
    for _ in 0..turns {
        without.push(map(&cloud, calls, rounds, None).await?);
        remove(&journal)?;
        with.push(map(&cloud, calls, rounds, Some(&journal)).await?);
    }
    let bytes = fs::metadata(&journal)?.len();
    let again = map(&cloud, calls, rounds, Some(&journal)).await?;
    ensure!(cloud.stats().replayed == calls, "{} results came back", cloud.stats().replayed);
    remove(&journal)?;
    cloud.cleanup().await?;
    Ok(json!({
        "without": median(&without),
        "with": median(&with),
        "share": 100.0 * median_ratio(&with, &without),
        "again": again,
        "bytes": bytes as f64 / calls as f64,
    }))
}

/// On the disk that builds are on, not in memory.
fn beside_the_executable() -> Result<PathBuf> {
    let executable = std::env::current_exe()?;
    Ok(executable.parent().context("the executable is in no folder")?.join("bench.journal"))
}

fn remove(journal: &Path) -> Result<()> {
    if journal.exists() { Ok(fs::remove_file(journal)?) } else { Ok(()) }
}

/// Calls in a second.
async fn map(cloud: &faast::Cloud, calls: u64, rounds: u64, journal: Option<&Path>) -> Result<f64> {
    let start = Instant::now();
    let mut results = cloud.map((0..calls).map(|n| spins::call(n, rounds)));
    if let Some(path) = journal {
        results = results.journal(path);
    }
    let mut sum = 0;
    while let Some(result) = results.next().await {
        sum += result?;
    }
    ensure!(sum == calls * (calls - 1) / 2, "the sum is {sum}");
    Ok(calls as f64 / start.elapsed().as_secs_f64())
}

pub(super) fn measure(bencher: &mut Bencher) -> Result<()> {
    let (calls, turns) = (bencher.times("4000", "500"), bencher.times("5", "1"));
    let [with, without, share, again, bytes] = bencher.rounds(bencher.times(3, 1), || {
        let answer = answer(subject(&["journal", calls, turns]))?;
        let of = |key| number(&answer, key);
        Ok([of("with")?, of("without")?, of("share")?, of("again")?, of("bytes")?])
    })?;
    bencher.row(
        Row::new("calls of 1 ms with a journal, 2 workers", median(&with), "calls/s")
            .beside("without", median(&without))
            .ratio(median_ratio(&with, &without)),
    );
    bencher.row(Row::new("share of the throughput without", median(&share), "%").at_least(95.0));
    bencher.row(Row::new("results that come back from it", median(&again), "calls/s"));
    bencher.row(Row::new("its file, for each call", median(&bytes), "bytes"));
    Ok(())
}
