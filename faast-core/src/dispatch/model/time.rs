//! When calls and attempts end, and from when on they are counted.

use super::*;

#[test]
fn a_call_that_never_starts_ends_by_its_deadline() {
    let mut world = World::new(Policy { concurrency: 1, deadline: Some(Duration::from_secs(5)), ..policy() }, 1);
    world.submit(&PLAIN, None);
    world.submit(&PLAIN, None);
    world.advance(Duration::from_millis(4_999));
    assert_eq!((world.result(0), world.result(1)), (None, None));
    world.advance(Duration::from_millis(1));
    assert_eq!(world.result(1), Some(Err(ErrorKind::Deadline)));
}

#[test]
fn waiting_for_admission_has_no_limit_by_default() {
    let mut world = World::new(Policy { concurrency: 1, timeout: Duration::from_hours(100), ..policy() }, 1);
    world.submit(&PLAIN, None);
    world.submit(&PLAIN, None);
    world.advance(Duration::from_hours(99));
    assert_eq!(world.result(1), None);
}

#[test]
fn an_attempt_ends_at_its_time_out_counted_from_its_start() {
    let mut world = World::new(Policy { timeout: Duration::from_secs(2), ..policy() }, 1);
    world.submit(&PLAIN, None);
    let (key, call) = world.only();
    world.advance(Duration::from_secs(9));
    world.started(key, call);
    world.advance(Duration::from_millis(2_999));
    assert_eq!(world.result(0), None);
    world.advance(Duration::from_millis(1));
    assert_eq!(world.result(0), Some(Err(ErrorKind::Timeout)));
}

#[test]
fn a_transfer_to_the_store_is_no_part_of_the_attempt() {
    let hedging = Policy { timeout: Duration::from_secs(2), hedge: true, ..policy() };
    let mut world = World::new(hedging, 1);
    world.know(&PLAIN);
    world.submit(&PLAIN, None);
    let (key, call) = world.only();
    world.change(|state, now, _| state.transferring(key, true, now));
    world.advance(Duration::from_secs(50));
    assert_eq!((world.result(10), world.flying.len()), (None, 1), "it was ended or hedged");
    world.change(|state, now, _| state.transferring(key, false, now));
    world.advance(Duration::from_millis(900));
    assert_eq!(world.flying.len(), 1, "it counts from when its arguments are there");
    assert!(world.state.waits_for(key, call));
    world.advance(Duration::from_secs(20));
    assert_ne!(world.result(10), None);
    assert!(!world.state.waits_for(key, call));
}

#[test]
fn a_request_that_is_answered_and_never_ends_gives_its_place_up() {
    let mut world = World::new(Policy { concurrency: 1, ..policy() }, 1);
    world.submit(&PLAIN, None);
    world.submit(&PLAIN, None);
    let (key, call) = world.only();
    world.advance(Duration::from_secs(30));
    world.done(key, call, Duration::from_millis(10), 0.0);
    world.advance(Duration::from_millis(999));
    assert_eq!(world.only().0, key, "its end may still come");
    world.advance(Duration::from_millis(1));
    let (next, call) = world.only();
    assert_ne!(next, key);
    world.done(next, call, Duration::from_millis(10), 0.0);
    world.end(next, Ok(()));
    assert!((0..2).all(|key| matches!(world.result(key), Some(Ok(_)))));
}

/// The service is out of reach until `back`; from then on it answers.
fn answer_from(world: &mut World, back: Instant) {
    while let Some((key, request)) = world.flying.first().cloned() {
        if world.now < back {
            world.end(key, Err(InvokeError::new(RetryClass::Unreachable, Ran::No, "no route")));
        } else {
            world.done(key, request.calls[0].id, Duration::ZERO, 0.0);
            world.end(key, Ok(()));
        }
    }
}

