//! Latency: one call at a time, beside a bare socket pair with the same payload.
//!
//! Pinned to one processor it is the cost of the software. Placed freely it is mostly what waking a sleeping processor
//! costs, which differs by five from run to run: shown, and not judged.

use std::time::Instant;

use anyhow::Result;
use serde_json::{Value, json};

use super::machine::stay_on_one_processor;
use super::report::Row;
use super::run::{Bencher, answer, floor, number, subject};
use super::sample::{median, median_ratio, micros, quantile};
use super::startup::hello;

/// About what the frames of a hello have.
const PAYLOAD: &str = "64";

/// Calls one after the other.
pub(super) async fn sequence(calls: u32, place: &str) -> Result<Value> {
    if place == "pinned" {
        stay_on_one_processor()?;
    }
    let cloud = faast::local().concurrency(1).deploy().await?;
    let mut samples = Vec::new();
    for call in 0..calls + calls / 10 {
        let start = Instant::now();
        let greeting = cloud.run(hello::call("world")).await?;
        if call >= calls / 10 {
            samples.push(micros(start.elapsed()));
        }
        anyhow::ensure!(greeting == "hello world!", "{greeting}");
    }
    cloud.cleanup().await?;
    Ok(json!({ "p50": quantile(&samples, 500), "p99": quantile(&samples, 990) }))
}

pub(super) fn measure(bencher: &mut Bencher) -> Result<()> {
    for place in ["pinned", "free"] {
        let calls = bencher.times("500", "100");
        let [ours, slow, raw, slow_raw] = bencher.rounds(bencher.times(10, 2), || {
            let faast = answer(subject(&["latency", calls, place]))?;
            let bare = answer(floor(&["ping", calls, PAYLOAD, place]))?;
            Ok([number(&faast, "p50")?, number(&faast, "p99")?, number(&bare, "p50")?, number(&bare, "p99")?])
        })?;
        for (name, ours, raw) in [("p50", ours, raw), ("p99", slow, slow_raw)] {
            let row = Row::new(format!("one call at a time, {place}, {name}"), median(&ours), "us")
                .beside("socket pair", median(&raw))
                .ratio(median_ratio(&ours, &raw));
            let judged = (place, name) == ("pinned", "p50");
            bencher.row(if judged { row.times_at_most(2.2) } else { row });
        }
    }
    Ok(())
}
