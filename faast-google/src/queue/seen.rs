//! Which messages were seen already. Pub/Sub delivers one again that was not acknowledged in time, or for no reason: its
//! answer counts once, and costs once.

use std::collections::hash_map::RandomState;
use std::collections::{HashSet, VecDeque};
use std::hash::BuildHasher as _;

/// Of so many messages it is remembered: more than come in the minute after which one comes again.
const MOST: usize = 1 << 16;

/// The latest messages, by their ids.
#[derive(Debug, Default)]
pub(super) struct Seen {
    hasher: RandomState,
    known: HashSet<u64>,
    /// Oldest first.
    order: VecDeque<u64>,
}

impl Seen {
    /// Whether a message is seen for the first time. One without an id always is.
    pub(super) fn is_new(&mut self, id: &str) -> bool {
        let hash = self.hasher.hash_one(id);
        if id.is_empty() || !self.known.insert(hash) {
            return id.is_empty();
        }
        self.order.push_back(hash);
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_new_once() {
        let mut seen = Seen::default();
        assert_eq!(["1", "2", "1", "", "", "2"].map(|id| seen.is_new(id)), [true, true, false, true, true, false]);
    }

    #[test]
    fn what_is_remembered_has_an_end() {
        let mut seen = Seen::default();
        assert!((0..2 * MOST).all(|id| seen.is_new(&id.to_string())));
        assert_eq!((seen.known.len(), seen.order.len()), (MOST, MOST));
        assert!(!seen.is_new(&(2 * MOST - 1).to_string()), "the latest");
    }
}
