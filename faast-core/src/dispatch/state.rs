//! The dispatcher's state, and the way in: from submission through admission to a request.
//!
//! Pure: it is told the time, holds the only source of randomness, and says what to do in an [`Out`]. What comes back
//! is in `events.rs`, what the clock does in `tick.rs`.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use slab::Slab;

use super::admission::{Rate, Window};
use super::batch::Estimate;
use super::budget::Budget;
use super::drive::RequestTask;
use super::hedge::Durations;
use super::outage::Outage;
use super::owner::{Gate, Owner, Settled, Submission};
use super::span::CallSpan;
use crate::call::{CallOptions, RetryIf};
use crate::cost::{PriceTable, Tariff, Usage};
use crate::error::{Error, ErrorKind};
use crate::event::CloudEvent;
use crate::function::FunctionEntry;
use crate::leak::MemoryGrowth;
use crate::provider::{DeploymentId, ExecutionId, InstanceId, Ran, Request, RetryClass};
use crate::record::Tape;
use crate::stats::{Counters, FunctionStats, Stats};

/// What does not change while a deployment lives.
pub(crate) struct Policy {
    pub(crate) deployment: DeploymentId,
    pub(crate) build: u64,
    pub(crate) provider: &'static str,
    pub(crate) concurrency: usize,
    pub(crate) rate: Option<(f64, u32)>,
    pub(crate) timeout: Duration,
    pub(crate) deadline: Option<Duration>,
    pub(crate) retries: u32,
    pub(crate) hedge: bool,
    /// Calls in a request as the user asked; `None`: core fills requests by itself.
    pub(crate) batch: Option<usize>,
    pub(crate) max_batch: usize,
    /// Arguments above this are refused; `None` where they spill or there is no limit.
    pub(crate) max_request_bytes: Option<u64>,
    /// Bytes of arguments in flight at most.
    pub(crate) max_flying_bytes: usize,
    /// Dropping a request ends its calls, so that a hedge that lost is dropped; elsewhere it is waited for.
    pub(crate) cancel_kills: bool,
    /// How long a worker has, after a call's time-out, to say so itself.
    pub(crate) timeout_grace: Duration,
    /// How long a request may take to start where the provider does not tell.
    pub(crate) start_grace: Duration,
    /// A request may wait at the platform before it starts, and only [`Event::Started`](crate::provider::Event) tells.
    pub(crate) queued: bool,
    /// Memory of a worker in bytes, if it is limited.
    pub(crate) memory_limit: Option<u64>,
    pub(crate) prices: PriceTable,
    /// Bills calls as another provider would, where this one costs nothing.
    pub(crate) tariff: Option<Tariff>,
    pub(crate) budget_usd: Option<f64>,
    pub(crate) worst_case_usd: f64,
    pub(crate) log_url: LogUrl,
    /// Where notes for the record go, if the run is recorded.
    pub(crate) tape: Option<Tape>,
}

/// Where the logs of a deployment, or of one execution, are.
pub(crate) type LogUrl = Box<dyn Fn(Option<&ExecutionId>) -> String + Send + Sync>;

/// What a change of the state asks for.
#[derive(Default)]
pub(crate) struct Out {
    pub(crate) starts: Vec<Start>,
    pub(crate) settled: Vec<(Arc<dyn Owner>, Settled)>,
    pub(crate) items: Vec<(Arc<dyn Owner>, Bytes)>,
    pub(crate) canceled: Vec<Arc<RequestTask>>,
    /// Spans of calls that were given up.
    pub(crate) spans: Vec<CallSpan>,
    pub(crate) events: Vec<CloudEvent>,
    /// Failures about which the call's own `retry_if` is to be asked; what it says goes to [`State::decide`].
    pub(crate) asked: Vec<(Failed, RetryIf)>,
}

/// An attempt that failed.
pub(crate) struct Failed {
    pub(crate) call: CallRef,
    pub(crate) class: RetryClass,
    pub(crate) ran: Ran,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) error: Error,
}

