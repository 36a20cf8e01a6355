//! What happened when, and where: a fixed number of bins over the run's whole time, and a lane for each worker.
//!
//! Pure. When time runs past the last bin, neighbours are merged and all bins get twice as wide: the memory is constant,
//! the resolution is a 120th of the run or better, and every bin is as wide as any other.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Bins at most; even, because neighbours are merged.
pub(crate) const BINS: usize = 240;

/// Workers with a lane of their own.
pub(crate) const LANES: usize = 128;

/// Workers that are told apart; a cold start of a later one is not seen.
const WORKERS: usize = 1 << 16;

/// The first width of a bin.
const FIRST_WIDTH_US: u64 = 500;

/// What happened in a span of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Bin {
    /// Attempts that were sent.
    pub(crate) sent: u64,
    /// Calls that ended with a value.
    pub(crate) completed: u64,
    /// Calls that ended with an error.
    pub(crate) failed: u64,
    /// Attempts that failed.
    pub(crate) failures: u64,
    /// Attempts that were sent because another one was slow.
    pub(crate) hedges: u64,
    /// First attempts of a worker.
    pub(crate) cold: u64,
    /// Requests in flight, times microseconds.
    pub(crate) in_flight_us: u64,
    /// Calls in line, times microseconds.
    pub(crate) queued_us: u64,
    /// The smallest limit of concurrency, if it was looked at.
    pub(crate) limit: Option<u64>,
    /// US dollars for the attempts that ended.
    pub(crate) usd: f64,
}

impl Bin {
    fn merge(self, next: Self) -> Self {
        Self {
            sent: self.sent + next.sent,
            completed: self.completed + next.completed,
            failed: self.failed + next.failed,
            failures: self.failures + next.failures,
            hedges: self.hedges + next.hedges,
            cold: self.cold + next.cold,
            in_flight_us: self.in_flight_us + next.in_flight_us,
            queued_us: self.queued_us + next.queued_us,
            limit: match (self.limit, next.limit) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (one, other) => one.or(other),
            },
            usd: self.usd + next.usd,
        }
    }
}

/// What one worker did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Lane {
    /// As the provider names the worker.
    pub(crate) name: String,
    pub(crate) attempts: u64,
    pub(crate) failures: u64,
    /// Time in functions.
    pub(crate) busy_us: u64,
    pub(crate) peak_memory: Option<u64>,
    /// When it was first and last heard of.
    pub(crate) first_us: u64,
    pub(crate) last_us: u64,
    /// Time in functions by bin.
    pub(crate) busy: Vec<u64>,
}

/// Which worker an attempt ran on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Its lane, if it has one.
    pub(crate) lane: Option<usize>,
    /// It was its first attempt.
    pub(crate) cold: bool,
}

/// Bins and lanes over one time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Timeline {
    pub(crate) width_us: u64,
    pub(crate) bins: Vec<Bin>,
    pub(crate) lanes: Vec<Lane>,
    /// Workers that were seen, those without a lane too.
    pub(crate) workers: u64,
    #[serde(skip)]
    known: HashMap<Arc<str>, Option<usize>>,
}

impl Default for Timeline {
    fn default() -> Self {
        Self { width_us: FIRST_WIDTH_US, bins: Vec::new(), lanes: Vec::new(), workers: 0, known: HashMap::new() }
    }
}

impl Timeline {
    /// The bin of a moment.
    pub(crate) fn at(&mut self, us: u64) -> &mut Bin {
        self.reach(us);
        let index = self.index(us);
        &mut self.bins[index]
    }

    /// Adds a span of time to what `of` names in the bins that it touches.
    pub(crate) fn span(&mut self, from_us: u64, to_us: u64, of: impl Fn(&mut Bin) -> &mut u64) {
        self.reach(to_us);
        for (index, us) in slices(self.width_us, from_us, to_us) {
            *of(&mut self.bins[index]) += us;
        }
    }

