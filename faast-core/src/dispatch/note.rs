//! What the dispatcher notes for the record of a run: each attempt, request and failed call, at its end.
//!
//! Nothing is decided here, and without a record nothing is done.

use std::time::{Duration, Instant};

use super::state::{CallRef, CallState, InFlight, State};
use crate::error::{Error, ErrorKind};
use crate::provider::{InstanceId, Metering, Outcome};
use crate::record::{Attempt, End, Failure, Note};
use crate::stats::Snapshot;

/// What a note needs of a request, which is gone or goes on by then.
pub(super) struct Flight {
    sent: Instant,
    started: Option<Instant>,
    worker: Option<InstanceId>,
    hedge: bool,
}

impl InFlight {
    pub(super) fn flight(&self) -> Flight {
        Flight { sent: self.sent, started: self.running_since, worker: self.instance.clone(), hedge: self.hedge }
    }
}

/// How an attempt ended, and what is known of it.
pub(super) struct Ended<'m> {
    end: End,
    metering: Option<&'m Metering>,
}

impl<'m> Ended<'m> {
    /// A worker answered.
    pub(super) fn answered(outcome: &Outcome, metering: &'m Metering) -> Self {
        let end = match outcome {
            Outcome::Ok(_) => End::Answered,
            Outcome::Err(failure) => End::Failed(failure.kind),
        };
        Self { end, metering: Some(metering) }
    }

    /// It failed without an answer.
    pub(super) fn failed(kind: ErrorKind, metering: Option<&'m Metering>) -> Self {
        Self { end: End::Failed(kind), metering }
    }

    /// Nobody waited for it any more.
    pub(super) fn dropped() -> Self {
        Self { end: End::Dropped, metering: None }
    }
}

impl State {
    /// Whether notes are taken.
    pub(super) fn is_recorded(&self) -> bool {
        self.policy.tape.is_some()
    }

    /// An attempt has ended; its call has not been told yet.
    pub(super) fn note_attempt(&self, call: CallRef, flight: &Flight, ended: &Ended<'_>, now: Instant) {
        let Some(tape) = &self.policy.tape else { return };
        let state = self.live(call);
        let metering = ended.metering;
        let end = if state.is_none() && ended.end == End::Answered { End::TooLate } else { ended.end };
        let usd = metering.filter(|metering| !metering.quantities.is_empty()).map_or(0.0, |metering| {
            let used = metering.quantities.iter().cloned().collect();
            self.policy.prices.total_usd(&used)
        });
        let since = |of: fn(&CallState) -> Instant| tape.us(state.map_or(flight.sent, of));
        tape.note(Note::Attempt(Attempt {
            call: call.id,
            number: state.map_or(0, |state| state.number(flight.hedge)),
            function: state.map(|state| state.entry.name),
            submitted_us: since(|state| state.submitted),
            // A hedge does not wait for its turn: it is sent when there is room.
            queued_us: if flight.hedge {
                tape.us(flight.sent)
            } else {
                since(|state| state.due).min(tape.us(flight.sent))
            },
            sent_us: tape.us(flight.sent),
            started_us: flight.started.map(|at| tape.us(at)),
            ended_us: tape.us(now),
            run_us: metering.filter(|metering| !metering.duration.is_zero()).map(|metering| micros(metering.duration)),
            end,
            hedge: flight.hedge,
            worker: flight.worker.clone(),
            usd,
            peak_memory: metering.and_then(|metering| metering.peak_memory),
        }));
    }

    /// A request has left the books; what it still carried is dropped.
    pub(super) fn note_request(&self, request: &InFlight, now: Instant) {
        let Some(tape) = &self.policy.tape else { return };
        tape.note(Note::Request { sent_us: tape.us(request.sent), ended_us: tape.us(now) });
    }

    /// A call has ended with an error.
    pub(super) fn note_failure(&self, state: &CallState, error: &Error, now: Instant) {
        let Some(tape) = &self.policy.tape else { return };
        let failure = Failure { at_us: tape.us(now), ..Failure::new(state.id, state.entry.name, error) };
        tape.note(Note::Failure(Box::new(failure)));
    }

    /// Requests at once, and calls a second, as far as they are limited.
    pub(crate) fn places(&self) -> (usize, Option<f64>) {
        (self.policy.concurrency, self.policy.rate.map(|(per_second, _)| per_second))
    }

    /// What goes on, for the record and for displays.
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            counters: self.counters.clone(),
            limit: self.window.size() as u64,
            in_flight: self.requests.len() as u64,
            queued: (self.queued_calls + self.delayed.len()) as u64,
            cost: self.policy.prices.report(&self.usage),
        }
    }
}

impl CallState {
    /// The number of the attempt that ends: while a hedge flies, the other one is the attempt before it.
    fn number(&self, hedge: bool) -> u32 {
        let hedge_flies = self.hedged && !hedge && self.used > 1 && self.flying > 1;
        if hedge_flies { self.used - 1 } else { self.used }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
