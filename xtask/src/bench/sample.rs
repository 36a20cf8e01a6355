//! Samples and what is told of them. Ratios are taken within a round, where both sides saw the same machine.

use std::time::Duration;

/// The value below which `permille` of the samples lie; 0 of none.
pub(super) fn quantile(samples: &[f64], permille: usize) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    sorted.get((sorted.len() * permille / 1000).min(last)).copied().unwrap_or_default()
}

/// The middle one.
pub(super) fn median(samples: &[f64]) -> f64 {
    quantile(samples, 500)
}

/// The median of the ratios of each round.
pub(super) fn median_ratio(samples: &[f64], beside: &[f64]) -> f64 {
    median(&samples.iter().zip(beside).map(|(sample, beside)| sample / beside).collect::<Vec<_>>())
}

/// A time in milliseconds.
pub(super) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// A time in microseconds.
pub(super) fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOSE: f64 = 1e-9;

    #[test]
    fn quantiles_are_samples() {
        let samples: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert!((median(&samples) - 51.0).abs() < CLOSE);
        assert!((quantile(&samples, 990) - 100.0).abs() < CLOSE);
        assert!((quantile(&samples, 1000) - 100.0).abs() < CLOSE);
        assert!(median(&[]).abs() < CLOSE);
    }

    #[test]
    fn ratios_are_of_one_round() {
        assert!((median_ratio(&[2.0, 40.0, 6.0], &[1.0, 20.0, 3.0]) - 2.0).abs() < CLOSE);
    }
}
