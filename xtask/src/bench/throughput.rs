//! Throughput: a million short calls through one map, and thousands of awaited calls at once.

use std::time::Instant;

use anyhow::{Result, ensure};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::machine::{children, peak_kib, processor_time};
use super::report::Row;
use super::run::{Bencher, answer, floor, number, subject};
use super::sample::{median, median_ratio, quantile};

/// Bytes of one answer in a worker's journal.
const RECORD: &str = "48";

/// Calls that are awaited at once.
const AT_ONCE: u32 = 10_000;

#[faast::function]
fn identity(value: u64) -> u64 {
    value
}

/// Maps over `calls` numbers.
pub(super) async fn map(calls: u32, workers: usize) -> Result<Value> {
    let cloud = faast::local().concurrency(workers).deploy().await?;
    sum(&cloud, 10_000).await?;
    let (start, used) = (Instant::now(), processor_time());
    sum(&cloud, calls).await?;
    let (time, used) = (start.elapsed(), processor_time().saturating_sub(used));
    let workers = children()?;
    let peaks = workers.iter().map(|pid| peak_kib(*pid)).sum::<Result<f64>>()?;
    let client = peak_kib(std::process::id())?;
    cloud.cleanup().await?;
    Ok(json!({
        "per_second": f64::from(calls) / time.as_secs_f64(),
        "client_cpu_per_10k": used.as_secs_f64() / f64::from(calls) * 1e4,
        "client_mib": client / 1024.0,
        "all_mib": (client + peaks) / 1024.0,
        "processes": workers.len(),
    }))
}

async fn sum(cloud: &faast::Cloud, calls: u32) -> Result<()> {
    let calls = u64::from(calls);
    let mut results = cloud.map((0..calls).map(identity::call));
    let mut sum = 0;
    while let Some(result) = results.next().await {
        sum += result?;
    }
    ensure!(sum == calls * (calls - 1) / 2, "the sum is {sum}");
    Ok(())
}

/// Awaits many calls at once, again and again.
pub(super) async fn futures(rounds: u32) -> Result<Value> {
    let cloud = faast::local().concurrency(2).deploy().await?;
    let mut samples = Vec::new();
    for round in 0..rounds + 3 {
        let start = Instant::now();
        let results = join_all((0..AT_ONCE).map(|value| cloud.run(identity::call(value.into())))).await;
        if round >= 3 {
            samples.push(f64::from(AT_ONCE) / start.elapsed().as_secs_f64());
        }
        for (value, result) in (0..).zip(results) {
            ensure!(result? == value, "a result belongs to another call");
        }
    }
    cloud.cleanup().await?;
    Ok(json!({ "per_second": median(&samples), "slow": quantile(&samples, 100) }))
}

pub(super) fn measure(bencher: &mut Bencher) -> Result<()> {
    let (calls, rounds) = (bencher.times("1000000", "50000"), bencher.times("30", "3"));
    let [two, cpu, memory, client, many, processes, run, journal] = bencher.rounds(bencher.times(3, 1), || {
        let few = answer(subject(&["map", calls, "2"]))?;
        let many = answer(subject(&["map", calls, "200"]))?;
        let futures = answer(subject(&["futures", rounds]))?;
        Ok([
            number(&few, "per_second")?,
            number(&few, "client_cpu_per_10k")?,
            number(&few, "all_mib")?,
            number(&few, "client_mib")?,
            number(&many, "per_second")?,
            number(&many, "processes")?,
            number(&futures, "per_second")?,
            journals(calls)?,
        ])
    })?;
    bencher.row(
        Row::new("lazy map of identity, 2 workers", median(&two), "calls/s")
            .beside("2 bare journals", median(&journal))
            .ratio(median_ratio(&two, &journal))
            .at_least(1e6),
    );
    bencher.row(Row::new("its client, per 10,000 calls", median(&cpu), "s CPU").at_most(0.01));
    bencher.row(Row::new("its peak, client and workers", median(&memory), "MiB").at_most(32.0));
    bencher.row(Row::new("its peak, client alone", median(&client), "MiB"));
    bencher.row(
        Row::new("the same map, 200 workers allowed", median(&many), "calls/s")
            .beside("2 workers", median(&two))
            .ratio(median_ratio(&many, &two))
            .times_at_least(0.5),
    );
    bencher.row(Row::new("workers that this map started", median(&processes), "processes"));
    bencher.row(Row::new("10,000 awaited run futures", median(&run), "calls/s").at_least(5e5));
    Ok(())
}

/// Two bare processes that only keep their journals.
fn journals(calls: &str) -> Result<f64> {
    let half = (calls.parse::<u32>()? / 2).to_string();
    let one = || answer(floor(&["journal", &half, RECORD])).and_then(|answer| number(&answer, "per_second"));
    std::thread::scope(|scope| {
        let other = scope.spawn(one);
        let first = one()?;
        Ok(first + other.join().map_err(|_| anyhow::anyhow!("a floor panicked"))??)
    })
}
