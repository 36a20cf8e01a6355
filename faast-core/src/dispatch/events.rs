//! What comes back: events of requests, their ends, and what becomes of calls that failed.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::note::Ended;
use super::owner::Report;
use super::retry::{self, Attempt, Decision};
use super::settle::event_of;
use super::state::{CallRef, FOREVER, Failed, InFlight, Out, Place, RequestKey, State};
use crate::cost::Usage;
use crate::error::{Error, ErrorKind};
use crate::event::CloudEventKind;
use crate::log::Channel;
use crate::provider::{CallId, Event, InvokeError, Metering, Outcome, Payload, Ran, RetryClass};

impl State {
    /// A worker said something about a call of a request.
    pub(crate) fn event(&mut self, key: RequestKey, event: Event, now: Instant, out: &mut Out) {
        self.heard(key, event, now, out);
        if let Some(request) = self.request_mut(key).filter(|request| request.calls.is_empty()) {
            // A connection may hang that has nothing more to say; it must not keep its place for ever.
            let since = *request.answered.get_or_insert(now);
            self.wake_at(since + self.policy.timeout_grace);
        }
    }

    fn heard(&mut self, key: RequestKey, event: Event, now: Instant, out: &mut Out) {
        let id = event.call();
        let Some(request) = self.request_mut(key) else { return };
        match event {
            Event::Started { instance, execution, .. } => {
                request.running_since = Some(now);
                request.instance = Some(instance);
                request.execution = execution.or(request.execution.take());
                let head = request.calls.front().copied();
                if let Some(state) = head.and_then(|head| self.live(head)) {
                    self.wake_at(now + state.timeout(&self.policy) + self.policy.timeout_grace);
                }
            }
            Event::Item { body, .. } => {
                request.running_since = Some(now);
                let Some(call) = request.calls.iter().find(|call| call.id == id.0).copied() else { return };
                self.item(call, body, out);
            }
            Event::Returned { .. } => {
                let Some(call) = take(request, id) else { return };
                self.budget.end(0.0);
                self.put_back(call);
            }
            Event::Done { outcome, mut metering, .. } => {
                let Some(call) = take(request, id) else {
                    // Answered before in this very request: the platform delivered it twice.
                    self.counters.duplicates += 1;
                    return;
                };
                let flight = request.flight();
                // The next call of the request runs from now on.
                request.running_since = request.running_since.map(|_| now);
                if let Some(tariff) = &self.policy.tariff {
                    metering.quantities = tariff.quantities(metering.duration);
                }
                self.note_attempt(call, &flight, &Ended::answered(&outcome, &metering), now);
                self.done(key, call, outcome, metering, now, out);
            }
        }
    }

    /// A transfer of a request begins or ends. An attempt counts from when its arguments are there.
    pub(crate) fn transferring(&mut self, key: RequestKey, busy: bool, now: Instant) {
        if !busy && self.has_budget() {
            // What it cost is asked for then.
            self.wake_at(now);
        }
        let Some(request) = self.request_mut(key) else { return };
        request.transferring = busy;
        if !busy && request.running_since.is_none() {
            request.sent = now;
        }
    }

    /// Whether a call of a request has not been settled by another attempt.
    pub(crate) fn waits_for(&self, key: RequestKey, id: CallId) -> bool {
        let call = self.request(key).and_then(|request| request.calls.iter().find(|call| call.id == id.0));
        call.is_some_and(|call| self.live(*call).is_some())
    }

    fn item(&mut self, call: CallRef, body: Payload, out: &mut Out) {
        let Some(state) = self.live_mut(call) else { return };
        state.items += 1;
        if let (Payload::Inline(body), owner) = (body, Arc::clone(&state.owner)) {
            out.items.push((owner, body));
        }
    }

    fn done(
        &mut self,
        key: RequestKey,
        call: CallRef,
        outcome: Outcome,
        metering: Metering,
        now: Instant,
        out: &mut Out,
    ) {
        let usd = self.account(&metering);
        self.budget.end(usd);
        self.warn_of_budget();
        self.outage.over();
        let Some(state) = self.live_mut(call) else {
            // A hedge or a retry was faster, or the caller gave up.
            self.counters.duplicates += 1;
            return;
        };
        state.flying -= 1;
        let (function, wants_report) = (state.function, state.owner.wants_report());
        let function = &mut self.functions[function];
        function.estimate.record(metering.duration);
        function.stats.record(&metering);
        let name = function.entry.name;
        if matches!(outcome, Outcome::Ok(_)) {
            function.durations.record(metering.duration);
        }
        self.watch_growth(key, name, &metering);
        match outcome {
            Outcome::Ok(Payload::Inline(bytes)) => {
                self.window.succeeded();
                if self.observed {
                    let instance = self.request(key).and_then(|request| request.instance.clone());
                    self.last_answer = (metering.duration, instance);
                }
                let report = wants_report.then(|| self.report(key, call, metering, usd, now)).flatten();
                self.settle(call, Ok(bytes), report, now, out);
            }
            Outcome::Ok(Payload::Blob(blob)) => {
                let message = format!("the result was spilled to `{}` and could not be fetched", blob.key.0);
                self.settle(call, Err(Error::new(ErrorKind::Internal, message)), None, now, out);
            }
            Outcome::Err(failure) => {
                let class = failure.kind.retry_class();
                let mut error = Error::from_failure(*failure);
                if let Some(execution) = self.request_mut(key).and_then(|request| request.execution.clone()) {
                    error = error.with_execution(execution);
                }
                self.failed(Failed { call, class, ran: Ran::Yes, retry_after: None, error }, now, out);
            }
        }
    }

