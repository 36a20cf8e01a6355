//! The desk: which requests wait for their record, and what came for nobody.
//!
//! A request is here from before it is sent until its stream ends, so that no record can be too early. What comes for a
//! number that nobody waits for was run or delivered twice, or was given up: it is counted, and what it cost is kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use faast_core::cost::Usage;
use faast_core::provider::{InvokeError, Metering};
use tokio::sync::oneshot;

use super::crew::Crew;
use super::record::Record;

/// What a request hears of: its record, or that there will be none.
pub(super) type Heard = Result<Record, InvokeError>;

/// The requests of one queue.
#[derive(Debug)]
pub(super) struct Desk(Mutex<State>);

/// Written by requests and listeners; ends with the deployment.
#[derive(Debug)]
struct State {
    last: u64,
    waiting: HashMap<u64, oneshot::Sender<Heard>>,
    crew: Crew,
    closed: bool,
    late: u64,
    /// What was used beyond requests that somebody waited for.
    usage: Usage,
}

/// A request that waits. Dropped, it waits no more.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) id: u64,
    pub(super) record: oneshot::Receiver<Heard>,
    desk: Arc<Desk>,
}

impl Drop for Expected {
    fn drop(&mut self) {
        self.desk.lock().waiting.remove(&self.id);
    }
}

impl Desk {
    pub(super) fn new(most_listeners: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            last: 0,
            waiting: HashMap::new(),
            crew: Crew::new(most_listeners),
            closed: false,
            late: 0,
            usage: Usage::default(),
        })))
    }

    /// A panic while it was locked leaves it as it is: each change is complete in itself.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request is about to be sent; gives how many listeners have to start for it too. `None` after the cleanup.
    pub(super) fn expect(self: &Arc<Self>) -> Option<(Expected, usize)> {
        let mut state = self.lock();
        if state.closed {
            return None;
        }
        state.last += 1;
        let (id, (tell, record)) = (state.last, oneshot::channel());
        state.waiting.insert(id, tell);
        let outstanding = state.waiting.len();
        let starts = state.crew.start(outstanding);
        Some((Expected { id, record, desk: Arc::clone(self) }, starts))
    }

    /// A listener has heard to the end: whether it leaves.
    pub(super) fn leaves(&self, heard_nothing: bool) -> bool {
        let mut state = self.lock();
        let outstanding = state.waiting.len();
        state.crew.leaves(outstanding, heard_nothing)
    }

    /// Hands a record to its request; gives it back if nobody waits for it.
    pub(super) fn hand_on(&self, record: Record) -> Option<Record> {
        let waiting = self.lock().waiting.remove(&record.id());
        let Some(waiting) = waiting else { return Some(record) };
        match waiting.send(Ok(record)) {
            Ok(()) => None,
            Err(back) => back.ok(),
        }
    }

    /// A record came for nobody.
    pub(super) fn late(&self, metering: Metering) {
        let mut state = self.lock();
        state.late += 1;
        metering.quantities.into_iter().for_each(|quantity| state.usage.add(quantity));
    }

    /// Adds what the queue itself was used.
    pub(super) fn used(&self, usage: impl IntoIterator<Item = faast_core::cost::Quantity>) {
        let mut state = self.lock();
        usage.into_iter().for_each(|quantity| state.usage.add(quantity));
    }

    pub(super) fn counted_late(&self) -> u64 {
        self.lock().late
    }

    pub(super) fn usage(&self) -> Usage {
        self.lock().usage.clone()
    }

    /// There will be no more records: every request that waits hears why.
    pub(super) fn give_up(&self, why: impl Fn() -> InvokeError) {
        let waiting = std::mem::take(&mut self.lock().waiting);
        for tell in waiting.into_values() {
            // One that is gone needs no word.
            let _ = tell.send(Err(why()));
        }
    }

    /// The deployment ends: nobody waits any more, and nobody will.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        drop(waiting);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(id: u64) -> Record {
        let record = json!({
            "requestContext": { "requestId": "r", "condition": "Success" },
            "requestPayload": { "id": id },
        });
        Record::read(&record.to_string()).unwrap()
    }

    #[test]
    fn a_record_reaches_its_request_once_and_then_comes_back() {
        let desk = Desk::new(10);
        let (mut one, _) = desk.expect().unwrap();
        let (mut other, _) = desk.expect().unwrap();
        assert!(desk.hand_on(record(one.id)).is_none());
        assert_eq!(one.record.try_recv().unwrap().unwrap().id(), one.id);
        assert!(other.record.try_recv().is_err());
        assert!(desk.hand_on(record(one.id)).is_some(), "it was delivered twice");
    }

    #[test]
    fn nobody_waits_for_a_request_that_was_dropped() {
        let desk = Desk::new(10);
        let (expected, starts) = desk.expect().unwrap();
        assert_eq!(starts, 2);
        let id = expected.id;
        drop(expected);
        assert!(desk.hand_on(record(id)).is_some());
        assert!(!desk.leaves(false) && desk.leaves(true));
    }

    #[test]
    fn after_the_cleanup_nothing_is_expected() {
        let desk = Desk::new(10);
        let (mut expected, _) = desk.expect().unwrap();
        desk.close();
        assert!(expected.record.try_recv().is_err());
        assert!(desk.expect().is_none());
    }
}
