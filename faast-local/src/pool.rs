//! The pool: which worker takes which request, and when a process is started.
//!
//! Requests wait in order. One goes to the worker that became idle last (it is warm), else to a new process if there are
//! fewer than `concurrency`, else it waits. A process counts until it has been reaped, so there are never more. Every
//! method may be called by any thread; the lock is never held over a system call that blocks, a send, or a wake.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use faast_core::ErrorKind;
use faast_core::provider::{InvokeError, Runtime};

use crate::classify;
use crate::job::Job;
use crate::logs::Logs;
use crate::peer::{Peer, Start};
use crate::process::Launch;
use crate::reader;
use crate::stream::Host;

/// Workers in a row that ended before they were ready; after so many, requests fail without starting another.
const START_FAILURES: u32 = 3;

#[derive(Debug)]
pub(crate) struct Pool {
    launch: Launch,
    pub(crate) logs: Logs,
    memory_mb: Option<u32>,
    concurrency: usize,
    /// Where a canceled worker's last deadline is waited for.
    runtime: Runtime,
    state: Mutex<State>,
    /// A process has been reaped.
    pub(crate) reaped: Condvar,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    /// Last in, first out.
    idle: Vec<Arc<Peer>>,
    pub(crate) waiting: VecDeque<Arc<Job>>,
    /// Every worker whose reader runs.
    pub(crate) peers: Vec<Arc<Peer>>,
    /// Processes that are being started, run, or are not reaped yet.
    pub(crate) alive: usize,
    started: usize,
    /// Readers, those that have ended too, until somebody joins them.
    pub(crate) readers: Vec<JoinHandle<()>>,
    failures: u32,
    last_failure: Option<String>,
    pub(crate) closed: bool,
}

/// What to do for the request at the head of the line.
enum Next {
    Give(Arc<Peer>, Arc<Job>),
    Start(usize, Arc<Job>),
    Fail(Arc<Job>, InvokeError),
    Nothing,
}

