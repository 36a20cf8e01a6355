//! In-process: functions run on threads of the client, so that a debugger sees caller and function in one process.
//!
//! Each thread runs core's serve loop over a queue instead of a socket, so panics, errors and time-outs are what they
//! are in workers. What a process would be needed for is missing: a crash takes the client down, there is no memory
//! limit, and a call that is canceled or over its time goes on in its thread, which is abandoned and replaced.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::SystemTime;

use async_trait::async_trait;
use faast_core::Result;
use faast_core::cost::Usage;
use faast_core::provider::{
    CleanupReport, CloudFunction, Event, EventSink, ExecutionId, InstanceId, InvokeError, Limits, Request, SendError,
    WorkerTransport,
};
use faast_core::worker;
use futures_core::stream::BoxStream;

use crate::classify;
use crate::job::Job;
use crate::peer::Peer;
use crate::stream::{Host, Invocation};

/// A deployment on threads of this process.
pub(crate) struct Threads {
    desk: Arc<Desk>,
    concurrency: usize,
}

/// Where threads take their work from. Written by streams and threads, read by threads; ends with the deployment.
struct Desk {
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Arc<Job>>,
    running: Vec<Arc<Job>>,
    /// Threads that were not abandoned.
    threads: Vec<(Arc<Sink>, JoinHandle<()>)>,
    started: usize,
    closed: bool,
}

impl Threads {
    pub(crate) fn new(concurrency: usize) -> Self {
        let desk = Arc::new(Desk { state: Mutex::default(), work: Condvar::new() });
        let concurrency = concurrency.max(1);
        for _ in 0..concurrency {
            desk.add_thread();
        }
        Self { desk, concurrency }
    }

    fn close(&self) {
        let (jobs, threads) = {
            let mut state = self.desk.lock();
            state.closed = true;
            let mut jobs: Vec<_> = state.waiting.drain(..).collect();
            jobs.append(&mut state.running);
            (jobs, std::mem::take(&mut state.threads))
        };
        self.desk.work.notify_all();
        for job in &jobs {
            job.fail(classify::canceled());
        }
        for (sink, thread) in threads {
            // A thread in the middle of a function can't be ended; it ends with its function.
            if sink.job().is_none() {
                let _ = thread.join();
            }
        }
    }
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add_thread(self: &Arc<Self>) {
        let mut state = self.lock();
        let number = state.started;
        let sink = Arc::new(Sink {
            desk: Arc::clone(self),
            instance: InstanceId(format!("thread-{number}").into()),
            current: Mutex::new(None),
            abandoned: AtomicBool::new(false),
        });
        let transport = Box::new(ThreadTransport { sink: Arc::clone(&sink) });
        let thread = thread::Builder::new().name(format!("faast-thread-{number}"));
        if let Ok(thread) = thread.spawn(move || worker::serve(transport)) {
            state.started += 1;
            state.threads.push((sink, thread));
        }
    }
}

impl Host for Desk {
    fn submit(self: &Arc<Self>, job: &Arc<Job>) {
        let mut state = self.lock();
        if state.closed {
            drop(state);
            job.fail(classify::canceled());
            return;
        }
        state.waiting.push_back(Arc::clone(job));
        drop(state);
        // All: a thread that waits may be one that can't take it.
        self.work.notify_all();
    }

    fn cancel(&self, _: &Arc<Job>, _: &Arc<Peer>) {}
}

struct ThreadTransport {
    sink: Arc<Sink>,
}

impl WorkerTransport for ThreadTransport {
    fn next(&mut self) -> Option<Request> {
        let sink = &self.sink;
        let desk = &sink.desk;
        let mut state = desk.lock();
        loop {
            if state.closed || sink.abandoned.load(Ordering::Relaxed) {
                return None;
            }
            // The watch may still be giving back what the last request had more than was done.
            let next = if sink.job().is_none() { state.waiting.pop_front() } else { None };
            let Some(job) = next else {
                state = desk.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let Some(request) = job.take(None) else { continue };
            let Some(first) = request.calls.first().map(|call| call.id) else { continue };
            state.running.push(Arc::clone(&job));
            *sink.current() = Some((Arc::clone(&job), request.calls.len()));
            drop(state);
            let execution = Some(ExecutionId(Arc::clone(&sink.instance.0)));
            job.push(&mut vec![Event::Started { call: first, instance: sink.instance.clone(), execution }], false);
            return Some(request);
        }
    }

    fn events(&self) -> Arc<dyn EventSink> {
        Arc::clone(&self.sink) as _
    }
}

/// Where one thread's events go.
struct Sink {
    desk: Arc<Desk>,
    instance: InstanceId,
    /// The job of this thread, and the calls in it that have had no answer.
    current: Mutex<Option<(Arc<Job>, usize)>>,
    abandoned: AtomicBool,
}

impl Sink {
    fn current(&self) -> MutexGuard<'_, Option<(Arc<Job>, usize)>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn job(&self) -> Option<Arc<Job>> {
        self.current().as_ref().map(|(job, _)| Arc::clone(job))
    }
}

impl EventSink for Sink {
    fn send(&self, event: &mut Event, _: usize) -> Result<(), SendError> {
        let mut current = self.current();
        let Some((job, left)) = current.as_mut() else { return Err(SendError::Closed) };
        let job = Arc::clone(job);
        if matches!(event, Event::Done { .. } | Event::Returned { .. }) {
            *left -= 1;
        }
        let finished = *left == 0;
        if finished {
            *current = None;
        }
        drop(current);
        if finished {
            self.desk.lock().running.retain(|other| !Arc::ptr_eq(other, &job));
            self.desk.work.notify_all();
        }
        job.push(&mut vec![event.clone()], finished);
        if job.is_dropped() {
            return Err(SendError::Closed);
        }
        job.wait_for_room();
        Ok(())
    }

    fn flush(&self) -> Result<(), SendError> {
        Ok(())
    }

    fn terminate(&self) {
        if self.abandoned.swap(true, Ordering::Relaxed) {
            return;
        }
        let mut state = self.desk.lock();
        // Dropping its handle lets the thread run to its end alone.
        state.threads.retain(|(sink, _)| sink.instance != self.instance);
        let closed = state.closed;
        drop(state);
        self.desk.work.notify_all();
        if !closed {
            self.desk.add_thread();
        }
    }
}

#[async_trait]
impl CloudFunction for Threads {
    fn invoke(&self, request: Request) -> BoxStream<'static, Result<Event, InvokeError>> {
        Box::pin(Invocation::new(Arc::clone(&self.desk), request))
    }

    fn limits(&self) -> Limits {
        Limits::concurrency(self.concurrency)
    }

    async fn renew(&self, _: SystemTime) -> Result<()> {
        Ok(())
    }

    fn log_url(&self, _: Option<&ExecutionId>) -> String {
        // The client's own standard error.
        "file:///proc/self/fd/2".into()
    }

    async fn usage(&self) -> Usage {
        Usage::default()
    }

    async fn cleanup(&self) -> CleanupReport {
        self.close();
        CleanupReport::default()
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests;
