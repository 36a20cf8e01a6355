//! The start of a worker, up to its first question, and of a deployment, whose package has to be made.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use faast_core::Arch;
use faast_core::cache::CacheFolder;
use faast_core::worker::Mark;
use faast_packer::{PackOptions, Target, pack};
use serde_json::{Value, json};

use super::super::run::THIS;
use super::super::sample::millis;

/// From exec to the first `next` of a worker, which is this executable with everything that is linked to it.
pub(super) fn first_next() -> Result<f64> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let mut command = Command::new(THIS);
    command
        .env_clear()
        .env("_HANDLER", Mark::for_child("aws").to_string())
        .env("AWS_LAMBDA_RUNTIME_API", listener.local_addr()?.to_string())
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1728")
        .stdin(Stdio::null());
    let start = Instant::now();
    let mut worker = command.spawn()?;
    let (stream, _) = listener.accept()?;
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line)?;
    let time = millis(start.elapsed());
    worker.kill()?;
    worker.wait()?;
    ensure!(line.starts_with("GET /2018-06-01/runtime/invocation/next "), "it said {line}");
    Ok(time)
}

/// Packs this executable twice: first with an empty cache, then again.
pub(in super::super) fn packing() -> Result<Value> {
    let folder = std::env::temp_dir().join(format!("faast-bench-{}", std::process::id()));
    let options = PackOptions::new(Target::new(Arch::of_this_machine().context("no such processor")?, (2, 99)));
    let cache = CacheFolder::at(&folder);
    let start = Instant::now();
    let cold = pack(&options, &cache);
    let cold_ms = millis(start.elapsed());
    let start = Instant::now();
    let warm = pack(&options, &cache);
    let warm_ms = millis(start.elapsed());
    fs::remove_dir_all(&folder)?;
    ensure!(cold?.sha256 == warm.as_ref().map_err(|error| anyhow::anyhow!("{error}"))?.sha256, "not the same");
    let executable = fs::metadata(THIS)?.len() as f64 / 1e6;
    Ok(
        json!({ "cold": cold_ms, "warm": warm_ms, "executable_mb": executable, "archive_mb": warm?.bytes.len() as f64 / 1e6 }),
    )
}
