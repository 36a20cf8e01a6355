//! The leak detector: what the client holds after cleanup, and workers whose memory grows call after call.
//!
//! Responsible for counting and for the decision what is a leak; not for reporting: the caller sends what it gets to
//! the channel `faast:leaks`. Invariant: counting changes nothing that is counted, and the decision reads no clock and
//! no system.

mod memory;
mod process;

use std::fmt;

pub(crate) use self::memory::MemoryGrowth;

/// What this process holds at a moment.
///
/// ```
/// # use faast_core::leak::Counts;
/// let before = Counts::now();
/// let file = std::fs::File::open("/dev/null")?;
/// if let (Some(before), Some(after)) = (before, Counts::now()) {
///     assert_eq!(after.difference(before).unwrap().to_string(), "1 descriptor");
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counts {
    /// Open file descriptors.
    pub descriptors: usize,
    /// Threads, the calling one included.
    pub threads: usize,
    /// Child processes, those included that have ended and were not waited for.
    pub children: usize,
}

impl Counts {
    /// Counts from `/proc/self`; `None` where the system does not tell.
    pub fn now() -> Option<Self> {
        process::counts()
    }

    /// What there is more of than `before`; `None` if there is no more of anything.
    pub fn difference(self, before: Self) -> Option<Growth> {
        let more = Self {
            descriptors: self.descriptors.saturating_sub(before.descriptors),
            threads: self.threads.saturating_sub(before.threads),
            children: self.children.saturating_sub(before.children),
        };
        (more != Self::default()).then_some(Growth(more))
    }
}

/// What was left over, in words: `2 descriptors, 1 thread`.
///
/// ```
/// # use faast_core::leak::Counts;
/// let (before, mut after) = (Counts::default(), Counts::default());
/// after.descriptors = 2;
/// after.threads = 1;
/// assert_eq!(after.difference(before).unwrap().to_string(), "2 descriptors, 1 thread");
/// assert_eq!(before.difference(after), None); // less is no leak
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Growth(Counts);

impl Growth {
    /// The numbers.
    pub fn counts(self) -> Counts {
        self.0
    }
}

impl fmt::Display for Growth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { descriptors, threads, children } = self.0;
        let mut separator = "";
        for (count, one, many) in [
            (descriptors, "descriptor", "descriptors"),
            (threads, "thread", "threads"),
            (children, "child process", "child processes"),
        ] {
            if count > 0 {
                write!(f, "{separator}{count} {}", if count == 1 { one } else { many })?;
                separator = ", ";
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_there_is_more_of_is_a_leak() {
        let before = Counts { descriptors: 5, threads: 2, children: 1 };
        assert_eq!(before.difference(before), None);
        assert_eq!(Counts { descriptors: 3, ..before }.difference(before), None);
        let after = Counts { descriptors: 7, threads: 3, children: 0 };
        assert_eq!(after.difference(before).unwrap().to_string(), "2 descriptors, 1 thread");
        let after = Counts { children: 3, ..before };
        assert_eq!(after.difference(before).unwrap().to_string(), "2 child processes");
    }
}
