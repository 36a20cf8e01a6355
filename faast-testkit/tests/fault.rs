//! Seeded faults: every call of every run ends exactly once, whatever the line to the workers does.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::time::Duration;

use faast_core::{Builder, ErrorKind, Result};
use faast_testkit::fault::{Faults, Faulty};
use faast_testkit::memory::Memory;
use faast_testkit::probe;
use futures_util::{StreamExt as _, stream};

faast_testkit::test_worker!();

const CALLS: u64 = 24;

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn provider(faults: Faults) -> Faulty<Memory> {
    Faulty::new(Memory::new(), faults)
}

/// Maps over small numbers; gives every result and the number of duplicates that were counted.
async fn mapped(provider: &Faulty<Memory>, batch: usize, retries: u32) -> (Vec<Result<u64>>, u64) {
    let builder = Builder::new(provider.clone()).concurrency(6).batch(batch).retries(retries);
    let cloud = builder.deploy().await.unwrap();
    let results = cloud.map((0..CALLS).map(probe::identity)).collect().await;
    // A call can have its answer before its request has ended: the rest of that is duplicates.
    while cloud.stats().in_flight > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let stats = cloud.stats();
    assert_eq!(stats.queued, 0, "{stats:?}");
    assert_eq!(stats.completed + stats.failed, CALLS, "each call ends once: {stats:?}");
    cloud.cleanup().await.unwrap();
    (results, stats.duplicates)
}

fn sum(results: &[Result<u64>]) -> u64 {
    results.iter().map(|result| *result.as_ref().unwrap()).sum()
}

#[test]
fn every_call_of_every_seed_ends_exactly_once() {
    let one = async |seed: u64| {
        let faults = Faults::seed(seed)
            .delay(0.05, Duration::from_millis(5))
            .duplicates(0.1)
            .throttling(0.1)
            .unavailable(0.1)
            .worker_death(0.1);
        let provider = provider(faults);
        let batch = [1, 4, 16][usize::try_from(seed).unwrap() % 3];
        let (results, _) = mapped(&provider, batch, 20).await;
        assert_eq!(sum(&results), CALLS * (CALLS - 1) / 2, "seed {seed}");
        provider.injected().total()
    };
    // Most of a run is pauses before retries, so several go on at once.
    let runs = stream::iter(0..300).map(one).buffer_unordered(12);
    let injected: u64 = run(runs.fold(0, async |sum, faults| sum + faults));
    assert!(injected > 800, "only {injected} faults");
}

#[test]
fn lost_requests_and_answers_end_by_the_callers_clock() {
    run(async {
        // Only here the clock decides; short enough to be waited for, long enough for a busy machine.
        let memory = Memory::new().capabilities(|caps| {
            caps.defaults.timeout = Duration::from_secs(3);
            caps.timeout_grace = Duration::from_millis(20);
            caps.start_grace = Duration::from_millis(20);
        });
        for seed in 0..3 {
            let provider = Faulty::new(memory.clone(), Faults::seed(seed).loss(0.2));
            let (results, _) = mapped(&provider, 1, 0).await;
            let seen = provider.injected();
            let failed: Vec<_> = results.iter().filter_map(|result| result.as_ref().err()).collect();
            assert_eq!(failed.len() as u64, seen.lost_requests + seen.lost_answers, "{seen:?} {failed:?}");
            for error in failed {
                assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
            }
        }
    });
}

#[test]
fn without_retries_each_fault_fails_its_calls_with_its_kind() {
    run(async {
        for (faults, kind) in [
            (Faults::seed(1).unavailable(1.0), ErrorKind::Unavailable),
            (Faults::seed(1).worker_death(1.0), ErrorKind::WorkerLost),
        ] {
            let (results, _) = mapped(&provider(faults), 1, 0).await;
            for result in results {
                let error = result.unwrap_err();
                assert_eq!((error.kind(), error.attempts()), (kind, 1), "{error:?}");
            }
        }
    });
}

#[test]
fn throttling_uses_no_attempt() {
    run(async {
        for seed in 0..10 {
            let provider = provider(Faults::seed(seed).throttling(0.5));
            let (results, _) = mapped(&provider, 1, 0).await;
            assert_eq!(sum(&results), CALLS * (CALLS - 1) / 2);
            assert!(provider.injected().throttled > 0);
        }
    });
}

#[test]
fn duplicate_answers_are_counted_and_change_nothing() {
    run(async {
        let (mut injected, mut counted) = (0, 0);
        for seed in 0..20 {
            let provider = provider(Faults::seed(seed).duplicates(0.5));
            let (results, dropped) = mapped(&provider, 8, 0).await;
            assert_eq!(sum(&results), CALLS * (CALLS - 1) / 2);
            injected += provider.injected().duplicated;
            counted += dropped;
        }
        assert!(injected > 0 && counted > 0, "{injected} requests were answered twice, {counted} duplicates counted");
    });
}

#[test]
fn late_answers_of_earlier_attempts_are_answers_too() {
    run(async {
        let (mut late, mut total) = (0, 0);
        for seed in 0..40 {
            let provider = provider(Faults::seed(seed).duplicates(0.1).unavailable(0.4));
            let (results, _) = mapped(&provider, 4, 30).await;
            assert_eq!(sum(&results), CALLS * (CALLS - 1) / 2, "seed {seed}");
            late += provider.injected().late;
            total += results.len();
        }
        assert!(late > 0, "none of {total} answers came late");
    });
}

#[test]
fn functions_that_may_not_run_twice_are_not_sent_again_once_they_may_have_run() {
    run(async {
        let provider = provider(Faults::seed(3).unavailable(0.3).worker_death(0.3));
        let cloud = Builder::new(provider).concurrency(4).retries(20).deploy().await.unwrap();
        let counter = probe::counter();
        let results = cloud.map((0..CALLS).map(|_| probe::count_once(counter))).collect().await;
        let (succeeded, failed): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
        assert!(!succeeded.is_empty() && !failed.is_empty());
        // A call that failed may have run, but none ran twice.
        assert!(probe::counted(counter) <= CALLS, "{} runs of {CALLS} calls", probe::counted(counter));
        assert!(probe::counted(counter) >= succeeded.len() as u64);
        cloud.cleanup().await.unwrap();
    });
}

#[test]
fn a_run_can_be_repeated_by_its_seed() {
    run(async {
        let faults = || Faults::seed(99).throttling(0.2).unavailable(0.2).worker_death(0.2);
        let (one, other) = (provider(faults()), provider(faults()));
        mapped(&one, 1, 30).await;
        mapped(&other, 1, 30).await;
        assert_eq!(one.injected(), other.injected());
    });
}
