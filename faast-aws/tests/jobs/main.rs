//! Whole jobs, as a user writes them, against the emulator in trouble: throttling, broken connections, two at once, large
//! payloads, and somebody who looks for secrets.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do, and functions on purpose")]

mod analyzer;
mod bill;
mod connection;
mod matrix;
mod queue;
mod secret;
mod soak;
mod spill;
mod storage;
mod throttling;

use faast_aws::{Aws, AwsOptions as _};
use faast_core::Builder;
use faast_testkit::notes;

faast::test_worker!();

/// What no payload, log, ledger, tag or error may hold.
const PLANTED: &str = "wJalrXUtnFEMIplantedK7MDENGbPxRfiCY";

/// Twice its argument.
#[faast::function]
fn double(n: u32) -> u32 {
    n * 2
}

/// Writes a line for each time that it runs.
#[faast::function(idempotent = false)]
fn noted_once(path: &str, n: u32) -> u32 {
    notes::write(path, n).unwrap();
    n
}

/// So many bytes that can't be compressed, whatever it is given.
#[faast::function]
fn large(_given: Vec<u8>, bytes: usize) -> Vec<u8> {
    noise_of(1, bytes)
}

/// Its argument, some time later.
#[faast::function]
fn slow(n: u32, millis: u64) -> u32 {
    std::thread::sleep(std::time::Duration::from_millis(millis));
    n
}

/// The same, and may run twice.
#[faast::function]
fn noted(path: &str, n: u32) -> u32 {
    notes::write(path, n).unwrap();
    n
}

/// How long it is.
#[faast::function]
fn length(text: &str) -> usize {
    text.len()
}

/// The bytes from the end to the beginning.
#[faast::function]
fn reversed(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().rev().copied().collect()
}

/// So many bytes that no compression makes fewer.
#[faast::function]
fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    noise_of(seed, bytes)
}

/// The same, after some milliseconds.
#[faast::function]
fn busy_then_noise(milliseconds: u64, bytes: usize) -> Vec<u8> {
    std::thread::sleep(std::time::Duration::from_millis(milliseconds));
    noise_of(1, bytes)
}

/// An item for each size.
#[faast::function]
fn noises(sizes: Vec<usize>) -> impl Iterator<Item = Vec<u8>> {
    sizes.into_iter().map(|size| noise_of(1, size))
}

/// Numbers, one after each pause.
#[faast::function]
fn ticks(count: u32, millis: u64) -> impl Iterator<Item = u32> {
    (0..count).inspect(move |_| std::thread::sleep(std::time::Duration::from_millis(millis)))
}

fn noise_of(seed: u64, bytes: usize) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    fastrand::Rng::with_seed(seed).fill(&mut noise);
    noise
}

/// Fails in one way or another at its first attempt, or takes long.
#[faast::function]
fn shaky(n: u32, seed: u64) -> Result<u32, String> {
    let at_first = faast::context().attempt() == 1;
    match (u64::from(n) + seed) % 30 {
        1 if at_first => Err(format!("{n} is declined")),
        2 if at_first => panic!("{n} panics"),
        3 if at_first => std::process::exit(3),
        _ if at_first && n == 100 => {
            std::thread::sleep(std::time::Duration::from_secs(4));
            Ok(n)
        }
        _ => Ok(n),
    }
}

/// Ends its process.
#[faast::function]
fn exits(status: i32) -> u32 {
    std::process::exit(status)
}

/// Fails in its own words.
#[faast::function]
fn declines(n: u32) -> Result<u32, String> {
    Err(format!("{n} is declined"))
}

/// Waits until something is so; the test's own time limit is that of whoever runs it.
async fn until(mut so: impl AsyncFnMut() -> bool) {
    while !so().await {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

fn on(endpoint: &str) -> Builder<Aws> {
    Builder::new(Aws::new()).region("us-west-2").endpoint_url(endpoint).credentials("AKIDEXAMPLE", PLANTED, None)
}
