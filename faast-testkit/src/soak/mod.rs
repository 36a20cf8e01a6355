//! Tests that run for long: a client in a process of its own, rounds of calls, and whether what the client holds grows.
//!
//! Responsible for that process, for how long it goes on and for its samples; what a round does is the test's. An ordinary
//! run is short, `cargo xtask soak` asks for more.

#![expect(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests fail as tests do, and say what came out"
)]

mod sample;

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, str};

use faast_core::provider::variable;
use faast_core::{Call, Cloud, ErrorKind};

pub use self::sample::{Sample, Slack, is_flat};

/// Says that this process is the client, and where it works.
const PLACE: &str = "FAAST_TEST_SOAK";

/// The folder whose files are counted; it is the client's alone.
const HOME: &str = "FAAST_HOME";

/// Set by `cargo xtask soak`: for how many seconds at least.
const SECONDS: &str = "FAAST_TEST_SOAK_SECONDS";

/// Runs the test of that name in a process of its own, as the client that works at `place`: an emulator's endpoint, say.
///
/// The test asks for it with [`place`], and does nothing where there is none.
pub fn in_a_process(test: &str, place: &str) {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture"]).env(PLACE, place).env(HOME, home.path());
    let output = command.output().unwrap();
    let said = str::from_utf8(&output.stdout).unwrap();
    println!("soak, {test} at {place}\n{said}");
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

/// Where this process works as a client; `None` in any other process.
pub fn place() -> Option<String> {
    variable(PLACE)
}

/// Takes rounds, `rounds` at least and for as long as asked, with a sample after each; what is held has to stay flat.
pub async fn rounds(rounds: usize, slack: Slack, mut round: impl AsyncFnMut(usize)) {
    let home = PathBuf::from(variable(HOME).unwrap());
    let time = Duration::from_secs(variable(SECONDS).map_or(0, |text| text.parse().unwrap()));
    let (since, mut samples) = (Instant::now(), Vec::new());
    while samples.len() < rounds || since.elapsed() < time {
        round(samples.len()).await;
        samples.push(Sample::take(&home).unwrap());
    }
    println!("{} rounds in {:.0?}", samples.len(), since.elapsed());
    for (when, at) in [("first", 0), ("middle", samples.len() / 2), ("last", samples.len() - 1)] {
        println!("{when}: {}", samples[at]);
    }
    is_flat(&samples, slack).unwrap();
}

/// A map of 60 numbers that `double` doubles, with a few among them that `decline` refuses.
pub async fn doubles(cloud: &Cloud, double: impl Fn(u32) -> Call<u32>, decline: impl Fn(u32) -> Call<u32>) {
    let is_declined = |n: u32| n % 20 == 7;
    let calls = (0..60).map(|n| if is_declined(n) { decline(n) } else { double(n) });
    let results = cloud.map(calls).collect().await;
    assert_eq!(results.len(), 60);
    for (n, result) in (0..).zip(results) {
        let model = if is_declined(n) { Err(ErrorKind::User) } else { Ok(n * 2) };
        assert_eq!(result.map_err(|error| error.kind()), model, "call {n}");
    }
}
