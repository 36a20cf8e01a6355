//! What all calls will take, by those of a sample. Pure.
//!
//! Time is work over places: the calls that are left, times how long one holds its place, over the places that may be held
//! at once, which may be fewer at first. The intervals hold 95 of 100 times where the sample is drawn like the rest: the
//! error of a mean by Student's distribution, corrected for the finite number of calls.

use std::fmt;
use std::time::Duration;

use crate::cost::readable;
use crate::provider::Ramp;

/// A value with the interval that it lies in, 95 of 100 times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval<T> {
    /// Not less than this.
    pub low: T,
    /// The best guess.
    pub likely: T,
    /// Not more than this.
    pub high: T,
}

/// What keeps a map from being faster.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Bound {
    /// There are fewer calls than places: the longest call.
    Calls,
    /// The option `concurrency`, which allows for so many at once.
    Concurrency(usize),
    /// The account's quota, which allows for so many at once.
    Quota(usize),
    /// How fast the service lets concurrency grow: so many at once, and so many more each second.
    Ramp {
        /// At once.
        at_once: usize,
        /// More in each second.
        per_second: f64,
    },
    /// The option `rate`, so many a second.
    Rate(f64),
}

/// What a map will take, made from a sample of its calls. Prints as a few lines.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Estimate {
    /// All calls.
    pub calls: u64,
    /// Calls of the sample that gave a value.
    pub sample: u64,
    /// Calls of the sample that failed; nothing is extrapolated from them.
    pub failed: u64,
    /// Time for the calls that are left.
    pub time: Interval<Duration>,
    /// US dollars for all calls.
    pub cost_usd: Interval<f64>,
    /// What bounds the time.
    pub bound: Bound,
    /// The highest peak of memory of a worker so far, in bytes.
    pub peak_memory: Option<u64>,
    /// The `memory_mb` that this peak fits into.
    pub fitting_memory_mb: Option<u32>,
}

/// One call of the sample.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    /// How long it held its place.
    pub(super) held: Duration,
    pub(super) usd: f64,
}

/// What calls may do at once.
#[derive(Debug, Clone)]
pub(super) struct Places {
    /// Requests at once.
    pub(super) most: usize,
    /// It is the account's quota that says so.
    pub(super) is_quota: bool,
    pub(super) ramp: Option<Ramp>,
    /// Calls a second.
    pub(super) rate: Option<f64>,
}

/// Time, cost and bound of `calls` by a sample that is not empty; `failed` more were run.
pub(super) fn estimate(calls: u64, samples: &[Sample], failed: u64, places: &Places) -> Estimate {
    let left = calls.saturating_sub(samples.len() as u64 + failed);
    let held = mean(samples.iter().map(|sample| sample.held.as_secs_f64()), left, calls);
    let usd = mean(samples.iter().map(|sample| sample.usd), left, calls);
    let spent: f64 = samples.iter().map(|sample| sample.usd).sum();
    let longest = samples.iter().map(|sample| sample.held).max().unwrap_or_default();
    let (likely, bound) = time(held.likely, left, longest, places);
    let other = |held: f64| time(held, left, longest, places).0;
    Estimate {
        calls,
        sample: (samples.len() as u64).min(calls),
        failed,
        time: Interval { low: other(held.low), likely, high: other(held.high) },
        cost_usd: usd.map(|usd| spent + usd * left as f64),
        bound,
        peak_memory: None,
        fitting_memory_mb: None,
    }
}

