//! Listening: long polls of the queue with the answers. Each record goes to the request that waits for it, then its message
//! is acknowledged.
//!
//! Receiving is no invocation: it may be repeated, and is, for as long as anything is outstanding. A lost network costs
//! no answer, because they wait in the queue.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fastrand::Rng;

use super::{Answers, Desk, Received};
use crate::control::{Backoff, Pauses};
use crate::dispatch::drive_here;
use crate::log::Channel;

/// Pauses while the queue can't be read.
const PAUSES: Backoff =
    Backoff { first: Duration::from_millis(100), factor: 2.0, most: Duration::from_secs(5), total: Duration::MAX };

/// Refusals in a row until one that does not pass by itself is believed. A new queue, and who may use it, is not known
/// everywhere at once.
const BELIEVED: u32 = 7;

impl<A: Answers> Desk<A> {
    /// Listens until it is not needed any more.
    pub(super) async fn listen(self: Arc<Self>) {
        let (mut pauses, mut refusals) = (pauses(), 0);
        loop {
            let heard = tokio::select! {
                heard = self.answers().receive() => heard,
                () = self.closed.canceled() => return,
            };
            let heard_nothing = match heard {
                Ok(received) => {
                    (pauses, refusals) = (self::pauses(), 0);
                    if self.out_of_reach.swap(false, Ordering::Relaxed) {
                        crate::log!(Channel::Info, "the queue with the answers can be read again");
                    }
                    let heard_nothing = received.receipts.is_empty();
                    self.take_in(received).await;
                    heard_nothing
                }
                Err(refusal) => {
                    refusals += 1;
                    self.refused(&refusal, refusals);
                    tokio::select! {
                        () = tokio::time::sleep(pauses.next(Duration::ZERO).unwrap_or(PAUSES.most)) => {}
                        () = self.closed.canceled() => return,
                    }
                    true
                }
            };
            if self.leaves(heard_nothing) {
                return;
            }
        }
    }

    /// Wakes the requests, goes on with them on this very thread, and acknowledges.
    async fn take_in(&self, received: Received<A::Record>) {
        let Received { records, receipts, used } = received;
        self.used(used);
        drive_here(|| records.into_iter().for_each(|(id, record)| self.hand_on(id, record)));
        if receipts.is_empty() {
            return;
        }
        match self.answers().acknowledge(&receipts).await {
            Ok(used) => self.used(used),
            Err(refusal) => {
                crate::log!(Channel::Provider, "answers that were read stay in their queue for now: {refusal}");
            }
        }
    }

    fn refused(&self, refusal: &A::Refusal, refusals: u32) {
        if !self.out_of_reach.swap(true, Ordering::Relaxed) {
            crate::log!(Channel::Warning, "the queue with the answers can't be read now; they wait there: {refusal}");
        }
        if refusals >= BELIEVED && self.answers().lost(refusal).is_some() {
            self.give_up(refusal);
        }
    }
}

fn pauses() -> Pauses {
    Pauses::new(PAUSES, Rng::new())
}
