//! What calls cost: quantities of each execution, and the price of each quantity.
//!
//! Duration is what the platform billed, to the millisecond, where its report came with the answer; else it is this
//! side's clock, and marked as an estimate. Prices are in `cost/prices.rs`.

mod list;
mod prices;

use std::time::Duration;

use faast_core::Arch;
use faast_core::cost::{Quantity, Usage};
pub(crate) use faast_core::cost::{STORAGE, STORAGE_READS, STORAGE_WRITES, TRANSFER_OUT};
use faast_core::provider::{DeploySpec, Metering, Mode};

pub use self::prices::prices;
use crate::config::Settings;
use crate::deploy;
use crate::invoke::Plan;
use crate::lambda::{FREE_STORAGE_MB, ONE_VCPU_MB};
use crate::log_tail::Report;

/// GB-seconds of memory on x86-64.
pub(crate) const DURATION: &str = "duration";
/// GB-seconds of memory on arm64, which have another price.
pub(crate) const DURATION_ARM: &str = "duration (arm64)";
/// Requests.
pub(crate) const REQUESTS: &str = "requests";
/// GB-seconds of `/tmp` above what is free.
pub(crate) const EPHEMERAL_STORAGE: &str = "ephemeral storage";
/// Requests of the queue with the answers, of 64 KB each.
pub(crate) const QUEUE: &str = "queue";

/// Bytes of an answer's headers, most of which are the log's tail.
const HEADERS: usize = 6 * 1024;

/// Makes quantities of executions of one function.
#[derive(Debug, Clone)]
pub(crate) struct Meter {
    duration: &'static str,
    memory_gb: f64,
    ephemeral_gb: f64,
}

impl Meter {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self::sized(plan.arch, plan.memory_mb, plan.ephemeral_mb)
    }

    /// Of what would be deployed.
    pub(crate) fn planned(settings: &Settings, spec: &DeploySpec) -> Self {
        Self::sized(
            deploy::arch(spec),
            spec.memory_mb.unwrap_or(ONE_VCPU_MB),
            settings.ephemeral_storage_mb.unwrap_or(FREE_STORAGE_MB),
        )
    }

    fn sized(arch: Arch, memory_mb: u32, ephemeral_mb: u32) -> Self {
        Self {
            duration: if arch == Arch::Arm64 { DURATION_ARM } else { DURATION },
            memory_gb: f64::from(memory_mb) / 1024.0,
            ephemeral_gb: f64::from(ephemeral_mb.saturating_sub(FREE_STORAGE_MB)) / 1024.0,
        }
    }

    /// What a call that ran for so long on another machine would use, with an answer of no size. In queue mode its record
    /// is written, and ten of them are received and deleted together.
    pub(crate) fn elsewhere(&self, mode: Mode, ran: Duration) -> Usage {
        let mut used: Usage = self.quantities(ceil_ms(ran), false, 0).into_iter().collect();
        if mode == Mode::Queue {
            used.add(Quantity { metric: QUEUE.into(), amount: 1.2, measured: false });
        }
        used
    }

    /// What one call uses at the very most: the whole time of the function, a start, and the largest answer.
    pub(crate) fn worst_case(&self, mode: Mode, timeout: Duration) -> Usage {
        /// Initialization is billed as well, and ends after so long.
        const INIT: Duration = Duration::from_secs(10);
        const LARGEST_ANSWER: usize = 6 * 1024 * 1024;
        let quantity = |metric: &'static str, amount| Quantity { metric: metric.into(), amount, measured: false };
        let mut worst: Usage = self.quantities(timeout + INIT, false, LARGEST_ANSWER).into_iter().collect();
        // A result that is spilled, by a worker that makes the bucket first.
        worst.add(quantity(STORAGE_WRITES, 2.0));
        worst.add(quantity(STORAGE_READS, 2.0));
        if mode == Mode::Queue {
            // The largest record is written, read and deleted.
            worst.add(quantity(QUEUE, 4.0 + 4.0 + 1.0));
        }
        worst
    }

    /// Adds the platform's own figures to what a worker measured.
    pub(crate) fn bill(&self, metering: &mut Metering, report: Option<&Report>, bytes: usize) {
        let Some(report) = report else {
            // What the worker took for billed, its start included, is no figure of the platform's.
            let billed = metering.billed.take().unwrap_or(metering.duration);
            metering.quantities.extend(self.quantities(ceil_ms(billed), false, bytes));
            return;
        };
        metering.billed = Some(report.billed);
        if let Some(mb) = report.max_memory_mb {
            metering.peak_memory = Some(mb << 20);
        }
        metering.quantities.extend(self.quantities(report.billed, true, bytes));
    }

    /// An execution that failed: as reported, else as long as this side waited for it.
    pub(crate) fn of_failure(&self, report: Option<&Report>, waited: Duration, bytes: usize) -> Metering {
        let duration = report.map_or(waited, |report| report.duration);
        let mut metering = Metering { duration, ..Metering::default() };
        self.bill(&mut metering, report, bytes);
        metering
    }

    /// An execution whose end nobody has seen.
    pub(crate) fn estimate(&self, waited: Duration) -> Metering {
        self.of_failure(None, waited, 0)
    }

    fn quantities(&self, billed: Duration, measured: bool, bytes: usize) -> Vec<Quantity> {
        let seconds = billed.as_secs_f64();
        let quantity = |metric: &'static str, amount, measured| Quantity { metric: metric.into(), amount, measured };
        let mut quantities = Vec::with_capacity(4);
        quantities.push(quantity(self.duration, seconds * self.memory_gb, measured));
        quantities.push(quantity(REQUESTS, 1.0, true));
        if self.ephemeral_gb > 0.0 {
            quantities.push(quantity(EPHEMERAL_STORAGE, seconds * self.ephemeral_gb, measured));
        }
        quantities.push(quantity(TRANSFER_OUT, (bytes + HEADERS) as f64 / f64::from(1 << 30), false));
        quantities
    }
}

