//! Death: how soon a time-out, a killed worker and a killed client are noticed.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use faast::ErrorKind;
use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, set_child_subreaper, waitpid};
use serde_json::{Value, json};

use super::machine::is_alive;
use super::report::Row;
use super::run::{Bencher, answer, number, subject};
use super::sample::{median, millis, quantile};

const TIMEOUT: Duration = Duration::from_millis(50);

#[faast::function]
fn endless() {
    loop {
        std::hint::spin_loop();
    }
}

#[faast::function]
fn nap(millis: u64) -> u32 {
    std::thread::sleep(Duration::from_millis(millis));
    std::process::id()
}

/// Endless loops that are ended, and the call after each.
pub(super) async fn timeout(rounds: u32) -> Result<Value> {
    let cloud = faast::local().concurrency(1).deploy().await?;
    let (mut told, mut replaced) = (Vec::new(), Vec::new());
    cloud.run(nap::call(0)).await?;
    for _ in 0..rounds {
        let deadline = Instant::now() + TIMEOUT;
        let error = cloud.run(endless::call().timeout(TIMEOUT)).await.err().context("an endless loop ended")?;
        told.push(millis(deadline.elapsed()));
        ensure!(error.kind() == ErrorKind::Timeout, "{error:?}");
        cloud.run(nap::call(0)).await?;
        replaced.push(millis(deadline.elapsed()));
    }
    cloud.cleanup().await?;
    Ok(json!({ "told": median(&told), "told_slow": quantile(&told, 1000), "replaced": median(&replaced),
               "replaced_slow": quantile(&replaced, 1000) }))
}

/// Workers that are killed in the middle of a call.
pub(super) async fn kill(rounds: u32) -> Result<Value> {
    let cloud = faast::local().concurrency(1).deploy().await?;
    let mut samples = Vec::new();
    for _ in 0..rounds {
        let worker = cloud.run(nap::call(0)).await?;
        let mut run = cloud.run(nap::call(10_000).retries(0));
        tokio::select! {
            _ = &mut run => anyhow::bail!("a nap of ten seconds ended at once"),
            () = tokio::time::sleep(Duration::from_millis(20)) => {}
        }
        let start = Instant::now();
        kill_process(pid(worker)?, Signal::KILL)?;
        let error = run.await.err().context("a killed worker answered")?;
        samples.push(millis(start.elapsed()));
        ensure!(error.kind() != ErrorKind::Timeout, "{error:?}");
    }
    cloud.cleanup().await?;
    Ok(json!({ "known": median(&samples), "known_slow": quantile(&samples, 1000) }))
}

/// Keeps workers busy until it is killed. Prints who they are.
pub(super) async fn victim(workers: u32) -> Result<()> {
    let cloud = faast::local().concurrency(usize::try_from(workers)?).deploy().await?;
    let pids: Vec<u32> = cloud.map((0..workers).map(|_| nap::call(200))).try_collect().await?;
    let loops: Vec<_> = (0..workers).map(|_| tokio::spawn(cloud.run(endless::call()))).collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    println!("{}", json!(pids));
    for endless in loops {
        endless.await??;
    }
    Ok(())
}

pub(super) fn measure(bencher: &mut Bencher) -> Result<()> {
    let deaths = bencher.times("5", "3");
    let [told, slow_told, replaced, slow_replaced, known, slow_known] = bencher.rounds(bencher.times(5, 1), || {
        let ended = answer(subject(&["timeout", deaths]))?;
        let killed = answer(subject(&["kill", deaths]))?;
        Ok([
            number(&ended, "told")?,
            number(&ended, "told_slow")?,
            number(&ended, "replaced")?,
            number(&ended, "replaced_slow")?,
            number(&killed, "known")?,
            number(&killed, "known_slow")?,
        ])
    })?;
    for (what, times, slow, limit) in [
        ("time-out: deadline to error", told, slow_told, 5.0),
        ("time-out: deadline to replacement's answer", replaced, slow_replaced, 10.0),
        ("kill -9 of a worker to error", known, slow_known, 2.0),
    ] {
        bencher.row(Row::new(what, median(&times), "ms").at_most(limit));
        bencher.row(Row::new("the same, slowest", quantile(&slow, 1000), "ms"));
    }
    for workers in [2, 8] {
        let [times] = bencher.rounds(bencher.times(10, 1), || Ok([orphans(workers)?]))?;
        let what = format!("kill -9 of the client, {workers} busy workers gone");
        bencher.row(Row::new(what, median(&times), "ms").at_most(50.0));
        bencher.row(Row::new("the same, slowest", quantile(&times, 1000), "ms"));
    }
    Ok(())
}

/// Milliseconds from the kill of a client to the end of its last worker.
fn orphans(workers: u32) -> Result<f64> {
    const GIVE_UP: Duration = Duration::from_secs(5);
    // Its workers become children of this process, so that their processor time is not taken for that of others.
    set_child_subreaper(Some(getpid()))?;
    let mut client = subject(&["victim", &workers.to_string()]).stdout(Stdio::piped()).spawn()?;
    let stdout = client.stdout.take().context("no standard output")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    let pids: Vec<u32> = serde_json::from_str(&line).with_context(|| format!("the client printed {line:?}"))?;
    ensure!(pids.iter().all(|pid| is_alive(*pid)), "a worker ended before its client");
    let start = Instant::now();
    client.kill()?;
    while pids.iter().any(|pid| is_alive(*pid)) && start.elapsed() < GIVE_UP {
        std::thread::sleep(Duration::from_micros(200));
    }
    let time = millis(start.elapsed());
    client.wait()?;
    for worker in pids {
        waitpid(Some(pid(worker)?), WaitOptions::empty())?;
    }
    Ok(time)
}

fn pid(id: u32) -> Result<Pid> {
    i32::try_from(id).ok().and_then(Pid::from_raw).context("no such process id")
}
