//! Whole jobs, as a user writes them, against the emulator in trouble: failures that cost, broken connections, refusals,
//! two at once, what dead ones left, a deployment that is renewed, and somebody who looks for secrets.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do, and functions on purpose")]

mod analyzer;
mod bill;
mod connection;
mod credentials;
mod garbage;
mod matrix;
mod permission;
mod renewal;
mod secret;
mod soak;
mod throttling;

use faast_core::Builder;
use faast_google::private::anonymous;
use faast_google::{Google, GoogleOptions as _};
use faast_testkit::emulator_google::{PROJECT, REGION};
use faast_testkit::notes;

faast::test_worker!();

/// Twice its argument.
#[faast::function]
fn double(n: u32) -> u32 {
    n * 2
}

/// Its argument, some time later.
#[faast::function]
fn slow(n: u32, millis: u64) -> u32 {
    std::thread::sleep(std::time::Duration::from_millis(millis));
    n
}

/// Writes a line for each time that it runs.
#[faast::function(idempotent = false)]
fn noted_once(path: &str, n: u32) -> u32 {
    notes::write(path, n).unwrap();
    n
}

/// The same, and may run twice.
#[faast::function]
fn noted(path: &str, n: u32) -> u32 {
    notes::write(path, n).unwrap();
    n
}

/// So many bytes that no compression makes fewer.
#[faast::function]
fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    noise_of(seed, bytes)
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
    match (u64::from(n) + seed) % 20 {
        1 if at_first => Err(format!("{n} is declined")),
        2 if at_first => panic!("{n} panics"),
        3 if at_first => std::process::exit(3),
        _ if at_first && n == 35 => {
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

/// Ends its process at the first time that it runs for its argument.
#[faast::function]
fn stumbles(path: &str, n: u32) -> u32 {
    notes::write(path, n).unwrap();
    if notes::times(path, [n]) == [1] {
        std::process::exit(3);
    }
    n
}

/// Fails in its own words.
#[faast::function]
fn declines(n: u32) -> Result<u32, String> {
    Err(format!("{n} is declined"))
}

/// A job in the emulated project, without credentials.
fn on(endpoint: &str) -> Builder<Google> {
    let mut builder = Builder::new(Google::new()).project(PROJECT).region(REGION).endpoint_url(endpoint);
    let google = anonymous(builder.provider_mut().clone());
    *builder.provider_mut() = google;
    builder
}
