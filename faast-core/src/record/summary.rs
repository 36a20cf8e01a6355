//! The summary of a run: everything that its report shows but single attempts, in constant memory.
//!
//! Pure: notes go in, numbers come out. What could grow with the run is bounded here: bins and lanes by the timeline,
//! groups of errors, the slowest calls and the first failed ones by the constants below.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::row::Row;
use super::spread::Spread;
use super::tape::{Attempt, End, Failure, Note};
use super::timeline::Timeline;
use crate::cost::CostReport;
use crate::stats::Snapshot;

/// The format of what is written; readers refuse another one.
pub(crate) const FORMAT: u32 = 1;

/// Calls that are listed as the slowest.
const SLOWEST: usize = 50;
/// Calls that are listed as failed.
const FAILED: usize = 200;
/// Groups of errors; later ones are counted together.
const GROUPS: usize = 60;
/// Calls and logs that are named in a group.
const EXAMPLES: usize = 5;
/// Bytes of a message that are kept.
const MESSAGE: usize = 600;

/// What is known when a run begins.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) format: u32,
    pub(crate) provider: String,
    pub(crate) deployment: String,
    pub(crate) program: String,
    /// Milliseconds since 1970.
    pub(crate) started_ms: u64,
    pub(crate) concurrency: u64,
    /// Calls in a request, and how many there may be; 0 where faast fills requests by itself.
    #[serde(default)]
    pub(crate) batch: u64,
    #[serde(default)]
    pub(crate) max_batch: u64,
    /// Of one worker, in bytes.
    pub(crate) memory_limit: Option<u64>,
    pub(crate) log_url: String,
    /// Options of the deployment as people read them, in order. Of the workers' environment only the names.
    pub(crate) options: Vec<(String, String)>,
    /// Where it ran.
    pub(crate) environment: Vec<(String, String)>,
}

/// Numbers of the whole run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Totals {
    pub(crate) submitted: u64,
    pub(crate) completed: u64,
    pub(crate) failed: u64,
    pub(crate) canceled: u64,
    pub(crate) retried: u64,
    pub(crate) hedged: u64,
    pub(crate) duplicates: u64,
    pub(crate) throttled: u64,
    pub(crate) max_in_flight: u64,
    /// Attempts that have ended.
    pub(crate) attempts: u64,
    /// Of them, those that failed.
    pub(crate) failures: u64,
    /// Of them, the first ones of their workers.
    pub(crate) cold: u64,
    /// Notes that were dropped because the recorder could not keep up.
    pub(crate) unrecorded: u64,
}

/// Where the time of attempts went.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Phases {
    /// In line, until it was sent.
    pub(crate) queue: Spread,
    /// From then until the function ran: transport, a cold start, calls before it in the same request.
    pub(crate) start: Spread,
    /// In the function.
    pub(crate) run: Spread,
    /// From its end until the client knew.
    pub(crate) back: Spread,
    /// From submission to the value, of calls that gave one.
    pub(crate) total: Spread,
}

/// One function.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) attempts: u64,
    pub(crate) completed: u64,
    pub(crate) failed: u64,
    pub(crate) peak_memory: Option<u64>,
    pub(crate) phases: Phases,
}

/// A call that gave its value late.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SlowCall {
    pub(crate) call: u64,
    pub(crate) function: String,
    pub(crate) attempts: u32,
    pub(crate) total_us: u64,
    pub(crate) queue_us: u64,
    pub(crate) run_us: u64,
    pub(crate) worker: String,
    pub(crate) hedge: bool,
    pub(crate) cold: bool,
}

/// A call that gave none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FailedCall {
    pub(crate) call: u64,
    pub(crate) index: Option<u64>,
    pub(crate) label: Option<String>,
    pub(crate) function: String,
    pub(crate) kind: String,
    pub(crate) message: String,
    pub(crate) location: Option<String>,
    pub(crate) attempts: u32,
    pub(crate) elapsed_us: u64,
    pub(crate) at_us: u64,
    pub(crate) log_url: Option<String>,
}

/// Failed calls whose errors say the same but for numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ErrorGroup {
    pub(crate) function: String,
    pub(crate) kind: String,
    /// Of the first of them.
    pub(crate) message: String,
    pub(crate) location: Option<String>,
    pub(crate) count: u64,
    pub(crate) first_us: u64,
    pub(crate) last_us: u64,
    /// The first of them.
    pub(crate) calls: Vec<u64>,
    pub(crate) log_urls: Vec<String>,
    /// What they have in common.
    pattern: String,
}

/// A line of the cost table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cost {
    pub(crate) metric: String,
    pub(crate) unit: String,
    pub(crate) unit_usd: f64,
    pub(crate) amount: f64,
    pub(crate) measured: bool,
    pub(crate) usd: f64,
    pub(crate) note: String,
}