#[test]
fn an_outage_of_a_minute_uses_no_attempt_and_sends_little() {
    let mut world = World::new(Policy { retries: 0, ..policy() }, 1);
    let start = world.now;
    (0..8).for_each(|_| world.submit(&PLAIN, None));
    while !(0..8).all(|key| world.result(key).is_some()) {
        answer_from(&mut world, start + Duration::from_mins(1));
        world.advance(Duration::from_millis(10));
    }
    assert!(world.now - start < Duration::from_secs(66), "{:?}", world.now - start);
    assert!((0..8).all(|key| matches!(world.result(key), Some(Ok(_)))));
    // Rounds of four requests each; the calls behind the first four have not been touched before they could be sent.
    let sent: Vec<_> = (1..=8).map(|id| world.sent[&id]).collect();
    assert!(sent[..4].iter().all(|times| (10..40).contains(times)), "{sent:?}");
    assert_eq!(sent[4..], [1; 4]);
    assert_eq!((world.state.stats(0).throttled, world.state.stats(0).retried), (0, 0));
    assert_eq!(world.state.window.size(), 4);
}

#[test]
fn in_an_outage_that_does_not_end_calls_end_by_their_deadline() {
    let own = Policy { deadline: Some(Duration::from_secs(30)), ..policy() };
    let derived = Policy { timeout: Duration::from_secs(1), retries: 1, ..policy() };
    for (policy, seconds) in [(own, 30), (derived, 2 * (1 + 1 + 10) + 60)] {
        let mut world = World::new(policy, 1);
        let start = world.now;
        world.submit(&PLAIN, None);
        while world.result(0).is_none() {
            answer_from(&mut world, start + Duration::from_hours(1));
            world.advance(Duration::from_millis(100));
        }
        assert_eq!(world.result(0), Some(Err(ErrorKind::Deadline)));
        let took = world.now - start;
        assert!(took.abs_diff(Duration::from_secs(seconds)) < Duration::from_secs(1), "{took:?}");
    }
}

#[test]
fn a_call_that_was_given_back_waits_without_a_limit() {
    let mut world = World::new(Policy { concurrency: 1, batch: Some(2), ..policy() }, 1);
    world.submit(&PLAIN, None);
    world.submit(&PLAIN, Some(CallOptions { timeout: Some(Duration::from_hours(100)), ..CallOptions::default() }));
    world.submit(&PLAIN, None);
    let (first, call) = world.only();
    world.done(first, call, Duration::ZERO, 0.0);
    world.end(first, Ok(()));
    let (key, request) = world.flying[0].clone();
    world.started(key, request.calls[0].id);
    world.event(key, Event::Returned { call: request.calls[1].id });
    world.advance(Duration::from_hours(99));
    assert_eq!((world.result(2), world.state.stats(0).queued), (None, 1));
    world.done(key, request.calls[0].id, Duration::from_hours(99), 0.0);
    world.end(key, Ok(()));
    let (key, call) = world.only();
    world.done(key, call, Duration::ZERO, 0.0);
    assert!((0..3).all(|key| matches!(world.result(key), Some(Ok(_)))));
}

#[test]
fn a_generator_may_give_items_for_as_long_as_it_likes() {
    let mut world = World::new(policy(), 1);
    world.submit(&ITEMS, None);
    let (key, call) = world.only();
    world.started(key, call);
    for seq in 0..1_000 {
        world.advance(Duration::from_secs(59));
        world.event(key, Event::Item { call, seq, body: Payload::Inline(Bytes::new()) });
    }
    assert_eq!((world.result(0), world.items), (None, 1_000));
    world.advance(Duration::from_secs(62));
    assert_eq!(world.result(0), Some(Err(ErrorKind::Timeout)), "silence ends it");
}

#[test]
fn times_beyond_measure_are_a_year() {
    let endless = CallOptions { timeout: Some(Duration::MAX), retries: Some(u32::MAX), ..CallOptions::default() };
    for deadline in [None, Some(Duration::MAX)] {
        let mut world = World::new(Policy { deadline, ..policy() }, 1);
        world.submit(&PLAIN, Some(endless.clone()));
        let (key, call) = world.only();
        world.started(key, call);
        world.advance(Duration::from_hours(24 * 300));
        let later = InvokeError::new(RetryClass::Throttled, Ran::No, "429").retry_after(Duration::MAX);
        world.end(key, Err(later));
        world.advance(Duration::from_hours(24));
        assert_eq!(world.result(0), None);
        assert_eq!(world.state.stats(0).throttled, 1);
    }
}
