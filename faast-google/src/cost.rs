//! What calls cost: quantities of each request, rounded as Google rounds them.
//!
//! No answer of Google's says what was billed, so that times are a worker's own or this side's, and estimates; counts are
//! measured. Time is billed for a whole request in steps of 100 ms, the start of an instance included, and a worker tells
//! each call's share of it: the sum is rounded, never a share.

mod list;
mod prices;

use std::time::Duration;

use faast_core::cost::{Quantity, Usage};
pub(crate) use faast_core::cost::{STORAGE, STORAGE_READS, STORAGE_WRITES, TRANSFER_OUT};
use faast_core::provider::{Metering, Mode};

pub(crate) use self::prices::prices;
use crate::check::Size;
use crate::invoke::Plan;
use crate::queue::{DELIVERIES, message as wire};

/// Seconds of a processor.
pub(crate) const CPU: &str = "vCPU";
/// GiB-seconds of memory.
pub(crate) const MEMORY: &str = "memory";
/// Requests to the service.
pub(crate) const REQUESTS: &str = "requests";
/// GiB through Pub/Sub: published, and delivered.
pub(crate) const MESSAGES: &str = "messages";
/// GiB-months of the image.
pub(crate) const IMAGE: &str = "image";

/// Bytes of a GiB.
pub(crate) const GIB: f64 = 1024.0 * 1024.0 * 1024.0;

/// The step in which time is billed.
const STEP: Duration = Duration::from_millis(100);

/// Bytes of an answer's headers.
const HEADERS: usize = 512;

/// Bytes that a request of Pub/Sub is billed as at least, whichever way its messages go.
const LEAST_PASSED: usize = 1000;

/// The meter of one service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meter {
    cpu: f64,
    memory_gib: f64,
}

impl Meter {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self::of(Size { cpu: plan.cpu, memory_mb: plan.memory_mb })
    }

    /// That of a service with workers of this size.
    pub(crate) fn of(size: Size) -> Self {
        Self { cpu: size.cpu, memory_gib: f64::from(size.memory_mb) / 1024.0 }
    }

    /// What one call costs at the very most: the whole time of its time-out, a start, and the largest answer that is no
    /// exception; a result that is spilled, by a worker that makes the bucket first.
    pub(crate) fn worst_case(self, mode: Mode, timeout: Duration) -> Usage {
        /// An instance of faast's image listens within a second; this is the platform's doing, on a bad day.
        const START: Duration = Duration::from_secs(10);
        const LARGEST_ANSWER: usize = 32 << 20;
        // Pub/Sub delivers a request again whose worker has ended.
        let runs = if mode == Mode::Queue { DELIVERIES } else { 1 };
        let mut worst = Vec::new();
        for _ in 0..runs {
            worst.extend(self.request().add(timeout + START, LARGEST_ANSWER));
            worst.extend([quantity(STORAGE_WRITES, 2.0, false), quantity(STORAGE_READS, 2.0, false)]);
        }
        if mode == Mode::Queue {
            worst.push(worst_messages(wire::MOST, DELIVERIES));
        }
        worst.into_iter().collect()
    }

    /// What a call that ran for so long somewhere else would use here.
    pub(crate) fn elsewhere(self, mode: Mode, ran: Duration) -> Usage {
        let mut usage = self.request().add(ran, 0);
        if mode == Mode::Queue {
            // Its request, and the words that it starts and has ended, each published and delivered.
            usage.extend((0..6).map(|_| passed(0)));
        }
        usage.into_iter().collect()
    }

    /// The bill of a request that begins.
    pub(crate) fn request(self) -> Bill {
        Bill { meter: self, time: Duration::ZERO, counted: false }
    }
}

/// The bill of one request, as its calls end.
#[derive(Debug)]
pub(crate) struct Bill {
    meter: Meter,
    /// What its calls have taken so far, exactly.
    time: Duration,
    /// The request itself is on the bill.
    counted: bool,
}

impl Bill {
    /// Adds to what a worker measured of a call what it costs; `bytes` came with it.
    pub(crate) fn done(&mut self, metering: &mut Metering, bytes: usize) {
        // Whatever the worker takes for billed is no figure of the platform's.
        let share = metering.billed.take().unwrap_or(metering.duration);
        metering.quantities.extend(self.add(share, bytes));
    }

    /// The end of a request that gave no answer to a call, so long after it was sent.
    pub(crate) fn failed(&mut self, waited: Duration, bytes: usize) -> Metering {
        let duration = waited.saturating_sub(self.time);
        Metering { duration, quantities: self.add(duration, bytes), ..Metering::default() }
    }

