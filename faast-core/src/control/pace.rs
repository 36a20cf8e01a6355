//! Pacing: turns for calls whose number in a time is limited for a whole account, so that many of them at once do not use
//! the limit up. The turns of one limit are in `next`, written by whoever takes one.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Hands out turns.
///
/// ```
/// # use std::time::{Duration, Instant};
/// # use faast_core::control::Pace;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (pace, start) = (Pace::new(Duration::from_millis(10), 2), Instant::now());
/// for _ in 0..4 {
///     pace.turn().await; // then call
/// }
/// assert!(start.elapsed() >= Duration::from_millis(20)); // two at once, then one each 10 ms
/// # }
/// ```
#[derive(Debug)]
pub struct Pace {
    /// Time between two calls once the burst is used up.
    between: Duration,
    /// Calls that may go out at once after a pause.
    burst: u32,
    next: Mutex<Option<Instant>>,
}

impl Pace {
    /// A turn in each time `between`, and a burst of so many after a pause.
    pub fn new(between: Duration, burst: u32) -> Self {
        Self { between, burst, next: Mutex::default() }
    }

    /// Waits for a turn.
    pub async fn turn(&self) {
        let at = self.take(Instant::now());
        tokio::time::sleep_until(at).await;
    }

    /// When the turn that is taken now begins.
    fn take(&self, now: Instant) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let earliest = now.checked_sub(self.between * self.burst.saturating_sub(1)).unwrap_or(now);
        let slot = next.map_or(earliest, |next| next.max(earliest));
        *next = Some(slot + self.between);
        slot.max(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_calls_take_their_time_and_the_first_few_none() {
        let (pace, start) = (Pace::new(Duration::from_millis(100), 5), Instant::now() + Duration::from_mins(1));
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
