//! `cargo xtask bench [filter] [--quick]`: how fast faast is, beside what the machine allows in the same minute.
//!
//! Ordinary builds of xtask know nothing of faast: the command builds xtask again, in release and with the feature
//! `bench`, and runs that. There, everything that is measured runs in processes of its own (the same executable with
//! hidden words): a `subject` is client and worker of faast, a `floor` is the physical limit without faast. Missed
//! aims are told, and are no failure: it is a measurement.

#[cfg(feature = "bench-aws")]
mod aws;
#[cfg(feature = "bench")]
mod balance;
#[cfg(any(feature = "bench-aws", feature = "bench-google"))]
mod cloud;
#[cfg(feature = "bench")]
mod death;
#[cfg(feature = "bench")]
mod floor;
#[cfg(feature = "bench-google")]
mod google;
#[cfg(feature = "bench")]
mod journal;
#[cfg(feature = "bench")]
mod latency;
#[cfg(feature = "bench")]
mod machine;
#[cfg(feature = "bench")]
mod payload;
#[cfg(feature = "bench")]
mod record;
#[cfg(feature = "bench")]
mod report;
#[cfg(feature = "bench")]
mod run;
#[cfg(feature = "bench")]
mod sample;
#[cfg(feature = "bench")]
mod scale;
#[cfg(feature = "bench")]
mod startup;
#[cfg(feature = "bench")]
mod subject;
#[cfg(feature = "bench")]
mod throughput;

use anyhow::Result;
use cargo_metadata::MetadataCommand;

#[cfg(feature = "bench")]
pub(crate) use self::run::{child, measure};
use crate::command::{CommandLine, root};

/// Asks the executable with the feature `bench` to measure.
pub(crate) const MEASURE: &str = "bench-measure";

/// Builds xtask for measuring and runs it.
pub(crate) fn launch(arguments: &[&str]) -> Result<()> {
    let metadata = MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec()?;
    let target = metadata.target_directory;
    // The clouds' own clients take minutes to build: only for the benches that stand beside them.
    let asked = ["aws", "google"].into_iter().find(|cloud| arguments.contains(cloud));
    let features = asked.map_or_else(|| "bench".into(), |cloud| format!("bench-{cloud}"));
    CommandLine::new("cargo build --release --package xtask --features").arg(&features).run()?;
    let program = target.join("release").join("xtask");
    let json = target.join("bench.json");
    let command = CommandLine::default().arg(program.as_str()).arg(MEASURE).arg(json.as_str());
    arguments.iter().fold(command, |command, word| command.arg(word)).run()
}
