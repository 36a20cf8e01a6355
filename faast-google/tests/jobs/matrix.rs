//! The fault matrix on Google Cloud: jobs in trouble, chosen by seed, and a model that knows what must come out.
//!
//! Over HTTPS. Through Pub/Sub a message that is delivered again while its call runs looks like a crash, which the model does
//! not allow: docs/google-traps.md.
//! `cargo xtask faults --provider google --seeds 0..100` runs more of them than an ordinary run.

use std::ops::Range;
use std::time::Duration;

use faast::{Call, Hedge};
use faast_core::ErrorKind;
use faast_testkit::emulator_google::{ApiCall, FaultScope, Faults, GoogleEmulator};
use faast_testkit::matrix::{self, Tally};
use faast_testkit::notes;
use fastrand::Rng;

use super::{declines, double, exits, noise, noise_of, noted_once, on};

/// What an ordinary test run takes.
const FEW: Range<u64> = 0..20;

const CALLS: u32 = 30;

/// What call `n` may end with: this value, or one of these kinds.
fn allowed(n: u32) -> (Option<u32>, &'static [ErrorKind]) {
    match n % 10 {
        3 => (None, &[ErrorKind::User]),
        5 => (None, &[ErrorKind::Crash]),
        // It may have run, and is not sent again.
        7 => (Some(n), &[ErrorKind::Unavailable, ErrorKind::WorkerLost]),
        8 => (Some(1), &[]),
        _ => (Some(n * 2), &[]),
    }
}

fn call(n: u32, path: &str) -> Call<u32> {
    match n % 10 {
        3 => declines::call(n),
        5 => exits::call(3),
        7 => noted_once::call(path, n),
        8 => noise::call(n.into(), 30_000).map(move |bytes| u32::from(bytes == noise_of(n.into(), 30_000))),
        _ => double::call(n),
    }
}

fn faults(rng: &mut Rng) -> Faults {
    let mut rate = |most: f64| most * rng.f64();
    Faults {
        scope: FaultScope::Invocations,
        error_before: rate(0.05),
        error_after: rate(0.05),
        throttled: rate(0.1),
        drop_before: rate(0.05),
        drop_after: rate(0.05),
        slow: rate(0.1),
        slow_by: Duration::from_millis(60),
        break_off: rate(0.05),
        ..Faults::default()
    }
}

async fn job(seed: u64) -> Tally {
    let mut rng = Rng::with_seed(seed);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes").display().to_string();
    let emulator = GoogleEmulator::builder().faults(faults(&mut rng)).seed(seed).shared_folder(folder.path());
    let google = emulator.start();
    let cloud = on(&google.endpoint()).memory_mb(512).concurrency(rng.usize(1..6)).hedge(Hedge::Off);
    let cloud = cloud.retries(40).deploy().await.unwrap();
    let results = cloud.map((0..CALLS).map(|n| call(n, &path))).collect().await;
    let mut tally = Tally::default();
    for (n, result) in (0..CALLS).zip(results) {
        let (value, kinds) = allowed(n);
        let name = match result {
            Ok(got) if Some(got) == value => "values".to_owned(),
            Err(error) if kinds.contains(&error.kind()) => format!("errors: {}", error.kind()),
            other => panic!("seed {seed}, call {n}: {other:?}"),
        };
        tally.add(name, 1);
    }
    let twice = notes::times(&path, 0..CALLS).into_iter().filter(|times| *times > 1).count();
    assert_eq!(twice, 0, "seed {seed}: what may run once ran twice");
    let stats = cloud.stats();
    tally.add("throttled", stats.throttled);
    tally.add("attempts that were made again", stats.retried);
    tally.add("duplicate answers", stats.duplicates);
    cloud.cleanup().await.unwrap();
    assert_eq!(google.leftovers(), Vec::<String>::new(), "seed {seed}");
    let calls = google.calls();
    let count = |is: fn(&ApiCall) -> bool| calls.iter().filter(|call| is(call)).count() as u64;
    tally.add("connections dropped", count(|call| call.status.is_none()));
    tally.add("answers with 429", count(|call| call.status == Some(429)));
    tally.add("answers with 5xx", count(|call| call.status.is_some_and(|status| status >= 500)));
    tally
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_of_every_seed_ends_once_with_the_right_value_or_the_right_error() {
    let seeds = matrix::seeds(FEW);
    let sum = matrix::run(seeds.clone(), job).await;
    println!("fault matrix, Google Cloud emulated, seeds {}..{}: {sum:?}", seeds.start, seeds.end);
    for name in ["values", "throttled", "attempts that were made again", "connections dropped", "answers with 429"] {
        assert!(sum.count(name) > 0, "`{name}` never came");
    }
}
