//! Outages: while the service can't be reached, nothing is sent, for pauses that grow. Pure; time and randomness are
//! passed in.
//!
//! A lost network fails every request at once. Were each call to wait for itself, a map would go through its whole input
//! meanwhile; so the calls go back to the head of the line, and the line as a whole waits.

use std::time::{Duration, Instant};

const BASE: Duration = Duration::from_millis(100);
const CAP: Duration = Duration::from_secs(5);

/// Whether the service is out of reach, as far as requests have shown.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    /// Rounds that failed, one after the other.
    rounds: u32,
    /// When the next round may begin.
    until: Option<Instant>,
}

impl Outage {
    /// A request could not be sent. `random` is uniform in 0..1.
    pub(crate) fn failed(&mut self, now: Instant, random: f64) {
        if self.holds(now).is_some() {
            // It belongs to the round that has failed already.
            return;
        }
        let pause = CAP.min(BASE.saturating_mul(1 << self.rounds.min(16)));
        self.rounds += 1;
        // Half of it at least, so that a round is no busy loop.
        self.until = Some(now + pause.mul_f64(0.5 + random / 2.0));
    }

    /// An answer has come.
    pub(crate) fn over(&mut self) {
        *self = Self::default();
    }

    /// Until when nothing may be sent.
    pub(crate) fn holds(&self, now: Instant) -> Option<Instant> {
        self.until.filter(|until| *until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_come_slower_and_slower_and_at_least_every_five_seconds() {
        let (mut outage, start) = (Outage::default(), Instant::now());
        let (mut now, mut rounds) = (start, 0);
        while now - start < Duration::from_mins(1) {
            // All requests of a round fail together.
            (0..100).for_each(|_| outage.failed(now, 1.0));
            let until = outage.holds(now).unwrap();
            assert!(until - now <= CAP, "{:?}", until - now);
            (now, rounds) = (until, rounds + 1);
        }
        assert!((12..25).contains(&rounds), "{rounds} rounds in a minute");
    }

    #[test]
    fn an_answer_ends_it() {
        let (mut outage, now) = (Outage::default(), Instant::now());
        assert_eq!(outage.holds(now), None);
        outage.failed(now, 0.0);
        assert_eq!(outage.holds(now), Some(now + BASE / 2));
        outage.over();
        assert_eq!(outage.holds(now), None);
    }
}
