//! Promises about generator functions; without the capability, the promise is a refusal.

use std::time::{Duration, Instant};

use faast_core::ErrorKind;

use super::Factory;
use super::factory::{cleaned, deployed, error_of};
use super::witness::Witness;
use crate::remote::{add, count, count_then_hang, count_then_panic, pour};

/// Where there are streams, items arrive while the generator makes others; where not, nothing is sent.
pub async fn a_generator_yields_items_as_they_are_made(factory: &Factory) {
    if factory.capabilities().streams {
        items_arrive_while_others_are_made(factory).await;
        items_are_complete_and_in_order(factory).await;
    } else {
        streams_are_refused_without_a_request(factory).await;
    }
}

async fn items_arrive_while_others_are_made(factory: &Factory) {
    let cloud = factory.deploy().await;
    let mut items = cloud.stream(count::call(5, 150));
    let mut arrived = Vec::new();
    while let Some(item) = items.next().await {
        assert_eq!(item.expect("count succeeds"), arrived.len() as u64);
        arrived.push(Instant::now());
    }
    assert_eq!(arrived.len(), 5);
    // All at the end would be within a moment; the generator took 600 ms from the first to the last.
    let spread = arrived[4] - arrived[0];
    assert!(spread >= Duration::from_millis(250), "all items came within {spread:?}");
    drop(items);
    cleaned(cloud).await;
}

async fn items_are_complete_and_in_order(factory: &Factory) {
    let cloud = factory.deploy().await;
    let mut items = cloud.stream(count::call(3000, 0));
    for expected in 0..3000 {
        assert_eq!(items.next().await.expect("one more").expect("count succeeds"), expected);
    }
    assert!(items.next().await.is_none());
    let mut none = cloud.stream(count::call(0, 0));
    assert!(none.next().await.is_none());
    drop((items, none));
    cleaned(cloud).await;
}

async fn streams_are_refused_without_a_request(factory: &Factory) {
    let (builder, seen) = factory.spied();
    let cloud = deployed(builder).await;
    let mut items = cloud.stream(count::call(3, 0));
    let error = error_of(ErrorKind::Unsupported, items.next().await.expect("one error"));
    assert_eq!((error.attempts(), seen.requests()), (0, 0), "{error:?}");
    assert!(items.next().await.is_none());
    drop(items);
    cleaned(cloud).await;
}

/// A generator that fails delivers what it made, and then its error.
pub async fn a_generator_that_fails_delivers_its_items_first(factory: &Factory) {
    if !factory.capabilities().streams {
        return streams_are_refused_without_a_request(factory).await;
    }
    let cloud = factory.deploy().await;
    let mut items = cloud.stream(count_then_panic::call(3));
    for expected in 0..3 {
        assert_eq!(items.next().await.expect("one more").expect("the first three are made"), expected);
    }
    let error = error_of(ErrorKind::Panic, items.next().await.expect("then the panic"));
    assert!(error.message().contains("no more than 3"), "{error:?}");
    assert!(items.next().await.is_none());
    drop(items);
    cleaned(cloud).await;
}

/// A generator that hangs is ended by its time-out, and what it made before is there, though its thread is never idle.
pub async fn a_generator_that_hangs_delivers_its_items_first(factory: &Factory) {
    if !factory.capabilities().streams {
        return streams_are_refused_without_a_request(factory).await;
    }
    let cloud = deployed(factory.builder().concurrency(1)).await;
    let call = count_then_hang::call(3, std::process::id()).timeout(Duration::from_millis(500));
    let mut items = cloud.stream(call);
    for expected in 0..3 {
        assert_eq!(items.next().await.expect("one more").expect("the first three are made"), expected);
    }
    let error = error_of(ErrorKind::Timeout, items.next().await.expect("then the time-out"));
    assert_eq!(error.attempts(), 1, "{error:?}");
    assert!(items.next().await.is_none());
    drop(items);
    assert_eq!(cloud.run(add::call(1, 1)).await.expect("a worker serves again"), 2);
    cleaned(cloud).await;
}

/// A stream that is broken off stops the worker, which then serves others.
pub async fn breaking_a_stream_off_stops_the_worker(factory: &Factory) {
    if !factory.capabilities().streams {
        return streams_are_refused_without_a_request(factory).await;
    }
    let witness = Witness::new();
    let cloud = deployed(factory.builder().concurrency(1)).await;
    let mut items = cloud.stream(pour::call(witness.path()));
    for expected in 0..5 {
        assert_eq!(items.next().await.expect("one more").expect("pour succeeds"), expected);
    }
    drop(items);
    witness.wait_for_quiet().await;
    assert_eq!(cloud.run(add::call(1, 1)).await.expect("a worker serves again"), 2);
    cleaned(cloud).await;
}
