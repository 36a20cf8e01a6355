//! The desk: which requests wait for messages, who listens for them, and what came for nobody.
//!
//! A request is here from before it is published until its stream ends, so that no message can be too early. What comes
//! for a number that nobody waits for was run or delivered twice, or was given up: it is counted, and what it cost is kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use faast_core::cost::{Quantity, Usage};
use faast_core::provider::InvokeError;
use tokio::sync::mpsc;

use super::message::Message;

/// Listeners while anything is outstanding: one that acknowledges what it got leaves another that waits. One answer of the
/// service has a thousand messages, so that more would get less each.
const LISTENERS: usize = 2;

/// What a request hears of: messages, or that there will be none.
pub(super) type Heard = Result<Message, InvokeError>;

/// The requests of one queue.
#[derive(Debug, Default)]
pub(super) struct Desk(Mutex<State>);

/// Written by requests and listeners; ends with the deployment.
#[derive(Debug, Default)]
struct State {
    last: u64,
    waiting: HashMap<u64, mpsc::UnboundedSender<Heard>>,
    listening: usize,
    closed: bool,
    late: u64,
    /// What was used beyond requests that somebody waited for.
    usage: Usage,
}

/// A request that waits. Dropped, it waits no more.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) id: u64,
    pub(super) messages: mpsc::UnboundedReceiver<Heard>,
    desk: Arc<Desk>,
}

impl Expected {
    /// Waits no more; gives what came and was not looked at, such as a second answer on the heels of the first.
    pub(super) fn leave(&mut self) -> Vec<Message> {
        self.desk.lock().waiting.remove(&self.id);
        self.messages.close();
        std::iter::from_fn(|| self.messages.try_recv().ok()).flatten().collect()
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Desk {
    /// A panic while it was locked leaves it as it is: each change is complete in itself.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request is about to be published; gives how many listeners have to start for it too. `None` after the cleanup.
    pub(super) fn expect(self: &Arc<Self>) -> Option<(Expected, usize)> {
        let mut state = self.lock();
        if state.closed {
            return None;
        }
        state.last += 1;
        let (id, (tell, messages)) = (state.last, mpsc::unbounded_channel());
        state.waiting.insert(id, tell);
        let starts = LISTENERS - state.listening;
        state.listening = LISTENERS;
        Some((Expected { id, messages, desk: Arc::clone(self) }, starts))
    }

    /// A listener has heard to the end: whether it leaves. The last ones stay until they have heard nothing, because what
    /// is delivered twice comes after the last answer.
    pub(super) fn leaves(&self, heard_nothing: bool) -> bool {
        let mut state = self.lock();
        let leaves = state.waiting.is_empty() && heard_nothing;
        state.listening -= usize::from(leaves);
        leaves
    }

    /// Hands a message to its request; gives it back if nobody waits for it.
    pub(super) fn hand_on(&self, message: Message) -> Option<Message> {
        let waiting = self.lock().waiting.get(&message.request).cloned();
        let Some(waiting) = waiting else { return Some(message) };
        waiting.send(Ok(message)).err().and_then(|back| back.0.ok())
    }

    /// An answer came for nobody.
    pub(super) fn late(&self, cost: Vec<Quantity>) {
        let mut state = self.lock();
        state.late += 1;
        for quantity in cost {
            state.usage.add(quantity);
        }
    }

    pub(super) fn counted_late(&self) -> u64 {
        self.lock().late
    }

    pub(super) fn usage(&self) -> Usage {
        self.lock().usage.clone()
    }

    /// There will be no more messages: every request that waits hears why.
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
    use super::super::message::Told;
    use super::*;

    fn message(request: u64) -> Message {
        Message { request, delivery: None, told: Told::Dead, bytes: 10 }
    }

    #[test]
    fn messages_reach_their_request_and_then_come_back() {
        let desk = Arc::<Desk>::default();
        let (mut one, _) = desk.expect().unwrap();
        let (mut other, _) = desk.expect().unwrap();
        assert!(desk.hand_on(message(one.id)).is_none() && desk.hand_on(message(one.id)).is_none());
        assert_eq!(one.messages.try_recv().unwrap().unwrap().request, one.id);
        assert!(other.messages.try_recv().is_err());
        let id = one.id;
        drop(one);
        assert!(desk.hand_on(message(id)).is_some(), "nobody waits any more");
    }

    #[test]
    fn two_listen_while_anything_is_outstanding_and_leave_when_it_is_quiet() {
        let desk = Arc::<Desk>::default();
        let (expected, starts) = desk.expect().unwrap();
        assert_eq!(starts, 2);
        assert_eq!(desk.expect().unwrap().1, 0, "they are there");
        assert!(!desk.leaves(true), "something is outstanding");
        drop(expected);
        assert!(!desk.leaves(false), "what is delivered twice may come now");
        assert!(desk.leaves(true) && desk.leaves(true));
        assert_eq!(desk.expect().unwrap().1, 2, "and they come back");
    }

    #[test]
    fn after_the_cleanup_nothing_is_expected() {
        let desk = Arc::<Desk>::default();
        let (mut expected, _) = desk.expect().unwrap();
        desk.close();
        assert!(expected.messages.blocking_recv().is_none());
        assert!(desk.expect().is_none());
    }
}
