//! The client's end of one worker: what it is doing, and how it gets work and is told to stop.
//!
//! Whoever polls a request starts it here with a send that never blocks; what the socket does not take at once goes to
//! the worker's writer thread, which is made when it is first needed. The reader thread ([`crate::reader`]) writes what
//! has been answered. All share [`State`] under one lock, held for the time of a send at most. A peer ends when its
//! reader has seen the end of the socket and buried the process.

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use faast_core::provider::{CallId, Event, ExecutionId, InstanceId, Payload, Request, Runtime};
use faast_core::wire::frame::encode_request;
use rustix::net::{SendFlags, Shutdown, shutdown};
use tokio::task::AbortHandle;

use crate::config::KILL_AFTER;
use crate::frame::{BLOB_FROM, Outgoing};
use crate::job::Job;
use crate::process::{Process, Started};

/// Enough for a loop around one system call.
const WRITER_STACK: usize = 64 * 1024;

#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) instance: InstanceId,
    pub(crate) execution: ExecutionId,
    pub(crate) log: Option<PathBuf>,
    pub(crate) process: Process,
    pub(crate) journal: OwnedFd,
    pub(crate) socket: UnixStream,
    state: Mutex<State>,
    /// Tells the writer of work, or of the end.
    write: Condvar,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) running: Option<Running>,
    /// Requests sent so far; the number of the running one.
    frames: u64,
    /// Told to stop by the client: its end is no failure of anything.
    pub(crate) ending: bool,
    /// The socket has ended.
    gone: bool,
    /// What the writer is to send.
    unsent: Option<(u64, Outgoing)>,
    writer: Option<JoinHandle<()>>,
    /// The head's buffer of the next frame.
    buffer: Vec<u8>,
    /// Kills the worker if it does not end by itself after it was canceled.
    killer: Option<AbortHandle>,
}

/// The request that a worker has.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) job: Arc<Job>,
    pub(crate) frame: u64,
    pub(crate) first: CallId,
    pub(crate) calls: usize,
    /// Calls that have had no answer, in the order in which they run.
    pub(crate) left: VecDeque<CallId>,
    /// All of it is in the socket, as far as is known: said before it is sent, taken back where it did not fit.
    pub(crate) sent: bool,
    /// Something about it has come back.
    pub(crate) heard: bool,
    /// The worker reported a call that it can't stop but by ending itself.
    pub(crate) doomed: bool,
}

