//! Many workers, many calls: nothing grows with the length of a map.

#![expect(clippy::unwrap_used, reason = "functions and helpers of tests fail as tests do")]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use faast::prelude::*;

faast::test_worker!();

#[faast::function]
fn identity(n: u64) -> u64 {
    n
}

/// Waits until so many processes have come here, and says whether they have.
#[faast::function]
fn meets(others: usize, place: &Path) -> bool {
    fs::write(place.join(std::process::id().to_string()), "").unwrap();
    let since = Instant::now();
    while fs::read_dir(place).unwrap().count() < others {
        if since.elapsed() > Duration::from_secs(50) {
            return false;
        }
        thread::sleep(Duration::from_millis(50));
    }
    true
}

#[tokio::test]
async fn hundreds_of_workers_share_a_map() {
    let place = tempfile::tempdir().unwrap();
    let cloud = faast::local().concurrency(200).deploy().await.unwrap();
    let met = cloud.map((0..200).map(|_| meets::call(200, place.path()))).try_collect().await.unwrap();
    assert_eq!(met, [true; 200]);
    cloud.cleanup().await.unwrap();
}

/// Set for the process whose memory is measured: how many calls it makes.
const CALLS: &str = "FAAST_TEST_CALLS";

/// Does nothing in a test run; [`a_lazy_map_runs_in_constant_memory`] runs it in processes of its own.
#[tokio::test]
async fn measured_process() {
    let Some(calls) = env::var(CALLS).ok().and_then(|calls| calls.parse().ok()) else { return };
    let cloud = faast::local().concurrency(2).deploy().await.unwrap();
    let mut map = cloud.map((0..calls).map(identity::call));
    let (mut count, mut sum) = (0_u64, 0);
    while let Some(value) = map.next().await {
        count += 1;
        sum += value.unwrap();
    }
    assert_eq!((count, sum), (calls, calls * (calls - 1) / 2));
    drop(map);
    cloud.cleanup().await.unwrap();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    println!("peak:{peak}");
}

/// Peak resident size in kB of a process that maps over so many calls.
fn peak(calls: u64) -> u64 {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["measured_process", "--exact", "--nocapture"]).env(CALLS, calls.to_string());
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    let peak = text.lines().find_map(|line| line.split_once("peak:")).expect(&text).1;
    peak.trim().trim_end_matches(" kB").trim().parse().unwrap()
}

#[test]
fn a_lazy_map_runs_in_constant_memory() {
    let (few, many) = (peak(10_000), peak(1_000_000));
    assert!(many <= few + 4 * 1024, "{many} kB for 1,000,000 calls, {few} kB for 10,000");
}
