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
