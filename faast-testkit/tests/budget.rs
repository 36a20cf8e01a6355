//! The budget, by what workers did: never passed whatever goes wrong, and used up where there is enough to do.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::time::Duration;

use faast_core::{Builder, ErrorKind};
use faast_testkit::fault::{Faults, Faulty};
use faast_testkit::memory::Memory;
use faast_testkit::probe;

faast_testkit::test_worker!();

const PRICE: f64 = 0.01;
const BUDGET: f64 = 0.5;

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// What became of a map over more calls than the budget is enough for.
#[derive(Debug)]
struct Spent {
    values: u64,
    errors: u64,
    /// Errors that say that the budget is used up.
    refused: Vec<faast_core::Error>,
    /// What core says it cost.
    told: f64,
    /// What it did cost: each time that a worker ran a call.
    cost: f64,
}

async fn spend(faults: Faults, batch: usize) -> Spent {
    let memory = Memory::new().price_per_call(PRICE);
    let builder = Builder::new(Faulty::new(memory, faults)).concurrency(5).batch(batch).retries(3);
    let cloud = builder.budget_usd(BUDGET).deploy().await.unwrap();
    let counter = probe::counter();
    let mut map = cloud.map((0..500).map(|_| probe::count_again(counter)));
    let (mut values, mut errors, mut refused) = (0, 0, Vec::new());
    while let Some(result) = map.next().await {
        match result {
            Ok(_) => values += 1,
            Err(error) if error.kind() == ErrorKind::Budget => refused.push(error),
            Err(_) => errors += 1,
        }
    }
    drop(map);
    let told = cloud.cost().await.total_usd();
    cloud.cleanup().await.unwrap();
    Spent { values, errors, refused, told, cost: probe::counted(counter) as f64 * PRICE }
}

/// The sum that a budget error names.
fn named(error: &faast_core::Error) -> f64 {
    let (_, rest) = error.message().split_once("another call: $").unwrap();
    rest.split_once(' ').unwrap().0.parse().unwrap()
}

#[test]
fn the_budget_is_never_passed_and_four_fifths_of_it_are_used_whatever_goes_wrong() {
    run(async {
        let (mut failures, mut costs) = (0, 0.0);
        for seed in 0..60 {
            let faults = Faults::seed(seed)
                .delay(0.05, Duration::from_millis(3))
                .duplicates(0.05)
                .throttling(0.1)
                .unavailable(0.1);
            // A death that is made up says of the calls behind it that they did not run, and here threads may have run them.
            let spent = match seed % 2 {
                0 => spend(faults.worker_death(0.1), 1).await,
                _ => spend(faults, 4).await,
            };
            assert!(spent.cost <= BUDGET + 1e-9 && spent.told <= BUDGET + 1e-9, "seed {seed}: {spent:?}");
            assert_eq!(spent.refused.len(), 1, "seed {seed}: {spent:?}");
            // With what nobody billed at its worst.
            let counted = named(&spent.refused[0]);
            assert!((0.8 * BUDGET..=BUDGET + 1e-9).contains(&counted), "seed {seed}: {spent:?}");
            assert!(spent.values as f64 * PRICE <= spent.cost + 1e-9, "seed {seed}: {spent:?}");
            failures += spent.errors;
            costs += spent.cost;
        }
        assert!(costs > 60.0 * 0.8 * BUDGET, "${costs} and {failures} errors");
    });
}

#[test]
fn without_faults_the_budget_is_used_up_to_the_last_call() {
    let spent = run(spend(Faults::seed(1), 1));
    assert_eq!((spent.values, spent.errors, spent.refused.len()), (50, 0, 1));
    assert!((spent.told - BUDGET).abs() < 1e-9 && (spent.cost - BUDGET).abs() < 1e-9, "{spent:?}");
}

#[test]
fn a_budget_below_one_call_is_refused_before_anything_is_made() {
    let memory = Memory::new().price_per_call(PRICE);
    let error = run(Builder::new(memory.clone()).budget_usd(PRICE / 2.0).deploy()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Budget);
    assert!(error.hint().is_some() && error.message().contains("$0.005"), "{error:?}");
    assert!(memory.resources().is_empty());
}
