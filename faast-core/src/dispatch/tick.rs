//! What the clock does: retries that are due, attempts and calls that took too long, and hedges.
//!
//! The worker ends a call at its time-out and says so; here is the backstop for workers that say nothing.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::note::Ended;
use super::state::{CallRef, Failed, HEDGE_CHECK, InFlight, Out, Place, State};
use crate::error::{Error, ErrorKind};
use crate::provider::{Ran, RetryClass};
use crate::worker::SLOW;

impl State {
    /// Does what is due at `now`, and finds the next moment that matters.
    pub(crate) fn tick(&mut self, now: Instant, out: &mut Out) {
        self.wake = None;
        self.release_delayed(now);
        self.end_overdue_calls(now, out);
        self.end_overdue_attempts(now, out);
        if self.policy.hedge {
            self.hedge(now, out);
        }
        self.wake_changed = true;
    }

    fn release_delayed(&mut self, now: Instant) {
        while let Some(Reverse((at, call))) = self.delayed.peek().copied() {
            if at > now {
                self.wake_at(at);
                return;
            }
            self.delayed.pop();
            self.enqueue(call, Place::Front);
        }
    }

    fn end_overdue_calls(&mut self, now: Instant, out: &mut Out) {
        let mut next = None;
        let mut overdue = Vec::new();
        for (slot, state) in &self.calls {
            match state.deadline {
                Some(at) if at <= now => overdue.push(CallRef { slot, id: state.id }),
                Some(at) => next = Some(next.map_or(at, |next: Instant| next.min(at))),
                None => {}
            }
        }
        for call in overdue {
            self.end_overdue_call(call, now, out);
        }
        if let Some(next) = next {
            self.wake_at(next);
        }
    }

    pub(super) fn end_overdue_call(&mut self, call: CallRef, now: Instant, out: &mut Out) {
        let Some(state) = self.live(call) else { return };
        let waited = now - state.submitted;
        let (what, hint) = if state.used == 0 {
            ("did not start", "raise `deadline`, or `concurrency`")
        } else {
            ("had no answer", "raise `deadline`, or give a call less to do")
        };
        let message = format!("{what} before its deadline, {waited:.1?} after it was submitted");
        self.settle(call, Err(Error::new(ErrorKind::Deadline, message).with_hint(hint)), None, now, out);
        self.drop_abandoned(now, out);
    }

    fn end_overdue_attempts(&mut self, now: Instant, out: &mut Out) {
        let mut overdue = Vec::new();
        let mut next = None;
        for (slot, request) in &self.requests {
            let Some(at) = self.attempt_ends(request, now) else { continue };
            if at <= now {
                overdue.push(slot);
            } else {
                next = Some(next.map_or(at, |next: Instant| next.min(at)));
            }
        }
        for slot in overdue {
            self.end_overdue_attempt(slot, now, out);
        }
        if let Some(next) = next {
            self.wake_at(next);
        }
    }

    /// When the head of a request is given up, or a request whose calls are all answered.
    fn attempt_ends(&self, request: &InFlight, now: Instant) -> Option<Instant> {
        let Some(head) = request.calls.front() else {
            return request.answered.map(|since| since + self.policy.timeout_grace);
        };
        let head = self.live(*head);
        // One that nobody waits for any more ends too, or it would keep its place for ever should its answer be lost.
        let timeout = head.map_or(self.policy.timeout, |head| head.timeout(&self.policy)) + self.policy.timeout_grace;
        let gate = head.and_then(|head| head.owner.gate());
        if request.transferring || gate.as_ref().is_some_and(|gate| gate.is_shut()) {
            // The network or the consumer is slow, not the worker.
            return Some(now + timeout);
        }
        Some(match request.running_since {
            Some(since) => gate.and_then(|gate| gate.opened()).map_or(since, |opened| opened.max(since)) + timeout,
            None => request.sent + timeout + self.policy.start_grace,
        })
    }

    fn end_overdue_attempt(&mut self, slot: usize, now: Instant, out: &mut Out) {
        let key = self.key(slot);
        let Some(mut request) = self.remove_request(key, now) else { return };
        out.canceled.extend(request.task.take());
        self.account_unanswered(&request, now);
        let flight = request.flight();
        let Some(head) = request.calls.pop_front() else { return };
        let timeout = self.live(head).map_or(Duration::ZERO, |state| state.timeout(&self.policy));
        for call in request.calls.drain(..).rev() {
            self.budget.end(0.0);
            self.put_back(call);
        }
        self.budget.end_unknown();
        self.note_attempt(head, &flight, &Ended::failed(ErrorKind::Timeout, None), now);
        if self.live(head).is_none() {
            return;
        }
        self.fly_down(head);
        let message = format!("took longer than its time-out of {timeout:?}");
        let mut error = Error::new(ErrorKind::Timeout, message).with_hint(SLOW);
        if let Some(execution) = request.execution {
            error = error.with_execution(execution);
        }
        let (class, ran) = (RetryClass::Timeout, Ran::Maybe);
        self.failed(Failed { call: head, class, ran, retry_after: None, error }, now, out);
    }

    /// Sends calls a second time that run far longer than others of their function.
    fn hedge(&mut self, now: Instant, out: &mut Out) {
        let mut slow = Vec::new();
        for request in self.requests.iter().map(|(_, request)| request) {
            let (Some(head), false) = (request.calls.front(), request.hedge || request.transferring) else { continue };
            let Some(state) = self.live(*head) else { continue };
            // Where requests wait at the platform, one that has not started says nothing.
            let sent = (!self.policy.queued).then_some(request.sent);
            let Some(since) = request.running_since.or(sent) else { continue };
            let threshold = self.functions[state.function].durations.threshold();
            let running = now - since;
            if state.entry.idempotent
                && !state.entry.streams()
                && !state.hedged
                && threshold.is_some_and(|t| running > t)
            {
                slow.push((*head, state.function));
            }
        }
        for (call, function) in slow {
            let room = self.requests.len() < self.window.size() && self.outage.holds(now).is_none();
            if room && self.functions[function].durations.has_extra() && self.may_start(now, out) {
                self.functions[function].durations.take_extra();
                if let Some(state) = self.live_mut(call) {
                    state.hedged = true;
                }
                self.counters.hedged += 1;
                self.start(VecDeque::from([call]), true, now, out);
            }
        }
        if !self.requests.is_empty() {
            self.wake_at(now + HEDGE_CHECK);
        }
    }
}