/// A request to be sent.
pub(crate) struct Start {
    pub(crate) key: RequestKey,
    pub(crate) request: Request,
    pub(crate) gate: Option<Arc<Gate>>,
    pub(crate) hedge: bool,
    /// Of the request's calls, in their order; empty where nobody wants any.
    pub(crate) spans: Vec<CallSpan>,
}

/// A request in flight; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestKey {
    pub(super) slot: usize,
    pub(super) serial: u64,
}

/// A call that may have been settled meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CallRef {
    pub(super) slot: usize,
    pub(super) id: u64,
}

/// Where in the line.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    Front,
    Back,
}

pub(super) struct CallState {
    pub(super) id: u64,
    pub(super) entry: &'static FunctionEntry,
    pub(super) function: usize,
    pub(super) args: Bytes,
    pub(super) options: Option<Box<CallOptions>>,
    pub(super) owner: Arc<dyn Owner>,
    pub(super) span: CallSpan,
    pub(super) key: u64,
    pub(super) index: Option<u64>,
    pub(super) submitted: Instant,
    /// When it last got in line, or will.
    pub(super) due: Instant,
    pub(super) first_sent: Option<Instant>,
    pub(super) deadline: Option<Instant>,
    /// Attempts that were used up or are in flight.
    pub(super) used: u32,
    pub(super) throttled: u32,
    /// In the line.
    pub(super) queued: bool,
    /// Requests in flight that carry the call.
    pub(super) flying: u32,
    pub(super) hedged: bool,
    /// Items that were delivered: from the first on, there is no second attempt.
    pub(super) items: u64,
}

impl CallState {
    pub(super) fn timeout(&self, policy: &Policy) -> Duration {
        self.options.as_ref().and_then(|options| options.timeout).unwrap_or(policy.timeout).min(FOREVER)
    }

    pub(super) fn retries(&self, policy: &Policy) -> u32 {
        self.options.as_ref().and_then(|options| options.retries).unwrap_or(policy.retries)
    }

    /// Whether it must not share a request.
    pub(super) fn alone(&self) -> bool {
        !self.entry.idempotent || self.entry.streams()
    }
}

pub(super) struct InFlight {
    pub(super) serial: u64,
    /// Unanswered calls, in order.
    pub(super) calls: VecDeque<CallRef>,
    pub(super) task: Option<Arc<RequestTask>>,
    pub(super) sent: Instant,
    /// Since when the head runs, if the provider told.
    pub(super) running_since: Option<Instant>,
    /// Arguments go to the store, or a result comes from it: the clock of the attempt stands.
    pub(super) transferring: bool,
    /// Since when no call of it is unanswered, and only the end of its stream is missing.
    pub(super) answered: Option<Instant>,
    pub(super) bytes: usize,
    pub(super) instance: Option<InstanceId>,
    pub(super) execution: Option<ExecutionId>,
    pub(super) hedge: bool,
    /// It carries a generator.
    pub(super) streams: bool,
}

/// What is known of one function.
pub(super) struct FunctionState {
    pub(super) entry: &'static FunctionEntry,
    pub(super) estimate: Estimate,
    pub(super) durations: Durations,
    pub(super) stats: FunctionStats,
}

/// The dispatcher's state; see the module.
pub(crate) struct State {
    pub(super) policy: Policy,
    pub(super) rng: fastrand::Rng,
    pub(super) calls: Slab<CallState>,
    pub(super) queue: VecDeque<CallRef>,
    /// Live calls in it, and the bytes of their arguments. What was settled stays in the line until its turn comes.
    pub(super) queued_calls: usize,
    pub(super) queued_bytes: usize,
    pub(super) delayed: BinaryHeap<Reverse<(Instant, CallRef)>>,
    pub(super) requests: Slab<InFlight>,
    pub(super) flying_bytes: usize,
    pub(super) window: Window,
    pub(super) outage: Outage,
    pub(super) rate: Option<Rate>,
    pub(super) budget: Budget,
    pub(super) usage: Usage,
    pub(super) functions: Vec<FunctionState>,
    /// By address of the entry, which is static.
    by_entry: HashMap<usize, usize>,
    pub(super) last_function: usize,
    pub(super) counters: Counters,
    pub(super) growth: MemoryGrowth,
    next_id: u64,
    pub(super) next_serial: u64,
    pub(super) wake: Option<Instant>,
    pub(super) wake_changed: bool,
    pub(super) closed: bool,
    /// Running time and worker of the answer that is being settled, for its event.
    pub(super) last_answer: (Duration, Option<InstanceId>),
    /// Somebody listens to events.
    pub(crate) observed: bool,
}

