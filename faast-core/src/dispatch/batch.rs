//! Batching: how many short calls share a request. Pure.
//!
//! A request costs a wake-up at either end, so calls that are shorter than that are sent together, up to [`HORIZON`] of
//! estimated work. The estimate is a geometric mean, because one long call among a thousand short ones would blow an
//! arithmetic mean up and send the short ones singly for a while. A wrong estimate does little harm: a worker that
//! meets a long call gives the rest of its request back.

use std::time::Duration;

/// Work that one request should hold. Source: measured; shorter loses to wake-ups, longer to imbalance at the end.
const HORIZON: Duration = Duration::from_millis(4);
/// Below this much work, waking another worker costs more than it saves.
pub(crate) const WORTH_WAKING: Duration = Duration::from_micros(500);
/// Calls from this running time on travel alone.
const ALONE_FROM: f64 = 2e-3;
/// Weight of a new sample.
const WEIGHT: f64 = 0.1;
/// Bytes of arguments in one request, unless a single call has more.
pub(crate) const MAX_BYTES: usize = 256 * 1024;

/// The running time of a function, as a geometric mean that forgets.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Estimate {
    ln_seconds: Option<f64>,
}

impl Estimate {
    pub(crate) fn record(&mut self, duration: Duration) {
        let sample = duration.as_secs_f64().max(2e-7).ln();
        self.ln_seconds = Some(self.ln_seconds.map_or(sample, |mean| mean + WEIGHT * (sample - mean)));
    }

    /// Estimated running time; `None` before the first sample.
    pub(crate) fn seconds(&self) -> Option<f64> {
        self.ln_seconds.map(f64::exp)
    }
}

/// Fills one request: says for each call in line whether it still fits.
#[derive(Debug)]
pub(crate) struct Filling {
    calls: usize,
    max_calls: usize,
    bytes: usize,
    seconds: f64,
    horizon: Option<f64>,
}

impl Filling {
    /// A request that core fills by itself, up to the horizon.
    pub(crate) fn automatic(max_calls: usize) -> Self {
        Self { calls: 0, max_calls, bytes: 0, seconds: 0.0, horizon: Some(HORIZON.as_secs_f64()) }
    }

    /// A request of the size that the user asked for.
    pub(crate) fn fixed(calls: usize) -> Self {
        Self { calls: 0, max_calls: calls, bytes: 0, seconds: 0.0, horizon: None }
    }

    /// Whether a call of that size and estimate goes into this request too; the first one always does.
    pub(crate) fn admits(&mut self, bytes: usize, estimate: Option<f64>) -> bool {
        let fits = self.calls == 0
            || self.calls < self.max_calls
                && self.bytes + bytes <= MAX_BYTES
                && match (self.horizon, estimate) {
                    (None, _) => true,
                    (Some(horizon), Some(seconds)) => seconds < ALONE_FROM && self.seconds + seconds <= horizon,
                    (Some(_), None) => false,
                };
        if fits {
            self.calls += 1;
            self.bytes += bytes;
            // A call without an estimate fills a request by itself.
            self.seconds += estimate.unwrap_or(HORIZON.as_secs_f64());
        }
        fits
    }

    /// Estimated work so far.
    pub(crate) fn seconds(&self) -> f64 {
        self.seconds
    }
}

/// Calls of that estimate in a full request; what a map keeps in line for each worker.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped, and never negative")]
pub(crate) fn per_request(estimate: Option<f64>, max_calls: usize) -> usize {
    match estimate {
        Some(seconds) if seconds < ALONE_FROM => ((HORIZON.as_secs_f64() / seconds) as usize).clamp(1, max_calls),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(estimate: Option<f64>, bytes: usize) -> usize {
        let mut filling = Filling::automatic(4096);
        (0..10_000).take_while(|_| filling.admits(bytes, estimate)).count()
    }

    #[test]
    fn requests_hold_the_horizon_of_short_calls_and_one_long_call() {
        assert!((399..=400).contains(&filled(Some(10e-6), 8)));
        assert_eq!(filled(Some(1e-7), 8), 4096);
        assert_eq!(filled(Some(3e-3), 8), 1);
        assert_eq!(filled(None, 8), 1);
    }

    #[test]
    fn bytes_are_bounded_but_one_large_call_always_goes() {
        assert_eq!(filled(Some(1e-6), 100 * 1024), 2);
        assert_eq!(filled(Some(1e-6), 64 << 20), 1);
    }

    #[test]
    fn one_long_call_among_short_ones_moves_the_estimate_little() {
        let mut estimate = Estimate::default();
        (0..100).for_each(|_| estimate.record(Duration::from_micros(10)));
        estimate.record(Duration::from_millis(200));
        assert!(estimate.seconds().unwrap() < 30e-6);
    }
}
