//! What the next run could do better, by the numbers of this one: whether several calls in one request would pay.
//!
//! Pure. A service that takes a price for each request makes short calls cost mostly that; `.batch(n)` shares it between
//! n calls. Advice is given where it saves a tenth of the sum or more, and never for calls that are long enough.

use super::text::Usd;
use crate::record::Summary;

/// The unit of metrics that are paid for by request, as price tables have it.
const REQUEST: &str = "request";

/// Work in one request at most: what is lost with a worker, and what others wait for at the end of a run.
const MOST_WORK_US: f64 = 1e6;

/// Requests that each place should have had in such a run, at least: with fewer, batches leave places idle.
const LEAST_ROUNDS: u64 = 8;

/// What has to be saved, as a share of the whole cost.
const LEAST_SHARE: f64 = 0.1;

/// Batching would have paid.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub(super) struct Batching {
    /// Calls in a request.
    pub(super) batch: u64,
    /// What they would have saved in this run, in US dollars.
    pub(super) saves_usd: f64,
    /// As a share of the run's cost, 0 to 1.
    pub(super) share: f64,
}

/// Whether batching would have paid in this run. What it saves in time comes on top.
pub(super) fn batching(summary: &Summary) -> Option<Batching> {
    let (mut runs, mut sum_us) = (0, 0);
    for function in &summary.functions {
        runs = u64::saturating_add(runs, function.phases.run.count);
        sum_us = u64::saturating_add(sum_us, function.phases.run.sum_us);
    }
    let requests: f64 = summary.cost.iter().filter(|line| line.unit == REQUEST).map(|line| line.usd).sum();
    let total: f64 = summary.cost.iter().map(|line| line.usd).sum();
    if runs == 0 || total <= 0.0 {
        return None;
    }
    let mean_us = sum_us as f64 / runs as f64;
    let (batched, places) = (summary.header.batch.max(1), summary.header.concurrency.max(1));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of calls, rounded down")]
    let by_time = (MOST_WORK_US / mean_us.max(1.0)) as u64;
    let batch = by_time.min(summary.header.max_batch).min(runs / places / LEAST_ROUNDS);
    if batch < batched.saturating_mul(2) {
        return None;
    }
    let saves_usd = requests * (1.0 - batched as f64 / batch as f64);
    let share = saves_usd / total;
    (share >= LEAST_SHARE).then_some(Batching { batch, saves_usd, share })
}

impl Batching {
    /// The advice as a paragraph.
    pub(super) fn html(self) -> String {
        let Self { batch, saves_usd, share } = self;
        format!(
            "<p class=\"advice\"><strong>Batching would pay.</strong> These calls are short, and most of their cost is the \
             price of requests: <code>.batch({batch})</code> would have saved about {} ({:.0}\u{a0}%).</p>\n",
            Usd(saves_usd),
            share * 100.0
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Cost, Function, Header, Phases, Spread};

    /// A run of so many calls of so many microseconds on Lambda, at 0.20 USD a million requests.
    fn run(calls: u64, us: u64, batch: u64, max_batch: u64) -> Summary {
        let mut summary = Summary::new(Header { batch, max_batch, concurrency: 100, ..Header::default() });
        let mut run = Spread::default();
        for _ in 0..calls {
            run.record(us);
        }
        let phases = Phases { run, ..Phases::default() };
        summary.functions.push(Function { phases, ..Function::default() });
        let line = |unit: &str, usd: f64| Cost {
            metric: unit.into(),
            unit: unit.into(),
            unit_usd: usd,
            amount: 1.0,
            measured: true,
            usd,
            note: String::new(),
        };
        let seconds = calls as f64 * us as f64 / 1e6;
        summary.cost = vec![line(REQUEST, calls as f64 / batch as f64 * 2e-7), line("GB-second", seconds * 2.88e-5)];
        summary
    }

    #[test]
    fn short_calls_would_pay_less_in_batches() {
        let advice = batching(&run(100_000, 1000, 1, 100)).unwrap();
        assert_eq!(advice.batch, 100);
        assert!((advice.saves_usd - 0.02 * 0.99).abs() < 1e-9, "{advice:?}");
        assert!((0.8..0.9).contains(&advice.share), "{advice:?}");
        assert!(advice.html().contains(".batch(100)"), "{}", advice.html());
    }

    #[test]
    fn long_calls_a_provider_without_batches_and_a_run_in_batches_get_no_advice() {
        assert_eq!(batching(&run(100_000, 200_000, 1, 100)), None, "requests are a small part");
        assert_eq!(batching(&run(100_000, 1000, 1, 1)), None, "nothing to set");
        assert_eq!(batching(&run(100_000, 1000, 100, 100)), None, "it is set");
        assert_eq!(batching(&run(100, 1000, 1, 100)), None, "every call has a place of its own");
        assert_eq!(batching(&Summary::default()), None, "nothing ran");
    }

    #[test]
    fn a_batch_leaves_each_place_some_rounds() {
        assert_eq!(batching(&run(10_000, 1000, 1, 100)).unwrap().batch, 12);
    }
}