    /// The worker's lane; makes one at its first attempt.
    pub(crate) fn place(&mut self, worker: Option<&Arc<str>>, at_us: u64) -> Place {
        let Some(worker) = worker else { return Place { lane: None, cold: false } };
        if let Some(lane) = self.known.get(worker) {
            return Place { lane: *lane, cold: false };
        }
        if self.known.len() >= WORKERS {
            return Place { lane: None, cold: false };
        }
        let lane = (self.lanes.len() < LANES).then_some(self.lanes.len());
        if lane.is_some() {
            self.lanes.push(Lane { name: worker.to_string(), first_us: at_us, last_us: at_us, ..Lane::default() });
        }
        self.workers += 1;
        self.known.insert(Arc::clone(worker), lane);
        Place { lane, cold: true }
    }

    /// A worker was in a function from then till then.
    pub(crate) fn ran(&mut self, lane: usize, from_us: u64, to_us: u64) {
        self.reach(to_us);
        let (width, bins) = (self.width_us, self.bins.len());
        let Some(lane) = self.lanes.get_mut(lane) else { return };
        lane.first_us = lane.first_us.min(from_us);
        lane.last_us = lane.last_us.max(to_us);
        lane.busy_us += to_us.saturating_sub(from_us);
        lane.busy.resize(bins, 0);
        for (index, us) in slices(width, from_us, to_us) {
            lane.busy[index] += us;
        }
    }

    fn index(&self, us: u64) -> usize {
        usize::try_from(us / self.width_us).unwrap_or(usize::MAX)
    }

    /// Makes room for a moment.
    fn reach(&mut self, us: u64) {
        while self.index(us) >= BINS {
            self.bins = self.bins.chunks(2).map(|pair| pair.iter().copied().fold(Bin::default(), Bin::merge)).collect();
            for lane in &mut self.lanes {
                lane.busy = lane.busy.chunks(2).map(|pair| pair.iter().sum()).collect();
            }
            self.width_us *= 2;
        }
        if self.index(us) >= self.bins.len() {
            self.bins.resize(self.index(us) + 1, Bin::default());
        }
    }
}

/// The bins that a span touches, with the time in each.
fn slices(width: u64, from_us: u64, to_us: u64) -> impl Iterator<Item = (usize, u64)> {
    let mut at = from_us;
    std::iter::from_fn(move || {
        if at >= to_us {
            return None;
        }
        let index = at / width;
        let until = ((index + 1) * width).min(to_us);
        let us = until - at;
        at = until;
        Some((usize::try_from(index).unwrap_or(usize::MAX), us))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_when_bins_are_merged() {
        let mut timeline = Timeline::default();
        let worker: Arc<str> = "w".into();
        let mut total = 0;
        for n in 0..5_000 {
            let (from, to) = (n * 1_000, n * 1_000 + 700);
            timeline.at(from).sent += 1;
            timeline.span(from, to, |bin| &mut bin.in_flight_us);
            let place = timeline.place(Some(&worker), from);
            assert_eq!(place, Place { lane: Some(0), cold: n == 0 });
            timeline.ran(0, from, to);
            total += to - from;
        }
        assert!((BINS / 2..=BINS).contains(&timeline.bins.len()), "{}", timeline.bins.len());
        assert_eq!(timeline.bins.iter().map(|bin| bin.sent).sum::<u64>(), 5_000);
        assert_eq!(timeline.bins.iter().map(|bin| bin.in_flight_us).sum::<u64>(), total);
        assert_eq!((timeline.lanes[0].busy.iter().sum::<u64>(), timeline.lanes[0].busy_us), (total, total));
        // No bin holds more time than it is wide.
        assert!(timeline.lanes[0].busy.iter().all(|us| *us <= timeline.width_us));
    }

    #[test]
    fn workers_beyond_the_lanes_are_counted() {
        let mut timeline = Timeline::default();
        let places: Vec<_> = (0..LANES + 10).map(|n| timeline.place(Some(&n.to_string().into()), 0)).collect();
        assert!(places.iter().all(|place| place.cold));
        assert_eq!((timeline.lanes.len(), timeline.workers), (LANES, LANES as u64 + 10));
        assert_eq!(places[LANES].lane, None);
    }
}