    /// Reports a worker whose memory grows call after call.
    fn watch_growth(&mut self, key: RequestKey, function: &str, metering: &Metering) {
        let (Some(limit), Some(memory)) = (self.policy.memory_limit, metering.peak_memory) else { return };
        let Some(instance) = self.request(key).and_then(|request| request.instance.clone()) else { return };
        if let Some(leak) = self.growth.observe(&instance, function, memory, limit) {
            crate::log!(Channel::Leaks, "{leak}");
        }
    }

    fn report(
        &self,
        key: RequestKey,
        call: CallRef,
        metering: Metering,
        cost_usd: f64,
        now: Instant,
    ) -> Option<Box<Report>> {
        let state = self.live(call)?;
        let request = self.request(key)?;
        Some(Box::new(Report {
            attempts: state.used,
            queued: state.first_sent.unwrap_or(now) - state.submitted,
            total: now - state.submitted,
            instance: request.instance.clone(),
            execution: request.execution.clone(),
            metering,
            cost_usd,
        }))
    }

    /// Adds what an attempt cost to the bill, whatever became of it.
    pub(super) fn account(&mut self, metering: &Metering) -> f64 {
        if metering.quantities.is_empty() {
            return 0.0;
        }
        let used: Usage = metering.quantities.iter().cloned().collect();
        self.usage.extend(&used);
        self.policy.prices.total_usd(&used)
    }

    /// Adds what a request that is dropped would have cost, where another provider's prices count. A provider with prices of
    /// its own does it itself.
    pub(super) fn account_unanswered(&mut self, request: &InFlight, now: Instant) {
        if let (Some(tariff), false) = (&self.policy.tariff, request.calls.is_empty()) {
            let used = tariff.quantities(now - request.running_since.unwrap_or(request.sent)).into_iter().collect();
            self.usage.extend(&used);
        }
    }

    /// A request has come to its end: in order, or by a failure that stands for every call without an answer.
    pub(crate) fn ended(&mut self, key: RequestKey, end: Result<(), InvokeError>, now: Instant, out: &mut Out) {
        let Some(mut request) = self.remove_request(key, now) else { return };
        let mut failure = match end {
            Ok(()) if request.calls.is_empty() => return,
            Ok(()) => {
                InvokeError::new(RetryClass::Transient, Ran::Maybe, "the provider ended the request without an answer")
            }
            Err(failure) => failure,
        };
        if let Some(tariff) = self.policy.tariff.as_ref().filter(|_| failure.ran != Ran::No) {
            failure.metering.quantities = tariff.quantities(now - request.running_since.unwrap_or(request.sent));
        }
        let usd = self.account(&failure.metering);
        if failure.class == RetryClass::Throttled {
            self.counters.throttled += 1;
            let in_flight = self.requests.len() + 1;
            self.window.throttled(in_flight, request.sent, now);
        }
        let flight = request.flight();
        if failure.class == RetryClass::Unreachable {
            self.outage.failed(now, self.rng.f64());
        }
        let Some(head) = request.calls.pop_front() else { return };
        // Where a worker tells what it starts, the calls behind the one it started have not run.
        let told = request.running_since.is_some() || failure.ran == Ran::No;
        let behind: Vec<_> = request.calls.drain(..).collect();
        if told {
            for call in behind.into_iter().rev() {
                self.budget.end(0.0);
                self.put_back(call);
            }
        } else {
            for call in behind {
                let error = Error::new(ErrorKind::Unavailable, "the request that carried the call failed");
                self.budget.end_unknown();
                self.note_attempt(call, &flight, &Ended::failed(error.kind(), None), now);
                self.fly_down(call);
                let (class, ran) = (RetryClass::Transient, Ran::Maybe);
                self.failed(Failed { call, class, ran, retry_after: None, error }, now, out);
            }
        }
        match failure.ran {
            Ran::No => self.budget.end(usd),
            Ran::Maybe | Ran::Yes => self.budget.end_at_least(usd),
        }
        self.warn_of_budget();
        failure.execution = failure.execution.or(request.execution.take());
        let (class, ran, retry_after) = (failure.class, failure.ran, failure.retry_after);
        self.note_attempt(head, &flight, &Ended::failed(failure.kind, Some(&failure.metering)), now);
        self.fly_down(head);
        let error = Error::from_invoke(failure);
        self.failed(Failed { call: head, class, ran, retry_after, error }, now, out);
    }

