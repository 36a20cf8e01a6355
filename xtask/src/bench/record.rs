//! What `.record()` takes from the throughput of short calls.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};

use super::machine::processor_time;
use super::report::Row;
use super::run::{Bencher, answer, number, subject};
use super::sample::{median, median_ratio};

/// How long a call takes.
const CALL: Duration = Duration::from_millis(1);

/// Keeps a core busy: what the client and its recorder take, the workers do without.
#[faast::function]
fn millisecond() {
    let start = Instant::now();
    while start.elapsed() < CALL {
        std::hint::spin_loop();
    }
}

/// Maps over `calls` calls on two workers, recorded or not.
pub(super) async fn map(calls: u32, recorded: bool) -> Result<Value> {
    let builder = faast::local().concurrency(2);
    let builder = if recorded { builder.record() } else { builder };
    let cloud = builder.deploy().await?;
    run(&cloud, 200).await?;
    let (start, used) = (Instant::now(), processor_time());
    run(&cloud, calls).await?;
    let (time, used) = (start.elapsed(), processor_time().saturating_sub(used));
    cloud.cleanup().await?;
    Ok(json!({
        "per_second": f64::from(calls) / time.as_secs_f64(),
        "client_cpu": used.as_secs_f64() / f64::from(calls),
    }))
}

async fn run(cloud: &faast::Cloud, calls: u32) -> Result<()> {
    let mut results = cloud.map((0..calls).map(|_| millisecond::call()));
    while let Some(result) = results.next().await {
        result?;
    }
    Ok(())
}

pub(super) fn measure(bencher: &mut Bencher) -> Result<()> {
    let calls = bencher.times("5000", "500");
    let [plain, recorded, cpu, recorded_cpu] = bencher.rounds(bencher.times(9, 1), || {
        let plain = answer(subject(&["record", calls, "no"]))?;
        let recorded = answer(subject(&["record", calls, "yes"]))?;
        let [speed, cpu] = ["per_second", "client_cpu"].map(|key| (number(&plain, key), number(&recorded, key)));
        Ok([speed.0?, speed.1?, cpu.0?, cpu.1?])
    })?;
    bencher.row(
        Row::new("calls of 1 ms, recorded, 2 workers", median(&recorded), "calls/s")
            .beside("not recorded", median(&plain))
            .ratio(median_ratio(&recorded, &plain))
            .times_at_least(0.98),
    );
    let more: Vec<_> = recorded_cpu.iter().zip(&cpu).map(|(with, without)| (with - without) * 1e6).collect();
    bencher.row(Row::new("processor time of recording a call", median(&more), "us").at_most(20.0));
    Ok(())
}
