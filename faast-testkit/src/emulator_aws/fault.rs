//! Faults of the service itself, chosen by seed: what may happen to a request before and after it is carried out.
//!
//! No fault gives a wrong answer; every one is something that AWS does.

use std::time::Duration;

use crate::emulator::dice::{Dice, FaultScope};

/// Rates of faults, each the share of requests that meet it.
#[derive(Debug, Clone, PartialEq)]
pub struct Faults {
    /// Which requests meet faults.
    pub scope: FaultScope,
    /// Answered with a 500 without being carried out.
    pub error_before: f64,
    /// Carried out, and answered with a 500 all the same.
    pub error_after: f64,
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
    /// An asynchronous event runs twice.
    pub duplicate_events: f64,
    /// The record of an asynchronous event is written twice.
    pub duplicate_records: f64,
    /// The record of an asynchronous event never arrives.
    pub lost_records: f64,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            scope: FaultScope::default(),
            error_before: 0.0,
            error_after: 0.0,
            drop_before: 0.0,
            drop_after: 0.0,
            slow: 0.0,
            slow_by: Duration::from_millis(500),
            break_off: 0.0,
            duplicate_events: 0.0,
            duplicate_records: 0.0,
            lost_records: 0.0,
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

    pub(super) fn fate(&self, action: &str) -> Fate {
        let faults = &self.faults;
        let rates = [
            (faults.error_before, Fate::ErrorBefore),
            (faults.error_after, Fate::ErrorAfter),
            (faults.drop_before, Fate::DropBefore),
            (faults.drop_after, Fate::DropAfter),
            (faults.slow, Fate::Slow),
            (faults.break_off, Fate::BreakOff),
        ];
        let is_invocation = action.starts_with("Invoke");
        let in_scope = match faults.scope {
            FaultScope::Invocations => is_invocation,
            FaultScope::ControlPlane => !is_invocation,
            FaultScope::Objects => ["PutObject", "GetObject", "DeleteObject"].contains(&action),
            FaultScope::All => true,
        };
        if in_scope { self.dice.pick(action, &rates).unwrap_or(Fate::Fine) } else { Fate::Fine }
    }

    /// Whether an asynchronous event runs twice.
    pub(super) fn duplicates(&self) -> bool {
        self.dice.meets(self.faults.duplicate_events, "duplicate")
    }

    /// How often the record of an asynchronous event is written.
    pub(super) fn writes_of_record(&self) -> usize {
        if self.dice.meets(self.faults.lost_records, "lost record") {
            return 0;
        }
        1 + usize::from(self.dice.meets(self.faults.duplicate_records, "duplicate record"))
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
        assert_eq!(Chance::new(1, everything.clone()).fate("CreateRole"), Fate::Fine);
        let control = Faults { scope: FaultScope::ControlPlane, ..everything };
        assert_eq!(Chance::new(1, control.clone()).fate("CreateRole"), Fate::ErrorBefore);
        assert_eq!(Chance::new(1, control).fate("Invoke"), Fate::Fine);
    }
}
