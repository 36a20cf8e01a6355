//! The way out: which calls go into the next request, and when. Window, rate, budget, bytes and batching meet here.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::batch::{self, Filling};
use super::settle::event_of;
use super::span::CallSpan;
use super::state::{CallRef, CallState, FOREVER, HEDGE_CHECK, InFlight, Out, Policy, RequestKey, Start, State};
use crate::cost::Usage;
use crate::error::{Error, ErrorKind};
use crate::event::CloudEventKind;
use crate::log::Channel;
use crate::provider::{CallFrame, CallId, Payload, Request};

/// Calls that maps pull at a time once the deployment is closed.
const PULLED_WHEN_CLOSED: usize = 64;

/// Bytes of arguments that maps keep in line at most.
const MAX_QUEUED_BYTES: usize = 4 * 1024 * 1024;

/// Bytes of arguments in flight at most, unless a single call has more.
pub(crate) const MAX_FLYING_BYTES: usize = 16 * 1024 * 1024;

/// The same where payloads may go through a store: with arguments of 20 MB the other limit would mean one call at a time.
pub(crate) const MAX_FLYING_BYTES_SPILLED: usize = 256 * 1024 * 1024;

/// Calls that maps keep in line at most.
const MAX_QUEUED_CALLS: usize = 16 * 1024;

impl State {
    /// Calls that maps should add to the line: enough for every worker's next request, bounded in calls and bytes.
    pub(crate) fn wanted(&self) -> usize {
        if self.closed {
            // Each is settled at once: a map whose deployment was cleaned up goes on to the end of its input.
            return PULLED_WHEN_CLOSED;
        }
        if self.queued_bytes >= MAX_QUEUED_BYTES {
            return 0;
        }
        let workers = self.window.size();
        let per_request = match (self.policy.batch, self.functions.get(self.last_function)) {
            (Some(batch), _) => batch,
            (None, Some(function)) => batch::per_request(function.estimate.seconds(), self.policy.max_batch),
            (None, None) => 1,
        };
        let free = workers.saturating_sub(self.requests.len());
        // Short calls come and go while a request runs: half a request in line for each worker is enough, and half the
        // memory.
        let in_line = if per_request > 1 { workers.div_ceil(2) } else { workers };
        let target = in_line.saturating_add(free).saturating_mul(per_request).min(MAX_QUEUED_CALLS.max(2 * workers));
        target.saturating_sub(self.queued_calls)
    }

    /// Starts what may start.
    pub(crate) fn pump(&mut self, now: Instant, out: &mut Out) {
        if let Some(until) = self.outage.holds(now).filter(|_| !self.queue.is_empty()) {
            self.wake_at(until);
            return;
        }
        while self.requests.len() < self.window.size() && !self.queue.is_empty() && !self.closed {
            if self.flying_bytes >= self.policy.max_flying_bytes {
                return;
            }
            let calls = self.fill(now, out);
            if calls.is_empty() {
                return;
            }
            self.start(calls, false, now, out);
        }
    }

    /// Takes the calls of the next request out of the line.
    fn fill(&mut self, now: Instant, out: &mut Out) -> VecDeque<CallRef> {
        let free = self.window.size() - self.requests.len();
        let share = self.queued_calls.div_ceil(free);
        let automatic = self.policy.batch.is_none();
        let mut filling = match self.policy.batch {
            None => Filling::automatic(self.policy.max_batch),
            Some(calls) => Filling::fixed(calls),
        };
        let mut calls = VecDeque::new();
        while let Some(&call) = self.queue.front() {
            let Some(state) = self.live(call) else {
                self.queue.pop_front();
                continue;
            };
            let (alone, bytes) = (state.alone(), state.args.len());
            let estimate = self.functions[state.function].estimate.seconds();
            let full = !calls.is_empty()
                && (alone
                    || automatic && calls.len() >= share && filling.seconds() >= batch::WORTH_WAKING.as_secs_f64()
                    || self.flying_bytes + bytes > self.policy.max_flying_bytes);
            if full || !filling.admits(bytes, estimate) || !self.may_start(now, out) {
                break;
            }
            self.queue.pop_front();
            self.queued_bytes -= bytes;
            self.queued_calls -= 1;
            if let Some(state) = self.live_mut(call) {
                state.queued = false;
            }
            calls.push_back(call);
            if alone {
                break;
            }
        }
        calls
    }

    /// Rate and budget.
    pub(super) fn may_start(&mut self, now: Instant, out: &mut Out) -> bool {
        if self.budget.exhausted() && self.requests.is_empty() {
            self.fail_queue_for_budget(now, out);
            return false;
        }
        if !self.budget.start() {
            return false;
        }
        if let Some(rate) = &mut self.rate
            && let (0, Some(again)) = rate.take(now, 1)
        {
            self.budget.end(0.0);
            self.wake_at(again);
            return false;
        }
        true
    }