/// Time for the calls that are left if each holds its place for so many seconds, and what bounds it.
fn time(held: f64, left: u64, longest: Duration, places: &Places) -> (Duration, Bound) {
    if left == 0 {
        return (Duration::ZERO, Bound::Calls);
    }
    let calls = left as f64;
    let slots = (places.most as f64).min(calls).max(1.0);
    let by_places = if places.is_quota { Bound::Quota(places.most) } else { Bound::Concurrency(places.most) };
    // Calls can't be cut in pieces: so many rounds, if they are alike.
    let mut found = if calls <= places.most as f64 {
        (held.max(longest.as_secs_f64().min(held * 2.0)), Bound::Calls)
    } else {
        (held * calls / slots, by_places)
    };
    if let Some(Ramp { at_once, per_second }) = places.ramp {
        let seconds = ramped(held * calls, slots, at_once as f64, per_second);
        if seconds > found.0 {
            found = (seconds, Bound::Ramp { at_once, per_second });
        }
    }
    if let Some(rate) = places.rate
        && calls / rate > found.0
    {
        found = (calls / rate, Bound::Rate(rate));
    }
    (Duration::try_from_secs_f64(found.0).unwrap_or(Duration::MAX), found.1)
}

/// When so much work is done by places that grow from `at_once` by `per_second` up to `slots`.
fn ramped(work: f64, slots: f64, at_once: f64, per_second: f64) -> f64 {
    if slots <= at_once || per_second <= 0.0 {
        return work / slots.min(at_once.max(1.0));
    }
    let growing = (slots - at_once) / per_second;
    let done = f64::midpoint(at_once, slots) * growing;
    if work >= done {
        return growing + (work - done) / slots;
    }
    // at_once * t + per_second * t^2 / 2 = work
    ((at_once * at_once + 2.0 * per_second * work).sqrt() - at_once) / per_second
}

/// The mean with its interval, for the calls that are left of `all`.
fn mean(values: impl Iterator<Item = f64> + Clone, left: u64, all: u64) -> Interval<f64> {
    let count = values.clone().count() as f64;
    let likely = values.clone().sum::<f64>() / count;
    if count < 2.0 {
        // One value says nothing about others.
        return Interval { low: 0.0, likely, high: if left == 0 { likely } else { f64::INFINITY } };
    }
    let variance = values.map(|value| (value - likely).powi(2)).sum::<f64>() / (count - 1.0);
    let finite = if all > 1 { (left as f64 / (all - 1) as f64).sqrt() } else { 0.0 };
    let error = student(count - 1.0) * (variance / count).sqrt() * finite;
    Interval { low: (likely - error).max(0.0), likely, high: likely + error }
}

/// The 97.5 % quantile of Student's distribution: its expansion in 1/n, and exact where that is not good enough.
fn student(degrees: f64) -> f64 {
    const FEW: [f64; 4] = [12.706, 4.303, 3.182, 2.776];
    let exact = FEW.iter().zip(1_u8..).find(|(_, n)| f64::from(*n) >= degrees);
    exact.map_or_else(|| 1.960 + 2.372 / degrees + 2.823 / degrees.powi(2) + 2.556 / degrees.powi(3), |(t, _)| *t)
}

