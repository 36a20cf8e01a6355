//! Who began a request, and what that says about those before.
//!
//! A worker that ends says nothing: Pub/Sub gives its request to another one. But it does so too where only its answer to a
//! push was lost, and may deliver a message twice for no reason at all. So a start is no news of an end, and whoever answers
//! first has answered. Only when Pub/Sub has given the request up, those who began it in three deliveries are taken for
//! ended; fewer may have been kept from answering.

use std::time::{Duration, Instant};

use faast_core::provider::{ExecutionId, InstanceId};

/// Deliveries in which somebody began and nobody answered, of the five that there are: what chance does not do.
const ENOUGH: usize = 3;

/// Between the end of a worker and the next delivery of its request at least: the subscription's `minimumBackoff`.
const PAUSE: Duration = Duration::from_secs(1);

/// The word of a worker that it begins.
#[derive(Debug, Clone)]
pub(super) struct Start {
    pub(super) instance: InstanceId,
    pub(super) execution: Option<ExecutionId>,
    /// Which delivery of the request it is for, where Pub/Sub counts them.
    pub(super) delivery: Option<u64>,
    /// When it was heard.
    pub(super) at: Instant,
}

/// All starts of one request.
#[derive(Debug, Default)]
pub(super) struct Starts(Vec<Start>);

impl Starts {
    /// Whether it is a word that was not heard before.
    pub(super) fn add(&mut self, start: Start) -> bool {
        let is_new = !self.0.iter().any(|it| it.instance == start.instance && it.delivery == start.delivery);
        if is_new {
            self.0.push(start);
        }
        is_new
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// What a worker said when it began last.
    pub(super) fn of(&self, instance: &InstanceId) -> Option<&Start> {
        self.0.iter().rev().find(|it| it.instance == *instance)
    }

    /// Whether a request that was given up without an answer has ended those who began it. One that began twice is alive,
    /// and counts once; a delivery that was made twice counts once, too.
    pub(super) fn say_crash(&self) -> bool {
        let mut deliveries = Vec::new();
        for (at, start) in self.0.iter().enumerate() {
            let began_again = self.0[at + 1..].iter().any(|it| it.instance == start.instance);
            let is_known = start.delivery.is_some() && deliveries.contains(&start.delivery);
            if !began_again && !is_known {
                deliveries.push(start.delivery);
            }
        }
        deliveries.len() >= ENOUGH
    }

    /// How long each has run that ended without an answer, where all have, or all that began before this delivery.
    pub(super) fn lost(&self, before: Option<u64>, now: Instant) -> impl Iterator<Item = Duration> + '_ {
        let has_ended = move |start: &&Start| before.is_none_or(|before| start.delivery.is_some_and(|it| it < before));
        self.0.iter().filter(has_ended).map(move |start| self.time_of(start, now))
    }

    /// Until the next delivery was begun, without the pause before it: rather too long, for nobody saw the end.
    fn time_of(&self, start: &Start, now: Instant) -> Duration {
        let next = self.0.iter().filter(|it| it.delivery > start.delivery).map(|it| it.at).min();
        let until_next = |next: Instant| next.saturating_duration_since(start.at).saturating_sub(PAUSE);
        next.map_or_else(|| now.saturating_duration_since(start.at), until_next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Starts by workers with names of one letter, each with the number of its delivery; 0 where there is none.
    fn starts(words: &str) -> Starts {
        let (mut starts, begin) = (Starts::default(), Instant::now());
        for (seconds, word) in words.split_whitespace().enumerate() {
            let (instance, delivery) = word.split_at(1);
            starts.add(Start {
                instance: InstanceId(instance.into()),
                execution: None,
                delivery: delivery.parse().ok().filter(|it| *it > 0),
                at: begin + Duration::from_secs(10 * seconds as u64),
            });
        }
        starts
    }

    #[test]
    fn only_three_deliveries_that_were_begun_say_that_those_who_began_have_ended() {
        for (words, expected) in [
            ("", false),
            ("a1", false),
            ("a1 b2", false),
            ("a1 b2 c3", true),
            // Others were refused, because there was no instance.
            ("a1 b3 c5", true),
            // Messages come in any order.
            ("c3 a1 b2", true),
            // The same message twice, or the same delivery.
            ("a1 a1 b2 b2", false),
            ("a1 b1 c1", false),
            ("a1 b1 c2", false),
            ("a1 b1 c2 d2", false),
            ("a1 b1 c2 d2 e3", true),
            // Whoever begins again has not ended.
            ("a1 a2 a3", false),
            ("a1 b2 a3", false),
            ("a1 b2 a3 c4", true),
            // Nobody counts.
            ("a0 b0", false),
            ("a0 b0 c0", true),
            ("a0 b0 a0", false),
        ] {
            assert_eq!(starts(words).say_crash(), expected, "{words}");
        }
    }

    #[test]
    fn the_same_word_twice_is_heard_once() {
        assert_eq!(starts("a1 a1 b1 a2 b1").count(), 3);
    }

    #[test]
    fn who_has_ended_ran_until_the_next_delivery_without_the_pause_before_it() {
        let seconds = |words: &str, before: Option<u64>| {
            let starts = starts(words);
            let now = starts.0[0].at + Duration::from_secs(25);
            starts.lost(before, now).map(|it| it.as_secs()).collect::<Vec<_>>()
        };
        // The second one answers: only the first has ended.
        assert_eq!(seconds("a1 b2", Some(2)), [9]);
        // The first one answers, and the second will.
        assert_eq!(seconds("a1 b2", Some(1)), [0; 0]);
        assert_eq!(seconds("a1 b1", Some(1)), [0; 0]);
        // Nobody answers.
        assert_eq!(seconds("a1 b2 c3", None), [9, 9, 5]);
        assert_eq!(seconds("a1", None), [25]);
    }
}