    pub(super) fn fly_down(&mut self, call: CallRef) {
        if let Some(state) = self.live_mut(call) {
            state.flying -= 1;
        }
    }

    /// Puts a call that did not run back at the head of the line; it has used no attempt, and waiting has no limit.
    pub(super) fn put_back(&mut self, call: CallRef) {
        let own_deadline = self.policy.deadline.is_some();
        let Some(state) = self.live_mut(call) else { return };
        state.flying -= 1;
        state.used -= 1;
        if state.flying > 0 {
            return;
        }
        if !own_deadline {
            state.deadline = None;
        }
        if state.used == 0 {
            state.first_sent = None;
        }
        self.enqueue(call, Place::Front);
    }

    /// Takes note of a failed attempt. Where the call's own `retry_if` has a say, the decision waits for it.
    pub(super) fn failed(&mut self, failed: Failed, now: Instant, out: &mut Out) {
        let Some(state) = self.live(failed.call) else {
            self.counters.duplicates += 1;
            return;
        };
        if state.flying > 0 {
            // Another attempt still runs and may succeed.
            return;
        }
        if failed.class == RetryClass::Timeout && state.deadline.is_some_and(|at| at <= now) {
            // The worker had what was left until the deadline, and was just quicker than the clock here.
            self.end_overdue_call(failed.call, now, out);
            return;
        }
        let retry_if = state.options.as_ref().and_then(|options| options.retry_if.clone());
        match retry_if {
            Some(retry_if) if retry::is_asked_for(failed.class) => out.asked.push((failed, retry_if)),
            _ => self.decide(failed, false, now, out),
        }
    }

    /// Decides what becomes of a call whose attempt failed; `wanted` is what its `retry_if` said.
    pub(crate) fn decide(&mut self, failed: Failed, wanted: bool, now: Instant, out: &mut Out) {
        let Failed { call, class, ran, retry_after, error } = failed;
        // It may have been given up while its `retry_if` was asked.
        let Some(state) = self.live(call) else { return };
        let given_items = state.items > 0;
        let attempt = Attempt {
            class,
            ran,
            idempotent: state.entry.idempotent && !given_items,
            used: state.used,
            retries: state.retries(&self.policy),
            throttled: state.throttled,
            wanted,
            retry_after,
        };
        match retry::decide(attempt, self.rng.f64()) {
            Decision::GiveUp => self.settle(call, Err(error), None, now, out),
            Decision::GiveUpForItMayHaveRun => {
                let why = if given_items {
                    "a generator does not start again once it has given items"
                } else {
                    "the function may have run, and is not sent again because of `idempotent = false`"
                };
                self.settle(call, Err(error.with_hint(why)), None, now, out);
            }
            Decision::Again(pause) => {
                if self.observed
                    && let Some(state) = self.live(call)
                {
                    out.events.push(event_of(state, CloudEventKind::Retried { error: error.kind(), pause }));
                }
                self.again(call, class, pause, now);
            }
        }
    }

    fn again(&mut self, call: CallRef, class: RetryClass, pause: Duration, now: Instant) {
        let own_deadline = self.policy.deadline.is_some();
        let Some(state) = self.live_mut(call) else { return };
        // A service may ask for any pause.
        let pause = pause.min(FOREVER);
        state.due = now + pause;
        match class {
            RetryClass::Throttled => {
                state.used -= 1;
                state.throttled += 1;
                if !own_deadline {
                    // It waits for admission again, which has no limit.
                    state.deadline = None;
                }
            }
            // Its deadline goes on: nobody knows whether the service comes back.
            RetryClass::Unreachable => state.used -= 1,
            _ => self.counters.retried += 1,
        }
        if pause.is_zero() {
            self.enqueue(call, Place::Front);
        } else {
            self.delayed.push(Reverse((now + pause, call)));
            self.wake_at(now + pause);
        }
    }
}

/// Takes a call out of a request's unanswered ones; the head, where workers answer in order.
fn take(request: &mut InFlight, id: CallId) -> Option<CallRef> {
    if request.calls.front().is_some_and(|call| call.id == id.0) {
        return request.calls.pop_front();
    }
    let position = request.calls.iter().position(|call| call.id == id.0)?;
    request.calls.remove(position)
}
