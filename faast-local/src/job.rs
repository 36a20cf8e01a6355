//! One request on its way: the queue between the thread that reads a worker's socket and the stream that core polls.
//!
//! The reader writes events and the end; the stream reads. Both sides hold the job; it ends when the stream was told the
//! end, or was dropped. The queue is bounded in bytes: above [`FULL`] the reader waits, the socket fills, and the
//! worker's generator blocks.

use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use faast_core::provider::{Event, InvokeError, Outcome, Payload, Request};

use crate::peer::Peer;

/// Bytes of events that wait for the stream before the reader stops reading.
const FULL: usize = 4 << 20;

/// What an event costs beside its payload, so that many small ones are bounded too.
const PER_EVENT: usize = 128;

#[derive(Debug, Default)]
pub(crate) struct Job {
    state: Mutex<State>,
    drained: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Until a worker takes it.
    request: Option<Request>,
    /// The worker that has it, to cancel it there.
    peer: Option<Arc<Peer>>,
    events: Vec<Event>,
    bytes: usize,
    error: Option<InvokeError>,
    /// Nothing more comes.
    finished: bool,
    /// Nobody listens.
    dropped: bool,
    waker: Option<Waker>,
}

/// What the stream finds.
pub(crate) enum Found {
    Events,
    Failed(InvokeError),
    Finished,
}

impl Job {
    pub(crate) fn new(request: Request) -> Arc<Self> {
        let state = State { request: Some(request), ..State::default() };
        Arc::new(Self { state: Mutex::new(state), drained: Condvar::new() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The request, for the worker that takes it. `None`: it was dropped while it waited.
    pub(crate) fn take(&self, peer: Option<&Arc<Peer>>) -> Option<Request> {
        let mut state = self.lock();
        let request = state.request.take()?;
        state.peer = peer.cloned();
        Some(request)
    }

    /// The worker was dead already: the request waits again.
    pub(crate) fn put_back(&self, request: Request) {
        let mut state = self.lock();
        state.peer = None;
        if !state.dropped {
            state.request = Some(request);
        }
    }

    /// Whether it still waits for a worker.
    pub(crate) fn is_waiting(&self) -> bool {
        self.lock().request.is_some()
    }

    /// Whether nobody listens any more.
    pub(crate) fn is_dropped(&self) -> bool {
        self.lock().dropped
    }

    /// Adds events without waking the stream; [`push`](Self::push) or [`wake`](Self::wake) has to follow.
    pub(crate) fn add(&self, events: &mut Vec<Event>) {
        self.lock().add(events);
    }

    /// Adds events, and the end if this was all, and wakes the stream. The reader calls it with no lock held.
    pub(crate) fn push(&self, events: &mut Vec<Event>, finished: bool) {
        let mut state = self.lock();
        state.add(events);
        if finished {
            state.finish();
        }
        Self::wake_from(state);
    }

    /// Wakes the stream.
    pub(crate) fn wake(&self) {
        Self::wake_from(self.lock());
    }

    /// Ends it with a failure, after the events that there are.
    pub(crate) fn fail(&self, error: InvokeError) {
        let mut state = self.lock();
        if !state.finished {
            state.error = Some(error);
            state.finish();
            self.drained.notify_all();
        }
        Self::wake_from(state);
    }

    /// Wakes with no lock held: a waker may poll right away.
    fn wake_from(mut state: MutexGuard<'_, State>) {
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Blocks the reader while the queue is full.
    pub(crate) fn wait_for_room(&self) {
        let mut state = self.lock();
        while state.bytes > FULL && !state.dropped && !state.finished {
            state = self.drained.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Moves what has come into `events`, which is empty, or keeps the waker for when something comes.
    pub(crate) fn poll(&self, events: &mut Vec<Event>, waker: &Waker) -> Poll<Found> {
        let mut state = self.lock();
        if !state.events.is_empty() {
            mem::swap(&mut state.events, events);
            let was_full = state.bytes > FULL;
            state.bytes = 0;
            if was_full {
                self.drained.notify_all();
            }
            return Poll::Ready(Found::Events);
        }
        if let Some(error) = state.error.take() {
            return Poll::Ready(Found::Failed(error));
        }
        if state.finished {
            return Poll::Ready(Found::Finished);
        }
        if !state.waker.as_ref().is_some_and(|kept| kept.will_wake(waker)) {
            state.waker = Some(waker.clone());
        }
        Poll::Pending
    }

    /// Nobody listens any more: gives the worker that has to be told, if the request is still with one.
    pub(crate) fn drop_stream(&self) -> Option<Arc<Peer>> {
        let mut state = self.lock();
        state.dropped = true;
        state.request = None;
        state.waker = None;
        state.events = Vec::new();
        self.drained.notify_all();
        state.peer.take()
    }
}

impl State {
    fn add(&mut self, events: &mut Vec<Event>) {
        if !self.dropped && !self.finished {
            self.bytes += events.iter().map(size).sum::<usize>();
            if self.events.is_empty() {
                mem::swap(&mut self.events, events);
            } else {
                self.events.append(events);
            }
        }
        events.clear();
    }

    fn finish(&mut self) {
        self.finished = true;
        self.peer = None;
        self.request = None;
    }
}

fn size(event: &Event) -> usize {
    PER_EVENT
        + match event {
            Event::Item { body, .. } | Event::Done { outcome: Outcome::Ok(body), .. } => Payload::inline_len(body),
            _ => 0,
        }
}
