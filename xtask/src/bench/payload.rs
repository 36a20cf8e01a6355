//! Payload: large values there and back, beside bare processes that echo as many bytes.
//!
//! The judged strings are ASCII, as those of the baselines. Checking UTF-8 takes ten times as long where every eighth
//! letter has two bytes: shown, and not judged.

use std::time::Instant;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::floor::Peer;
use super::machine::peak_kib;
use super::report::Row;
use super::run::{Bencher, answer, number, subject};
use super::sample::{median, median_ratio, millis};

const MIB: usize = 1 << 20;

/// Bytes of the one large value.
const LARGE: usize = 16 * MIB;

#[faast::function]
fn echo_string(text: String) -> String {
    text
}

#[faast::function]
fn echo_bytes(bytes: Vec<u8>) -> Vec<u8> {
    bytes
}

/// Maps over strings of 1 MiB, made of this text.
pub(super) async fn strings(count: u32, text: &str) -> Result<Value> {
    let cloud = faast::local().concurrency(2).deploy().await?;
    let text = text.repeat(MIB / text.len());
    ensure!(text.len() == MIB, "{}", text.len());
    let mut time = 0.0;
    // The first round starts the workers.
    for calls in [4, count] {
        let start = Instant::now();
        let mut results = cloud.map((0..calls).map(|_| echo_string::call(text.clone())));
        while let Some(result) = results.next().await {
            ensure!(result?.len() == MIB, "a string came back with another length");
        }
        time = start.elapsed().as_secs_f64();
    }
    let peak = peak_kib(std::process::id())?;
    cloud.cleanup().await?;
    Ok(json!({ "mb_per_second": megabytes(count) / time, "client_mib": peak / 1024.0 }))
}

/// Sends 16 MiB there and back.
pub(super) async fn bytes(rounds: u32) -> Result<Value> {
    let cloud = faast::local().concurrency(1).deploy().await?;
    let mut samples = Vec::new();
    for round in 0..=rounds {
        let bytes = vec![7; LARGE];
        let start = Instant::now();
        let back = cloud.run(echo_bytes::call(bytes)).await?;
        if round > 0 {
            samples.push(millis(start.elapsed()));
        }
        ensure!(back.len() == LARGE, "{} bytes came back", back.len());
    }
    cloud.cleanup().await?;
    Ok(json!({ "ms": median(&samples) }))
}

pub(super) fn measure(bencher: &mut Bencher) -> Result<()> {
    let count = bencher.times(200, 20);
    let [ours, memory, dense, raw, large, raw_large] = bencher.rounds(bencher.times(5, 1), || {
        let strings = |text| answer(subject(&["strings", &count.to_string(), text]));
        let (ascii, dense) = (strings("payload!")?, strings("faast ö")?);
        let bytes = answer(subject(&["bytes", "5"]))?;
        Ok([
            number(&ascii, "mb_per_second")?,
            number(&ascii, "client_mib")?,
            number(&dense, "mb_per_second")?,
            two_bare_echoes(count)?,
            number(&bytes, "ms")?,
            one_bare_echo()?,
        ])
    })?;
    bencher.row(
        Row::new("map of 200 strings of 1 MiB, 2 workers", median(&ours), "MB/s")
            .beside("2 bare echoes", median(&raw))
            .ratio(median_ratio(&ours, &raw))
            .at_least(800.0),
    );
    bencher.row(Row::new("its client's peak", median(&memory), "MiB"));
    bencher.row(Row::new("the same, not ASCII", median(&dense), "MB/s"));
    bencher.row(
        Row::new("16 MiB Vec<u8>, one call", median(&large), "ms")
            .beside("bare echo", median(&raw_large))
            .ratio(median_ratio(&large, &raw_large))
            .at_most(150.0),
    );
    Ok(())
}

/// `count` messages of 1 MiB over two socket pairs, each message whole before it comes back.
fn two_bare_echoes(count: u32) -> Result<f64> {
    let half = count / 2;
    let one = || -> Result<()> {
        let mut peer = Peer::start(&["echo", &MIB.to_string()])?;
        let mut message = vec![7; MIB];
        for _ in 0..half {
            peer.round_trip(&mut message)?;
        }
        peer.end()
    };
    let start = Instant::now();
    std::thread::scope(|scope| {
        let other = scope.spawn(one);
        one()?;
        other.join().map_err(|_| anyhow::anyhow!("a floor panicked"))?
    })?;
    Ok(megabytes(2 * half) / start.elapsed().as_secs_f64())
}

fn one_bare_echo() -> Result<f64> {
    let mut peer = Peer::start(&["echo", &LARGE.to_string()])?;
    let mut message = vec![7; LARGE];
    peer.round_trip(&mut message)?;
    let start = Instant::now();
    peer.round_trip(&mut message)?;
    let time = millis(start.elapsed());
    peer.end()?;
    Ok(time)
}

/// Bytes of so many messages of 1 MiB, in millions.
fn megabytes(messages: u32) -> f64 {
    f64::from(messages) * 1.048_576
}
