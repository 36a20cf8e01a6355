//! Where results of a map wait for it.

use std::collections::VecDeque;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use crate::dispatch::{Owner, Settled};

/// Where the dispatcher leaves results. Written by whoever learns of them, emptied by the map.
#[derive(Default)]
pub(super) struct Inbox {
    state: Mutex<InboxState>,
    /// Whether [`Settled::report`] is wanted.
    reports: AtomicBool,
}

#[derive(Default)]
struct InboxState {
    settled: VecDeque<Settled>,
    /// Something else than a result has changed since the map looked.
    nudged: bool,
    waker: Option<Waker>,
}

impl Inbox {
    /// Takes what is there; `ready` is empty and its room is used for what comes next.
    pub(super) fn take(&self, ready: &mut VecDeque<Settled>) -> bool {
        mem::swap(&mut self.lock().settled, ready);
        !ready.is_empty()
    }

    /// Takes what is there, behind what is in `ready`.
    pub(super) fn append(&self, ready: &mut VecDeque<Settled>) {
        ready.append(&mut self.lock().settled);
    }

    /// From now on, what was measured comes with each value.
    pub(super) fn want_reports(&self) {
        self.reports.store(true, Ordering::Relaxed);
    }

    /// Wakes the map though no result has come: there is room for further calls.
    pub(super) fn nudge(&self) {
        let waker = {
            let mut state = self.lock();
            state.nudged = true;
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, InboxState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers to be woken; says whether something has arrived already.
    pub(super) fn wait(&self, waker: &Waker) -> bool {
        let mut state = self.lock();
        let arrived = mem::take(&mut state.nudged) || !state.settled.is_empty();
        if !arrived {
            state.waker = Some(waker.clone());
        }
        arrived
    }
}

impl Owner for Inbox {
    fn wants_report(&self) -> bool {
        self.reports.load(Ordering::Relaxed)
    }

    fn settle(&self, settled: Vec<Settled>) {
        let waker = {
            let mut state = self.lock();
            state.settled.extend(settled);
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
