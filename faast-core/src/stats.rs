//! Statistics: counters of a deployment, and latency histograms of its functions in constant memory.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::cost::CostReport;
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
    pub(crate) replayed: u64,
    pub(crate) max_in_flight: u64,
}

/// What a deployment does at one moment, without its functions: for those who look often.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) counters: Counters,
    /// Requests that may be in flight at once, now.
    pub(crate) limit: u64,
    pub(crate) in_flight: u64,
    pub(crate) queued: u64,
    pub(crate) cost: CostReport,
}

/// A deployment's numbers at one moment.
///
/// ```
/// # async fn example(cloud: faast_core::Cloud) {
/// let stats = cloud.stats();
/// println!("{} of {} done, {} on their way", stats.completed, stats.submitted, stats.in_flight);
/// for function in &stats.functions {
///     println!("{}: {:?} at the median", function.name(), function.quantile(0.5));
/// }
/// # }
/// ```
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
    /// Results that came from a journal; their calls were not submitted.
    pub replayed: u64,
    /// Requests in flight now.
    pub in_flight: u64,
    /// Those of them that nobody waits for any more and that can't be ended: they run on, and cost.
    pub abandoned: u64,
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
            replayed: counters.replayed,
            in_flight: in_flight as u64,
            abandoned: 0,
            max_in_flight: counters.max_in_flight,
            queued: queued as u64,
            functions,
        }
    }
}

/// The `memory_mb` that a peak of so many bytes fits into: a quarter more, in whole 64 MiB, and no less than 128.
pub(crate) fn fitting_memory_mb(peak: u64) -> u32 {
    const STEP: u64 = 64 << 20;
    let mebibytes = (peak + peak / 4).div_ceil(STEP) * 64;
    u32::try_from(mebibytes.max(128)).unwrap_or(u32::MAX)
}

/// Running times of one function, as its workers measured them.
#[derive(Clone)]
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

    /// Peak resident memory of a worker during a call, in bytes; `None` if that was never measured.
    ///
    /// Calls below a millisecond are not looked at. Where the platform measures it, as on AWS, and with functions on
    /// threads of the client, it is the highest since the worker started, whatever ran there.
    pub fn peak_memory(&self) -> Option<u64> {
        self.peak_memory
    }

    /// The [`memory_mb`](crate::Builder::memory_mb) that this function needs, by its peak so far.
    ///
    /// A quarter is to spare, in steps of 64 MiB. Where memory brings processor time, as on AWS, more may be faster,
    /// and less dear.
    pub fn fitting_memory_mb(&self) -> Option<u32> {
        self.peak_memory.map(fitting_memory_mb)
    }
}

/// What it says, and not the thousands of numbers behind that.
impl fmt::Debug for FunctionStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FunctionStats")
            .field("name", &self.name)
            .field("calls", &self.calls())
            .field("mean", &self.mean())
            .field("max", &self.max())
            .field("peak_memory", &self.peak_memory)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_function_took_is_said_in_a_line() {
        let mut stats = FunctionStats::new("job");
        stats.record(&Metering { duration: Duration::from_micros(100), ..Metering::default() });
        let said = format!("{stats:?}");
        assert_eq!(said, "FunctionStats { name: \"job\", calls: 1, mean: 100µs, max: 100µs, peak_memory: None, .. }");
    }

    #[test]
    fn the_memory_that_fits_is_a_quarter_above_the_peak() {
        let fits = |mebibytes: u64| fitting_memory_mb(mebibytes << 20);
        assert_eq!([1, 100, 103, 512, 1000].map(fits), [128, 128, 192, 640, 1280]);
        let mut stats = FunctionStats::new("f");
        assert_eq!(stats.fitting_memory_mb(), None);
        stats.record(&Metering { peak_memory: Some(200 << 20), ..Metering::default() });
        assert_eq!(stats.fitting_memory_mb(), Some(256));
    }

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
