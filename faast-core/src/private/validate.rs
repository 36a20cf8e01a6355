//! The check for loss that no format sees: `#[serde(skip)]`, a lossy custom serializer.
//!
//! A value is compared with its own round trip, where its type has `==`, in the first calls of each function. A value
//! that does not equal itself (NaN) says nothing. Steady state costs one relaxed load.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::probe::Equal;
use crate::env::{self, Validate};
use crate::function::FunctionEntry;
use crate::log::Channel;

/// Calls of each function that are checked unless `FAAST_VALIDATE` says otherwise.
const CHECKED_CALLS: u32 = 3;

/// Read once: a job does not change its mind.
static WHEN: LazyLock<Validate> = LazyLock::new(env::validate);

/// Counts the checks of one function; one for its arguments and one for its results.
#[derive(Debug, Default)]
pub struct LossCheck(AtomicU32);

impl LossCheck {
    /// Nothing was checked yet.
    pub const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Whether this call is checked.
    pub(super) fn begin(&self) -> Checking {
        let done = self.0.load(Ordering::Relaxed);
        if done >= CHECKED_CALLS { Checking::No } else { self.begin_early(*WHEN) }
    }

    #[cold]
    fn begin_early(&self, when: Validate) -> Checking {
        match when {
            Validate::Always => Checking::Yes,
            Validate::Never => {
                self.0.store(CHECKED_CALLS, Ordering::Relaxed);
                Checking::No
            }
            Validate::First => match self.0.fetch_add(1, Ordering::Relaxed) {
                0 => Checking::First,
                done if done < CHECKED_CALLS => Checking::Yes,
                _ => Checking::No,
            },
        }
    }
}

/// Whether a call is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checking {
    No,
    /// Yes, and types that can't be compared are listed.
    First,
    Yes,
}

impl Checking {
    pub(super) fn wanted(self) -> bool {
        self != Self::No
    }

    /// Compares a value with what came out of its bytes.
    pub(super) fn compare<T: ?Sized>(
        self,
        entry: &FunctionEntry,
        place: &str,
        equal: Option<Equal<T>>,
        value: &T,
        back: &T,
    ) {
        match equal {
            Some(equal) if !equal(value, back) && equal(value, value) => report_loss(entry.name, place),
            None if self == Self::First => report_unchecked(entry.name, place),
            _ => {}
        }
    }
}

/// Warns that a value does not come back as it went.
fn report_loss(function: &str, place: &str) {
    crate::log!(
        Channel::Warning,
        "{place} of `{function}` does not come back from its round trip as it went: look for a skipped field or a lossy \
         serializer"
    );
}

/// Says that a type has no `==`, so that nothing is known about its round trip.
fn report_unchecked(function: &str, place: &str) {
    crate::log!(Channel::Info, "{place} of `{function}` has no `PartialEq`: its round trip is not compared");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_calls_are_checked_and_no_more() {
        let check = LossCheck::new();
        let seen: Vec<_> = (0..5).map(|_| check.begin_early(Validate::First)).collect();
        assert_eq!(seen, [Checking::First, Checking::Yes, Checking::Yes, Checking::No, Checking::No]);
        assert_eq!(check.begin(), Checking::No);
    }

    #[test]
    fn never_ends_after_one_look() {
        let check = LossCheck::new();
        assert_eq!(check.begin_early(Validate::Never), Checking::No);
        assert_eq!(check.0.load(Ordering::Relaxed), CHECKED_CALLS);
    }

    #[test]
    fn always_goes_on() {
        let check = LossCheck::new();
        assert!((0..9).all(|_| check.begin_early(Validate::Always) == Checking::Yes));
    }
}