impl Peer {
    pub(crate) fn new(number: usize, started: Started, log: Option<PathBuf>) -> Arc<Self> {
        let Started { process, socket, journal } = started;
        let instance = format!("worker-{number}");
        let execution = format!("{instance} pid {}", process.pid());
        Arc::new(Self {
            instance: InstanceId(instance.into()),
            execution: ExecutionId(execution.into()),
            log,
            process,
            journal,
            socket,
            state: Mutex::default(),
            write: Condvar::new(),
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn started(&self, call: CallId) -> Event {
        Event::Started { call, instance: self.instance.clone(), execution: Some(self.execution.clone()) }
    }

    /// Sends a job's request.
    pub(crate) fn start(self: &Arc<Self>, job: &Arc<Job>) -> Start {
        let Some(mut request) = job.take(Some(self)) else { return Start::NotWanted };
        let Some(first) = request.calls.first().map(|call| call.id) else {
            job.push(&mut Vec::new(), true);
            return Start::NotWanted;
        };
        let mut state = self.lock();
        if state.gone || state.ending {
            drop(state);
            job.put_back(request);
            return Start::Gone;
        }
        if job.is_dropped() {
            // Dropped since it was taken: from here on, whoever drops it waits for the lock and finds it running.
            return Start::NotWanted;
        }
        let left: VecDeque<_> = request.calls.iter().map(|call| call.id).collect();
        state.frames += 1;
        let frame = state.frames;
        let mut outgoing = Outgoing::reuse(std::mem::take(&mut state.buffer));
        let blob = take_blob(&mut request);
        encode_request(&request, outgoing.head());
        let ready = outgoing.finish(frame, blob);
        let calls = left.len();
        state.running =
            Some(Running { job: Arc::clone(job), frame, first, calls, left, sent: true, heard: false, doomed: false });
        // Told before the worker can answer, and so before any answer.
        job.add(&mut vec![self.started(first)]);
        drop(state);
        if ready.is_ok() {
            self.send_now(frame, outgoing);
        }
        job.wake();
        Start::Done
    }

    /// Sends as much of a frame as the socket takes now; a writer sends the rest.
    ///
    /// Without the lock: the worker may answer before this thread runs again, and the reader must not wait for it.
    fn send_now(self: &Arc<Self>, frame: u64, mut outgoing: Outgoing) {
        let sent = outgoing.send(self.socket.as_fd(), SendFlags::DONTWAIT);
        let mut state = self.lock();
        match sent {
            Ok(true) => state.buffer = outgoing.into_buffer(),
            // It can't have been answered yet.
            Ok(false) => {
                state.note_sent(frame, false);
                self.write_later(&mut state, frame, outgoing);
            }
            // The other end is closed: the reader will find what was running and that it was not sent.
            Err(_) => state.note_sent(frame, false),
        }
    }

    fn write_later(self: &Arc<Self>, state: &mut State, frame: u64, outgoing: Outgoing) {
        state.unsent = Some((frame, outgoing));
        if state.writer.is_some() {
            self.write.notify_one();
            return;
        }
        let peer = Arc::clone(self);
        let writer = thread::Builder::new().name("faast-local-write".into()).stack_size(WRITER_STACK);
        match writer.spawn(move || peer.write()) {
            Ok(writer) => state.writer = Some(writer),
            // No thread to be had: the worker ends, and the reader reports the request as not sent.
            Err(_) => self.process.kill(),
        }
    }

    /// The writer thread: sends what did not fit, one frame at a time, until the socket ends.
    fn write(&self) {
        let mut state = self.lock();
        while !state.gone {
            let Some((frame, mut outgoing)) = state.unsent.take() else {
                state = self.write.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            drop(state);
            let sent = outgoing.send(self.socket.as_fd(), SendFlags::empty());
            state = self.lock();
            if sent == Ok(true) {
                state.note_sent(frame, true);
                state.buffer = outgoing.into_buffer();
            }
        }
    }

    /// The socket has ended: takes what was running, and ends the writer. For the reader.
    pub(crate) fn close(&self) -> (Option<Running>, bool) {
        let mut state = self.lock();
        state.gone = true;
        state.unsent = None;
        let (running, ending, writer) = (state.running.take(), state.ending, state.writer.take());
        if let Some(killer) = state.killer.take() {
            killer.abort();
        }
        drop(state);
        self.write.notify_one();
        if let Some(writer) = writer {
            // A panic in there has been printed; there is nothing to be done about it here.
            let _ = writer.join();
        }
        (running, ending)
    }

    /// Tells the worker that nobody waits for `job` any more, if it still runs that, and makes sure that it ends.
    pub(crate) fn cancel(self: &Arc<Self>, job: &Arc<Job>, runtime: &Runtime) {
        let mut state = self.lock();
        if state.running.as_ref().is_none_or(|running| !Arc::ptr_eq(&running.job, job)) {
            return;
        }
        self.stop(&mut state);
        let peer = Arc::downgrade(self);
        state.killer = runtime.spawn(async move {
            tokio::time::sleep(KILL_AFTER).await;
            if let Some(peer) = peer.upgrade() {
                peer.process.kill();
            }
        });
    }

    /// Tells the worker to end: at once if it is idle, else when its function has had a moment to notice.
    pub(crate) fn end(&self) {
        self.stop(&mut self.lock());
    }

    fn stop(&self, state: &mut State) {
        state.ending = true;
        // Fails only if the other end is gone already.
        let _ = shutdown(&self.socket, Shutdown::Write);
    }
}

/// What became of a job that was given to a worker.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// It is with the worker.
    Done,
    /// Nobody wants it any more; the worker is free.
    NotWanted,
    /// The worker has ended; the job waits again.
    Gone,
}

impl State {
    fn note_sent(&mut self, frame: u64, sent: bool) {
        if let Some(running) = self.running.as_mut().filter(|running| running.frame == frame) {
            running.sent = sent;
        }
    }
}

/// Takes the first large payload out of a request, to travel behind the head.
fn take_blob(request: &mut Request) -> Option<(usize, Bytes)> {
    request.calls.iter_mut().enumerate().find_map(|(at, call)| match &mut call.args {
        Payload::Inline(bytes) if bytes.len() >= BLOB_FROM => Some((at, std::mem::take(bytes))),
        _ => None,
    })
}