impl State {
    pub(crate) fn new(policy: Policy, rng: fastrand::Rng) -> Self {
        Self {
            window: Window::new(policy.concurrency),
            outage: Outage::default(),
            rate: policy.rate.map(|(per_second, burst)| Rate::new(per_second, burst)),
            budget: Budget::new(policy.budget_usd, policy.worst_case_usd),
            policy,
            rng,
            calls: Slab::new(),
            queue: VecDeque::new(),
            queued_calls: 0,
            queued_bytes: 0,
            delayed: BinaryHeap::new(),
            requests: Slab::new(),
            flying_bytes: 0,
            usage: Usage::default(),
            functions: Vec::new(),
            by_entry: HashMap::new(),
            last_function: 0,
            counters: Counters::default(),
            growth: MemoryGrowth::default(),
            next_id: 1,
            next_serial: 1,
            wake: None,
            wake_changed: false,
            closed: false,
            last_answer: (Duration::ZERO, None),
            observed: false,
        }
    }

    /// Takes a call in: into the line, or to its end at once if it can't be sent.
    pub(crate) fn submit(&mut self, call: Submission, now: Instant, out: &mut Out) -> CallRef {
        let id = self.next_id;
        self.next_id += 1;
        self.counters.submitted += 1;
        let function = self.function(call.entry);
        let state = CallState {
            id,
            entry: call.entry,
            function,
            args: call.args,
            options: call.options,
            owner: call.owner,
            span: call.span,
            key: call.key,
            index: call.index,
            submitted: now,
            due: now,
            first_sent: None,
            deadline: self.policy.deadline.map(|deadline| now + deadline.min(FOREVER)),
            used: 0,
            throttled: 0,
            queued: false,
            flying: 0,
            hedged: false,
            items: 0,
        };
        let (refusal, deadline) = (self.refusal(&state), state.deadline);
        let call = CallRef { slot: self.calls.insert(state), id };
        if let Some(error) = refusal {
            self.settle(call, Err(error), None, now, out);
            return call;
        }
        self.enqueue(call, Place::Back);
        if let Some(deadline) = deadline {
            self.wake_at(deadline);
        }
        call
    }

    /// Why a call can't be sent at all, if so.
    fn refusal(&self, call: &CallState) -> Option<Error> {
        let (timeout, deployed) = (call.timeout(&self.policy), self.policy.timeout);
        let bytes = call.args.len() as u64;
        if self.closed {
            return Some(Error::new(ErrorKind::Canceled, "its deployment has been cleaned up"));
        }
        if self.policy.budget_usd.is_some() && timeout > deployed {
            let message = format!(
                "its `timeout` of {timeout:?} is above the deployment's of {deployed:?}, which the budget is for"
            );
            return Some(Error::new(ErrorKind::Config, message).with_hint("raise `timeout` on the builder"));
        }
        let limit = self.policy.max_request_bytes.filter(|limit| bytes > *limit)?;
        let message = format!("the arguments have {bytes} bytes and the transport carries at most {limit}");
        let hint = "send less, or use a provider or mode that spills to object storage";
        Some(Error::new(ErrorKind::TooLarge, message).with_hint(hint))
    }

