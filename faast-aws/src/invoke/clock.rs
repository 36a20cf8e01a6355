//! The time of signatures: this machine's clock, corrected by the service's where that has refused a signature for its
//! time. The SDK does the same for the control plane.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use http::HeaderMap;
use http::header::DATE;

/// A clock as good as the service's. Written by whoever is refused; read for each signature.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// Seconds that the service is ahead of this machine.
    ahead: AtomicI64,
}

impl Clock {
    /// The time to sign with.
    pub(super) fn now(&self) -> SystemTime {
        self.corrected(SystemTime::now())
    }

    fn corrected(&self, here: SystemTime) -> SystemTime {
        let ahead = self.ahead.load(Ordering::Relaxed);
        let by = Duration::from_secs(ahead.unsigned_abs());
        let corrected = if ahead < 0 { here.checked_sub(by) } else { here.checked_add(by) };
        corrected.unwrap_or(here)
    }

    /// Takes over the time of an answer, if that has one.
    pub(super) fn follow(&self, answer: &HeaderMap) -> bool {
        self.follow_from(answer, SystemTime::now())
    }

    fn follow_from(&self, answer: &HeaderMap, here: SystemTime) -> bool {
        let date = answer.get(DATE).and_then(|date| DateTime::from_str(date.to_str().ok()?, Format::HttpDate).ok());
        let Some(date) = date else { return false };
        self.ahead.store(date.secs() - DateTime::from(here).secs(), Ordering::Relaxed);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn the_time_of_an_answer_is_kept_whichever_clock_is_ahead() {
        // Sun, 06 Nov 1994 08:49:37 GMT
        let there = UNIX_EPOCH + Duration::from_secs(784_111_777);
        let answer = HeaderMap::from_iter([(DATE, "Sun, 06 Nov 1994 08:49:37 GMT".parse().unwrap())]);
        for here in [there - Duration::from_hours(1), there + Duration::from_mins(20), there] {
            let clock = Clock::default();
            assert_eq!(clock.corrected(here), here);
            assert!(clock.follow_from(&answer, here));
            assert_eq!(clock.corrected(here), there);
            assert_eq!(clock.corrected(here + Duration::from_secs(5)), there + Duration::from_secs(5));
        }
    }

    #[test]
    fn an_answer_without_a_time_changes_nothing() {
        let clock = Clock::default();
        assert!(!clock.follow_from(&HeaderMap::new(), UNIX_EPOCH));
        assert!(!clock.follow_from(&HeaderMap::from_iter([(DATE, "soon".parse().unwrap())]), UNIX_EPOCH));
        assert_eq!(clock.corrected(UNIX_EPOCH), UNIX_EPOCH);
    }
}