/// A run, as far as it has come.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Summary {
    #[serde(flatten)]
    pub(crate) header: Header,
    /// Cleaned up in order; else it still runs, or its client was killed.
    pub(crate) finished: bool,
    /// When something was last heard.
    pub(crate) elapsed_us: u64,
    pub(crate) totals: Totals,
    pub(crate) functions: Vec<Function>,
    pub(crate) timeline: Timeline,
    /// Failed attempts by kind, those that were tried again too.
    pub(crate) failures: BTreeMap<String, u64>,
    pub(crate) errors: Vec<ErrorGroup>,
    /// Failed calls that are in no group.
    pub(crate) ungrouped: u64,
    /// The slowest first.
    pub(crate) slowest: Vec<SlowCall>,
    /// The first of them.
    pub(crate) failed: Vec<FailedCall>,
    pub(crate) cost: Vec<Cost>,
}

impl Summary {
    pub(crate) fn new(header: Header) -> Self {
        Self { header: Header { format: FORMAT, ..header }, ..Self::default() }
    }

    /// Takes a note in; an attempt gives its row.
    pub(crate) fn add(&mut self, note: Note) -> Option<Row> {
        match note {
            Note::Attempt(attempt) => Some(self.attempt(&attempt)),
            Note::Request { sent_us, ended_us } => {
                self.timeline.span(sent_us, ended_us, |bin| &mut bin.in_flight_us);
                None
            }
            Note::Failure(failure) => {
                self.failure(*failure);
                None
            }
        }
    }

    pub(crate) fn snapshot(&mut self, now_us: u64, snapshot: &Snapshot) {
        let counters = &snapshot.counters;
        self.totals = Totals {
            submitted: counters.submitted,
            completed: counters.completed,
            failed: counters.failed,
            canceled: counters.canceled,
            retried: counters.retried,
            hedged: counters.hedged,
            duplicates: counters.duplicates,
            throttled: counters.throttled,
            max_in_flight: counters.max_in_flight,
            ..self.totals
        };
        // Time in which nothing happens is not shown.
        let bin = self.timeline.at(now_us.min(self.elapsed_us));
        bin.limit = Some(bin.limit.map_or(snapshot.limit, |limit| limit.min(snapshot.limit)));
        self.cost(&snapshot.cost);
    }

    pub(crate) fn cost(&mut self, report: &CostReport) {
        let lines = report.lines.iter().map(|line| Cost {
            metric: line.metric.to_string(),
            unit: line.unit.to_string(),
            unit_usd: line.unit_usd,
            amount: line.amount,
            measured: line.measured,
            usd: line.cost_usd,
            note: line.note.clone(),
        });
        self.cost = lines.collect();
    }

    fn attempt(&mut self, attempt: &Attempt) -> Row {
        self.elapsed_us = self.elapsed_us.max(attempt.ended_us);
        let place = self.timeline.place(attempt.worker.as_ref().map(|worker| &worker.0), attempt.sent_us);
        let times = Times::of(attempt, place.cold);
        let function = attempt.function.map(|name| self.function(name));
        self.totals.attempts += 1;
        self.totals.cold += u64::from(place.cold);
        let failed = matches!(attempt.end, End::Failed(_));
        self.totals.failures += u64::from(failed);
        if let End::Failed(kind) = attempt.end {
            *self.failures.entry(kind.to_string()).or_default() += 1;
        }

        let sent = self.timeline.at(attempt.sent_us);
        sent.sent += 1;
        sent.hedges += u64::from(attempt.hedge);
        sent.cold += u64::from(place.cold);
        let ended = self.timeline.at(attempt.ended_us);
        ended.failures += u64::from(failed);
        ended.completed += u64::from(attempt.end == End::Answered);
        ended.usd += attempt.usd;
        self.timeline.span(attempt.queued_us, attempt.sent_us, |bin| &mut bin.queued_us);
        if let Some(lane) = place.lane {
            self.timeline.ran(lane, times.started, times.started + times.run);
            let lane = &mut self.timeline.lanes[lane];
            lane.attempts += 1;
            lane.failures += u64::from(failed);
            lane.peak_memory = lane.peak_memory.max(attempt.peak_memory);
        }
        if let Some(function) = function {
            self.phases(function, attempt, &times);
        }
        if attempt.end == End::Answered {
            self.slow(attempt, &times, place.cold);
        }
        Row::new(attempt, &times, function, place)
    }

    fn phases(&mut self, function: usize, attempt: &Attempt, times: &Times) {
        let function = &mut self.functions[function];
        function.attempts += 1;
        function.peak_memory = function.peak_memory.max(attempt.peak_memory);
        let phases = &mut function.phases;
        phases.queue.record(attempt.sent_us.saturating_sub(attempt.queued_us));
        if attempt.run_us.is_some() {
            phases.start.record(times.started.saturating_sub(attempt.sent_us));
            phases.run.record(times.run);
            phases.back.record(times.back);
        }
        if attempt.end == End::Answered {
            function.completed += 1;
            phases.total.record(attempt.ended_us.saturating_sub(attempt.submitted_us));
        }
    }

