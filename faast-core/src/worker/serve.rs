//! The serve loop: takes requests, runs their calls one after the other, and answers each exactly once.
//!
//! It runs on the thread that called it, outside any async runtime, so that blocking clients and `block_on` work in
//! functions. Async functions run on a tokio runtime that is made when the first of them is called.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::run::{Emitter, Executor};
use super::watch::Watch;
use super::{Context, memory, panic};
use crate::cancel::CancelToken;
use crate::error::{ErrorKind, Result};
use crate::function::{self, FunctionEntry};
use crate::provider::{
    BlobKey, BlobRef, BlobStore, CallFrame, CallId, DeploymentId, Event, EventSink, Failure, Metering, Outcome,
    Payload, Request, SendError, WorkerTransport,
};

/// Calls that run at least so long report the worker's peak memory; for shorter ones reading it would cost too much.
const METER_MEMORY_FROM: Duration = Duration::from_millis(1);

/// Serves until the transport has no more requests. Installs a panic hook for the process.
pub fn serve(transport: Box<dyn WorkerTransport>) {
    if let Some(watching) = serve_process(transport) {
        // A panic in there has already been printed.
        let _ = watching.join();
    }
}

/// Like [`serve`], for a process that ends right after: gives the watching thread instead of waiting for it.
pub(super) fn serve_process(mut transport: Box<dyn WorkerTransport>) -> Option<JoinHandle<()>> {
    let events = transport.events();
    let watch = Watch::new(Arc::clone(&events), transport.memory_limit());
    transport.attach(watch.control());
    panic::install(&watch);
    let watching = {
        let watch = Arc::clone(&watch);
        thread::Builder::new().name("faast-watch".into()).stack_size(64 * 1024).spawn(move || watch.run())
    };
    let mut worker = Worker { executor: Executor::default(), store: transport.store(), events, watch, last: None };
    while let Some(request) = transport.next() {
        worker.answer(request);
    }
    worker.watch.close();
    watching.ok()
}

struct Worker {
    executor: Executor,
    store: Option<Arc<dyn BlobStore>>,
    events: Arc<dyn EventSink>,
    watch: Arc<Watch>,
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
            let peak_memory = if duration >= METER_MEMORY_FROM { memory::peak() } else { None };
            let metering = Metering { duration, peak_memory, ..Metering::default() };
            let outcome = match result {
                Ok(bytes) => Outcome::Ok(Payload::Inline(bytes)),
                Err(failure) => Outcome::Err(failure),
            };
            self.send(&deployment, Event::Done { call: frame.id, outcome, metering }, remaining);
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
        let args = self.arguments(&frame.args)?;
        let context = Context::new(deployment, frame, started, canceled.clone());
        let emitter = Emitter { call: frame.id, seq: 0, canceled };
        let Self { executor, store, events, watch, .. } = self;
        let send = |event| {
            watch.pause();
            let sent = deliver(events, store.as_ref(), deployment, event, 0);
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

    fn arguments(&mut self, args: &Payload) -> Result<Bytes, Box<Failure>> {
        match args {
            Payload::Inline(bytes) => Ok(bytes.clone()),
            Payload::Blob(blob) => {
                let store = self.store.clone().ok_or_else(|| Box::new(no_store(blob.len)))?;
                fetch(&store, blob).map_err(|error| {
                    let message = format!("the arguments ({} bytes) can't be read: {error}", blob.len);
                    Box::new(Failure::new(error.kind(), message))
                })
            }
        }
    }

    fn send(&self, deployment: &DeploymentId, event: Event, remaining: usize) {
        // An answer that can't be delivered has no other way out; the client's own clock ends the call.
        let _ = deliver(&self.events, self.store.as_ref(), deployment, event, remaining);
    }
}

/// Sends an event; a payload that is too large for the transport goes through the store, or becomes a typed failure.
fn deliver(
    events: &Arc<dyn EventSink>,
    store: Option<&Arc<dyn BlobStore>>,
    deployment: &DeploymentId,
    mut event: Event,
    remaining: usize,
) -> Result<(), SendError> {
    let (size, limit) = match events.send(&mut event, remaining) {
        Err(SendError::TooLarge { size, limit }) => (size, limit),
        sent => return sent,
    };
    let mut smaller = match (event, store) {
        (Event::Done { call, outcome: Outcome::Ok(Payload::Inline(bytes)), metering }, store) => {
            let outcome = match spill(store, deployment, call, None, bytes) {
                Ok(blob) => Outcome::Ok(Payload::Blob(Box::new(blob))),
                Err(reason) => Outcome::Err(Box::new(too_large(size, limit, &reason))),
            };
            Event::Done { call, outcome, metering }
        }
        (Event::Done { call, outcome: Outcome::Err(failure), metering }, _) => {
            // The user's error value or its words are too large: the kind and the beginning of the message fit.
            let message = failure.message.chars().take(1000).collect::<String>();
            Event::Done { call, outcome: Outcome::Err(Box::new(Failure::new(failure.kind, message))), metering }
        }
        (Event::Item { call, seq, body: Payload::Inline(bytes) }, store) => {
            match spill(store, deployment, call, Some(seq), bytes) {
                Ok(blob) => Event::Item { call, seq, body: Payload::Blob(Box::new(blob)) },
                Err(_) => return Err(SendError::TooLarge { size, limit }),
            }
        }
        (_, _) => return Err(SendError::TooLarge { size, limit }),
    };
    events.send(&mut smaller, remaining)
}

fn spill(
    store: Option<&Arc<dyn BlobStore>>,
    deployment: &DeploymentId,
    call: CallId,
    item: Option<u64>,
    bytes: Bytes,
) -> Result<BlobRef, String> {
    let store = store.ok_or("this provider has no store for larger ones")?;
    let name =
        item.map_or_else(|| format!("{deployment}/result-{call}"), |seq| format!("{deployment}/item-{call}-{seq}"));
    let blob = BlobRef::new(BlobKey(name), &bytes);
    super::run::block_on(store.put(&blob.key, bytes)).map_err(|error| error.to_string())?;
    Ok(blob)
}

fn fetch(store: &Arc<dyn BlobStore>, blob: &BlobRef) -> Result<Bytes> {
    let bytes = super::run::block_on(store.get(&blob.key))?;
    blob.verify(&bytes)?;
    Ok(bytes)
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

fn no_store(len: u64) -> Failure {
    let message = format!("the arguments ({len} bytes) were spilled, but this worker has no store to read them from");
    Failure::new(ErrorKind::TooLarge, message)
}

fn too_large(size: u64, limit: u64, reason: &str) -> Failure {
    let message = format!("the result has {size} bytes, the transport carries at most {limit}: {reason}");
    Failure::new(ErrorKind::TooLarge, message)
}
