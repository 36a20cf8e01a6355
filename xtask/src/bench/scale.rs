//! Scale: two hundred workers at once, how soon they serve and what memory each costs.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::floor::Peer;
use super::machine::{children, machine_clock, proportional_kib};
use super::report::Row;
use super::run::{Bencher, answer, number, subject};
use super::sample::{median, median_ratio, millis, quantile};

/// Nobody serves two calls, as long as all are started within this.
const STAY: Duration = Duration::from_millis(1500);

/// When it was called, by the clock that all processes share, and by whom.
#[faast::function]
fn present() -> (Duration, u32) {
    let now = machine_clock();
    std::thread::sleep(STAY);
    (now, std::process::id())
}

/// Starts all workers by as many calls.
pub(super) async fn ready(workers: u32) -> Result<Value> {
    let start = machine_clock();
    let cloud = faast::local().concurrency(usize::try_from(workers)?).deploy().await?;
    let present = cloud.map((0..workers).map(|_| present::call())).try_collect().await?;
    let times: Vec<f64> = present.iter().map(|(at, _)| millis(at.saturating_sub(start))).collect();
    let different: HashSet<u32> = present.iter().map(|(_, worker)| *worker).collect();
    ensure!(different.len() == present.len(), "{} workers served {} calls", different.len(), present.len());
    let memory = children()?.into_iter().map(proportional_kib).collect::<Result<Vec<f64>>>()?;
    let closing = Instant::now();
    cloud.cleanup().await?;
    Ok(json!({
        "ready": quantile(&times, 1000),
        "kib": memory.iter().sum::<f64>() / f64::from(workers),
        "closed": millis(closing.elapsed()),
    }))
}

pub(super) fn measure(bencher: &mut Bencher) -> Result<()> {
    let workers = bencher.times(200, 20);
    let [ready, kib, closed, bare] = bencher.rounds(bencher.times(3, 1), || {
        let ours = answer(subject(&["scale", &workers.to_string()]))?;
        Ok([number(&ours, "ready")?, number(&ours, "kib")?, number(&ours, "closed")?, bare_children(workers)?])
    })?;
    bencher.row(
        Row::new(format!("{workers} workers, deploy to the last one's first call"), median(&ready), "ms")
            .beside("bare children", median(&bare))
            .ratio(median_ratio(&ready, &bare))
            .at_most(250.0),
    );
    bencher.row(Row::new("proportional memory of one", median(&kib), "KiB").at_most(300.0));
    bencher.row(Row::new("cleanup of all", median(&closed), "ms"));
    Ok(())
}

/// Milliseconds until as many bare children have sent a byte.
fn bare_children(count: u32) -> Result<f64> {
    let start = Instant::now();
    let mut peers = (0..count).map(|_| Peer::start(&["up"])).collect::<Result<Vec<_>>>()?;
    peers.iter_mut().try_for_each(Peer::wait_for_byte)?;
    let time = millis(start.elapsed());
    peers.into_iter().try_for_each(Peer::end)?;
    Ok(time)
}
