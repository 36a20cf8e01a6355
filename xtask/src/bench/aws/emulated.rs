//! What a deployment takes, and what batches save, against the emulator, which runs in a process of its own.

use std::io::{self, Read as _, Write as _};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use faast::prelude::AwsOptions as _;
use faast_testkit::emulator_aws::{AwsEmulator, Latency};
use futures_util::TryStreamExt as _;
use serde_json::{Value, json};

use super::super::report::Row;
use super::super::run::{Bencher, answer, number, subject};
use super::super::sample::median;
use super::{REGION, Server};

/// The longest chain of calls that wait for each other up to the first result, and how long each takes in a region
/// nearby; a new role is known after some seconds, and a new function active after a second.
const CHAIN_MS: [(&str, &str, u64); 4] = [
    ("iam", "CreateRole", 120),
    ("lambda", "CreateFunction", 600),
    ("lambda", "GetFunction", 40),
    ("lambda", "Invoke", 8),
];
const ROLE_KNOWN: Duration = Duration::from_secs(5);
const ACTIVE: Duration = Duration::from_secs(1);

/// Requests in flight, for the comparison of batches.
const AT_ONCE: usize = 50;

/// What Lambda can take at once, and what makes most of a second of work.
const BATCH: usize = 100;

#[faast::function]
fn millisecond(n: u32) -> u32 {
    std::thread::sleep(Duration::from_millis(1));
    n
}

/// The emulator; prints where it is, and serves until standard input ends.
pub(super) fn floor_main(delays: bool) -> Result<()> {
    let builder = AwsEmulator::builder();
    let emulator = if delays {
        let chain = |latency: Latency, (service, action, ms): &(&str, &str, u64)| {
            latency.action(service, action, Duration::from_millis(*ms))
        };
        let latency = CHAIN_MS.iter().fold(Latency::realistic(), chain);
        builder.latency(latency).role_propagation(ROLE_KNOWN).activation(ACTIVE).start()
    } else {
        builder.start()
    };
    println!("{}", emulator.endpoint());
    io::stdout().flush()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn on(endpoint: &str) -> faast::Builder<faast::Aws> {
    faast::aws().region(REGION).endpoint_url(endpoint).credentials("bench", "bench", None).gc(faast::Gc::Off)
}

/// From `deploy()` to the first result.
pub(in super::super) async fn first_result(endpoint: &str) -> Result<Value> {
    let start = Instant::now();
    let cloud = on(endpoint).deploy().await?;
    let deployed = start.elapsed();
    ensure!(cloud.run(millisecond::call(7)).await? == 7, "a wrong result");
    let first = start.elapsed();
    cloud.cleanup().await?;
    Ok(json!({ "deployed_ms": deployed.as_secs_f64() * 1e3, "first_ms": first.as_secs_f64() * 1e3 }))
}

/// A map of short calls, so many in a request: its time and its price.
pub(in super::super) async fn batched(endpoint: &str, calls: u32, batch: usize) -> Result<Value> {
    let cloud = on(endpoint).memory_mb(1769).concurrency(AT_ONCE).batch(batch).deploy().await?;
    // All sandboxes, warm.
    let warm = AT_ONCE * batch * 2;
    let sum = |from: u32, to: u32| {
        let results = cloud.map((from..to).map(millisecond::call));
        results.try_fold(0_u64, |sum, n| std::future::ready(Ok(sum + u64::from(n))))
    };
    sum(0, u32::try_from(warm)?).await?;
    let (start, before) = (Instant::now(), cloud.cost().await.total_usd());
    let total = sum(0, calls).await?;
    let took = start.elapsed();
    ensure!(total == u64::from(calls) * u64::from(calls - 1) / 2, "the sum is {total}");
    let usd = cloud.cost().await.total_usd() - before;
    cloud.cleanup().await?;
    Ok(json!({ "seconds": took.as_secs_f64(), "usd": usd }))
}

pub(super) fn deployment(bencher: &mut Bencher) -> Result<()> {
    let server = Server::start(&["aws", "emulator", "delays"])?;
    let [deployed, first] = bencher.rounds(bencher.times(3, 1), || {
        let done = answer(subject(&["aws-first", &server.endpoint]))?;
        Ok([number(&done, "deployed_ms")?, number(&done, "first_ms")?])
    })?;
    let limit: u64 = CHAIN_MS.iter().map(|(_, _, ms)| ms).sum();
    let limit = Duration::from_millis(limit) + ROLE_KNOWN + ACTIVE;
    bencher.row(Row::new("deployment", median(&deployed), "ms"));
    bencher.row(
        Row::new("deployment and its first result", median(&first), "ms")
            .beside("the delays of the longest chain", limit.as_secs_f64() * 1e3),
    );
    Ok(())
}

pub(super) fn batches(bencher: &mut Bencher) -> Result<()> {
    let server = Server::start(&["aws", "emulator"])?;
    let calls = bencher.times("100000", "5000");
    let batch = BATCH.to_string();
    let [time, usd, time_batched, usd_batched] = bencher.rounds(bencher.times(2, 1), || {
        let single = answer(subject(&["aws-batch", &server.endpoint, calls, "1"]))?;
        let batched = answer(subject(&["aws-batch", &server.endpoint, calls, &batch]))?;
        let [time, usd] = [number(&single, "seconds")?, number(&single, "usd")?];
        Ok([time, usd, number(&batched, "seconds")?, number(&batched, "usd")?])
    })?;
    let count: f64 = calls.parse().context("a number of calls")?;
    bencher.row(
        Row::new(format!("{count} calls of 1 ms in batches of {BATCH}"), median(&time_batched), "s")
            .beside("one call in a request", median(&time))
            .times_at_most(1.0),
    );
    bencher.row(
        Row::new("their price", median(&usd_batched) * 1e3, "mUSD")
            .beside("one call in a request", median(&usd) * 1e3)
            .times_at_most(0.5),
    );
    Ok(())
}
