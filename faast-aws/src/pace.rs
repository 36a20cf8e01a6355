//! Pacing: Lambda's management calls share 15 a second for the whole account and region, and that can't be raised.
//!
//! Responsible for staying below that when many things are deleted at once; `GetFunction` and the invocations have
//! limits of their own and do not come here. The turns of one provider are in `next`, written by whoever takes one.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Time between two calls once the burst is used up: 10 a second, which leaves a third for others in the account.
const BETWEEN: Duration = Duration::from_millis(100);

/// Calls that may go out at once after a pause: what one deployment needs at most.
const BURST: u32 = 5;

/// Hands out turns.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    next: Mutex<Option<Instant>>,
}

impl Pace {
    /// Waits for a turn.
    pub(crate) async fn turn(&self) {
        let at = self.take(Instant::now());
        tokio::time::sleep_until(at).await;
    }

    /// When the turn that is taken now begins.
    fn take(&self, now: Instant) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let earliest = now.checked_sub(BETWEEN * (BURST - 1)).unwrap_or(now);
        let slot = next.map_or(earliest, |next| next.max(earliest));
        *next = Some(slot + BETWEEN);
        slot.max(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_calls_take_their_time_and_the_first_few_none() {
        let (pace, start) = (Pace::default(), Instant::now() + Duration::from_mins(1));
        let mut now = start;
        let mut turns = Vec::new();
        for _ in 0..100 {
            now = pace.take(now);
            turns.push(now - start);
        }
        assert_eq!(turns[..5], [Duration::ZERO; 5]);
        for window in turns.windows(15) {
            let took = window[14].saturating_sub(window[0]);
            assert!(took >= Duration::from_secs(1), "15 calls within {took:?}");
        }
        assert!(turns[99] <= Duration::from_secs(10), "{:?}", turns[99]);
    }
}