impl Pool {
    pub(crate) fn new(
        launch: Launch,
        logs: Logs,
        memory_mb: Option<u32>,
        concurrency: usize,
        runtime: Runtime,
    ) -> Arc<Self> {
        let concurrency = concurrency.max(1);
        let (state, reaped) = (Mutex::default(), Condvar::new());
        Arc::new(Self { launch, logs, memory_mb, concurrency, runtime, state, reaped })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn memory_mb(&self) -> Option<u32> {
        self.memory_mb
    }

    pub(crate) fn concurrency(&self) -> usize {
        self.concurrency
    }

    /// Starts one worker ahead of the first request, without waiting for it.
    pub(crate) fn warm_up(self: &Arc<Self>) -> io::Result<()> {
        let number = {
            let mut state = self.lock();
            state.alive += 1;
            state.next_number()
        };
        let peer = self.start(number)?;
        self.release(&peer);
        Ok(())
    }

    /// A worker is free.
    pub(crate) fn release(self: &Arc<Self>, peer: &Arc<Peer>) {
        self.lock().idle.push(Arc::clone(peer));
        self.pump();
    }

    /// Gives waiting requests to workers as long as there are both.
    pub(crate) fn pump(self: &Arc<Self>) {
        loop {
            let next = self.lock().next(self.concurrency);
            match next {
                Next::Nothing => return,
                Next::Fail(job, error) => job.fail(error),
                Next::Give(peer, job) => self.give(&peer, &job),
                Next::Start(number, job) => match self.start(number) {
                    Ok(peer) => self.give(&peer, &job),
                    Err(error) => job.fail(classify::spawn_failure(error)),
                },
            }
        }
    }

    fn give(&self, peer: &Arc<Peer>, job: &Arc<Job>) {
        match peer.start(job) {
            Start::Done => {}
            Start::NotWanted => self.lock().idle.push(Arc::clone(peer)),
            Start::Gone => self.lock().waiting.push_front(Arc::clone(job)),
        }
    }

    /// Starts a process that is already counted as alive.
    fn start(self: &Arc<Self>, number: usize) -> io::Result<Arc<Peer>> {
        let log = self.logs.file(number);
        let peer = match self.launch.start(log.as_deref()) {
            Ok(started) => Peer::new(number, started, log),
            Err(error) => {
                self.one_less();
                return Err(error);
            }
        };
        // Known to the pool before its reader can report it gone.
        let mut state = self.lock();
        state.peers.push(Arc::clone(&peer));
        if state.closed {
            peer.end();
        }
        drop(state);
        match reader::spawn(Arc::clone(self), Arc::clone(&peer)) {
            Ok(reader) => {
                self.keep(reader);
                Ok(peer)
            }
            Err(error) => {
                peer.process.bury();
                self.gone(&peer, false);
                Err(error)
            }
        }
    }

    fn keep(&self, reader: JoinHandle<()>) {
        let mut state = self.lock();
        let (ended, running): (Vec<_>, Vec<_>) = state.readers.drain(..).partition(JoinHandle::is_finished);
        state.readers = running;
        state.readers.push(reader);
        drop(state);
        for reader in ended {
            // A panic in there has been printed.
            let _ = reader.join();
        }
    }

    /// A worker's socket has ended: nobody else may be given to it.
    pub(crate) fn forget_idle(&self, peer: &Arc<Peer>) {
        self.lock().idle.retain(|idle| !Arc::ptr_eq(idle, peer));
    }

    /// A worker has been reaped.
    pub(crate) fn gone(&self, peer: &Arc<Peer>, was_ready: bool) {
        let mut state = self.lock();
        state.peers.retain(|other| !Arc::ptr_eq(other, peer));
        if was_ready {
            state.failures = 0;
        }
        drop(state);
        self.one_less();
    }

    /// A worker has been reaped that was never ready.
    pub(crate) fn gone_before_start(&self, peer: &Arc<Peer>, error: &InvokeError) {
        if error.kind == ErrorKind::Deploy {
            let mut state = self.lock();
            state.failures += 1;
            state.last_failure = Some(error.message.clone());
        }
        self.gone(peer, false);
    }

    fn one_less(&self) {
        self.lock().alive -= 1;
        self.reaped.notify_all();
    }
}

impl Host for Pool {
    fn submit(self: &Arc<Self>, job: &Arc<Job>) {
        self.lock().waiting.push_back(Arc::clone(job));
        self.pump();
    }

    fn cancel(&self, job: &Arc<Job>, peer: &Arc<Peer>) {
        peer.cancel(job, &self.runtime);
    }
}

impl State {
    pub(crate) fn forget_all_idle(&mut self) {
        self.idle = Vec::new();
    }

    fn next_number(&mut self) -> usize {
        self.started += 1;
        self.started - 1
    }

    fn next(&mut self, concurrency: usize) -> Next {
        // Those that were dropped while they waited have left the line.
        while self.waiting.front().is_some_and(|job| !job.is_waiting()) {
            self.waiting.pop_front();
        }
        if self.closed {
            return self.waiting.pop_front().map_or(Next::Nothing, |job| Next::Fail(job, classify::canceled()));
        }
        if self.waiting.is_empty() {
            return Next::Nothing;
        }
        if let Some(peer) = self.idle.pop() {
            return self.waiting.pop_front().map_or(Next::Nothing, |job| Next::Give(peer, job));
        }
        if self.failures >= START_FAILURES && self.alive == 0 {
            let error = classify::no_start(self.last_failure.as_deref().unwrap_or_default());
            return self.waiting.pop_front().map_or(Next::Nothing, |job| Next::Fail(job, error));
        }
        if self.alive < concurrency {
            self.alive += 1;
            let number = self.next_number();
            return self.waiting.pop_front().map_or(Next::Nothing, |job| Next::Start(number, job));
        }
        Next::Nothing
    }
}
