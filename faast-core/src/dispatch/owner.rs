//! Owners: who is told how a call ended. A run, a map or a stream of items is the owner of its calls.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::span::CallSpan;
use crate::call::CallOptions;
use crate::error::{Error, Result};
use crate::function::FunctionEntry;
use crate::provider::{ExecutionId, InstanceId, Metering};

/// A call as it is submitted.
pub(crate) struct Submission {
    pub(crate) entry: &'static FunctionEntry,
    pub(crate) args: Bytes,
    pub(crate) options: Option<Box<CallOptions>>,
    pub(crate) owner: Arc<dyn Owner>,
    /// The owner's name for the call.
    pub(crate) key: u64,
    /// The call's position in its map.
    pub(crate) index: Option<u64>,
    pub(crate) span: CallSpan,
}

/// How a call ended.
pub(crate) struct Settled {
    pub(crate) key: u64,
    pub(crate) result: Result<Bytes>,
    pub(crate) report: Option<Box<Report>>,
    /// Let go where no lock is held.
    pub(crate) span: CallSpan,
    /// It comes from a journal; no call was submitted.
    pub(crate) is_replayed: bool,
}

impl Settled {
    /// A call that can't be sent.
    pub(crate) fn refused(key: u64, error: Error) -> Self {
        Self { key, result: Err(error), report: None, span: CallSpan::default(), is_replayed: false }
    }

    /// A call whose result a journal had.
    pub(crate) fn replayed(key: u64, value: Bytes) -> Self {
        Self { key, result: Ok(value), report: None, span: CallSpan::default(), is_replayed: true }
    }
}

/// What `detail()` shows besides the value.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    pub(crate) attempts: u32,
    pub(crate) queued: Duration,
    pub(crate) total: Duration,
    pub(crate) instance: Option<InstanceId>,
    pub(crate) execution: Option<ExecutionId>,
    pub(crate) metering: Metering,
    pub(crate) cost_usd: f64,
}

/// Told about calls, from whichever thread learned of it; must not block.
pub(crate) trait Owner: Send + Sync {
    /// Calls have ended. Each call of the owner is named exactly once.
    fn settle(&self, settled: Vec<Settled>);

    /// A generator made an item.
    fn item(&self, _body: Bytes) {}

    /// Whether [`Settled::report`] is looked at.
    fn wants_report(&self) -> bool {
        false
    }

    /// Holds a generator's request back while the consumer has not taken what is there.
    fn gate(&self) -> Option<Arc<Gate>> {
        None
    }
}

/// Items that wait for their consumer, and who waits for the line to get shorter.
#[derive(Debug, Default)]
pub(crate) struct Gate(Mutex<GateState>);

#[derive(Debug, Default)]
struct GateState {
    items: usize,
    /// Who waits until it opens.
    blocked: Option<Waker>,
    /// When it last did.
    opened: Option<Instant>,
}

/// Items in line before the worker is held back.
const ROOM: usize = 64;

impl Gate {
    fn with<R>(&self, change: impl FnOnce(&mut GateState) -> R) -> R {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether more may be read; if not, `waker` is woken when it may.
    pub(crate) fn has_room(&self, waker: &Waker) -> bool {
        self.with(|gate| {
            let room = gate.items < ROOM;
            if !room {
                gate.blocked = Some(waker.clone());
            }
            room
        })
    }

    /// Whether the consumer, not the worker, is what is waited for.
    pub(crate) fn is_shut(&self) -> bool {
        self.with(|gate| gate.items >= ROOM || gate.blocked.is_some())
    }

    /// Since when the worker has been waited for again, if it was held back.
    pub(crate) fn opened(&self) -> Option<Instant> {
        self.with(|gate| gate.opened)
    }

    pub(crate) fn put(&self) {
        self.with(|gate| gate.items += 1);
    }

    pub(crate) fn took(&self) {
        let blocked = self.with(|gate| {
            gate.items = gate.items.saturating_sub(1);
            let woken = if gate.items < ROOM / 2 { gate.blocked.take() } else { None };
            gate.opened = woken.as_ref().map(|_| Instant::now()).or(gate.opened);
            woken
        });
        if let Some(waker) = blocked {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_is_shut_until_it_opens_again() {
        let gate = Gate::default();
        (0..ROOM).for_each(|_| gate.put());
        assert!(!gate.has_room(Waker::noop()));
        for _ in 0..ROOM / 2 {
            gate.took();
            assert!(gate.is_shut() && gate.opened().is_none(), "nobody reads meanwhile");
        }
        gate.took();
        assert!(!gate.is_shut() && gate.opened().is_some() && gate.has_room(Waker::noop()));
    }
}
