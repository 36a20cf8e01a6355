//! How long a refusal may come of nothing but that a service is new: its address, and who may call it, are not known
//! everywhere at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long an address may not be known everywhere.
const ADDRESS: Duration = Duration::from_mins(1);

/// How long a policy may not be: Google says two minutes as a rule, and seven or longer at times.
const POLICY: Duration = Duration::from_mins(10);

/// A service, as far as it is new.
#[derive(Debug)]
pub(super) struct Settling {
    /// When it was made; `None` where it is not new.
    since: Option<Instant>,
    /// It has let somebody in. Written by whoever is.
    let_in: AtomicBool,
}

impl Settling {
    pub(super) fn new(since: Option<Instant>) -> Self {
        Self { since, let_in: AtomicBool::new(false) }
    }

    /// A request was let in, so that the policy is known.
    pub(super) fn let_in(&self) {
        self.let_in.store(true, Ordering::Relaxed);
    }

    /// Whether a refusal by this status means what it says.
    pub(super) fn is_settled(&self, status: u16, now: Instant) -> bool {
        let Some(since) = self.since else { return true };
        let age = now.saturating_duration_since(since);
        if status == 403 { age >= POLICY || self.let_in.load(Ordering::Relaxed) } else { age >= ADDRESS }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_takes_longer_to_be_known_than_an_address_and_is_known_when_it_lets_in() {
        let start = Instant::now();
        let service = Settling::new(Some(start));
        let settled = |status, minutes| service.is_settled(status, start + Duration::from_mins(minutes));
        assert!(!settled(404, 0) && settled(404, 1));
        assert!(!settled(403, 0) && !settled(403, 9) && settled(403, 10));
        service.let_in();
        assert!(settled(403, 0) && !settled(404, 0), "an address may still be unknown elsewhere");
        assert!(Settling::new(None).is_settled(403, start) && Settling::new(None).is_settled(404, start));
    }
}
