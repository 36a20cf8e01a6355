//! Quotes: the first calls of a map are run, and say what the rest will take; then the map goes on, or it does not.

use std::fmt;
use std::task::{Context, Poll};
use std::time::Duration;

use super::Cloud;
use super::estimate::{self, Estimate, Places, Sample};
use super::map::Map;
use super::source::{Source, exact};
use crate::call::Call;
use crate::dispatch::Settled;
use crate::error::{Error, ErrorKind, Result};
use crate::stats::fitting_memory_mb;

/// A map whose first calls have been run; see [`Cloud::quote`]. Dropping it leaves the rest undone.
///
/// ```
/// # mod square { pub use faast_testkit::probe::identity as call; }
/// # async fn example(cloud: faast_core::Cloud) -> faast_core::Result<()> {
/// let quote = cloud.quote((0..10_000_u64).map(square::call), 30).await?;
/// println!("{}", quote.estimate());
/// if quote.estimate().cost_usd.high < 5.0 {
///     let squares = quote.go().try_collect().await?;
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "the calls that are left are not sent until `go()`"]
pub struct Quote<I, T> {
    estimate: Estimate,
    map: Map<Sampled<I>, T>,
}

impl<I, T> Quote<I, T>
where
    I: Iterator<Item = Call<T>>,
{
    /// What the whole map will take.
    pub fn estimate(&self) -> &Estimate {
        &self.estimate
    }

    /// Goes on.
    ///
    /// The map gives the results of all calls; those of the sample come first, and are not run again.
    pub fn go(mut self) -> Map<Sampled<I>, T> {
        if let Some(source) = self.map.source_mut() {
            source.allowed = usize::MAX;
        }
        self.map
    }

    pub(super) async fn new(cloud: &Cloud, calls: I, sample: usize) -> Result<Self> {
        let Some(all) = exact(calls.size_hint()) else {
            return Err(Error::new(ErrorKind::Config, "a quote has to know how many calls there are")
                .with_hint("give it a list, or an iterator that knows its length"));
        };
        let mut map = Map::new(cloud.clone(), Sampled { calls, allowed: sample.max(1) });
        map.want_reports();
        std::future::poll_fn(|cx| poll_gathered(&mut map, cx, sample.max(1))).await;
        let mut samples = Vec::new();
        let mut failed = 0;
        for Settled { result, report, .. } in map.gathered() {
            match (result, report) {
                (Ok(_), Some(report)) => {
                    samples.push(Sample { held: report.total.saturating_sub(report.queued), usd: report.cost_usd });
                }
                _ => failed += 1,
            }
        }
        if samples.is_empty()
            && let Some(error) = map.first_error()
        {
            return Err(error);
        }
        if samples.is_empty() {
            // There are no calls at all.
            samples.push(Sample { held: Duration::ZERO, usd: 0.0 });
        }
        let estimate = estimate::estimate(all, &samples, failed, &places(cloud));
        let peak_memory = cloud.stats().functions.iter().filter_map(crate::FunctionStats::peak_memory).max();
        let fitting_memory_mb = peak_memory.map(fitting_memory_mb);
        Ok(Self { estimate: Estimate { peak_memory, fitting_memory_mb, ..estimate }, map })
    }
}

fn places(cloud: &Cloud) -> Places {
    let limits = cloud.0.function.limits();
    let (most, rate) = cloud.0.dispatcher.with_state(|state| state.places());
    Places {
        most,
        is_quota: limits.concurrency.is_some_and(|quota| quota < cloud.0.concurrency),
        ramp: limits.ramp,
        rate,
    }
}

impl<I, T> fmt::Debug for Quote<I, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quote").field("estimate", &self.estimate).finish_non_exhaustive()
    }
}

/// Calls of which so many may be pulled.
pub struct Sampled<I> {
    calls: I,
    allowed: usize,
}

impl<I> fmt::Debug for Sampled<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sampled")
    }
}

impl<I: Iterator> Source for Sampled<I> {
    type Call = I::Item;

    fn poll_call(&mut self, _: &mut Context<'_>) -> Poll<Option<I::Item>> {
        if self.allowed == 0 && self.left() != Some(0) {
            // Whoever allows for more polls again.
            return Poll::Pending;
        }
        self.allowed = self.allowed.saturating_sub(1);
        Poll::Ready(self.calls.next())
    }

    fn left(&self) -> Option<u64> {
        exact(self.calls.size_hint())
    }
}

/// Waits until so many calls of a map have ended, or all; their results stay in the map.
fn poll_gathered<S, T>(map: &mut Map<S, T>, cx: &mut Context<'_>, wanted: usize) -> Poll<()>
where
    S: Source<Call = Call<T>>,
{
    loop {
        let arrived = map.gather();
        let exhausted = map.pull(cx);
        if map.gathered().count() >= wanted || exhausted && map.is_all_gathered() {
            return Poll::Ready(());
        }
        if !arrived && !map.is_woken(cx) {
            return Poll::Pending;
        }
    }
}
