//! Calls that nobody waits for any more.

use super::super::owner::Gate;
use super::*;
use crate::cost::Price;
use crate::error::Error;

#[test]
fn canceling_an_owner_forgets_its_calls_and_closing_settles_the_rest() {
    let mut world = World::new(policy(), 1);
    (0..10).for_each(|_| world.submit(&PLAIN, None));
    let owner = std::mem::take(&mut world.results);
    world.submit(&PLAIN, None);
    let gone = Arc::clone(&owner) as Arc<dyn Owner>;
    world.change(|state, now, out| state.cancel(&gone, now, out));
    assert!(owner.0.lock().unwrap().is_empty());
    assert_eq!(world.flying.len(), 1, "the other owner's call has started");
    world.change(|state, now, out| state.close(|| Error::new(ErrorKind::Canceled, "closed"), now, out));
    assert_eq!(world.result(10), Some(Err(ErrorKind::Canceled)));
    world.submit(&PLAIN, None);
    assert_eq!(world.result(11), Some(Err(ErrorKind::Canceled)));
    assert_eq!((world.state.calls.len(), world.state.queued_bytes), (0, 0));
}

#[test]
fn a_canceled_map_is_told_of_each_call_and_starts_no_more() {
    let mut world = World::new(policy(), 1);
    (0..10).for_each(|_| world.submit(&PLAIN, None));
    let owner = Arc::clone(&world.results) as Arc<dyn Owner>;
    assert_eq!(world.flying.len(), 4);
    world.change(|state, now, out| state.cancel_and_tell(&owner, now, out));
    assert!((0..10).all(|key| world.result(key) == Some(Err(ErrorKind::Canceled))));
    assert!(world.flying.is_empty(), "where workers can be told, they are");
    assert_eq!((world.sent.len(), world.state.calls.len(), world.state.queued_bytes), (4, 0, 0));
    assert_eq!(world.state.stats(0).abandoned, 0);
}

#[test]
fn what_can_not_be_canceled_keeps_its_place_until_it_ends_and_is_on_the_bill() {
    let mut prices = PriceTable::default();
    prices.prices.insert("usd".into(), Price { usd: 1.0, unit: "$".into(), source: "model".into() });
    let mut world = World::new(Policy { cancel_kills: false, concurrency: 2, prices, ..policy() }, 1);
    (0..5).for_each(|_| world.submit(&PLAIN, None));
    let [(first, request), (second, _)] = [world.flying[0].clone(), world.flying[1].clone()];
    world.started(first, request.calls[0].id);
    let owner = std::mem::take(&mut world.results);
    world.change(|state, now, out| state.cancel_and_tell(&(Arc::clone(&owner) as Arc<dyn Owner>), now, out));
    assert_eq!(owner.0.lock().unwrap().len(), 5);
    // Another map waits for the places.
    world.submit(&PLAIN, None);
    assert_eq!((world.flying.len(), world.state.stats(0).abandoned), (2, 2));
    // One answers, and has cost what it says; of the other nothing is heard, until its time is over.
    world.done(first, request.calls[0].id, Duration::from_secs(1), 0.25);
    world.end(first, Ok(()));
    assert_eq!((world.flying.len(), world.state.stats(0).abandoned), (2, 1));
    assert!((world.state.prices().total_usd(world.state.usage()) - 0.25).abs() < 1e-9);
    world.advance(Duration::from_mins(2));
    assert!(world.state.request(second).is_none());
    assert_eq!((world.state.stats(0).abandoned, owner.0.lock().unwrap().len()), (0, 5));
}

#[test]
fn a_generator_that_nobody_listens_to_is_ended_everywhere() {
    struct Listener(Arc<Gate>);
    impl Owner for Listener {
        fn settle(&self, _: Vec<Settled>) {}
        fn gate(&self) -> Option<Arc<Gate>> {
            Some(Arc::clone(&self.0))
        }
    }
    let mut world = World::new(Policy { cancel_kills: false, ..policy() }, 1);
    let owner: Arc<dyn Owner> = Arc::new(Listener(Arc::default()));
    let mine = Arc::clone(&owner);
    world.change(|state, now, out| {
        let (args, span) = (Bytes::new(), CallSpan::default());
        state.submit(
            Submission { entry: &ITEMS, args, options: None, owner: mine, key: 0, index: None, span },
            now,
            out,
        );
    });
    assert_eq!(world.flying.len(), 1);
    world.change(|state, now, out| state.cancel(&owner, now, out));
    assert!(world.flying.is_empty());
}

#[test]
fn what_a_canceled_map_left_in_the_line_does_not_count() {
    let mut world = World::new(Policy { cancel_kills: false, concurrency: 2, ..policy() }, 1);
    let wanted = world.state.wanted();
    (0..10).for_each(|_| world.submit(&PLAIN, None));
    assert_eq!(world.state.stats(0).queued, 8);
    let owner = std::mem::take(&mut world.results) as Arc<dyn Owner>;
    world.change(|state, now, out| state.cancel(&owner, now, out));
    assert_eq!((world.state.stats(0).queued, world.state.wanted()), (0, wanted / 2), "both places are taken");
}