    /// Puts a call in line.
    pub(super) fn enqueue(&mut self, call: CallRef, place: Place) {
        let Some(state) = self.live_mut(call) else { return };
        state.queued = true;
        self.queued_bytes += state.args.len();
        self.queued_calls += 1;
        match place {
            Place::Front => self.queue.push_front(call),
            Place::Back => self.queue.push_back(call),
        }
    }

    /// Takes a call out of the books, wherever it is; its place in the line is skipped when its turn comes.
    pub(super) fn forget(&mut self, slot: usize) -> CallState {
        let state = self.calls.remove(slot);
        if state.queued {
            self.queued_bytes -= state.args.len();
            self.queued_calls -= 1;
        }
        state
    }

    fn function(&mut self, entry: &'static FunctionEntry) -> usize {
        if let Some(last) = self.functions.get(self.last_function)
            && std::ptr::eq(last.entry, entry)
        {
            return self.last_function;
        }
        let functions = &mut self.functions;
        self.last_function = *self.by_entry.entry(std::ptr::from_ref(entry).addr()).or_insert_with(|| {
            functions.push(FunctionState {
                entry,
                estimate: Estimate::default(),
                durations: Durations::default(),
                stats: FunctionStats::new(entry.name),
            });
            functions.len() - 1
        });
        self.last_function
    }

    pub(super) fn live(&self, call: CallRef) -> Option<&CallState> {
        self.calls.get(call.slot).filter(|state| state.id == call.id)
    }

    pub(super) fn live_mut(&mut self, call: CallRef) -> Option<&mut CallState> {
        self.calls.get_mut(call.slot).filter(|state| state.id == call.id)
    }

    pub(super) fn request_mut(&mut self, key: RequestKey) -> Option<&mut InFlight> {
        self.requests.get_mut(key.slot).filter(|request| request.serial == key.serial)
    }

    pub(super) fn request(&self, key: RequestKey) -> Option<&InFlight> {
        self.requests.get(key.slot).filter(|request| request.serial == key.serial)
    }

    pub(super) fn key(&self, slot: usize) -> RequestKey {
        RequestKey { slot, serial: self.requests[slot].serial }
    }

    pub(super) fn remove_request(&mut self, key: RequestKey, now: Instant) -> Option<InFlight> {
        self.request_mut(key)?;
        let request = self.requests.remove(key.slot);
        self.flying_bytes -= request.bytes;
        self.note_request(&request, now);
        Some(request)
    }

    /// Remembers whom to cancel.
    pub(super) fn attach(&mut self, key: RequestKey, task: Arc<RequestTask>) {
        if let Some(request) = self.request_mut(key) {
            request.task = Some(task);
        }
    }

    pub(super) fn wake_at(&mut self, at: Instant) {
        if self.wake.is_none_or(|wake| at < wake) {
            self.wake = Some(at);
            self.wake_changed = true;
        }
    }

    pub(crate) fn next_wake(&self) -> Option<Instant> {
        self.wake
    }

    pub(crate) fn take_wake_changed(&mut self) -> bool {
        std::mem::take(&mut self.wake_changed)
    }

    /// `late` is how many answers came that belong to no request in flight.
    pub(crate) fn stats(&self, late: u64) -> Stats {
        let functions = self.functions.iter().map(|function| function.stats.clone()).collect();
        let mut stats =
            Stats::new(&self.counters, self.requests.len(), self.queued_calls + self.delayed.len(), functions);
        stats.duplicates += late;
        stats.abandoned = self.abandoned().count() as u64;
        stats
    }

    /// So many results came from a journal.
    pub(crate) fn replayed(&mut self, calls: u64) {
        self.counters.replayed += calls;
    }

    pub(crate) fn usage(&self) -> &Usage {
        &self.usage
    }

    pub(crate) fn prices(&self) -> &PriceTable {
        &self.policy.prices
    }
}

/// Longer than anything that is waited for: times that users and services name are added to moments, up to this.
pub(crate) const FOREVER: Duration = Duration::from_hours(24 * 365);

/// How often running calls are compared with their function's others.
pub(super) const HEDGE_CHECK: Duration = Duration::from_millis(100);
