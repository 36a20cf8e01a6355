//! Jobs against the emulator under faults for some time: results equal the model's, and what the client holds stays flat.
//!
//! The client is a process of its own: the emulator remembers every request. `cargo xtask soak --seconds N` goes on for
//! longer than an ordinary run.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, str};

use faast::Hedge;
use faast_core::ErrorKind;
use faast_testkit::emulator_google::{FaultScope, Faults, GoogleEmulator};
use faast_testkit::soak::{Sample, Slack, is_flat};

use super::{declines, double, on};

/// Set by `cargo xtask soak`: for how many seconds at least.
const SECONDS: &str = "FAAST_TEST_SOAK_SECONDS";

/// Says that this process is the client, and where the emulator is.
const ENDPOINT: &str = "FAAST_TEST_ENDPOINT";

const ROUND: u32 = 60;

/// Rounds at least: fewer don't tell whether something grows.
const ROUNDS: usize = 12;

/// Does nothing in a test run; the next test runs it in a process of its own.
#[tokio::test(flavor = "multi_thread")]
async fn client() {
    let Ok(endpoint) = env::var(ENDPOINT) else { return };
    let home = PathBuf::from(env::var_os("FAAST_HOME").unwrap());
    let time = Duration::from_secs(env::var(SECONDS).map_or(0, |text| text.parse().unwrap()));
    let cloud = on(&endpoint).memory_mb(512).concurrency(8).hedge(Hedge::Off).retries(40).record();
    let cloud = cloud.deploy().await.unwrap();
    let (since, mut samples) = (Instant::now(), Vec::new());
    while samples.len() < ROUNDS || since.elapsed() < time {
        let call = |n| if n % 20 == 7 { declines::call(n) } else { double::call(n) };
        let results = cloud.map((0..ROUND).map(call)).collect().await;
        for (n, result) in (0..ROUND).zip(results) {
            let model = if n % 20 == 7 { Err(ErrorKind::User) } else { Ok(n * 2) };
            assert_eq!(result.map_err(|error| error.kind()), model, "call {n}");
        }
        samples.push(Sample::take(&home).unwrap());
    }
    println!("{} calls in {:.0?}: {:?}", samples.len() * ROUND as usize, since.elapsed(), cloud.stats());
    println!("first: {}\nlast: {}", samples[0], samples[samples.len() - 1]);
    // Rows of a record's first 20,000 attempts are on disk, and connections come and go.
    is_flat(&samples, Slack { resident_kib: 8 << 10, counts: 12, disk_bytes: 2 << 20 }).unwrap();
    cloud.cleanup().await.unwrap();
}

#[test]
fn what_a_client_holds_stays_flat_under_faults() {
    let scope = FaultScope::Invocations;
    let faults = Faults { scope, drop_before: 0.01, drop_after: 0.01, error_before: 0.02, ..Faults::default() };
    let google = GoogleEmulator::builder().faults(faults).seed(3).start();
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["soak::client", "--exact", "--nocapture"]);
    command.env(ENDPOINT, google.endpoint()).env("FAAST_HOME", home.path());
    let output = command.output().unwrap();
    let text = str::from_utf8(&output.stdout).unwrap();
    println!("soak, Google Cloud emulated\n{text}");
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(google.leftovers(), Vec::<String>::new());
}