    pub(crate) fn has_budget(&self) -> bool {
        self.policy.budget_usd.is_some()
    }

    /// So much has been used beyond calls so far.
    pub(crate) fn used_beyond_calls(&mut self, used: &Usage) {
        self.budget.beyond_calls(self.policy.prices.total_usd(used));
        self.warn_of_budget();
    }

    /// Says when half and when four fifths of the budget are spent.
    pub(super) fn warn_of_budget(&mut self) {
        if let (Some(share), Some(limit)) = (self.budget.passed(), self.policy.budget_usd) {
            let spent = self.budget.spent();
            crate::log!(Channel::Warning, "{share} % of the budget of ${limit} are spent: ${spent:.6}");
        }
    }

    /// What is spent never gets less: calls that pause before they are tried again have no chance either.
    fn fail_queue_for_budget(&mut self, now: Instant, out: &mut Out) {
        let (limit, spent) = (self.policy.budget_usd.unwrap_or_default(), self.budget.spent());
        let paused = std::mem::take(&mut self.delayed).into_iter().map(|Reverse((_, call))| call);
        for call in std::mem::take(&mut self.queue).into_iter().chain(paused) {
            let message = format!("the budget of ${limit} does not allow for another call: ${spent:.6} are spent");
            let error = Error::new(ErrorKind::Budget, message).with_hint("raise `budget_usd`, or send less");
            self.settle(call, Err(error), None, now, out);
        }
    }

    /// Makes a request of calls.
    pub(super) fn start(&mut self, calls: VecDeque<CallRef>, hedge: bool, now: Instant, out: &mut Out) {
        let mut frames = Vec::with_capacity(calls.len());
        let mut spans = Vec::new();
        let (mut gate, mut bytes, mut longest) = (None, 0, Duration::ZERO);
        let policy = &self.policy;
        let mut earliest_deadline: Option<Instant> = None;
        for call in &calls {
            let Some(state) = self.calls.get_mut(call.slot).filter(|state| state.id == call.id) else { continue };
            state.used += 1;
            state.flying += 1;
            state.first_sent.get_or_insert(now);
            let timeout = state.timeout(policy);
            let whole = whole_call(state, policy);
            let deadline = *state.deadline.get_or_insert(now + whole);
            earliest_deadline = Some(earliest_deadline.map_or(deadline, |at| at.min(deadline)));
            gate = gate.or_else(|| if state.entry.streams() { state.owner.gate() } else { None });
            bytes += state.args.len();
            longest = longest.max(timeout);
            if self.observed {
                out.events.push(event_of(state, CloudEventKind::Sent { hedge }));
            }
            if state.span.is_some() {
                spans.resize_with(frames.len(), CallSpan::default);
                spans.push(state.span.clone());
            }
            frames.push(CallFrame {
                id: CallId(state.id),
                attempt: state.used,
                function: state.entry.id(),
                timeout: timeout.min(deadline.saturating_duration_since(now).max(Duration::from_millis(1))),
                args: Payload::Inline(state.args.clone()),
                trace: None,
            });
        }
        let request = Request { deployment: policy.deployment.clone(), build: policy.build, calls: frames };
        let check = if policy.hedge { HEDGE_CHECK } else { longest + policy.timeout_grace };
        self.flying_bytes += bytes;
        let serial = self.next_serial;
        self.next_serial += 1;
        let in_flight = InFlight {
            serial,
            calls,
            task: None,
            sent: now,
            running_since: None,
            transferring: false,
            answered: None,
            bytes,
            instance: None,
            execution: None,
            hedge,
            streams: gate.is_some(),
        };
        let slot = self.requests.insert(in_flight);
        self.counters.max_in_flight = self.counters.max_in_flight.max(self.requests.len() as u64);
        self.wake_at(now + check);
        if let Some(deadline) = earliest_deadline {
            self.wake_at(deadline);
        }
        out.starts.push(Start { key: RequestKey { slot, serial }, request, gate, hedge, spans });
    }
}

/// A call's default deadline, from its first start: every attempt with its grace, and the pauses between them. A
/// generator's time-out is between two items, and says nothing of how many there are.
fn whole_call(call: &CallState, policy: &Policy) -> Duration {
    const PAUSE: Duration = Duration::from_mins(1);
    if call.entry.streams() {
        return FOREVER;
    }
    let attempt = call.timeout(policy).saturating_add(policy.timeout_grace).saturating_add(policy.start_grace);
    attempt.saturating_mul(call.retries(policy).saturating_add(1)).saturating_add(PAUSE).min(FOREVER)
}
