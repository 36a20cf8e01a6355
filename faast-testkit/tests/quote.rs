//! Quotes: a sample says what all will take, and is not run again.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::time::Duration;

use faast_core::{Bound, Builder, Cloud, ErrorKind};
use faast_testkit::memory::Memory;
use faast_testkit::probe;

faast_testkit::test_worker!();

const PRICE: f64 = 0.25;

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

async fn cloud(memory: Memory) -> Cloud {
    Builder::new(memory.price_per_call(PRICE)).concurrency(3).deploy().await.unwrap()
}

#[test]
fn a_quote_extrapolates_and_goes_on_without_running_the_sample_again() {
    run(async {
        let cloud = cloud(Memory::new()).await;
        let counter = probe::counter();
        let quote = cloud.quote((0..40).map(|_| probe::count_once(counter)), 5).await.unwrap();
        let estimate = quote.estimate().clone();
        assert_eq!((estimate.calls, estimate.sample, estimate.failed), (40, 5, 0));
        assert!((estimate.cost_usd.likely - 40.0 * PRICE).abs() < 1e-9, "{estimate}");
        assert!(estimate.time.low <= estimate.time.likely && estimate.time.likely <= estimate.time.high);
        assert_eq!(estimate.bound, Bound::Concurrency(3));
        assert_eq!(probe::counted(counter), 5, "no more than the sample has run");
        let results = quote.go().try_collect().await.unwrap();
        assert_eq!((results.len(), probe::counted(counter)), (40, 40));
        assert!((cloud.cost().await.total_usd() - estimate.cost_usd.likely).abs() < 1e-9);
        cloud.cleanup().await.unwrap();
    });
}

#[test]
fn results_of_a_quote_keep_their_places() {
    run(async {
        let cloud = cloud(Memory::new()).await;
        let quote = cloud.quote((0..20).map(probe::identity), 7).await.unwrap();
        let mut indexed = quote.go().indexed();
        let mut seen = Vec::new();
        while let Some((index, value)) = indexed.next().await {
            assert_eq!(index, value.unwrap());
            seen.push(index);
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..20).collect::<Vec<_>>());
        cloud.cleanup().await.unwrap();
    });
}

#[test]
fn a_journal_behind_a_quote_keeps_what_the_sample_has_not_done() {
    run(async {
        let cloud = cloud(Memory::new()).await;
        let (folder, counter) = (tempfile::tempdir().unwrap(), probe::counter());
        let path = folder.path().join("journal");
        for run in [20, 24] {
            let quote = cloud.quote((0..20).map(|_| probe::count_once(counter)), 4).await.unwrap();
            assert_eq!(quote.go().journal(&path).try_collect().await.unwrap().len(), 20);
            assert_eq!(probe::counted(counter), run);
        }
        cloud.cleanup().await.unwrap();
    });
}

#[test]
fn a_quote_that_is_dropped_leaves_the_rest_undone() {
    run(async {
        let cloud = cloud(Memory::new()).await;
        let counter = probe::counter();
        drop(cloud.quote((0..40).map(|_| probe::count_once(counter)), 4).await.unwrap());
        cloud.run(probe::identity(1)).await.unwrap();
        assert_eq!(probe::counted(counter), 4);
        cloud.cleanup().await.unwrap();
    });
}

#[test]
fn a_sample_of_all_leaves_nothing_and_an_accounts_quota_is_named() {
    run(async {
        let cloud = cloud(Memory::new().concurrency_limit(2)).await;
        let quote = cloud.quote((0..3).map(probe::identity), 10).await.unwrap();
        assert_eq!((quote.estimate().sample, quote.estimate().time.high), (3, Duration::ZERO));
        assert_eq!(quote.go().try_collect().await.unwrap().len(), 3);
        let none = cloud.quote(std::iter::empty::<faast_core::Call<u64>>(), 10).await.unwrap();
        assert_eq!(none.go().try_collect().await.unwrap(), [0; 0]);
        let quote = cloud.quote((0..30).map(probe::identity), 3).await.unwrap();
        assert_eq!(quote.estimate().bound, Bound::Quota(2));
        let enough = self::cloud(Memory::new().concurrency_limit(3)).await;
        let quote = enough.quote((0..30).map(probe::identity), 3).await.unwrap();
        assert_eq!(quote.estimate().bound, Bound::Concurrency(3), "no quota is in the way");
        drop(quote);
        enough.cleanup().await.unwrap();
        cloud.cleanup().await.unwrap();
        let error = cloud.quote((0..3).map(probe::identity), 2).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Canceled);
        let error = cloud.quote((0..).map(probe::identity), 2).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
    });
}
