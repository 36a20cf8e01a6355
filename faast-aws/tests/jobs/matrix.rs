//! The fault matrix on AWS: jobs in trouble, chosen by seed, and a model that knows what must come out.
//!
//! `cargo xtask faults --provider aws --seeds 0..200` runs more of them than an ordinary run.

use std::ops::Range;
use std::time::Duration;

use faast::{Call, Hedge};
use faast_core::ErrorKind;
use faast_core::provider::Mode;
use faast_testkit::emulator_aws::{AwsEmulator, AwsEmulatorBuilder, FaultScope, Faults};
use faast_testkit::matrix::{self, Tally};
use faast_testkit::notes;
use faast_testkit::tap::Tap;
use fastrand::Rng;

use super::{declines, double, exits, noise, noise_of, noted_once, on};

/// What an ordinary test run takes.
const FEW: Range<u64> = 0..12;

const CALLS: u32 = 40;

/// What call `n` may end with: this value, or one of these kinds.
fn allowed(n: u32, mode: Mode) -> (Option<u32>, &'static [ErrorKind]) {
    match n % 10 {
        3 => (None, &[ErrorKind::User]),
        5 => (None, &[ErrorKind::Crash]),
        // It may have run, and is not sent again.
        7 if mode == Mode::Https => (Some(n), &[ErrorKind::Unavailable, ErrorKind::WorkerLost]),
        8 => (Some(1), &[]),
        _ => (Some(n * 2), &[]),
    }
}

fn call(n: u32, mode: Mode, path: &str) -> Call<u32> {
    match n % 10 {
        3 => declines::call(n),
        5 => exits::call(3),
        7 if mode == Mode::Https => noted_once::call(path, n),
        8 => noise::call(n.into(), 30_000).map(move |bytes| u32::from(bytes == noise_of(n.into(), 30_000))),
        _ => double::call(n),
    }
}

async fn job(seed: u64) -> Tally {
    let mut rng = Rng::with_seed(seed);
    let mut rate = |most: f64| most * rng.f64();
    let faults = Faults {
        scope: FaultScope::Invocations,
        error_before: rate(0.05),
        error_after: rate(0.05),
        drop_before: rate(0.05),
        drop_after: rate(0.05),
        slow: rate(0.1),
        slow_by: Duration::from_millis(60),
        break_off: rate(0.05),
        duplicate_events: rate(0.1),
        duplicate_records: rate(0.1),
        lost_records: 0.0,
    };
    let storm = rng.bool().then(|| rng.u32(3..12));
    let mode = if rng.bool() { Mode::Https } else { Mode::Queue };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes").display().to_string();
    let emulator = AwsEmulator::builder().faults(faults).seed(seed);
    let aws = storm.into_iter().fold(emulator, AwsEmulatorBuilder::caller_rate).start();
    let cloud = on(&aws.endpoint()).mode(mode).memory_mb(128).concurrency(rng.usize(1..8)).hedge(Hedge::Off);
    let cloud = cloud.retries(40).deploy().await.unwrap();
    let results = cloud.map((0..CALLS).map(|n| call(n, mode, &path))).collect().await;
    let mut tally = Tally::default();
    for (n, result) in (0..CALLS).zip(results) {
        let (value, kinds) = allowed(n, mode);
        let name = match result {
            Ok(got) if Some(got) == value => "values".to_owned(),
            Err(error) if kinds.contains(&error.kind()) => format!("errors: {}", error.kind()),
            other => panic!("seed {seed}, {mode:?}, call {n}: {other:?}"),
        };
        tally.add(name, 1);
    }
    let twice = notes::times(&path, 0..CALLS).into_iter().filter(|times| *times > 1).count();
    assert_eq!(twice, 0, "seed {seed}: what may run once ran twice");
    let stats = cloud.stats();
    for (name, count) in [
        ("throttled", stats.throttled),
        ("attempts that were made again", stats.retried),
        ("duplicate answers", stats.duplicates),
    ] {
        tally.add(name, count);
    }
    cloud.cleanup().await.unwrap();
    assert_eq!(aws.leftovers(), Vec::<String>::new(), "seed {seed}");
    let dropped = aws.calls().iter().filter(|call| call.status.is_none()).count();
    let failed = aws.calls().iter().filter(|call| call.status.is_some_and(|status| status >= 500)).count();
    for (name, count) in [("connections dropped", dropped), ("answers with 5xx", failed)] {
        tally.add(name, count as u64);
    }
    tally
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_of_every_seed_ends_once_with_the_right_value_or_the_right_error() {
    let seeds = matrix::seeds(FEW);
    let sum = matrix::run(seeds.clone(), job).await;
    println!("fault matrix, AWS emulated, seeds {}..{}: {sum:?}", seeds.start, seeds.end);
    for name in ["values", "throttled", "attempts that were made again", "duplicate answers", "connections dropped"] {
        assert!(sum.count(name) > 0, "`{name}` never came");
    }
}

/// Bytes of the exchange between two that are tried.
const STEP: usize = 7;

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_closed_after_any_byte_costs_no_call() {
    let aws = AwsEmulator::start();
    let tap = Tap::before(&aws.endpoint());
    let cloud = on(&tap.endpoint()).memory_mb(128).hedge(Hedge::Off).retries(5).deploy().await.unwrap();
    cloud.run(double::call(1)).await.unwrap();
    let mut closed = 0;
    // The last one ends before its byte has come.
    for after in (0..).step_by(STEP) {
        tap.close_after(after);
        assert_eq!(cloud.run(double::call(21)).await.unwrap(), 42, "closed after {after} bytes");
        if tap.take_unclosed() {
            break;
        }
        closed += 1;
    }
    println!("closed after each of {closed} bytes, {STEP} apart");
    assert!(closed > 50, "{closed} connections were closed");
    let stats = cloud.stats();
    assert_eq!((stats.completed, stats.failed), (closed + 2, 0), "{stats:?}");
    cloud.cleanup().await.unwrap();
    assert_eq!(aws.leftovers(), Vec::<String>::new());
}
