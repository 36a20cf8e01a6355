//! Which fault a request meets: rates, the seeded choice, and the count of what was chosen. Pure but for the count.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use faast_core::provider::{CallId, Event, Request};
use fastrand::Rng;

use super::lock;

/// Rates of faults, each the share of requests that meet it, and the seed that chooses them.
#[derive(Debug, Clone, PartialEq)]
pub struct Faults {
    seed: u64,
    rates: [(Fault, f64); 8],
    longest_delay: Duration,
}

/// What can happen to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Fault {
    /// It never arrives, and nothing is ever heard of it.
    LostRequest,
    /// It runs, and nothing is ever heard of it.
    LostAnswer,
    /// It is refused with 429 and does not run.
    Throttled,
    /// It is refused with 503 and does not run.
    Refused,
    /// It runs, and the connection breaks before the answer.
    Broken,
    /// The worker dies after it has started one of the calls.
    Death,
    /// Answers come twice.
    Duplicate,
    /// The answers wait.
    Delay,
}

impl Faults {
    /// No faults yet, and the seed that will choose them.
    pub fn seed(seed: u64) -> Self {
        use Fault::{Broken, Death, Delay, Duplicate, LostAnswer, LostRequest, Refused, Throttled};
        let all = [LostRequest, LostAnswer, Throttled, Refused, Broken, Death, Duplicate, Delay];
        Self { seed, rates: all.map(|fault| (fault, 0.0)), longest_delay: Duration::ZERO }
    }

    fn rate(mut self, fault: Fault, rate: f64) -> Self {
        for entry in &mut self.rates {
            if entry.0 == fault {
                entry.1 = rate;
            }
        }
        self
    }

    /// Requests that never arrive, and as many answers that never do: only the caller's clock ends them.
    #[must_use]
    pub fn loss(self, rate: f64) -> Self {
        self.rate(Fault::LostRequest, rate / 2.0).rate(Fault::LostAnswer, rate / 2.0)
    }

    /// Answers that wait for up to `longest`.
    #[must_use]
    pub fn delay(mut self, rate: f64, longest: Duration) -> Self {
        self.longest_delay = longest;
        self.rate(Fault::Delay, rate)
    }

    /// Answers that come twice.
    ///
    /// The answer of a lost or broken attempt also arrives late, during the next attempt.
    #[must_use]
    pub fn duplicates(self, rate: f64) -> Self {
        self.rate(Fault::Duplicate, rate)
    }

    /// Requests that are refused with 429: they did not run.
    #[must_use]
    pub fn throttling(self, rate: f64) -> Self {
        self.rate(Fault::Throttled, rate)
    }

    /// Requests that fail with 503, half of them without having run, half after it.
    #[must_use]
    pub fn unavailable(self, rate: f64) -> Self {
        self.rate(Fault::Refused, rate / 2.0).rate(Fault::Broken, rate / 2.0)
    }

    /// Workers that die in the middle of a request, after one of its calls has started.
    #[must_use]
    pub fn worker_death(self, rate: f64) -> Self {
        self.rate(Fault::Death, rate)
    }
}

/// How often each fault was injected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Injected {
    /// Requests that never arrived.
    pub lost_requests: u64,
    /// Answers that never arrived in their own attempt.
    pub lost_answers: u64,
    /// Requests refused with 429.
    pub throttled: u64,
    /// Requests refused with 503.
    pub refused: u64,
    /// Requests that ran and failed with 503.
    pub broken: u64,
    /// Workers that died.
    pub deaths: u64,
    /// Requests whose answers came twice.
    pub duplicated: u64,
    /// Requests whose answers waited.
    pub delayed: u64,
    /// Answers that were delivered during a later attempt.
    pub late: u64,
}

impl Injected {
    /// All of them.
    pub fn total(&self) -> u64 {
        let refusals = self.throttled + self.refused + self.broken;
        self.lost_requests + self.lost_answers + refusals + self.deaths + self.duplicated + self.delayed + self.late
    }

