//! The fault matrix on Google Cloud: jobs in trouble, chosen by seed, and a model that knows what must come out.
//!
//! In queue mode messages come twice, and answers are lost on every way: of the client that publishes, pulls and
//! acknowledges, of the worker that publishes, and of Pub/Sub that pushes.
//! `cargo xtask faults --provider google --seeds 0..100` runs more of them than an ordinary run.

use std::ops::Range;
use std::time::Duration;

use faast::{Call, Hedge};
use faast_core::ErrorKind;
use faast_core::provider::Mode;
use faast_testkit::emulator_google::{ApiCall, FaultScope, Faults, GoogleEmulator};
use faast_testkit::matrix::{self, Tally};
use faast_testkit::notes;
use fastrand::Rng;

use super::{declines, double, exits, noise, noise_of, noted_once, on, stumbles};

/// What an ordinary test run takes.
const FEW: Range<u64> = 0..20;

const CALLS: u32 = 30;

/// How much faster than the client's clock that of the services is in queue mode, where somebody else waits a minute for
/// what a lost answer held, and seconds for the next delivery.
const HASTE: u32 = 10;

/// How often it is moved ahead.
const TICK: Duration = Duration::from_millis(50);

/// What call `n` may end with: this value, or one of these kinds.
fn allowed(n: u32, mode: Mode) -> (Option<u32>, &'static [ErrorKind]) {
    match n % 10 {
        3 => (None, &[ErrorKind::User]),
        5 => (None, &[ErrorKind::Crash]),
        // It may have run, and is not sent again.
        7 if mode == Mode::Https => (Some(n), &[ErrorKind::Unavailable, ErrorKind::WorkerLost]),
        8 => (Some(1), &[]),
        // Its first run crashes, and the value of the second one is as good as lost if two answers in a row are.
        9 if mode == Mode::Queue => (Some(n), &[ErrorKind::Crash]),
        _ => (Some(n * 2), &[]),
    }
}

fn call(n: u32, mode: Mode, path: &str) -> Call<u32> {
    match n % 10 {
        3 => declines::call(n),
        5 => exits::call(3),
        7 if mode == Mode::Https => noted_once::call(path, n),
        8 => noise::call(n.into(), 30_000).map(move |bytes| u32::from(bytes == noise_of(n.into(), 30_000))),
        9 if mode == Mode::Queue => stumbles::call(&format!("{path}.stumbles"), n),
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
        duplicate_messages: rate(0.1),
        ..Faults::default()
    }
}

/// Moves the clock of the services ahead.
async fn hasten(google: &GoogleEmulator) {
    loop {
        tokio::time::sleep(TICK).await;
        google.advance(TICK * (HASTE - 1));
    }
}

async fn job(seed: u64) -> Tally {
    let mut rng = Rng::with_seed(seed);
    let faults = faults(&mut rng);
    let mode = if rng.bool() { Mode::Https } else { Mode::Queue };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes").display().to_string();
    let google = GoogleEmulator::builder().faults(faults).seed(seed).shared_folder(folder.path()).start();
    let cloud = on(&google.endpoint()).mode(mode).memory_mb(512).concurrency(rng.usize(1..6)).hedge(Hedge::Off);
    let cloud = cloud.retries(40).deploy().await.unwrap();
    let results = cloud.map((0..CALLS).map(|n| call(n, mode, &path))).collect();
    let results = match mode {
        Mode::Queue => tokio::select! {
            results = results => results,
            () = hasten(&google) => unreachable!(),
        },
        _ => results.await,
    };
    let mut tally = Tally::default();
    for (n, result) in (0..CALLS).zip(results) {
        let (value, kinds) = allowed(n, mode);
        let name = match result {
            Ok(got) if Some(got) == value && kinds.contains(&ErrorKind::Crash) => "values after a crash".to_owned(),
            Ok(got) if Some(got) == value => format!("values, {mode:?}"),
            Err(error) if kinds.contains(&error.kind()) => format!("errors: {}", error.kind()),
            other => panic!("seed {seed}, {mode:?}, call {n}: {other:?}"),
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
    if seeds.count() < FEW.count() {
        // Somebody looks at single seeds, which need not meet everything.
        return;
    }
    for name in [
        "values, Https",
        "values, Queue",
        "values after a crash",
        "throttled",
        "attempts that were made again",
        "duplicate answers",
        "connections dropped",
        "answers with 429",
    ] {
        assert!(sum.count(name) > 0, "`{name}` never came");
    }
}
