//! Promises about deployments: concurrency, details, statistics, cleanup, and staying apart from each other.

use std::time::Duration;

use faast_core::ErrorKind;
use faast_core::provider::StrayScope;
use futures_util::StreamExt as _;

use super::Factory;
use super::factory::{cleaned, deployed, error_of};
use crate::remote::{Span, add, block, decline, echo, identity, span};

/// The most spans that lie over one moment. One that ends when another starts does not overlap it.
fn overlap(spans: &[Span]) -> i32 {
    let starts = spans.iter().map(|span| (span.start, 1));
    let ends = spans.iter().map(|span| (span.end, -1));
    let mut edges: Vec<_> = starts.chain(ends).collect();
    edges.sort_unstable();
    let mut most = 0;
    edges.iter().fold(0, |now, (_, step)| {
        most = most.max(now + step);
        now + step
    });
    most
}

/// As many calls run at once as was asked for, and never more: computed from what the workers saw.
pub async fn concurrency_is_reached_and_never_exceeded(factory: &Factory) {
    let cloud = deployed(factory.builder().concurrency(3)).await;
    // Workers that exist already, so that slow starts are not taken for missing concurrency.
    cloud.map((0..3).map(|_| span::call(300))).try_collect().await.expect("all succeed");
    let spans = cloud.map((0..9).map(|_| span::call(250))).try_collect().await.expect("all succeed");
    assert_eq!(overlap(&spans), 3, "{spans:?}");
    cleaned(cloud).await;
}

/// `detail` gives the value as it is, with worker, attempts and times; a call that fails, fails as it would without.
pub async fn detail_names_the_instance(factory: &Factory) {
    let cloud = factory.deploy().await;
    let text = cloud.run(echo::call("你好".into())).detail().await.expect("echo succeeds");
    assert_eq!(text.value, "你好");
    error_of(ErrorKind::User, cloud.run(decline::call(1)).detail().await);
    let detail = cloud.run(span::call(30)).detail().await.expect("span succeeds");
    assert!(detail.instance.is_some(), "{detail:?}");
    assert_eq!(detail.attempts, 1);
    assert!(detail.timings.execution >= Duration::from_millis(30), "{detail:?}");
    assert!(detail.timings.total >= detail.timings.execution, "{detail:?}");
    cleaned(cloud).await;
}

/// Statistics count what has ended, and how.
pub async fn statistics_count_what_ended(factory: &Factory) {
    let cloud = factory.deploy().await;
    let results = cloud.map([0, 0, 1, 0].map(decline::call)).collect().await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 3);
    // Results are handed out before the request that brought the last of them has ended.
    while cloud.stats().in_flight > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let stats = cloud.stats();
    assert_eq!((stats.completed, stats.failed, stats.queued), (3, 1, 0), "{stats:?}");
    cleaned(cloud).await;
}

/// Every attempt is metered with its time, and the cost is the sum of its lines.
pub async fn every_attempt_is_metered(factory: &Factory) {
    let cloud = factory.deploy().await;
    let detail = cloud.run(span::call(40)).detail().await.expect("span succeeds");
    assert!(detail.metering.duration >= Duration::from_millis(40), "{detail:?}");
    error_of(ErrorKind::User, cloud.run(decline::call(1)).await);
    let report = cloud.cost().await;
    assert!(report.total_usd() >= detail.cost_usd, "{report}");
    cleaned(cloud).await;
}

/// A second cleanup, and one at the same time, succeed and do nothing.
pub async fn cleanup_is_idempotent(factory: &Factory) {
    let cloud = factory.deploy().await;
    assert_eq!(cloud.run(add::call(1, 1)).await.expect("add succeeds"), 2);
    let (first, second) = tokio::join!(cloud.cleanup(), cloud.cleanup());
    first.and(second).expect("both leave nothing");
    cloud.cleanup().await.expect("a third does too");
}

/// Nothing that the deployment made is found afterwards.
pub async fn cleanup_leaves_nothing(factory: &Factory) {
    let cloud = factory.deploy().await;
    assert_eq!(cloud.run(add::call(1, 1)).await.expect("add succeeds"), 2);
    let id = cloud.deployment().clone();
    cleaned(cloud).await;
    let mut scope = StrayScope::default();
    scope.include_live = true;
    let strays: Vec<_> = factory.provider().stray(&scope).collect().await;
    let ours = |resource: &faast_core::provider::Resource| resource.id.contains(id.as_str());
    assert!(!strays.iter().flatten().any(ours), "{strays:?}");
}

/// Calls that run or wait when the deployment is cleaned up end as canceled, every one of them.
pub async fn cleanup_settles_pending_calls_as_canceled(factory: &Factory) {
    let cloud = deployed(factory.builder().concurrency(2)).await;
    let running = cloud.map((0..6).map(|_| block::call(30_000))).collect();
    let cleanup = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        cloud.cleanup().await
    };
    let (results, cleanup) = tokio::join!(running, cleanup);
    cleanup.expect("the cleanup leaves nothing");
    assert_eq!(results.len(), 6);
    for result in results {
        assert!(error_of(ErrorKind::Canceled, result).is_canceled());
    }
}

/// A deployment that was cleaned up takes no calls.
pub async fn calls_after_cleanup_are_refused(factory: &Factory) {
    let cloud = factory.deploy().await;
    cloud.cleanup().await.expect("the cleanup leaves nothing");
    let error = cloud.run(add::call(1, 1)).await.expect_err("nobody is there to run it");
    assert_eq!(error.attempts(), 0, "{error:?}");
}

/// A call that is dropped makes room for the next one.
pub async fn canceling_a_call_gives_its_place_back(factory: &Factory) {
    let cloud = deployed(factory.builder().concurrency(1)).await;
    let dropped = tokio::time::timeout(Duration::from_millis(300), cloud.run(block::call(2_000))).await;
    assert!(dropped.is_err(), "it was still running");
    assert_eq!(cloud.run(add::call(1, 1)).await.expect("the next is served"), 2);
    cleaned(cloud).await;
}

/// A map that is dropped in the middle leaves the deployment as it was.
pub async fn canceling_a_map_leaves_the_deployment_usable(factory: &Factory) {
    let cloud = deployed(factory.builder().concurrency(2)).await;
    let mut map = cloud.map((0..1000).map(|_| span::call(10)));
    map.next().await.expect("one result").expect("span succeeds");
    drop(map);
    assert_eq!(cloud.run(identity::call(7)).await.expect("identity succeeds"), 7);
    assert_eq!(cloud.stats().queued, 0);
    cleaned(cloud).await;
}

/// Two deployments work side by side, and the cleanup of one leaves the other alone.
pub async fn two_deployments_do_not_touch_each_other(factory: &Factory) {
    let (one, other) = tokio::join!(factory.deploy(), factory.deploy());
    assert_ne!(one.deployment(), other.deployment());
    let (left, right) = tokio::join!(one.run(add::call(1, 1)), other.run(add::call(2, 2)));
    assert_eq!((left.expect("add succeeds"), right.expect("add succeeds")), (2, 4));
    cleaned(one).await;
    assert_eq!(other.run(add::call(3, 3)).await.expect("the other serves on"), 6);
    cleaned(other).await;
}
