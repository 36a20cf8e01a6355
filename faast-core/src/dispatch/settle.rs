//! The end of calls: settling each exactly once, giving calls up, and dropping the requests that nobody waits for.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::Bytes;

use super::note::Ended;
use super::owner::{Owner, Report, Settled};
use super::state::{CallRef, CallState, InFlight, Out, State};
use crate::error::{CallSite, Error, ErrorKind};
use crate::event::{CloudEvent, CloudEventKind};
use crate::provider::CallId;

impl State {
    /// Answers a call's owner. The only place where a call ends.
    pub(super) fn settle(
        &mut self,
        call: CallRef,
        result: Result<Bytes, Error>,
        report: Option<Box<Report>>,
        now: Instant,
        out: &mut Out,
    ) {
        if self.live(call).is_none() {
            return;
        }
        let state = self.forget(call.slot);
        match &result {
            Ok(_) => self.counters.completed += 1,
            Err(_) => self.counters.failed += 1,
        }
        let result = result.map_err(|error| self.named(error, &state, now));
        if let Err(error) = &result {
            self.note_failure(&state, error, now);
        }
        // Another attempt of it is in flight.
        if state.flying > 0 {
            self.drop_abandoned(now, out);
        }
        if self.observed {
            out.events.push(self.end_event(&state, &result, now));
        }
        let settled = Settled { key: state.key, result, report, span: state.span, is_replayed: false };
        out.settled.push((state.owner, settled));
    }

    fn end_event(&self, state: &CallState, result: &Result<Bytes, Error>, now: Instant) -> CloudEvent {
        let kind = match result {
            Ok(_) => {
                let (duration, instance) = self.last_answer.clone();
                CloudEventKind::Completed { duration, elapsed: now - state.submitted, instance }
            }
            Err(error) => CloudEventKind::Failed { error: error.kind(), message: error.message().into() },
        };
        event_of(state, kind)
    }

    /// Adds what is known of the call to its error.
    fn named(&self, error: Error, state: &CallState, now: Instant) -> Error {
        let execution = error.execution().cloned();
        let log_url = (state.used > 0).then(|| (self.policy.log_url)(execution.as_ref()));
        error.with_call(CallSite {
            function: Some(state.entry.name.into()),
            id: Some(CallId(state.id)),
            index: state.index,
            label: state.options.as_ref().and_then(|options| options.label.clone()),
            provider: Some(self.policy.provider),
            log_url,
            execution,
            attempts: state.used,
            elapsed: now - state.submitted,
        })
    }

    /// Requests none of whose calls anybody waits for any more.
    pub(super) fn abandoned(&self) -> impl Iterator<Item = (usize, &InFlight)> {
        let waited_for = |call: &CallRef| self.live(*call).is_some();
        self.requests.iter().filter(move |(_, request)| !request.calls.iter().any(waited_for))
    }

    /// Ends the requests that nobody waits for, where that is possible. Elsewhere they are waited for, because they hold
    /// their places and cost all the same; not so generators, which end when nobody takes their items, nor anything once
    /// the deployment is cleaned up.
    pub(super) fn drop_abandoned(&mut self, now: Instant, out: &mut Out) {
        let ends = |request: &InFlight| self.policy.cancel_kills || self.closed || request.streams;
        let slots: Vec<_> = self.abandoned().filter(|(_, request)| ends(request)).map(|(slot, _)| slot).collect();
        for slot in slots {
            let key = self.key(slot);
            if let Some(request) = self.remove_request(key, now) {
                self.account_unanswered(&request, now);
                (0..request.calls.len()).for_each(|_| self.budget.end_unknown());
                if let (true, Some(head)) = (self.is_recorded(), request.calls.front()) {
                    self.note_attempt(*head, &request.flight(), &Ended::dropped(), now);
                }
                out.canceled.extend(request.task);
            }
        }
    }

    /// Gives up one call, without telling its owner.
    pub(crate) fn cancel_one(&mut self, call: CallRef, now: Instant, out: &mut Out) {
        if self.live(call).is_some() {
            self.counters.canceled += 1;
            let state = self.forget(call.slot);
            let flying = state.flying;
            out.spans.push(state.span);
            if flying > 0 {
                self.drop_abandoned(now, out);
            }
        }
    }

    /// Gives up the calls of an owner, without telling it.
    pub(crate) fn cancel(&mut self, owner: &Arc<dyn Owner>, now: Instant, out: &mut Out) {
        let of_owner = self.calls.iter().filter(|(_, call)| Arc::ptr_eq(&call.owner, owner));
        let slots: Vec<_> = of_owner.map(|(slot, _)| slot).collect();
        self.counters.canceled += slots.len() as u64;
        for slot in slots {
            out.spans.push(self.forget(slot).span);
        }
        self.drop_abandoned(now, out);
    }

    /// Settles the calls of an owner as canceled.
    pub(crate) fn cancel_and_tell(&mut self, owner: &Arc<dyn Owner>, now: Instant, out: &mut Out) {
        let of_owner = self.calls.iter().filter(|(_, call)| Arc::ptr_eq(&call.owner, owner));
        let calls: Vec<_> = of_owner.map(|(slot, state)| CallRef { slot, id: state.id }).collect();
        for call in calls {
            if let Some(state) = self.live_mut(call) {
                // Requests are looked through once, below.
                state.flying = 0;
            }
            self.settle(call, Err(Error::new(ErrorKind::Canceled, "canceled with its map")), None, now, out);
        }
        self.drop_abandoned(now, out);
    }

    /// Settles everything and takes no more.
    pub(crate) fn close(&mut self, reason: impl Fn() -> Error, now: Instant, out: &mut Out) {
        self.closed = true;
        self.queue.clear();
        self.delayed.clear();
        let calls: Vec<_> = self.calls.iter().map(|(slot, state)| CallRef { slot, id: state.id }).collect();
        for call in calls {
            if let Some(state) = self.live_mut(call) {
                state.flying = 0;
            }
            self.settle(call, Err(reason()), None, now, out);
        }
        self.drop_abandoned(now, out);
    }
}

/// An event of a call, now.
pub(super) fn event_of(state: &CallState, kind: CloudEventKind) -> CloudEvent {
    CloudEvent {
        at: SystemTime::now(),
        call: CallId(state.id),
        function: state.entry.name,
        attempt: state.used.max(1),
        kind,
    }
}
