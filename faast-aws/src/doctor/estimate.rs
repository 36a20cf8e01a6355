//! How long so many calls need, by Lambda's own limits: how fast a function gets environments, how many there may be,
//! and how many requests one of them takes. Everything else (first starts, stragglers, the network) comes on top.

use std::time::Duration;

/// New environments of one function, at once and again after each [`RAMP_EVERY`].
pub(super) const RAMP: u64 = 1000;

/// See [`RAMP`].
pub(super) const RAMP_EVERY: Duration = Duration::from_secs(10);

/// An environment takes ten requests a second at most.
const SHORTEST: Duration = Duration::from_millis(100);

/// When the last of `calls` ends, each of which runs for `call_time`, with so many at once.
pub(super) fn time_for(calls: u64, call_time: Duration, at_once: usize) -> Duration {
    let each = call_time.max(SHORTEST);
    let at_once = (at_once as u64).max(1);
    let enough = |after: Duration| done(after, each, at_once) >= calls;
    let mut high = each;
    while !enough(high) {
        high = high.saturating_mul(2);
    }
    let mut low = Duration::ZERO;
    // To the millisecond: each step halves what is left.
    while high.saturating_sub(low) > Duration::from_millis(1) {
        let middle = low + high.saturating_sub(low) / 2;
        if enough(middle) { high = middle } else { low = middle }
    }
    high
}

/// Calls that have ended after so long.
fn done(after: Duration, each: Duration, at_once: u64) -> u64 {
    let groups = at_once.div_ceil(RAMP);
    (0..groups)
        .map(|group| {
            let size = RAMP.min(at_once - group * RAMP);
            let works = after.saturating_sub(RAMP_EVERY.saturating_mul(u32::try_from(group).unwrap_or(u32::MAX)));
            size.saturating_mul(u64::try_from(works.as_nanos() / each.as_nanos()).unwrap_or(u64::MAX))
        })
        .fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(calls: u64, call_ms: u64, at_once: usize) -> u128 {
        time_for(calls, Duration::from_millis(call_ms), at_once).as_millis().div_ceil(1000)
    }

    #[test]
    fn calls_share_the_environments() {
        assert_eq!(seconds(1, 5000, 100), 5);
        assert_eq!(seconds(100, 5000, 100), 5);
        assert_eq!(seconds(101, 5000, 100), 10);
        assert_eq!(seconds(0, 5000, 100), 0);
    }

    #[test]
    fn environments_come_a_thousand_every_ten_seconds() {
        assert_eq!(seconds(1000, 60_000, 3000), 60);
        assert_eq!(seconds(2000, 60_000, 3000), 70);
        assert_eq!(seconds(3000, 60_000, 3000), 80);
        // The first thousand starts its second round before the third thousand would be needed.
        assert_eq!(seconds(3000, 8_000, 3000), 18);
    }

    #[test]
    fn an_environment_takes_ten_requests_a_second() {
        assert_eq!(seconds(10_000, 1, 100), 10);
        assert_eq!(seconds(10_000, 100, 100), 10);
    }
}
