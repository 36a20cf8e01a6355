//! Hedging: a call that runs far longer than others of its function is sent a second time. Pure; time is passed in.
//!
//! The first answer wins; the loser's cost counts. At least 10 samples; above mean + 3 sigma and above one second; at
//! most 5 % extra calls.

use std::time::Duration;

const MIN_SAMPLES: u64 = 10;
const FLOOR: Duration = Duration::from_secs(1);
const SIGMAS: f64 = 3.0;
const EXTRA_SHARE: f64 = 0.05;

/// Running times of one function (Welford's mean and variance), and how many calls it had.
#[derive(Debug, Default, Clone)]
pub(crate) struct Durations {
    samples: u64,
    mean: f64,
    squares: f64,
    hedged: u64,
}

impl Durations {
    pub(crate) fn record(&mut self, duration: Duration) {
        self.samples += 1;
        let seconds = duration.as_secs_f64();
        let delta = seconds - self.mean;
        self.mean += delta / self.samples as f64;
        self.squares += delta * (seconds - self.mean);
    }

    /// Running time from which a call is sent again; `None` while nothing can be said.
    pub(crate) fn threshold(&self) -> Option<Duration> {
        if self.samples < MIN_SAMPLES {
            return None;
        }
        let sigma = (self.squares / self.samples as f64).sqrt();
        Some(Duration::from_secs_f64(self.mean + SIGMAS * sigma).max(FLOOR))
    }

    /// Whether one more extra call stays within the share.
    pub(crate) fn has_extra(&self) -> bool {
        let allowed = (self.samples as f64 * EXTRA_SHARE).max(1.0);
        ((self.hedged + 1) as f64) <= allowed
    }

    /// Counts an extra call.
    pub(crate) fn take_extra(&mut self) {
        self.hedged += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(seconds: &[f64]) -> Durations {
        let mut durations = Durations::default();
        for second in seconds {
            durations.record(Duration::from_secs_f64(*second));
        }
        durations
    }

    #[test]
    fn nothing_is_hedged_before_ten_samples() {
        assert_eq!(after(&[2.0; 9]).threshold(), None);
        assert!(after(&[2.0; 10]).threshold().is_some());
    }

    #[test]
    fn the_threshold_is_mean_plus_three_sigma_but_at_least_a_second() {
        let threshold = after(&[2.0, 4.0].repeat(5)).threshold().unwrap();
        assert!((threshold.as_secs_f64() - 6.0).abs() < 1e-9);
        assert_eq!(after(&[0.01; 50]).threshold(), Some(Duration::from_secs(1)));
    }

    #[test]
    fn mean_and_deviation_are_those_of_all_samples() {
        let mut random = fastrand::Rng::with_seed(5);
        for scale in [1.0, 10.0, 100.0] {
            let seconds: Vec<f64> = (0..1000).map(|_| random.f64() * scale).collect();
            let durations = after(&seconds);
            let mean = seconds.iter().sum::<f64>() / 1000.0;
            let variance = seconds.iter().map(|it| (it - mean).powi(2)).sum::<f64>() / 1000.0;
            assert!((durations.mean - mean).abs() < 1e-6, "{} {mean}", durations.mean);
            assert!((durations.squares / 1000.0 - variance).abs() < 1e-6, "{} {variance}", durations.squares);
        }
    }

    #[test]
    fn at_most_five_percent_are_extra() {
        let mut durations = after(&[1.0; 200]);
        while durations.has_extra() {
            durations.take_extra();
        }
        assert_eq!(durations.hedged, 10);
    }
}
