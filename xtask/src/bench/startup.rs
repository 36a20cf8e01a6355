//! Startup: the whole life of a program that runs one call, from its start to its clean exit.

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::report::Row;
use super::run::{Bencher, answer, floor, number, subject};
use super::sample::{median, millis, quantile};

#[faast::function]
pub(super) fn hello(name: &str) -> String {
    format!("hello {name}!")
}

/// The program of the README.
pub(super) async fn hello_world() -> Result<()> {
    let cloud = faast::local().deploy().await?;
    println!("{}", cloud.run(hello::call("world")).await?);
    cloud.cleanup().await?;
    Ok(())
}

/// The same program's parts, in milliseconds.
pub(super) async fn phases() -> Result<Value> {
    let start = Instant::now();
    let cloud = faast::local().deploy().await?;
    let deployed = start.elapsed();
    cloud.run(hello::call("world")).await?;
    let called = start.elapsed();
    cloud.cleanup().await?;
    let cleaned = start.elapsed();
    drop(cloud);
    let ends = [deployed, called, cleaned, start.elapsed()].map(millis);
    Ok(json!({
        "deploy": ends[0], "call": ends[1] - ends[0], "cleanup": ends[2] - ends[1], "drop": ends[3] - ends[2],
    }))
}

pub(super) fn measure(bencher: &mut Bencher) -> Result<()> {
    let lives = bencher.times(10, 5);
    let [bare, pair, slow_pair, whole, slow_whole] = bencher.rounds(bencher.times(5, 1), || {
        let (mut bare, mut pair, mut whole) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..lives {
            bare.push(life_of(floor(&["bare"]))?);
            pair.push(life_of(floor(&["bare-with-child"]))?);
            whole.push(life_of(subject(&["hello"]))?);
        }
        let slow = |samples: &[f64]| quantile(samples, 900);
        Ok([median(&bare), median(&pair), slow(&pair), median(&whole), slow(&whole)])
    })?;
    bencher.row(
        Row::new("exec, hello, clean exit", median(&whole), "ms")
            .beside("bare exe and bare child", median(&pair))
            .above_by_at_most(1.5),
    );
    bencher.row(Row::new("the same, p90", median(&slow_whole), "ms").beside("", median(&slow_pair)));
    bencher.row(Row::new("bare exe alone", median(&bare), "ms"));
    let parts = bencher.rounds(bencher.times(20, 2), || {
        let phases = answer(subject(&["phases"]))?;
        let part = |key| number(&phases, key);
        Ok([part("deploy")?, part("call")?, part("cleanup")?, part("drop")?])
    })?;
    for (name, times) in ["deploy()", "first call", "cleanup()", "drop of the cloud"].into_iter().zip(parts) {
        bencher.row(Row::new(format!("of it in {name}"), median(&times), "ms"));
    }
    Ok(())
}

/// Start to reaped, in milliseconds; it must print what a hello prints.
fn life_of(mut command: Command) -> Result<f64> {
    let start = Instant::now();
    let output = command.stderr(Stdio::inherit()).output()?;
    let time = millis(start.elapsed());
    ensure!(output.status.success() && output.stdout == b"hello world!\n", "{command:?}: {output:?}");
    Ok(time)
}