/// Time is billed by the millisecond, rounded up.
fn ceil_ms(duration: Duration) -> Duration {
    let ms = duration.as_nanos().div_ceil(1_000_000);
    Duration::from_millis(ms.try_into().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use faast_core::provider::Runtime;

    use super::*;

    fn plan(arch: Arch, ephemeral_mb: u32) -> Plan {
        let timeout = Duration::from_mins(1);
        Plan { concurrency: 1, timeout, memory_mb: 2048, ephemeral_mb, arch, runtime: Runtime::start().unwrap() }
    }

    fn report(billed: u64) -> Report {
        Report {
            duration: Duration::from_micros(1440),
            billed: Duration::from_millis(billed),
            memory_mb: Some(2048),
            max_memory_mb: Some(15),
        }
    }

    fn used(metering: &Metering, metric: &str) -> Option<(f64, bool)> {
        metering.quantities.iter().find(|it| it.metric == metric).map(|it| (it.amount, it.measured))
    }

    #[test]
    fn the_platforms_figures_replace_the_workers() {
        let mut metering =
            Metering { duration: Duration::from_micros(900), peak_memory: Some(1), ..Metering::default() };
        Meter::new(&plan(Arch::X86_64, 512)).bill(&mut metering, Some(&report(20)), 1000);
        assert_eq!(metering.billed, Some(Duration::from_millis(20)));
        assert_eq!(metering.peak_memory, Some(15 << 20));
        assert_eq!(used(&metering, DURATION), Some((0.04, true)));
        assert_eq!(used(&metering, REQUESTS), Some((1.0, true)));
        assert_eq!(used(&metering, EPHEMERAL_STORAGE), None);
        assert!(used(&metering, TRANSFER_OUT).is_some_and(|(gb, measured)| gb > 0.0 && !measured));
        assert_eq!(metering.duration, Duration::from_micros(900), "the worker's own time is kept");
    }

    #[test]
    fn without_a_report_the_clock_is_rounded_up_and_an_estimate() {
        let mut metering = Metering { duration: Duration::from_micros(2001), ..Metering::default() };
        Meter::new(&plan(Arch::X86_64, 512)).bill(&mut metering, None, 0);
        assert_eq!((metering.billed, used(&metering, DURATION)), (None, Some((0.006, false))));
        // A worker adds its start to its first answer.
        metering = Metering { billed: Some(Duration::from_millis(20)), ..Metering::default() };
        Meter::new(&plan(Arch::X86_64, 512)).bill(&mut metering, None, 0);
        assert_eq!((metering.billed, used(&metering, DURATION)), (None, Some((0.04, false))));
    }

    #[test]
    fn arm_and_large_tmp_have_metrics_of_their_own() {
        let metering = Meter::new(&plan(Arch::Arm64, 1536)).of_failure(Some(&report(1000)), Duration::ZERO, 0);
        assert_eq!(used(&metering, DURATION), None);
        assert_eq!(used(&metering, DURATION_ARM), Some((2.0, true)));
        assert_eq!(used(&metering, EPHEMERAL_STORAGE), Some((1.0, true)));
    }

    #[test]
    fn the_worst_case_is_above_every_real_one() {
        let plan = plan(Arch::X86_64, 10_240);
        let worst: Vec<_> = Meter::new(&plan).worst_case(Mode::Https, Duration::from_mins(1)).quantities().collect();
        let real = Meter::new(&plan).of_failure(Some(&report(60_000)), Duration::ZERO, 6_000_000);
        for quantity in real.quantities {
            let at_most = worst.iter().find(|it| it.metric == quantity.metric).unwrap();
            assert!(quantity.amount <= at_most.amount, "{quantity:?} {at_most:?}");
        }
    }

    /// By hand: the amount times the price of us-east-1, for each metric that there is.
    #[test]
    fn each_metric_costs_what_a_hand_computes() {
        let by_hand = [
            (DURATION, 1000.0, 0.016_666_7),
            (DURATION_ARM, 1000.0, 0.013_333_4),
            (REQUESTS, 1_000_000.0, 0.2),
            (EPHEMERAL_STORAGE, 1_000_000.0, 0.0309),
            (QUEUE, 1_000_000.0, 0.4),
            (TRANSFER_OUT, 10.0, 0.9),
            (STORAGE_WRITES, 1000.0, 0.005),
            (STORAGE_READS, 10_000.0, 0.004),
            (STORAGE, 100.0, 2.3),
        ];
        let prices = prices::table("us-east-1", &std::collections::BTreeMap::new());
        let used = by_hand.map(|(metric, amount, _)| Quantity { metric: metric.into(), amount, measured: true });
        let report = prices.report(&used.into_iter().collect());
        for (metric, _, usd) in by_hand {
            let line = report.lines.iter().find(|line| line.metric == metric).unwrap();
            assert!((line.cost_usd - usd).abs() < 1e-12, "{metric}: {} is not {usd}", line.cost_usd);
        }
        assert_eq!((report.lines.len(), prices.prices.len()), (by_hand.len(), by_hand.len()));
        assert!((report.total_usd() - 3.869_900_1).abs() < 1e-9, "{report}");
    }

    /// By hand: 20, 1,000 and 3 ms with 2 GB are 2.046 GB-seconds. Three answers are 18,432 bytes of headers.
    #[test]
    fn a_bill_of_each_mode_is_the_one_computed_by_hand() {
        let meter = Meter::new(&plan(Arch::X86_64, 512));
        let run = |billed| meter.of_failure(Some(&report(billed)), Duration::ZERO, 0).quantities;
        let direct: Usage = [20, 1000, 3].into_iter().flat_map(run).collect();
        let prices = prices::table("us-east-1", &std::collections::BTreeMap::new());
        let line = |usage: &Usage, metric| {
            let report = prices.report(usage);
            report.lines.iter().find(|line| line.metric == metric).map(|line| line.cost_usd).unwrap()
        };
        let is = |got: f64, by_hand: f64| assert!((got - by_hand).abs() < 1e-15, "{got} is not {by_hand}");
        is(line(&direct, DURATION), 0.000_034_100_068_2);
        is(line(&direct, REQUESTS), 0.000_000_6);
        is(line(&direct, TRANSFER_OUT), 0.000_001_544_952_392_578);
        is(prices.total_usd(&direct), 0.000_036_245_020_592_578);

        // In queue mode, three records are written, one receipt brings them, and one request deletes them.
        let mut queued = direct;
        queued.add(Quantity { metric: QUEUE.into(), amount: 5.0, measured: true });
        is(line(&queued, QUEUE), 0.000_002);
        is(prices.total_usd(&queued), 0.000_038_245_020_592_578);
    }
}
