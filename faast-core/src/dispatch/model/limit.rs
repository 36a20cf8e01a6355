//! What holds calls back: bytes, throttling, the budget.

use super::super::MAX_FLYING_BYTES_SPILLED;
use super::*;
use crate::cost::Price;

#[test]
fn large_arguments_fly_together_where_they_can_be_stored() {
    let large = Bytes::from(vec![0; 10 << 20]);
    for (max_flying_bytes, at_once) in [(MAX_FLYING_BYTES, 2), (MAX_FLYING_BYTES_SPILLED, 20)] {
        let mut world = World::new(Policy { max_flying_bytes, concurrency: 20, ..policy() }, 1);
        (0..30).for_each(|_| world.submit_args(&PLAIN, None, large.clone()));
        assert_eq!(world.flying.len(), at_once);
    }
}

#[test]
fn throttling_uses_no_attempt_and_shrinks_the_window() {
    let mut world = World::new(Policy { retries: 0, timeout: Duration::from_hours(100), ..policy() }, 1);
    (0..8).for_each(|_| world.submit(&PLAIN, None));
    for _ in 0..30 {
        let (key, _) = world.flying[0].clone();
        world.end(key, Err(InvokeError::new(RetryClass::Throttled, Ran::No, "429")));
        world.advance(Duration::from_secs(40));
    }
    assert_eq!(world.state.window.size(), 1);
    while let Some((key, request)) = world.flying.first().cloned() {
        assert_eq!(request.calls[0].attempt, 1);
        world.done(key, request.calls[0].id, Duration::ZERO, 0.0);
        world.end(key, Ok(()));
        world.advance(Duration::from_secs(40));
    }
    assert!((0..8).all(|key| matches!(world.result(key), Some(Ok(_)))));
}

#[test]
fn the_budget_is_never_passed_and_ends_with_one_kind_of_error() {
    for seed in 0..200 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut prices = PriceTable::default();
        prices.prices.insert("usd".into(), Price { usd: 1.0, unit: "$".into(), source: "model".into() });
        let budget = Policy { budget_usd: Some(1.0), worst_case_usd: 0.05, prices, ..policy() };
        let mut world = World::new(budget, seed);
        (0..100).for_each(|_| world.submit(&PLAIN, None));
        let mut spent = 0.0;
        while let Some((key, request)) = world.flying.first().cloned() {
            let usd = 0.05 * rng.f64();
            spent += usd;
            world.done(key, request.calls[0].id, Duration::ZERO, usd);
            world.end(key, Ok(()));
        }
        assert!((0.8..=1.0).contains(&spent), "seed {seed}: {spent}");
        assert!((0..100).all(|key| matches!(world.result(key), Some(Ok(_) | Err(ErrorKind::Budget)))));
    }
}

#[test]
fn hedges_keep_to_the_rate() {
    let mut world = World::new(Policy { hedge: true, rate: Some((2.0, 10)), concurrency: 100, ..policy() }, 1);
    for _ in 0..200 {
        world.submit(&PLAIN, None);
        let (key, call) = world.only();
        world.done(key, call, Duration::from_millis(10), 0.0);
        world.end(key, Ok(()));
        world.advance(Duration::from_millis(500));
    }
    world.advance(Duration::from_secs(10));
    (0..10).for_each(|_| world.submit(&PLAIN, None));
    assert_eq!(world.flying.len(), 10);
    world.advance(Duration::from_millis(1_300));
    assert!((1..=3).contains(&world.state.counters.hedged), "{} at once", world.state.counters.hedged);
    world.advance(Duration::from_secs(10));
    assert_eq!(world.state.counters.hedged, 10, "each of the slow ones gets its turn");
}

#[test]
fn a_budget_counts_what_is_used_beyond_calls() {
    let mut prices = PriceTable::default();
    prices.prices.insert("gigabytes".into(), Price { usd: 0.09, unit: "GB".into(), source: "model".into() });
    let budget = Policy { budget_usd: Some(1.0), worst_case_usd: 0.01, prices, ..policy() };
    let mut world = World::new(budget, 1);
    (0..10).for_each(|_| world.submit(&PLAIN, None));
    let (key, request) = world.flying[0].clone();
    world.change(|state, now, _| state.transferring(key, true, now));
    world.change(|state, now, _| state.transferring(key, false, now));
    assert_eq!(world.state.next_wake(), Some(world.now), "it is asked for when a transfer ends");
    let used = [Quantity { metric: "gigabytes".into(), amount: 12.0, measured: true }].into_iter().collect();
    world.change(|state, _, _| state.used_beyond_calls(&used));
    for (key, request) in world.flying.clone() {
        world.done(key, request.calls[0].id, Duration::ZERO, 0.01);
        world.end(key, Ok(()));
    }
    assert!(matches!(world.result(0), Some(Ok(_))) && request.calls.len() == 1);
    assert!((4..10).all(|key| world.result(key) == Some(Err(ErrorKind::Budget))));
}