    fn slow(&mut self, attempt: &Attempt, times: &Times, cold: bool) {
        let total_us = attempt.ended_us.saturating_sub(attempt.submitted_us);
        if self.slowest.len() >= SLOWEST && self.slowest.last().is_some_and(|last| last.total_us >= total_us) {
            return;
        }
        let at = self.slowest.partition_point(|other| other.total_us >= total_us);
        let slow = SlowCall {
            call: attempt.call,
            function: attempt.function.unwrap_or_default().to_owned(),
            attempts: attempt.number,
            total_us,
            queue_us: attempt.sent_us.saturating_sub(attempt.queued_us),
            run_us: times.run,
            worker: attempt.worker.as_ref().map(ToString::to_string).unwrap_or_default(),
            hedge: attempt.hedge,
            cold,
        };
        self.slowest.insert(at, slow);
        self.slowest.truncate(SLOWEST);
    }

    fn failure(&mut self, failure: Failure) {
        self.elapsed_us = self.elapsed_us.max(failure.at_us);
        self.timeline.at(failure.at_us).failed += 1;
        let function = self.function(failure.function);
        self.functions[function].failed += 1;
        let failed = FailedCall {
            call: failure.call,
            index: failure.index,
            label: failure.label,
            function: failure.function.to_owned(),
            kind: failure.kind.to_string(),
            message: shortened(failure.message),
            location: failure.location,
            attempts: failure.attempts,
            elapsed_us: failure.elapsed_us,
            at_us: failure.at_us,
            log_url: failure.log_url,
        };
        self.group(&failed);
        if self.failed.len() < FAILED {
            self.failed.push(failed);
        }
    }

    fn group(&mut self, failed: &FailedCall) {
        let pattern = without_numbers(&failed.message);
        let same = |group: &ErrorGroup| {
            group.function == failed.function && group.kind == failed.kind && group.pattern == pattern
        };
        let group = match self.errors.iter().position(same) {
            Some(at) => &mut self.errors[at],
            None if self.errors.len() < GROUPS => {
                self.errors.push(ErrorGroup {
                    function: failed.function.clone(),
                    kind: failed.kind.clone(),
                    message: failed.message.clone(),
                    location: failed.location.clone(),
                    count: 0,
                    first_us: failed.at_us,
                    last_us: failed.at_us,
                    calls: Vec::new(),
                    log_urls: Vec::new(),
                    pattern,
                });
                let last = self.errors.len() - 1;
                &mut self.errors[last]
            }
            None => {
                self.ungrouped += 1;
                return;
            }
        };
        group.count += 1;
        group.first_us = group.first_us.min(failed.at_us);
        group.last_us = group.last_us.max(failed.at_us);
        if group.calls.len() < EXAMPLES {
            group.calls.push(failed.call);
        }
        if let Some(url) = &failed.log_url
            && group.log_urls.len() < EXAMPLES
            && !group.log_urls.contains(url)
        {
            group.log_urls.push(url.clone());
        }
    }

    fn function(&mut self, name: &str) -> usize {
        self.functions.iter().position(|function| function.name == name).unwrap_or_else(|| {
            self.functions.push(Function { name: name.to_owned(), ..Function::default() });
            self.functions.len() - 1
        })
    }
}

/// Where the time of one attempt went.
pub(crate) struct Times {
    /// When the function began, in microseconds as all of it.
    pub(crate) started: u64,
    /// Time in the function.
    pub(crate) run: u64,
    /// Time from its end until the client knew.
    pub(crate) back: u64,
}

impl Times {
    /// The time outside of the function is start and way back. Where the provider tells of the start late or never, and
    /// at a worker's first attempt, which waits for the worker itself, all of it counts as start.
    fn of(attempt: &Attempt, cold: bool) -> Self {
        let flown = attempt.ended_us.saturating_sub(attempt.sent_us);
        let run_us = attempt.run_us.unwrap_or(0).min(flown);
        let latest = attempt.ended_us - run_us;
        let started_us = match attempt.started_us {
            Some(told) if !cold => told.clamp(attempt.sent_us.min(latest), latest),
            _ => latest,
        };
        Self { started: started_us, run: run_us, back: latest - started_us }
    }
}

/// A message without its numbers, so that `input 17` and `input 18` are the same.
fn without_numbers(message: &str) -> String {
    let mut pattern = String::with_capacity(message.len());
    let mut in_number = false;
    for c in message.chars() {
        if !c.is_ascii_digit() {
            pattern.push(c);
        } else if !in_number {
            pattern.push('#');
        }
        in_number = c.is_ascii_digit();
    }
    pattern
}

fn shortened(mut message: String) -> String {
    if message.len() > MESSAGE {
        let end = (0..=MESSAGE).rev().find(|at| message.is_char_boundary(*at)).unwrap_or(0);
        message.truncate(end);
        message.push('…');
    }
    message
}
