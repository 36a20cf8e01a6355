//! One subscription: its messages, who has them, and until when.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::super::operation::seconds;
use super::super::policy::Policy;
use crate::emulator::clock::as_ms;
use crate::emulator::web::new_id;

/// A message, as it is delivered: `data`, `attributes`, `messageId`, `publishTime`.
pub(super) type Message = Value;

/// A subscription.
#[derive(Debug)]
pub(super) struct Subscription {
    /// As its owner wants it.
    pub(super) spec: Value,
    pub(super) policy: Policy,
    /// Oldest first. A message that somebody has stays until it is acknowledged.
    messages: VecDeque<Held>,
    /// Pushes that run.
    pub(super) pushing: usize,
    /// How many may run; it grows with every one that went well.
    pub(super) window: usize,
}

#[derive(Debug)]
struct Held {
    message: Message,
    /// Nobody gets it before; while somebody has it, the end of the lease.
    free_at_ms: u64,
    /// Of the lease that runs.
    ack_id: Option<String>,
    attempts: u64,
}

/// A message that was given to somebody.
#[derive(Debug)]
pub(super) struct Leased {
    pub(super) ack_id: String,
    pub(super) message: Message,
    pub(super) attempt: u64,
}

impl Subscription {
    pub(super) fn new(spec: Value) -> Self {
        Self { spec, policy: Policy::default(), messages: VecDeque::new(), pushing: 0, window: 4 }
    }

    pub(super) fn topic(&self) -> &str {
        self.spec["topic"].as_str().unwrap_or("")
    }

    /// As it is answered.
    pub(super) fn shown(&self) -> Value {
        let mut shown = self.spec.clone();
        shown["state"] = json!("ACTIVE");
        if shown.get("pushConfig").is_none() {
            shown["pushConfig"] = json!({});
        }
        shown
    }

    /// Where messages are pushed; nothing if they are pulled.
    pub(super) fn endpoint(&self) -> Option<&str> {
        self.spec["pushConfig"]["pushEndpoint"].as_str().filter(|it| !it.is_empty())
    }

    pub(super) fn deadline_ms(&self) -> u64 {
        self.spec["ackDeadlineSeconds"].as_u64().unwrap_or(10) * 1000
    }

    pub(super) fn add(&mut self, message: Message, now_ms: u64) {
        self.messages.push_back(Held { message, free_at_ms: now_ms, ack_id: None, attempts: 0 });
    }

    /// Leases messages that nobody has. Those with too many attempts are left to `dead`.
    pub(super) fn lease(&mut self, count: usize, now_ms: u64, dead: &mut Vec<Message>) -> Vec<Leased> {
        let deadline_ms = self.deadline_ms();
        if let Some(most) = self.most_attempts() {
            self.messages.retain(|held| {
                let is_dead = held.free_at_ms <= now_ms && held.attempts >= most;
                if is_dead {
                    dead.push(held.message.clone());
                }
                !is_dead
            });
        }
        let free = self.messages.iter_mut().filter(|held| held.free_at_ms <= now_ms).take(count);
        free.map(|held| {
            let ack_id = new_id();
            held.attempts += 1;
            (held.free_at_ms, held.ack_id) = (now_ms + deadline_ms, Some(ack_id.clone()));
            Leased { ack_id, message: held.message.clone(), attempt: held.attempts }
        })
        .collect()
    }

    /// How often a message is tried before it goes to the dead letters.
    pub(super) fn most_attempts(&self) -> Option<u64> {
        let policy = self.spec.get("deadLetterPolicy").filter(|it| it.is_object())?;
        Some(policy["maxDeliveryAttempts"].as_u64().unwrap_or(5))
    }

    /// Messages whose lease was acknowledged in time are gone; late ones come again.
    pub(super) fn acknowledge(&mut self, ids: &[String], now_ms: u64) {
        let is_done = |held: &Held| held.free_at_ms > now_ms && held.ack_id.as_ref().is_some_and(|it| ids.contains(it));
        self.messages.retain(|held| !is_done(held));
    }

    /// A new end for running leases; zero gives messages back.
    pub(super) fn extend(&mut self, ids: &[String], seconds: u64, now_ms: u64) {
        let of = self.messages.iter_mut().filter(|held| held.ack_id.as_ref().is_some_and(|it| ids.contains(it)));
        of.filter(|held| held.free_at_ms > now_ms).for_each(|held| held.free_at_ms = now_ms + seconds * 1000);
    }

    /// A push failed: the message comes again after a while, longer with every attempt.
    pub(super) fn retry(&mut self, ack_id: &str, least_ms: u64, now_ms: u64) {
        let of = |name: &str| self.spec["retryPolicy"][name].as_str().and_then(seconds).map(as_ms);
        let (least, most) = (of("minimumBackoff").unwrap_or(0).max(least_ms), of("maximumBackoff").unwrap_or(600_000));
        if let Some(held) = self.messages.iter_mut().find(|held| held.ack_id.as_deref() == Some(ack_id)) {
            let doubled = least.saturating_mul(1 << held.attempts.saturating_sub(1).min(20));
            (held.free_at_ms, held.ack_id) = (now_ms + doubled.min(most.max(least)), None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(count: usize) -> Subscription {
        let mut subscription = Subscription::new(json!({ "ackDeadlineSeconds": 10 }));
        (0..count).for_each(|id| subscription.add(json!({ "messageId": id.to_string() }), 0));
        subscription
    }

    #[test]
    fn a_message_comes_again_after_its_deadline_and_never_after_it_was_acknowledged() {
        let mut subscription = with(2);
        let first = subscription.lease(10, 0, &mut Vec::new());
        assert_eq!((first.len(), subscription.lease(10, 9_999, &mut Vec::new()).len()), (2, 0));
        subscription.acknowledge(&[first[0].ack_id.clone()], 5_000);
        let again = subscription.lease(10, 10_000, &mut Vec::new());
        assert_eq!((again.len(), again[0].attempt), (1, 2));
        subscription.acknowledge(&[first[1].ack_id.clone()], 10_001);
        assert_eq!(subscription.lease(10, 20_000, &mut Vec::new()).len(), 1, "an old id acknowledges nothing");
    }

    #[test]
    fn after_too_many_attempts_a_message_is_dead() {
        let mut subscription = with(1);
        subscription.spec["deadLetterPolicy"] = json!({ "maxDeliveryAttempts": 5 });
        let mut dead = Vec::new();
        for attempt in 0..5 {
            assert_eq!(subscription.lease(1, attempt * 10_000, &mut dead).len(), 1);
        }
        assert_eq!((subscription.lease(1, 50_000, &mut dead).len(), dead.len()), (0, 1));
    }

    #[test]
    fn a_failed_push_waits_twice_as_long_every_time() {
        let mut subscription = with(1);
        let mut now_ms = 0;
        for wait in [100, 200, 400] {
            let leased = subscription.lease(1, now_ms, &mut Vec::new());
            subscription.retry(&leased[0].ack_id, 100, now_ms);
            assert!(subscription.lease(1, now_ms + wait - 1, &mut Vec::new()).is_empty());
            now_ms += wait;
        }
        assert_eq!(subscription.lease(1, now_ms, &mut Vec::new()).len(), 1);
    }
}
