//! The worker threads of one deployment, started as they are needed, and the jobs that wait for them.
//!
//! A thread can't be killed. A worker that has to end (its call timed out, or was canceled) is abandoned: it counts as
//! gone, a replacement takes its place, and the thread ends by itself when its function returns.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

use bytes::Bytes;
use faast_core::provider::InstanceId;
use faast_core::worker::{self, WorkerControl};

use super::reply::Reply;
use super::store::MemoryStore;
use super::transport::{Sink, ThreadTransport};

/// A request on its way to a worker.
pub(super) struct Job {
    pub(super) request: Bytes,
    pub(super) execution: u64,
    pub(super) reply: Reply,
}

/// What every worker of a deployment is made with.
#[derive(Debug, Clone)]
pub(super) struct WorkerConfig {
    pub(super) deployment: String,
    pub(super) max_threads: usize,
    pub(super) max_response_bytes: Option<u64>,
    pub(super) store: Option<Arc<MemoryStore>>,
}

pub(super) struct Pool {
    pub(super) config: WorkerConfig,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// Workers in service, idle or busy; an abandoned one is not among them.
    workers: Vec<InService>,
    started: u64,
    /// Threads that have not ended, abandoned ones included.
    threads: usize,
    closed: bool,
}

struct InService {
    worker: Arc<WorkerHandle>,
    /// The execution it runs; written by the worker when it takes a job and when it has finished it.
    running: Option<u64>,
}

impl State {
    fn idle(&self) -> usize {
        self.workers.iter().filter(|entry| entry.running.is_none()).count()
    }

    fn find(&mut self, worker: &WorkerHandle) -> Option<&mut InService> {
        self.workers.iter_mut().find(|entry| entry.worker.id == worker.id)
    }
}

/// A worker as the client's side sees it.
pub(super) struct WorkerHandle {
    pub(super) id: u64,
    pub(super) sink: Arc<Sink>,
    pub(super) control: OnceLock<WorkerControl>,
}

impl Pool {
    pub(super) fn new(config: WorkerConfig) -> Arc<Self> {
        Arc::new(Self { config, state: Mutex::default(), wake: Condvar::new() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a job in line and starts a worker for it if none is free. A closed pool drops it.
    pub(super) fn start(self: &Arc<Self>, job: Job) {
        let mut state = self.lock();
        if state.closed {
            return;
        }
        state.jobs.push_back(job);
        self.staff(&mut state);
        drop(state);
        self.wake.notify_one();
    }

    fn staff(self: &Arc<Self>, state: &mut State) {
        while state.idle() < state.jobs.len() && state.workers.len() < self.config.max_threads {
            state.started += 1;
            let id = state.started;
            let instance = InstanceId(format!("{}/worker-{id}", self.config.deployment).into());
            let sink = Sink::new(instance, self.config.max_response_bytes);
            let handle = Arc::new(WorkerHandle { id, sink, control: OnceLock::new() });
            let transport = ThreadTransport::new(Arc::clone(self), Arc::clone(&handle));
            let pool = Arc::clone(self);
            let serve = move || {
                worker::serve(Box::new(transport));
                pool.lock().threads -= 1;
            };
            let thread = thread::Builder::new().name(format!("faast-memory-{id}")).spawn(serve);
            if thread.is_err() {
                // The jobs wait for the workers that there are; with none they end by their deadline.
                return;
            }
            state.threads += 1;
            // It counts as idle until it has taken a job, so that one job starts one worker.
            state.workers.push(InService { worker: handle, running: None });
        }
    }

    /// The next job for a worker; `None` when it is no longer in service.
    pub(super) fn next(&self, worker: &WorkerHandle) -> Option<Job> {
        let mut state = self.lock();
        loop {
            state.find(worker)?.running = None;
            if let Some(job) = state.jobs.pop_front() {
                state.find(worker)?.running = Some(job.execution);
                return Some(job);
            }
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes a worker that can't be stopped out of service.
    pub(super) fn abandon(self: &Arc<Self>, worker: &WorkerHandle) {
        let mut state = self.lock();
        state.workers.retain(|entry| entry.worker.id != worker.id);
        self.staff(&mut state);
    }

    /// Cancels an execution: one in line is forgotten, one that runs is told and its worker replaced.
    pub(super) fn cancel(self: &Arc<Self>, execution: u64) {
        let mut state = self.lock();
        state.jobs.retain(|job| job.execution != execution);
        let (gone, stay) =
            mem::take(&mut state.workers).into_iter().partition(|entry| entry.running == Some(execution));
        state.workers = stay;
        self.staff(&mut state);
        drop(state);
        let gone: Vec<InService> = gone;
        for entry in gone {
            entry.worker.cancel();
        }
    }

    /// Tells running functions that nobody waits, drops the jobs in line, and lets the workers end. Idempotent.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let jobs = mem::take(&mut state.jobs);
        let workers = mem::take(&mut state.workers);
        drop(state);
        drop(jobs);
        for entry in workers {
            entry.worker.cancel();
        }
        self.wake.notify_all();
    }

    /// Threads that have not ended.
    pub(super) fn threads(&self) -> usize {
        self.lock().threads
    }
}

impl WorkerHandle {
    /// Tells the running function that nobody waits for it, and closes the way back.
    pub(super) fn cancel(&self) {
        if let Some(control) = self.control.get() {
            control.cancel(None);
        }
        self.sink.close();
    }
}