    fn count(&mut self, fault: Fault) {
        let counter = match fault {
            Fault::LostRequest => &mut self.lost_requests,
            Fault::LostAnswer => &mut self.lost_answers,
            Fault::Throttled => &mut self.throttled,
            Fault::Refused => &mut self.refused,
            Fault::Broken => &mut self.broken,
            Fault::Death => &mut self.deaths,
            Fault::Duplicate => &mut self.duplicated,
            Fault::Delay => &mut self.delayed,
        };
        *counter += 1;
    }
}

/// What will happen to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) fault: Option<Fault>,
    /// How long answers wait, if that is the fault.
    pub(super) delay: Duration,
    /// How many calls are answered before the worker dies, if that is the fault.
    pub(super) dies_after: usize,
}

/// The faults of one deployment as they unfold.
pub(super) struct Script {
    faults: Faults,
    injected: Arc<Mutex<Injected>>,
    /// How often an attempt was seen: a throttled one comes again under its number. Written by every request.
    seen: Mutex<HashMap<(CallId, u32), u64>>,
    /// Answers of attempts that were given up, until the next attempt delivers them.
    late: Mutex<HashMap<CallId, Event>>,
}

impl Script {
    pub(super) fn new(faults: Faults, injected: Arc<Mutex<Injected>>) -> Self {
        Self { faults, injected, seen: Mutex::default(), late: Mutex::default() }
    }

    /// Chooses for a request, and counts the choice.
    pub(super) fn plan(&self, request: &Request) -> Plan {
        let Some(head) = request.calls.first() else {
            return Plan { fault: None, delay: Duration::ZERO, dies_after: 0 };
        };
        let nth = {
            let mut seen = lock(&self.seen);
            let nth = seen.entry((head.id, head.attempt)).or_default();
            *nth += 1;
            *nth
        };
        let plan = self.faults.choose([head.id.0, head.attempt.into(), nth], request.calls.len());
        if let Some(fault) = plan.fault {
            lock(&self.injected).count(fault);
        }
        plan
    }

    /// Keeps the answer of an attempt that is given up, if answers may come twice.
    pub(super) fn keep(&self, event: Event) {
        if self.faults.rates.iter().any(|(fault, rate)| *fault == Fault::Duplicate && *rate > 0.0) {
            lock(&self.late).insert(event.call(), event);
        }
    }

    /// Answers of earlier attempts of these calls.
    pub(super) fn late(&self, request: &Request) -> Vec<Event> {
        let mut late = lock(&self.late);
        let found: Vec<_> = request.calls.iter().filter_map(|frame| late.remove(&frame.id)).collect();
        lock(&self.injected).late += found.len() as u64;
        found
    }
}

impl Faults {
    fn choose(&self, about: [u64; 3], calls: usize) -> Plan {
        let mixed = about.iter().fold(self.seed, |seed, part| Rng::with_seed(seed ^ part).u64(..));
        let mut rng = Rng::with_seed(mixed);
        let mut point = rng.f64();
        let fault = self.rates.iter().find_map(|(fault, rate)| {
            let hit = point < *rate;
            point -= rate;
            hit.then_some(*fault)
        });
        let delay = self.longest_delay.mul_f64(rng.f64());
        Plan { fault, delay, dies_after: rng.usize(..calls.max(1)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults() -> Faults {
        Faults::seed(42)
            .loss(0.1)
            .delay(0.1, Duration::from_millis(9))
            .duplicates(0.1)
            .throttling(0.1)
            .worker_death(0.1)
    }

    #[test]
    fn the_same_seed_chooses_the_same_faults() {
        for call in 0..100 {
            assert_eq!(faults().choose([call, 1, 1], 5), faults().choose([call, 1, 1], 5));
        }
    }

    #[test]
    fn faults_come_at_their_rates() {
        let mut counts: HashMap<_, u32> = HashMap::new();
        (0..10_000).for_each(|call| *counts.entry(faults().choose([call, 1, 1], 5).fault).or_default() += 1);
        for (fault, rate) in faults().rates {
            let got = f64::from(counts.get(&Some(fault)).copied().unwrap_or_default()) / 10_000.0;
            assert!((got - rate).abs() < 0.02, "{fault:?}: {got} instead of {rate}");
        }
    }

    #[test]
    fn without_rates_nothing_happens() {
        assert!((0..1000).all(|call| Faults::seed(1).choose([call, 1, 1], 1).fault.is_none()));
    }
}
