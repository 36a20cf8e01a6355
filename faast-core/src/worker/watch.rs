//! The thread that watches while a function runs: deadlines, memory, and calls that wait behind a long one.
//!
//! The executor and the watching thread share one [`State`] under a mutex: the executor writes what it runs and takes
//! calls from the frame; the watch takes the rest of the frame away when a call turns out long, and ends a call that
//! is over its time or memory. Whoever takes `current` out of the state answers for that call, so each is answered once.
//! The thread sleeps until the earliest moment that matters (`wake_at`); a call wakes it only to bring that forward.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::memory;
use crate::cancel::CancelToken;
use crate::error::ErrorKind;
use crate::provider::{CallFrame, CallId, Event, EventSink, Failure, Metering, Outcome};

/// A call that runs longer gives the calls behind it in its frame back, for other workers. Source: measured; shorter
/// ticks cost throughput of short calls, longer ones balance of mixed loads.
const GIVE_BACK_AFTER: Duration = Duration::from_millis(2);

/// How often resident memory is compared with the limit while a call runs.
const MEMORY_TICK: Duration = Duration::from_millis(5);

/// Lets a transport tell the running function that nobody waits for it.
#[derive(Debug, Clone)]
pub struct WorkerControl(Arc<Watch>);

impl WorkerControl {
    /// Fires the running call's cancellation token, and drops the calls that have not started.
    ///
    /// Of the call `call` only, if one is given.
    pub fn cancel(&self, call: Option<CallId>) {
        let mut state = self.0.lock();
        match call {
            Some(id) => state.queue.retain(|frame| frame.id != id),
            None => state.queue.clear(),
        }
        if let Some(current) = &state.current
            && call.is_none_or(|id| id == current.id)
        {
            state.canceled.cancel();
        }
    }
}

#[derive(Debug)]
pub(super) struct Watch {
    state: Mutex<State>,
    wake: Condvar,
    memory_limit: Option<u64>,
    events: DebugSink,
}

struct DebugSink(Arc<dyn EventSink>);

impl std::fmt::Debug for DebugSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EventSink")
    }
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<CallFrame>,
    current: Option<Current>,
    /// Shared by the calls of this worker until it fires; one for each call would cost as much as a short call.
    canceled: CancelToken,
    wake_at: Option<Instant>,
    closed: bool,
}

#[derive(Debug)]
struct Current {
    id: CallId,
    started: Instant,
    timeout: Duration,
    /// The client, not the function, is what is waited for.
    paused: bool,
}

/// What the watch found due.
enum Due {
    Nothing,
    GiveBack(Vec<CallFrame>),
    End(Current, Failure, Vec<CallFrame>),
}

