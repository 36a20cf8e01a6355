//! How durations are spread: counts in buckets that are a sixteenth of an octave wide, in constant memory.
//!
//! Pure data that is added to and written as JSON; nothing is known here of what the durations mean.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Buckets in each doubling: a value is known to within 6 %.
const PER_OCTAVE: u64 = 16;

/// A distribution of durations, in microseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spread {
    /// How many fell into which bucket.
    buckets: BTreeMap<u16, u64>,
    pub(crate) count: u64,
    pub(crate) sum_us: u64,
    pub(crate) min_us: u64,
    pub(crate) max_us: u64,
}

impl Spread {
    pub(crate) fn record(&mut self, us: u64) {
        *self.buckets.entry(bucket(us)).or_default() += 1;
        self.min_us = if self.count == 0 { us } else { self.min_us.min(us) };
        self.max_us = self.max_us.max(us);
        self.count += 1;
        self.sum_us = self.sum_us.saturating_add(us);
    }

    /// Adds all of another one.
    pub(crate) fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        for (bucket, count) in &other.buckets {
            *self.buckets.entry(*bucket).or_default() += count;
        }
        self.min_us = if self.count == 0 { other.min_us } else { self.min_us.min(other.min_us) };
        self.max_us = self.max_us.max(other.max_us);
        self.count += other.count;
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
    }

    /// The value that a share (0 to 1) of them did not exceed.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank among the counted")]
    pub(crate) fn quantile(&self, share: f64) -> u64 {
        let rank = (share * self.count as f64).ceil().max(1.0) as u64;
        if rank >= self.count {
            return self.max_us;
        }
        let mut seen = 0;
        for (bucket, count) in &self.buckets {
            seen += count;
            if seen >= rank {
                return middle(*bucket).clamp(self.min_us, self.max_us);
            }
        }
        self.max_us
    }

    pub(crate) fn mean(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum_us as f64 / self.count as f64 }
    }

    /// Each bucket that holds something: from, to and how many.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = (u64, u64, u64)> + '_ {
        self.buckets.iter().map(|(bucket, count)| (low(*bucket), low(bucket + 1), *count))
    }
}

/// Below 16 each value has its own bucket.
fn bucket(us: u64) -> u16 {
    let octave = us.checked_ilog2().unwrap_or(0);
    let number =
        if octave < 4 { us } else { PER_OCTAVE * u64::from(octave - 3) + ((us >> (octave - 4)) & (PER_OCTAVE - 1)) };
    u16::try_from(number).unwrap_or(u16::MAX)
}

/// The smallest value of a bucket.
fn low(bucket: u16) -> u64 {
    let bucket = u64::from(bucket);
    if bucket < PER_OCTAVE {
        return bucket;
    }
    let octave = bucket / PER_OCTAVE - 1;
    (PER_OCTAVE + bucket % PER_OCTAVE).checked_shl(u32::try_from(octave).unwrap_or(u32::MAX)).unwrap_or(u64::MAX)
}

fn middle(bucket: u16) -> u64 {
    u64::midpoint(low(bucket), low(bucket + 1).saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_its_bucket() {
        for us in (0..5000).chain([1 << 20, (1 << 33) + 12_345, 1 << 45]) {
            let bucket = bucket(us);
            assert!((low(bucket)..low(bucket + 1)).contains(&us), "{us} is not in bucket {bucket}");
        }
    }

    #[test]
    fn quantiles_are_near_the_exact_ones() {
        let mut spread = Spread::default();
        (1..=10_000).for_each(|us| spread.record(us));
        for share in [0.01, 0.5, 0.9, 0.99] {
            let (got, exact) = (spread.quantile(share) as f64, share * 10_000.0);
            assert!((got / exact - 1.0).abs() < 0.04, "{share}: {got} instead of {exact}");
        }
        assert_eq!((spread.quantile(1.0), spread.min_us, spread.max_us), (10_000, 1, 10_000));
    }

    #[test]
    fn nothing_has_no_quantile_above_zero() {
        assert_eq!((Spread::default().quantile(0.5), Spread::default().count), (0, 0));
    }
}
