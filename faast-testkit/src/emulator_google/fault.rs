//! Faults of the services themselves, chosen by seed: what may happen to a request before and after it is carried out.
//!
//! No fault gives a wrong answer; every one is something that Google does.

use std::time::Duration;

use super::route::Service;
use crate::emulator::dice::{Dice, FaultScope};

/// Rates of faults, each the share of requests that meet it.
#[derive(Debug, Clone, PartialEq)]
pub struct Faults {
    /// Which requests meet faults. An invocation is a request to a service that was deployed, pushes among them, or
    /// messages that are published, pulled or acknowledged.
    pub scope: FaultScope,
    /// Answered with a 500 or 503 without being carried out.
    pub error_before: f64,
    /// Carried out, and answered with a 503 all the same.
    pub error_after: f64,
    /// Answered with a 429 without being carried out.
    pub throttled: f64,
    /// The connection is closed before the request is carried out.
    pub drop_before: f64,
    /// The request is carried out, and the connection closed without an answer.
    pub drop_after: f64,
    /// The answer comes late, by [`slow_by`](Self::slow_by).
    pub slow: f64,
    /// How late slow answers are.
    pub slow_by: Duration,
    /// The connection is closed in the middle of the answer's body.
    pub break_off: f64,
    /// A message is delivered twice.
    pub duplicate_messages: f64,
    /// No token is given out, with a 503. Not a matter of [`scope`](Self::scope).
    pub token_failures: f64,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            scope: FaultScope::default(),
            error_before: 0.0,
            error_after: 0.0,
            throttled: 0.0,
            drop_before: 0.0,
            drop_after: 0.0,
            slow: 0.0,
            slow_by: Duration::from_millis(500),
            break_off: 0.0,
            duplicate_messages: 0.0,
            token_failures: 0.0,
        }
    }
}

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nothing unusual.
    Fine,
    ErrorBefore,
    ErrorAfter,
    Throttled,
    DropBefore,
    DropAfter,
    Slow,
    BreakOff,
}

/// Chooses fates.
#[derive(Debug)]
pub(super) struct Chance {
    dice: Dice,
    faults: Faults,
}

impl Chance {
    pub(super) fn new(seed: u64, faults: Faults) -> Self {
        Self { dice: Dice::new(seed), faults }
    }

    pub(super) fn fate(&self, service: Service, action: &str) -> Fate {
        let faults = &self.faults;
        if matches!(service, Service::OAuth | Service::Metadata) {
            return self.dice.pick("token", &[(faults.token_failures, Fate::ErrorBefore)]).unwrap_or(Fate::Fine);
        }
        let is_invocation = service == Service::App || ["Publish", "Pull", "Acknowledge"].contains(&action);
        let in_scope = match faults.scope {
            FaultScope::Invocations => is_invocation,
            FaultScope::ControlPlane => !is_invocation,
            FaultScope::Objects => ["InsertObject", "GetObject", "DeleteObject"].contains(&action),
            FaultScope::All => true,
        };
        let rates = [
            (faults.error_before, Fate::ErrorBefore),
            (faults.error_after, Fate::ErrorAfter),
            (faults.throttled, Fate::Throttled),
            (faults.drop_before, Fate::DropBefore),
            (faults.drop_after, Fate::DropAfter),
            (faults.slow, Fate::Slow),
            (faults.break_off, Fate::BreakOff),
        ];
        if in_scope { self.dice.pick(action, &rates).unwrap_or(Fate::Fine) } else { Fate::Fine }
    }

    /// Whether a message is delivered twice.
    pub(super) fn duplicates(&self) -> bool {
        self.dice.meets(self.faults.duplicate_messages, "duplicate")
    }

    pub(super) fn slow_by(&self) -> Duration {
        self.faults.slow_by
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_control_plane_is_spared_unless_it_is_meant() {
        let everything = Faults { error_before: 1.0, ..Faults::default() };
        assert_eq!(Chance::new(1, everything.clone()).fate(Service::Run, "CreateService"), Fate::Fine);
        assert_eq!(Chance::new(1, everything.clone()).fate(Service::App, "Invoke"), Fate::ErrorBefore);
        for action in ["Publish", "Pull", "Acknowledge"] {
            assert_eq!(Chance::new(1, everything.clone()).fate(Service::PubSub, action), Fate::ErrorBefore);
        }
        assert_eq!(Chance::new(1, everything.clone()).fate(Service::PubSub, "GetTopic"), Fate::Fine);
        let control = Faults { scope: FaultScope::ControlPlane, ..everything };
        assert_eq!(Chance::new(1, control.clone()).fate(Service::Run, "CreateService"), Fate::ErrorBefore);
        assert_eq!(Chance::new(1, control.clone()).fate(Service::App, "Invoke"), Fate::Fine);
        assert_eq!(Chance::new(1, control).fate(Service::OAuth, "Token"), Fate::Fine);
    }
}