impl Watch {
    pub(super) fn new(events: Arc<dyn EventSink>, memory_limit: Option<u64>) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), wake: Condvar::new(), memory_limit, events: DebugSink(events) })
    }

    pub(super) fn control(self: &Arc<Self>) -> WorkerControl {
        WorkerControl(Arc::clone(self))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a request's calls in line.
    pub(super) fn load(&self, calls: Vec<CallFrame>) {
        self.lock().queue = calls.into();
    }

    /// Takes the next call and marks it running. `None`: the frame is at its end, or was given back.
    pub(super) fn start(&self, started: Instant) -> Option<(CallFrame, CancelToken)> {
        let mut state = self.lock();
        let frame = state.queue.pop_front()?;
        if state.canceled.is_canceled() {
            state.canceled = CancelToken::new();
        }
        let canceled = state.canceled.clone();
        let current = Current { id: frame.id, started, timeout: frame.timeout, paused: false };
        let due = self.next_due(&current, !state.queue.is_empty());
        state.current = Some(current);
        if let Some(due) = due
            && state.wake_at.is_none_or(|at| due < at)
        {
            state.wake_at = Some(due);
            self.wake.notify_one();
        }
        Some((frame, canceled))
    }

    /// Takes the running call out; gives the number of calls that wait behind it. `None`: the watch has answered it.
    pub(super) fn finish(&self) -> Option<usize> {
        let mut state = self.lock();
        state.current.take()?;
        Some(state.queue.len())
    }

    /// Stops the clock of the running call while it waits for the client to take an item.
    pub(super) fn pause(&self) {
        if let Some(current) = &mut self.lock().current {
            current.paused = true;
        }
    }

    /// Starts the clock anew: a generator's time-out is the time between two items.
    pub(super) fn resume(&self, now: Instant) {
        if let Some(current) = &mut self.lock().current {
            current.paused = false;
            current.started = now;
        }
    }

    /// Answers the running call from wherever it went wrong, gives the rest back and leaves the process to its end.
    pub(super) fn end_current(&self, failure: Failure) {
        let mut state = self.lock();
        let Some(current) = state.current.take() else { return };
        let rest: Vec<_> = state.queue.drain(..).collect();
        drop(state);
        self.answer(&current, failure, &rest);
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_one();
    }

    fn next_due(&self, current: &Current, others_wait: bool) -> Option<Instant> {
        let mut after = current.timeout;
        if others_wait {
            after = after.min(GIVE_BACK_AFTER);
        }
        if self.memory_limit.is_some() {
            after = after.min(MEMORY_TICK);
        }
        current.started.checked_add(after)
    }

    /// After a look: the frame is empty by then, so that only memory and time-out are left to be watched.
    fn next_look(&self, current: &Current, now: Instant) -> Option<Instant> {
        let from = if current.paused { now } else { current.started };
        let timeout = from.checked_add(current.timeout);
        let memory = self.memory_limit.map(|_| now + MEMORY_TICK);
        timeout.into_iter().chain(memory).min()
    }

    /// The watching thread.
    pub(super) fn run(&self) {
        let mut state = self.lock();
        while !state.closed {
            let now = Instant::now();
            match state.wake_at {
                None => state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(at) if now < at => {
                    state = self.wake.wait_timeout(state, at - now).unwrap_or_else(PoisonError::into_inner).0;
                }
                Some(_) => {
                    let due = self.look(&mut state, now);
                    drop(state);
                    self.act(due);
                    state = self.lock();
                }
            }
        }
    }

    fn look(&self, state: &mut State, now: Instant) -> Due {
        let Some(current) = state.current.take() else {
            state.wake_at = None;
            return Due::Nothing;
        };
        let running = now.saturating_duration_since(current.started);
        let failure = if running >= current.timeout && !current.paused {
            Some(timed_out(current.timeout))
        } else {
            self.memory_limit.and_then(|limit| out_of_memory(memory::resident()?, limit))
        };
        if let Some(failure) = failure {
            return Due::End(current, failure, state.queue.drain(..).collect());
        }
        if running < GIVE_BACK_AFTER && !state.queue.is_empty() {
            state.wake_at = self.next_due(&current, true);
            state.current = Some(current);
            return Due::Nothing;
        }
        let given_back: Vec<_> = state.queue.drain(..).collect();
        state.wake_at = self.next_look(&current, now);
        state.current = Some(current);
        if given_back.is_empty() { Due::Nothing } else { Due::GiveBack(given_back) }
    }

    fn act(&self, due: Due) {
        match due {
            Due::Nothing => {}
            Due::GiveBack(frames) => self.give_back(&frames),
            Due::End(current, failure, rest) => {
                self.answer(&current, failure, &rest);
                self.events.0.terminate();
            }
        }
    }

    fn give_back(&self, frames: &[CallFrame]) {
        // A closed connection needs no answer: whoever closed it has given these calls up.
        for frame in frames {
            let _ = self.events.0.send(&mut Event::Returned { call: frame.id }, 1);
        }
        let _ = self.events.0.flush();
    }

    fn answer(&self, current: &Current, failure: Failure, rest: &[CallFrame]) {
        let metering =
            Metering { duration: current.started.elapsed(), peak_memory: memory::peak(), ..Metering::default() };
        let outcome = Outcome::Err(Box::new(failure));
        let _ = self.events.0.send(&mut Event::Done { call: current.id, outcome, metering }, rest.len());
        self.give_back(rest);
    }
}

/// What to do about a call that takes too long.
pub(crate) const SLOW: &str = "raise `timeout`, or give a call less to do";

/// What to do about a call that needs too much memory.
const LARGE: &str = "raise `memory_mb`, or give a call less at a time";

fn timed_out(timeout: Duration) -> Failure {
    let message = format!("took longer than its time-out of {timeout:?}");
    Failure { chain: vec![SLOW.into()], ..Failure::new(ErrorKind::Timeout, message) }
}

fn out_of_memory(resident: u64, limit: u64) -> Option<Failure> {
    const MIB: u64 = 1024 * 1024;
    (resident > limit).then(|| {
        let (used, allowed) = (resident.div_ceil(MIB), limit / MIB);
        let message = format!("needed {used} MiB of memory and may have {allowed} MiB");
        Failure { chain: vec![LARGE.into()], ..Failure::new(ErrorKind::OutOfMemory, message) }
    })
}