    fn add(&mut self, share: Duration, bytes: usize) -> Vec<Quantity> {
        let before = if self.counted { rounded(self.time) } else { Duration::ZERO };
        self.time += share;
        let seconds = rounded(self.time).saturating_sub(before).as_secs_f64();
        let requests = if std::mem::replace(&mut self.counted, true) { 0.0 } else { 1.0 };
        let headers = if requests > 0.0 { HEADERS } else { 0 };
        let quantities = [
            (CPU, seconds * self.meter.cpu, false),
            (MEMORY, seconds * self.meter.memory_gib, false),
            (REQUESTS, requests, true),
            (TRANSFER_OUT, (bytes + headers) as f64 / GIB, false),
        ];
        let quantity = |(metric, amount, measured): (&'static str, f64, bool)| quantity(metric, amount, measured);
        quantities.into_iter().filter(|(_, amount, _)| *amount > 0.0).map(quantity).collect()
    }
}

/// An instance that runs is billed for a step at least.
fn rounded(time: Duration) -> Duration {
    let steps = time.as_nanos().div_ceil(STEP.as_nanos()).max(1);
    STEP * u32::try_from(steps).unwrap_or(u32::MAX)
}

pub(crate) fn quantity(metric: &'static str, amount: f64, measured: bool) -> Quantity {
    Quantity { metric: metric.into(), amount, measured }
}

/// What a request to Pub/Sub costs that has so many bytes of messages, or one of Pub/Sub's: publishing, pulling, pushing.
pub(crate) fn passed(bytes: usize) -> Quantity {
    quantity(MESSAGES, bytes.max(LEAST_PASSED) as f64 / GIB, false)
}

/// What messages cost for one call at the very most: the largest request, and the largest answer to each of its deliveries,
/// which is delivered as often.
fn worst_messages(most: usize, deliveries: u32) -> Quantity {
    let deliveries = f64::from(deliveries);
    quantity(MESSAGES, passed(most).amount * (1.0 + deliveries + deliveries * (1.0 + deliveries)), false)
}

#[cfg(test)]
mod tests {
    use faast_core::provider::Runtime;

    use super::*;

    fn plan() -> Plan {
        let runtime = Runtime::start().unwrap();
        Plan { concurrency: 1, timeout: Duration::from_mins(1), memory_mb: 2048, cpu: 0.5, runtime }
    }

    fn done(bill: &mut Bill, ms: u64) -> Metering {
        let billed = Some(Duration::from_millis(ms));
        let mut metering = Metering { duration: Duration::from_millis(1), billed, ..Metering::default() };
        bill.done(&mut metering, 0);
        metering
    }

    fn sum<'a>(meterings: impl IntoIterator<Item = &'a Metering>) -> Usage {
        meterings.into_iter().flat_map(|it| it.quantities.iter().cloned()).collect()
    }

    fn used(usage: &Usage, metric: &str) -> f64 {
        usage.quantities().find(|it| it.metric == metric).map_or(0.0, |it| it.amount)
    }

    fn is(got: f64, by_hand: f64) {
        assert!((got - by_hand).abs() < 1e-12, "{got} is not {by_hand}");
    }

    #[test]
    fn time_is_billed_in_steps_of_100_ms_of_the_whole_request() {
        let meter = Meter::new(&plan());
        for (shares, steps) in
            [(&[1_u64][..], 1), (&[100], 1), (&[101], 2), (&[30, 30, 30], 1), (&[60, 60, 60], 2), (&[0], 1)]
        {
            let mut bill = meter.request();
            let usage = sum(&shares.iter().map(|ms| done(&mut bill, *ms)).collect::<Vec<_>>());
            is(used(&usage, CPU), f64::from(steps) * 0.1 * 0.5);
            is(used(&usage, MEMORY), f64::from(steps) * 0.1 * 2.0);
            is(used(&usage, REQUESTS), 1.0);
        }
    }

    #[test]
    fn counts_are_measured_and_times_are_estimates() {
        let metering = done(&mut Meter::new(&plan()).request(), 10);
        assert_eq!(metering.billed, None, "the platform says nothing");
        let measured = |metric: &str| metering.quantities.iter().find(|it| it.metric == metric).unwrap().measured;
        assert!(measured(REQUESTS) && !measured(CPU) && !measured(MEMORY) && !measured(TRANSFER_OUT));
    }

    #[test]
    fn a_request_that_breaks_off_is_billed_for_as_long_as_it_was_waited_for() {
        let mut bill = Meter::new(&plan()).request();
        let first = done(&mut bill, 150);
        let failed = bill.failed(Duration::from_millis(450), 0);
        assert_eq!(failed.duration, Duration::from_millis(300));
        let usage = sum([&first, &failed]);
        is(used(&usage, CPU), 0.5 * 0.5);
        is(used(&usage, REQUESTS), 1.0);
    }

    #[test]
    fn a_request_with_small_messages_is_billed_as_a_thousand_bytes() {
        is(passed(10).amount, 1000.0 / GIB);
        is(passed(5000).amount, 5000.0 / GIB);
    }

    #[test]
    fn the_worst_case_is_above_every_real_one() {
        let plan = plan();
        let worst = Meter::new(&plan).worst_case(Mode::Https, Duration::from_mins(1));
        let real = Meter::new(&plan).request().failed(Duration::from_mins(1), 30_000_000);
        for quantity in real.quantities {
            assert!(quantity.amount <= used(&worst, &quantity.metric), "{quantity:?}");
        }
        let queued = Meter::new(&plan).worst_case(Mode::Queue, Duration::from_mins(1));
        is(used(&queued, REQUESTS), 5.0);
        is(used(&queued, CPU), 5.0 * used(&worst, CPU));
        // Published, and delivered five times; so is each of the five answers.
        is(worst_messages(1000, 5).amount, 36_000.0 / GIB);
    }

    /// By hand: a million calls of a second with one processor and 1 GiB are 24.00 + 2.50 + 0.40 dollars.
    #[test]
    fn a_bill_is_the_one_computed_by_hand() {
        let plan = Plan { memory_mb: 1024, cpu: 1.0, ..plan() };
        let usage = sum([&done(&mut Meter::new(&plan).request(), 1000)]);
        let usd =
            used(&usage, CPU) * 0.000_024 + used(&usage, MEMORY) * 0.000_002_5 + used(&usage, REQUESTS) * 0.000_000_4;
        is(usd * 1e6, 26.9);
    }
}
