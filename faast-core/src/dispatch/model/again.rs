//! What is sent once more, and what never is.

use super::*;

#[test]
fn calls_behind_the_one_that_lost_its_worker_go_back_without_using_an_attempt() {
    let mut world = World::new(Policy { concurrency: 1, batch: Some(3), ..policy() }, 1);
    world.submit(&PLAIN, None);
    (0..3).for_each(|_| world.submit(&PLAIN, None));
    let (key, call) = world.only();
    world.done(key, call, Duration::ZERO, 0.0);
    world.end(key, Ok(()));
    let (key, request) = world.flying[0].clone();
    assert_eq!(request.calls.len(), 3);
    world.started(key, request.calls[0].id);
    world.end(key, Err(InvokeError::new(RetryClass::Crash, Ran::Yes, "segfault")));
    assert_eq!(world.result(1), Some(Err(ErrorKind::Crash)));
    let (_, again) = world.flying[0].clone();
    assert_eq!(again.calls.iter().map(|call| (call.id.0, call.attempt)).collect::<Vec<_>>(), [(3, 1), (4, 1)]);
}

#[test]
fn a_straggler_is_overtaken_once_and_the_loser_is_counted() {
    let hedging = Policy { hedge: true, cancel_kills: false, concurrency: 2, ..policy() };
    let mut world = World::new(hedging, 1);
    world.know(&PLAIN);
    world.submit(&PLAIN, None);
    let (slow, call) = world.only();
    world.started(slow, call);
    world.advance(Duration::from_secs(1));
    assert_eq!(world.flying.len(), 1);
    world.advance(Duration::from_millis(200));
    assert_eq!(world.flying.len(), 2, "hedged above one second");
    world.advance(Duration::from_secs(20));
    assert_eq!(world.flying.len(), 2, "and only once");
    let (fast, request) = world.flying[1].clone();
    assert_eq!((request.calls[0].id, request.calls[0].attempt), (call, 2));
    world.done(fast, call, Duration::from_millis(10), 0.0);
    assert!(matches!(world.result(10), Some(Ok(_))));
    world.done(slow, call, Duration::from_secs(22), 0.0);
    let stats = world.state.stats(0);
    assert_eq!((stats.hedged, stats.duplicates, stats.completed), (1, 1, 11));
}

#[test]
fn a_call_that_waits_in_the_platforms_queue_is_neither_slow_nor_late() {
    let waits = Policy { queued: true, hedge: true, cancel_kills: false, concurrency: 2, ..policy() };
    let mut world = World::new(Policy { start_grace: Duration::from_mins(6), ..waits }, 1);
    world.know(&PLAIN);
    world.submit(&PLAIN, None);
    let (key, call) = world.only();
    world.advance(Duration::from_mins(5));
    assert_eq!((world.flying.len(), world.result(10)), (1, None), "it may not have started");
    world.started(key, call);
    world.advance(Duration::from_secs(2));
    assert_eq!(world.flying.len(), 2, "from its start on it is as slow as any");
}

#[test]
fn a_generator_starts_again_only_before_its_first_item_and_no_item_comes_twice() {
    let mut world = World::new(Policy { hedge: true, ..policy() }, 1);
    let lost = || InvokeError::new(RetryClass::WorkerLost, Ran::Yes, "killed");
    let item = |call| Event::Item { call, seq: 0, body: Payload::Inline(Bytes::new()) };
    world.know(&ITEMS);
    world.submit(&ITEMS, None);
    let (first, call) = world.only();
    world.end(first, Err(lost()));
    let (second, _) = world.only();
    assert_ne!(first, second);
    world.event(first, item(call));
    assert_eq!(world.items, 0, "from a request that is over");
    world.event(second, item(call));
    world.advance(Duration::from_secs(50));
    assert_eq!((world.items, world.flying.len()), (1, 1), "it is slow, and not hedged");
    world.end(second, Err(lost()));
    assert_eq!((world.result(10), world.flying.len()), (Some(Err(ErrorKind::WorkerLost)), 0));
}

#[test]
fn what_must_run_once_is_never_hedged_and_never_shares_a_request() {
    let mut world = World::new(Policy { hedge: true, batch: Some(10), concurrency: 2, ..policy() }, 1);
    (0..12).for_each(|_| world.submit(&ONCE, None));
    while let Some((key, request)) = world.flying.first().cloned().filter(|_| world.result(10).is_none()) {
        assert_eq!(request.calls.len(), 1);
        world.done(key, request.calls[0].id, Duration::ZERO, 0.0);
        world.end(key, Ok(()));
    }
    world.advance(Duration::from_secs(30));
    assert_eq!(world.sent.values().max(), Some(&1));
}
