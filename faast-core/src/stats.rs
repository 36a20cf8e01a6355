//! Statistics: counters of a deployment, and latency histograms of its functions in constant memory.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::provider::Metering;

/// What the dispatcher counts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counters {
    pub(crate) submitted: u64,
    pub(crate) completed: u64,
    pub(crate) failed: u64,
    pub(crate) canceled: u64,
    pub(crate) retried: u64,
    pub(crate) hedged: u64,
    pub(crate) duplicates: u64,
    pub(crate) throttled: u64,
    pub(crate) max_in_flight: u64,
}

/// A deployment's numbers at one moment.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Stats {
    /// Calls that were submitted.
    pub submitted: u64,
    /// Calls that gave a value.
    pub completed: u64,
    /// Calls that ended with an error.
    pub failed: u64,
    /// Calls whose caller gave up.
    pub canceled: u64,
    /// Attempts after the first.
    pub retried: u64,
    /// Calls that were sent a second time because they were slow.
    pub hedged: u64,
    /// Answers that came after another answer to the same call.
    pub duplicates: u64,
    /// Requests that the service refused because of its limits.
    pub throttled: u64,
    /// Requests in flight now.
    pub in_flight: u64,
    /// Requests in flight at most so far.
    pub max_in_flight: u64,
    /// Calls that wait for admission or for their retry.
    pub queued: u64,
    /// Each function's running times, in the order of first use.
    pub functions: Vec<FunctionStats>,
}

impl Stats {
    pub(crate) fn new(counters: &Counters, in_flight: usize, queued: usize, functions: Vec<FunctionStats>) -> Self {
        Self {
            submitted: counters.submitted,
            completed: counters.completed,
            failed: counters.failed,
            canceled: counters.canceled,
            retried: counters.retried,
            hedged: counters.hedged,
            duplicates: counters.duplicates,
            throttled: counters.throttled,
            in_flight: in_flight as u64,
            max_in_flight: counters.max_in_flight,
            queued: queued as u64,
            functions,
        }
    }
}

/// Running times of one function, as its workers measured them.
#[derive(Debug, Clone)]
pub struct FunctionStats {
    name: &'static str,
    /// In microseconds, with two significant digits.
    micros: Histogram<u64>,
    peak_memory: Option<u64>,
}

impl FunctionStats {
    pub(crate) fn new(name: &'static str) -> Self {
        // Two digits are a legal precision, and the histogram grows as values come.
        let micros = Histogram::new(2).unwrap_or_else(|_| unreachable!("two significant digits are legal"));
        Self { name, micros, peak_memory: None }
    }

    pub(crate) fn record(&mut self, metering: &Metering) {
        let micros = u64::try_from(metering.duration.as_micros()).unwrap_or(u64::MAX);
        // It grows as needed; a value beyond 64 bits does not exist.
        let _ = self.micros.record(micros);
        self.peak_memory = self.peak_memory.max(metering.peak_memory);
    }

    /// The registered name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Attempts that were answered.
    pub fn calls(&self) -> u64 {
        self.micros.len()
    }

    /// The running time that a share of the calls (0 to 1) did not exceed.
    pub fn quantile(&self, share: f64) -> Duration {
        Duration::from_micros(self.micros.value_at_quantile(share))
    }

    /// The mean running time.
    pub fn mean(&self) -> Duration {
        Duration::from_secs_f64(self.micros.mean() / 1e6)
    }

    /// The longest running time.
    pub fn max(&self) -> Duration {
        Duration::from_micros(self.micros.max())
    }

    /// Peak resident memory of a worker after a call of at least a millisecond, in bytes; `None` if there was none.
    pub fn peak_memory(&self) -> Option<u64> {
        self.peak_memory
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_come_from_what_was_recorded() {
        let mut stats = FunctionStats::new("f");
        for millis in 1..=100 {
            stats.record(&Metering { duration: Duration::from_millis(millis), ..Metering::default() });
        }
        let median = stats.quantile(0.5).as_millis();
        assert!((49..=51).contains(&median), "{median}");
        assert_eq!((stats.calls(), stats.max().as_millis()), (100, 100));
    }
}
