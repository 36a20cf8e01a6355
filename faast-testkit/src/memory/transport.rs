//! A worker thread's side: requests come out of the pool, events go back encoded, as they would over a network.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use faast_core::provider::{
    BlobStore, CallId, Event, EventSink, ExecutionId, InstanceId, Request, SendError, WorkerTransport,
};
use faast_core::wire::frame;
use faast_core::worker::WorkerControl;

use super::pool::{Job, Pool, WorkerHandle};
use super::reply::Reply;

pub(super) struct ThreadTransport {
    pool: Arc<Pool>,
    worker: Arc<WorkerHandle>,
}

impl ThreadTransport {
    pub(super) fn new(pool: Arc<Pool>, worker: Arc<WorkerHandle>) -> Self {
        Self { pool, worker }
    }
}

impl WorkerTransport for ThreadTransport {
    fn next(&mut self) -> Option<Request> {
        loop {
            self.worker.sink.finish();
            let Job { request, execution, reply } = self.pool.next(&self.worker)?;
            // Bytes that are no request are dropped with their reply: the client sees a lost worker.
            if let Ok(request) = frame::decode_request(request)
                && self.worker.sink.begin(execution, reply, &request).is_ok()
            {
                return Some(request);
            }
        }
    }

    fn events(&self) -> Arc<dyn EventSink> {
        Arc::new(ThreadSink { pool: Arc::clone(&self.pool), worker: Arc::clone(&self.worker) })
    }

    fn store(&self) -> Option<Arc<dyn BlobStore>> {
        let store = self.pool.config.store.clone()?;
        Some(store)
    }

    fn attach(&mut self, control: WorkerControl) {
        // Attached once, before the first request.
        let _ = self.worker.control.set(control);
    }
}

struct ThreadSink {
    pool: Arc<Pool>,
    worker: Arc<WorkerHandle>,
}

impl EventSink for ThreadSink {
    fn send(&self, event: &mut Event, remaining: usize) -> Result<(), SendError> {
        self.worker.sink.send(event, remaining)
    }

    fn flush(&self) -> Result<(), SendError> {
        self.worker.sink.flush()
    }

    fn terminate(&self) {
        self.pool.abandon(&self.worker);
        self.worker.sink.close();
    }
}

/// Encodes events and holds them back until the request is done. Written by the worker and its watching thread; the
/// client's side only closes it.
pub(super) struct Sink {
    instance: InstanceId,
    limit: Option<u64>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    execution: Option<u64>,
    reply: Option<Reply>,
    /// Calls of the request without an answer, in the order they run.
    pending: VecDeque<CallId>,
    buffer: Vec<u8>,
}

impl Sink {
    pub(super) fn new(instance: InstanceId, limit: Option<u64>) -> Arc<Self> {
        Arc::new(Self { instance, limit, state: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, execution: u64, reply: Reply, request: &Request) -> Result<(), SendError> {
        let mut state = self.lock();
        state.execution = Some(execution);
        state.reply = Some(reply);
        state.pending = request.calls.iter().map(|frame| frame.id).collect();
        state.buffer.clear();
        self.started(&mut state);
        drop(state);
        self.flush()
    }

    /// Says that the first call in line starts.
    fn started(&self, state: &mut State) {
        if let (Some(call), Some(execution)) = (state.pending.front(), state.execution) {
            let execution = Some(ExecutionId(execution.to_string().into()));
            let event = Event::Started { call: *call, instance: self.instance.clone(), execution };
            frame::encode_event(&event, &mut state.buffer);
        }
    }

    fn finish(&self) {
        *self.lock() = State::default();
    }

    /// Lets go of the request; a sender that waits for room gets an error.
    pub(super) fn close(&self) {
        let reply = self.lock().reply.take();
        if let Some(reply) = reply {
            reply.close();
        }
    }

    fn send(&self, event: &Event, remaining: usize) -> Result<(), SendError> {
        let mut encoded = Vec::new();
        frame::encode_event(event, &mut encoded);
        let size = encoded.len() as u64;
        if let Some(limit) = self.limit.filter(|limit| size > *limit) {
            return Err(SendError::TooLarge { size, limit });
        }
        let mut state = self.lock();
        state.buffer.append(&mut encoded);
        if matches!(event, Event::Done { .. } | Event::Returned { .. }) {
            state.pending.retain(|call| *call != event.call());
        }
        if matches!(event, Event::Done { .. }) {
            self.started(&mut state);
        }
        drop(state);
        if remaining == 0 { self.flush() } else { Ok(()) }
    }

    fn flush(&self) -> Result<(), SendError> {
        let mut state = self.lock();
        let body = Bytes::from(mem::take(&mut state.buffer));
        let reply = state.reply.clone();
        // Sending may wait for room: the watching thread must get at the state meanwhile.
        drop(state);
        match reply {
            None => Err(SendError::Closed),
            Some(_) if body.is_empty() => Ok(()),
            Some(reply) => reply.send(body),
        }
    }
}