impl Interval<f64> {
    fn map(self, f: impl Fn(f64) -> f64) -> Self {
        Self { low: f(self.low), likely: f(self.likely), high: f(self.high) }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Calls => write!(f, "bounded by its longest call"),
            Self::Concurrency(most) => write!(f, "bounded by `concurrency`, {most} at once"),
            Self::Quota(most) => write!(f, "bounded by the account's quota, {most} at once"),
            Self::Ramp { at_once, per_second } => {
                write!(f, "bounded by the service's ramp, {at_once} at once and {per_second} more a second")
            }
            Self::Rate(rate) => write!(f, "bounded by `rate`, {rate} a second"),
        }
    }
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { calls, sample, failed, time, cost_usd, bound, .. } = self;
        writeln!(f, "{calls} calls, by a sample of {sample} ({failed} more failed)")?;
        let Interval { low, likely, high } = time;
        if *high == Duration::MAX {
            writeln!(f, "time    {likely:.1?}, and a sample of one says no more; {bound}")?;
        } else {
            writeln!(f, "time    {likely:.1?} ({low:.1?} to {high:.1?}); {bound}")?;
        }
        let Interval { low, likely, high } = cost_usd;
        write!(f, "cost    ${}", readable(*likely, 6))?;
        if high.is_finite() {
            write!(f, " (${} to ${})", readable(*low, 6), readable(*high, 6))?;
        }
        if let (Some(peak), Some(fits)) = (self.peak_memory, self.fitting_memory_mb) {
            write!(
                f,
                "\nmemory  {:.1} MiB at most so far, which fits `memory_mb` {fits}",
                peak as f64 / f64::from(1 << 20)
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(most: usize) -> Places {
        Places { most, is_quota: false, ramp: None, rate: None }
    }

    fn alike(count: usize, seconds: f64, usd: f64) -> Vec<Sample> {
        vec![Sample { held: Duration::from_secs_f64(seconds), usd }; count]
    }

    #[test]
    fn calls_that_are_alike_give_an_exact_quote() {
        let quote = estimate(1000, &alike(10, 2.0, 0.5), 0, &places(10));
        assert_eq!(
            quote.time,
            Interval {
                low: Duration::from_secs(198),
                likely: Duration::from_secs(198),
                high: Duration::from_secs(198)
            }
        );
        assert!(
            (quote.cost_usd.likely - 500.0).abs() < 1e-9 && (quote.cost_usd.high - quote.cost_usd.low).abs() < 1e-9
        );
        assert_eq!(quote.bound, Bound::Concurrency(10));
    }

    #[test]
    fn the_interval_holds_the_truth_as_often_as_it_says() {
        let mut held = 0;
        for seed in 0..1000 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let all: Vec<_> = (0..500).map(|_| Sample { held: Duration::ZERO, usd: rng.f64() }).collect();
            let truth: f64 = all.iter().map(|sample| sample.usd).sum();
            let cost = estimate(500, &all[..12], 0, &places(10)).cost_usd;
            held += u32::from((cost.low..=cost.high).contains(&truth));
        }
        assert!((930..=970).contains(&held), "{held} of 1000");
    }

    #[test]
    fn the_tightest_bound_is_named() {
        let samples = alike(4, 1.0, 0.0);
        let bound = |places: &Places| estimate(1004, &samples, 0, places).bound;
        assert_eq!(bound(&Places { is_quota: true, ..places(10) }), Bound::Quota(10));
        assert_eq!(bound(&Places { rate: Some(5.0), ..places(10) }), Bound::Rate(5.0));
        assert_eq!(bound(&Places { rate: Some(50.0), ..places(10) }), Bound::Concurrency(10));
        let ramp = Ramp { at_once: 1, per_second: 1.0 };
        assert_eq!(bound(&Places { ramp: Some(ramp), ..places(10) }), Bound::Ramp { at_once: 1, per_second: 1.0 });
        assert_eq!(estimate(8, &samples, 0, &places(10)).bound, Bound::Calls);
        assert_eq!(estimate(4, &samples, 0, &places(10)).time.high, Duration::ZERO);
    }

    #[test]
    fn a_ramp_costs_the_area_that_is_missing() {
        // From 0 to 10 places in 10 s: half of the work of 10 s at full width.
        assert!((ramped(50.0, 10.0, 0.0, 1.0) - 10.0).abs() < 1e-9);
        assert!((ramped(150.0, 10.0, 0.0, 1.0) - 20.0).abs() < 1e-9);
        assert!((ramped(12.5, 10.0, 0.0, 1.0) - 5.0).abs() < 1e-9);
        assert!((ramped(100.0, 10.0, 10.0, 1.0) - 10.0).abs() < 1e-9);
    }

    #[test]
    fn a_quote_is_readable() {
        let quote = estimate(1000, &alike(10, 2.0, 0.5), 1, &places(10));
        let text = quote.to_string();
        assert!(
            text.starts_with("1000 calls, by a sample of 10 (1 more failed)\ntime    197.8s (197.8s to 197.8s)"),
            "{text}"
        );
        assert!(estimate(10, &alike(1, 1.0, 0.1), 0, &places(2)).to_string().contains("says no more"));
    }
}
