//! What the provider in memory pretends: an account with resources, prices and limits.

use std::time::{Duration, SystemTime};

use faast_core::provider::{CloudProvider as _, Deleted, StrayScope};
use faast_core::{Builder, ErrorKind, Hedge};
use faast_testkit::fault::{Faults, Faulty};
use faast_testkit::memory::Memory;
use faast_testkit::probe;
use futures_util::StreamExt as _;

faast_testkit::test_worker!();

#[tokio::test]
async fn resources_are_there_until_the_cleanup() {
    let memory = Memory::new();
    let cloud = Builder::new(memory.clone()).deploy().await.unwrap();
    let kinds: Vec<_> = memory.resources().into_iter().map(|resource| resource.kind).collect();
    assert_eq!(kinds, ["store", "function"], "the discoverable root goes last");
    cloud.cleanup().await.unwrap();
    assert_eq!(memory.resources(), []);
}

#[tokio::test]
async fn strays_are_found_once_they_have_expired_and_deleted_once() {
    let memory = Memory::new();
    let cloud = Builder::new(memory.clone()).deploy().await.unwrap();
    let live: Vec<_> = memory.stray(&StrayScope::default()).collect().await;
    assert!(live.is_empty(), "a live deployment is nobody's stray: {live:?}");
    let resource = memory.resources().remove(0);
    assert!(resource.expires.is_some_and(|expires| expires > SystemTime::now()));
    assert_eq!(memory.delete(&resource).await.unwrap(), Deleted::Now);
    assert_eq!(memory.delete(&resource).await.unwrap(), Deleted::Before);
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn every_attempt_has_its_price() {
    let cloud = Builder::new(Memory::new().price_per_call(0.25)).deploy().await.unwrap();
    let detail = cloud.run(probe::identity(1)).detail().await.unwrap();
    assert!((detail.cost_usd - 0.25).abs() < 1e-9, "{detail:?}");
    cloud.map((0..3).map(probe::identity)).try_collect().await.unwrap();
    let report = cloud.cost().await;
    assert!((report.total_usd() - 1.0).abs() < 1e-9, "{report}");
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn a_bill_has_each_metric_with_its_price_and_adds_up() {
    let cloud = Builder::new(Memory::new().price_per_call(0.25)).deploy().await.unwrap();
    cloud.run(probe::identity(1)).await.unwrap();
    let report = cloud.cost().await;
    assert!(!report.lines.is_empty());
    for line in &report.lines {
        assert!(!line.metric.is_empty() && !line.unit.is_empty() && !line.note.is_empty(), "{line:?}");
        assert!(line.amount > 0.0 && line.unit_usd > 0.0, "{line:?}");
        assert!((line.cost_usd - line.unit_usd * line.amount).abs() < 1e-12, "{line:?}");
        assert!(report.to_string().contains(&*line.metric) && report.to_csv().contains(&*line.metric), "{report}");
    }
    let sum: f64 = report.lines.iter().map(|line| line.cost_usd).sum();
    assert!((report.total_usd() - sum).abs() < 1e-12 && sum > 0.0, "{report}");
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn a_budget_below_one_call_is_refused_before_deploying() {
    let memory = Memory::new().price_per_call(0.25);
    let error = Builder::new(memory.clone()).budget_usd(0.2).deploy().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Budget, "{error:?}");
    assert_eq!(memory.resources(), []);
}

#[tokio::test]
async fn a_budget_ends_a_map_before_it_is_passed() {
    let cloud =
        Builder::new(Memory::new().price_per_call(0.25)).budget_usd(2.0).hedge(Hedge::Off).deploy().await.unwrap();
    let mut map = cloud.map((0..100).map(probe::identity));
    let (mut succeeded, mut refused) = (0, 0);
    while let Some(result) = map.next().await {
        match result {
            Ok(_) => succeeded += 1,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Budget, "{error:?}");
                refused += 1;
            }
        }
    }
    assert_eq!((succeeded, refused), (8, 1));
    assert!(cloud.cost().await.total_usd() <= 2.0);
    drop(map);
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn the_accounts_own_limit_holds() {
    let cloud = Builder::new(Memory::new().concurrency_limit(2)).concurrency(8).deploy().await.unwrap();
    cloud.map((0..50).map(probe::identity)).try_collect().await.unwrap();
    assert!(cloud.stats().max_in_flight <= 2, "{:?}", cloud.stats());
    cloud.cleanup().await.unwrap();
}

#[test]
fn faults_need_no_runtime_of_the_callers() {
    // No timer and no reactor in here: whatever the provider needs runs elsewhere.
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let sum: u64 = runtime.block_on(async {
        let faults = Faults::seed(1).delay(1.0, Duration::from_millis(3));
        let cloud = Builder::new(Faulty::new(Memory::new(), faults)).deploy().await.unwrap();
        let numbers = cloud.map((0..10).map(probe::identity)).try_collect().await.unwrap();
        cloud.cleanup().await.unwrap();
        numbers.iter().sum()
    });
    assert_eq!(sum, 45);
}

#[tokio::test]
async fn a_rehearsal_has_the_prices_of_another_provider_and_ends_with_the_budget() {
    let elsewhere = Builder::new(Memory::new().price_per_call(0.25));
    let here = || Builder::new(Memory::new()).priced_as(elsewhere.clone());
    let cloud = here().budget_usd(1.0).hedge(Hedge::Off).deploy().await.unwrap();
    let mut map = cloud.map((0..10).map(probe::identity));
    let mut kinds = Vec::new();
    while let Some(result) = map.next().await {
        kinds.push(result.map_err(|error| error.kind()).err());
    }
    drop(map);
    kinds.sort_by_key(Option::is_some);
    assert_eq!(kinds, [None, None, None, None, Some(ErrorKind::Budget)]);
    let report = cloud.cost().await;
    assert!((report.total_usd() - 1.0).abs() < 1e-9 && report.measured_usd() == 0.0, "{report}");
    assert!(report.lines[0].note.starts_with("as if on memory: "), "{report}");
    cloud.cleanup().await.unwrap();

    let error = here().budget_usd(0.2).deploy().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Budget);
    let error =
        Builder::new(Memory::new().price_per_call(0.5)).priced_as(elsewhere.clone()).deploy().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.message().contains("has prices of its own"), "{error:?}");
}

#[tokio::test]
async fn a_rehearsal_bills_what_was_dropped_on_its_way() {
    let elsewhere = Builder::new(Memory::new().price_per_call(0.25));
    let slow = Faulty::new(Memory::new(), Faults::seed(1).delay(1.0, Duration::from_hours(1)));
    let cloud = Builder::new(slow).priced_as(elsewhere).hedge(Hedge::Off).deploy().await.unwrap();
    let run = tokio::time::timeout(Duration::from_millis(50), cloud.run(probe::identity(1)));
    assert!(run.await.is_err());
    assert!((cloud.cost().await.total_usd() - 0.25).abs() < 1e-9);
    cloud.cleanup().await.unwrap();
}
