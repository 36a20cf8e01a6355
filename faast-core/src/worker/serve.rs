//! The serve loop: takes requests, runs their calls one after the other, and answers each exactly once.
//!
//! It runs on the thread that called it, outside any async runtime, so that blocking clients and `block_on` work in
//! functions. Async functions run on a tokio runtime that is made when the first of them is called.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::memory::Peaks;
use super::run::{AsyncRuntime, Emitter, Executor};
use super::spill::Spill;
use super::watch::Watch;
use super::{Context, panic};
use crate::cancel::CancelToken;
use crate::error::{ErrorKind, Result};
use crate::function::{self, FunctionEntry};
use crate::provider::{
    CallFrame, DeploymentId, Event, EventSink, Failure, Metering, Outcome, Payload, Request, WorkerTransport,
};

/// Calls that run at least so long report the worker's peak memory; for shorter ones reading it would cost too much.
const METER_MEMORY_FROM: Duration = Duration::from_millis(1);

/// Serves until the transport has no more requests. Installs a panic hook for the process.
pub fn serve(transport: Box<dyn WorkerTransport>) {
    if let Some(watching) = start(transport, Peaks::OfProcess) {
        // A panic in there has already been printed.
        let _ = watching.join();
    }
}

/// Like [`serve`], for a process that ends right after: gives the watching thread instead of waiting for it.
pub(super) fn serve_process(transport: Box<dyn WorkerTransport>) -> Option<JoinHandle<()>> {
    start(transport, Peaks::OfCalls)
}

fn start(mut transport: Box<dyn WorkerTransport>, peaks: Peaks) -> Option<JoinHandle<()>> {
    let events = transport.events();
    let watch = Watch::new(Arc::clone(&events), transport.memory_limit());
    transport.attach(watch.control());
    panic::install(&watch);
    let watching = {
        let watch = Arc::clone(&watch);
        thread::Builder::new().name("faast-watch".into()).stack_size(64 * 1024).spawn(move || watch.run())
    };
    let runtime = Arc::<AsyncRuntime>::default();
    let spill = Spill::new(transport.store(), Arc::clone(&runtime));
    let mut worker = Worker { executor: Executor { runtime }, spill, events, watch, peaks, last: None };
    while let Some(request) = transport.next() {
        worker.answer(request);
    }
    worker.watch.close();
    watching.ok()
}

struct Worker {
    executor: Executor,
    spill: Spill,
    events: Arc<dyn EventSink>,
    watch: Arc<Watch>,
    peaks: Peaks,
    /// The function that was called last.
    last: Option<&'static FunctionEntry>,
}

impl Worker {
    fn answer(&mut self, request: Request) {
        let Request { deployment, build, calls } = request;
        let stale = (build != function::build_fingerprint()).then(stale_build);
        self.watch.load(calls);
        let mut now = Instant::now();
        while let Some((frame, canceled)) = self.watch.start(now) {
            let started = now;
            let result = match &stale {
                Some(failure) => Err(Box::new(failure.clone())),
                None => self.run(&deployment, &frame, started, canceled),
            };
            now = Instant::now();
            let Some(remaining) = self.watch.finish() else { return };
            let duration = now - started;
            let peak_memory = if duration >= METER_MEMORY_FROM { self.peaks.take() } else { None };
            let metering = Metering { duration, peak_memory, ..Metering::default() };
            let outcome = match result {
                Ok(bytes) => Outcome::Ok(Payload::Inline(bytes)),
                Err(failure) => Outcome::Err(failure),
            };
            // An answer that can't be delivered has no other way out; the client's own clock ends the call.
            let event = Event::Done { call: frame.id, outcome, metering };
            let _ = self.spill.deliver(&*self.events, event, remaining);
        }
        // Nobody to tell: whoever closed the connection has given the calls up.
        let _ = self.events.flush();
    }

    fn run(
        &mut self,
        deployment: &DeploymentId,
        frame: &CallFrame,
        started: Instant,
        canceled: CancelToken,
    ) -> Result<Bytes, Box<Failure>> {
        let entry = self.resolve(frame)?;
        let args = self.spill.arguments(&frame.args)?;
        let context = Context::new(deployment, frame, started, canceled.clone());
        let emitter = Emitter { call: frame.id, seq: 0, canceled };
        let Self { executor, spill, events, watch, .. } = self;
        let send = |event| {
            watch.pause();
            let sent = spill.deliver(&**events, event, 0);
            watch.resume(Instant::now());
            sent
        };
        context.enter(|| executor.run(entry, &args, emitter, &send)).map(Bytes::from)
    }

    /// The function of a call; neighbours mostly call the same one.
    fn resolve(&mut self, frame: &CallFrame) -> Result<&'static FunctionEntry, Box<Failure>> {
        if let Some(last) = self.last.filter(|last| last.is(&frame.function)) {
            return Ok(last);
        }
        let entry = resolve(frame)?;
        self.last = Some(entry);
        Ok(entry)
    }
}

fn resolve(frame: &CallFrame) -> Result<&'static FunctionEntry, Box<Failure>> {
    let name = frame.function.name.as_ref();
    let entry = function::lookup(name).ok_or_else(|| Box::new(function::unknown(name)))?;
    if entry.signature == frame.function.signature {
        return Ok(entry);
    }
    let message = format!("the worker's `{name}` has another signature than the client's");
    Err(Box::new(Failure { chain: vec![STALE.into()], ..Failure::new(ErrorKind::StaleBuild, message) }))
}

const STALE: &str = "the worker runs another build of the program: deploy again from the build that calls";

fn stale_build() -> Failure {
    Failure {
        chain: vec![STALE.into()],
        ..Failure::new(ErrorKind::StaleBuild, "client and worker are of different builds")
    }
}
