//! The worker's side: is this process a worker of Cloud Run, and its transport, an HTTP server on blocking sockets.
//!
//! Before it listens there is no async runtime, no TLS and no SDK. One call is run at a time, on the thread that asks for
//! the next request; `worker/serve.rs` reads requests, `worker/answer.rs` writes answers.

mod answer;
mod http;
mod publish;
mod push;
mod serve;
mod stop;

use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use faast_core::provider::{BlobStore, EventSink, InstanceId, Request, WorkerStart, WorkerTransport};
use faast_core::worker::{Mark, WorkerControl, since_start, watched_memory};

use self::answer::{Begin, Sink};
use self::publish::Publisher;
use self::serve::{Job, Server};
use crate::NAME;
use crate::credentials::{Credentials, MetadataServer, Secret};
use crate::endpoint::Endpoints;
use crate::resource::{self, Kind};
use crate::rest::{DEPLOYING, Rest};
use crate::service::{MEMORY_MB, PROJECT, SECRET};
use crate::store::WorkerStore;

/// Where to listen. The platform sets it.
const PORT: &str = "PORT";
/// The service's name, which the deployment's other resources have too. The platform sets it.
const SERVICE: &str = "K_SERVICE";

/// A longer start is ended by the platform.
const LONGEST_START: Duration = Duration::from_mins(4);

/// The transport, if this process was started by Cloud Run for a service that faast deployed.
pub(crate) fn worker_transport(start: &WorkerStart) -> Option<Box<dyn WorkerTransport>> {
    let mark = Mark::find(start).filter(|mark| mark.provider == NAME)?;
    let port = variable(PORT)?.parse().ok()?;
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).ok()?;
    let (sender, jobs) = mpsc::channel();
    let sink = Arc::new(Sink::new(InstanceId(format!("{:032x}", fastrand::u128(..)).into())));
    let name = variable(SERVICE).filter(|name| resource::deployment_of(name).is_some());
    let server = Server {
        secret: variable(SECRET).map(Secret::new),
        publisher: name.as_deref().and_then(publisher),
        sink: Arc::clone(&sink),
        jobs: sender,
    };
    Some(Box::new(RunTransport {
        listener: Some(listener),
        server,
        sink,
        jobs,
        store: name.zip(variable(PROJECT)).map(|(name, project)| Arc::new(WorkerStore::new(name, project, rest))),
        depth: mark.depth,
        memory_mb: variable(MEMORY_MB).and_then(|mb| mb.parse().ok()),
        start: None,
        first: true,
    }))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Publishes on the topic of answers, if there is one.
fn publisher(name: &str) -> Option<Arc<Publisher>> {
    let topic = format!("projects/{}/topics/{}", variable(PROJECT)?, Kind::ResponseTopic.id(name));
    Some(Arc::new(Publisher::new(topic, rest)))
}

/// The client of a worker, which is nobody but its instance's service account.
fn rest() -> faast_core::Result<Rest> {
    let credentials = Credentials::of_worker(MetadataServer::of_machine());
    Rest::new(Endpoints::of_worker()?, credentials, DEPLOYING)
}

struct RunTransport {
    /// Taken when the first connection may come.
    listener: Option<TcpListener>,
    server: Server,
    sink: Arc<Sink>,
    jobs: mpsc::Receiver<Job>,
    store: Option<Arc<WorkerStore>>,
    depth: u32,
    memory_mb: Option<u64>,
    /// How long the start took, which is billed with the first answer; `None` before it has ended.
    start: Option<Duration>,
    first: bool,
}

impl WorkerTransport for RunTransport {
    fn next(&mut self) -> Option<Request> {
        if std::mem::take(&mut self.first) {
            self.start = since_start().map(|start| start.min(LONGEST_START));
        }
        self.sink.give_up();
        loop {
            let job = self.jobs.recv().ok()?;
            if job.ticket.is_abandoned() {
                continue;
            }
            let Job { request, ticket, way, execution, received } = job;
            let calls = request.calls.iter().map(|frame| frame.id).collect();
            let begin = Begin { ticket, way, calls, execution, billed_until: received, start: self.start };
            if self.sink.begin(begin).is_err() {
                continue;
            }
            self.start = None;
            return Some(request);
        }
    }

    fn events(&self) -> Arc<dyn EventSink> {
        Arc::clone(&self.sink) as _
    }

    fn store(&self) -> Option<Arc<dyn BlobStore>> {
        Some(self.store.clone()?)
    }

    fn memory_limit(&self) -> Option<u64> {
        self.memory_mb.map(watched_memory)
    }

    fn depth(&self) -> u32 {
        self.depth
    }

    fn attach(&mut self, control: WorkerControl) {
        let Some(listener) = self.listener.take() else { return };
        stop::listen(&self.sink);
        let server = self.server.clone();
        let accepting = thread::Builder::new().name("faast-accept".into());
        if accepting.spawn(move || server.accept(&listener, &control)).is_err() {
            // Nobody could ever call it; the platform starts another one.
            std::process::exit(101);
        }
    }
}
