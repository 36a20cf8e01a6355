//! Whether the deployment's workers have ever begun a request.
//!
//! A push that the service refuses looks like one that finds no instance: both come back as dead letters that nobody began.
//! Room comes by itself, and a new policy is known everywhere in some minutes; what is still refused after them always will
//! be.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a new policy may not be known everywhere.
const PATIENCE: Duration = Duration::from_mins(10);

/// What all requests of a deployment know of it.
#[derive(Debug)]
pub(crate) struct Begun {
    /// What may keep pushes out, and what to do.
    advice: String,
    patience: Duration,
    /// A worker has begun a request. Written by whoever hears of it.
    any: AtomicBool,
    /// When the first request was given up that nobody had begun. Written by whoever hears of it.
    given_up: OnceLock<Instant>,
}

impl Begun {
    /// `advice` is for whoever has to open the door.
    pub(crate) fn new(advice: String) -> Self {
        Self { advice, patience: PATIENCE, any: AtomicBool::new(false), given_up: OnceLock::new() }
    }

    /// The same that gives up after another time.
    pub(crate) fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// A worker has begun a request.
    pub(super) fn note(&self) {
        self.any.store(true, Ordering::Relaxed);
    }

    /// A request was given up that nobody had begun: what to do, if none ever is.
    pub(super) fn never(&self, now: Instant) -> Option<&str> {
        let first = *self.given_up.get_or_init(|| now);
        let is_over = now.saturating_duration_since(first) >= self.patience;
        (is_over && !self.any.load(Ordering::Relaxed)).then_some(&self.advice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_that_nobody_ever_begins_are_given_up_when_policies_are_known() {
        let (begun, start) = (Begun::new("open".into()), Instant::now());
        let after = |minutes| begun.never(start + Duration::from_mins(minutes));
        assert_eq!([after(0), after(9), after(10)], [None, None, Some("open")]);
        begun.note();
        assert_eq!(after(60), None, "it has found room before, and will again");
    }
}
