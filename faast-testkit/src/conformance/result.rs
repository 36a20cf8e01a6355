//! Promises about results: values come back exactly, in the order that was asked for.

use faast_core::Call;
use futures_util::StreamExt as _;

use super::Factory;
use super::factory::{cleaned, deployed};
use crate::remote::{Values, add, add_later, echo, floats, identity, span, values};

/// A sync function runs and its value comes back.
pub async fn a_function_returns_its_value(factory: &Factory) {
    let cloud = factory.deploy().await;
    assert_eq!(cloud.run(add::call(40, 2)).await.expect("add succeeds"), 42);
    cleaned(cloud).await;
}

/// An async function runs on a runtime and its value comes back.
pub async fn an_async_function_returns_its_value(factory: &Factory) {
    let cloud = factory.deploy().await;
    assert_eq!(cloud.run(add_later::call(40, 2)).await.expect("add_later succeeds"), 42);
    cleaned(cloud).await;
}

/// Extremes of everything that formats like to change come back as they went.
pub async fn values_cross_exactly(factory: &Factory) {
    let cloud = factory.deploy().await;
    let sent = Values::extreme();
    assert_eq!(cloud.run(values::call(sent.clone())).await.expect("values succeeds"), sent);
    let nan = (f64::from_bits(0xfff8_0000_dead_beef), f32::from_bits(0x7fc0_1234));
    for (wide, narrow) in [nan, (-0.0, -0.0), (f64::NEG_INFINITY, f32::MAX)] {
        let (back_wide, back_narrow) = cloud.run(floats::call(wide, narrow)).await.expect("floats succeeds");
        assert_eq!((back_wide.to_bits(), back_narrow.to_bits()), (wide.to_bits(), narrow.to_bits()));
    }
    assert_eq!(cloud.run(echo::call(String::new())).await.expect("echo succeeds"), "");
    cleaned(cloud).await;
}

/// A map yields each result when it is there, and says which input it belongs to.
pub async fn results_come_in_completion_order_with_their_index(factory: &Factory) {
    let cloud = deployed(factory.builder().concurrency(2)).await;
    let mut results = cloud.map([1500, 0].map(span::call)).indexed();
    let mut indices = Vec::new();
    while let Some((index, result)) = results.next().await {
        result.expect("span succeeds");
        indices.push(index);
    }
    assert_eq!(indices, [1, 0]);
    drop(results);
    cleaned(cloud).await;
}

/// Every result of a larger map arrives once, under its own index.
pub async fn every_result_arrives_once_under_its_index(factory: &Factory) {
    let cloud = deployed(factory.builder().concurrency(4)).await;
    let results: Vec<_> = cloud.map((0..300).map(identity::call)).indexed().collect().await;
    let mut seen = vec![0; 300];
    for (index, result) in results {
        assert_eq!(result.expect("identity succeeds"), index);
        seen[usize::try_from(index).expect("a small index")] += 1;
    }
    assert!(seen.iter().all(|times| *times == 1), "{seen:?}");
    cleaned(cloud).await;
}

/// `ordered` and `try_collect` give the order of the input, whatever finishes first.
pub async fn results_can_be_had_in_input_order(factory: &Factory) {
    let cloud = deployed(factory.builder().concurrency(3)).await;
    let calls = || (0..30_u64).map(|n| span::call((n % 3) * 7).map(move |_| n));
    let collected = cloud.map(calls()).try_collect().await.expect("all succeed");
    assert_eq!(collected, (0..30).collect::<Vec<_>>());
    let mut ordered = cloud.map(calls()).ordered();
    for expected in 0..30 {
        assert_eq!(ordered.next().await.expect("one more").expect("it succeeds"), expected);
    }
    assert!(ordered.next().await.is_none());
    drop(ordered);
    cleaned(cloud).await;
}

/// A map with no calls ends at once.
pub async fn an_empty_map_ends_at_once(factory: &Factory) {
    let cloud = factory.deploy().await;
    assert!(cloud.map(std::iter::empty::<Call<i64>>()).next().await.is_none());
    cleaned(cloud).await;
}

/// Calls of different functions go through one map when their results have one type.
pub async fn one_map_can_mix_functions(factory: &Factory) {
    let cloud = factory.deploy().await;
    let calls = [add::call(1, 2).map(|sum| sum.to_string()), echo::call("three".into())];
    let results = cloud.map(calls).try_collect().await.expect("both succeed");
    assert_eq!(results, ["3", "three"]);
    cleaned(cloud).await;
}

/// `map_keyed` yields each result with the caller's own key.
pub async fn results_come_with_the_callers_key(factory: &Factory) {
    let cloud = factory.deploy().await;
    let mut results = cloud.map_keyed(["a", "b", "c"].map(|key| (key, echo::call(key.repeat(3)))));
    let mut seen = Vec::new();
    while let Some((key, result)) = results.next().await {
        assert_eq!(result.expect("echo succeeds"), key.repeat(3));
        seen.push(key);
    }
    seen.sort_unstable();
    assert_eq!(seen, ["a", "b", "c"]);
    drop(results);
    cleaned(cloud).await;
}
