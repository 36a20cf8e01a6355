//! The server: who connects, what they ask for, and whether they may. A connection has a thread, which reads its requests,
//! hands calls on to the thread that runs them, and meanwhile watches whether anybody still waits.

use std::hint::black_box;
use std::net::{TcpListener, TcpStream};
use std::process;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use faast_core::Result;
use faast_core::provider::{ExecutionId, Request, SendError};
use faast_core::wire::{frame, sealed};
use faast_core::worker::WorkerControl;

use super::answer::{Sink, Ticket, Way};
use super::http::{Broken, Incoming, Reader, answer};
use super::publish::{Mailbox, Publisher};
use super::push::{self, Pushed};
use crate::credentials::Secret;
use crate::invoke::SECRET_HEADER;

const STACK: usize = 256 * 1024;

/// How long a function has to end by itself after it was told that nobody waits. A new process takes longer than that.
const GRACE: Duration = Duration::from_millis(500);

/// How often it is told: the word may come just before the call is begun.
const TELL_EVERY: Duration = Duration::from_millis(10);

/// Before a connection is waited for again that could not be taken.
const PAUSE: Duration = Duration::from_millis(10);

/// So often in a row, where no function runs, and none will be.
const MOST_FAILED: u32 = 300;

/// A request that is to be answered.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) request: Request,
    pub(super) ticket: Arc<Ticket>,
    pub(super) way: Way,
    pub(super) execution: Option<ExecutionId>,
    pub(super) received: Instant,
}

/// What all connections share.
#[derive(Clone)]
pub(super) struct Server {
    /// What requests have to bring, where the platform lets everybody in.
    pub(super) secret: Option<Secret>,
    /// Where answers to messages go; `None` where this is no service of queue mode.
    pub(super) publisher: Option<Arc<Publisher>>,
    pub(super) sink: Arc<Sink>,
    pub(super) jobs: mpsc::Sender<Job>,
}

impl Server {
    /// Takes connections until the process ends.
    pub(super) fn accept(&self, listener: &TcpListener, control: &WorkerControl) {
        let mut failed = 0;
        for stream in listener.incoming() {
            let Ok(stream) = stream else {
                // No descriptor is free, or no memory: a function that runs may have them, and gives them back.
                failed = if self.sink.is_idle() { failed + 1 } else { 0 };
                if failed == MOST_FAILED {
                    // Nobody can call it any more; the platform starts another one.
                    process::exit(101);
                }
                thread::sleep(PAUSE);
                continue;
            };
            failed = 0;
            let (server, control) = (self.clone(), control.clone());
            let thread = thread::Builder::new().name("faast-connection".into()).stack_size(STACK);
            // Without the thread the connection is closed, and the client tries again elsewhere.
            let _ = thread.spawn(move || server.serve(stream, &control));
        }
    }

    fn serve(&self, stream: TcpStream, control: &WorkerControl) {
        // It is only slower without.
        let _ = stream.set_nodelay(true);
        let stream = Arc::new(stream);
        let mut reader = Reader::new(&*stream);
        loop {
            let served = match reader.next() {
                Ok(Some(request)) => self.answer(&stream, &request, control),
                Err(Broken::Refused(status)) => {
                    let _ = say(&stream, status, "this is no request of faast");
                    return;
                }
                Ok(None) | Err(Broken::Closed) => return,
            };
            if served.is_err() {
                return;
            }
        }
    }

    /// Answers a request; an error ends the connection.
    fn answer(&self, stream: &Arc<TcpStream>, request: &Incoming, control: &WorkerControl) -> Result<(), SendError> {
        match (request.method.as_str(), request.path.as_str()) {
            ("POST", "/call") => self.call(stream, request, control),
            ("POST", "/queue") => self.queue(stream, request, control),
            ("GET" | "HEAD", "/call" | "/queue") => say(stream, 405, "calls are posted"),
            ("GET", _) => say(stream, 200, "a worker of faast"),
            ("HEAD", _) => say(stream, 200, ""),
            _ => say(stream, 404, "there is nothing here"),
        }
    }

    fn call(&self, stream: &Arc<TcpStream>, request: &Incoming, control: &WorkerControl) -> Result<(), SendError> {
        if !self.may(request.header(SECRET_HEADER)) {
            return say(stream, 401, "the secret of the deployment is missing, or is another one");
        }
        match open(&request.body) {
            Ok(calls) => {
                let way = Way::Chunks(Arc::clone(stream));
                self.run(stream, calls, way, execution(request), control).map(drop)
            }
            Err(error) => say(stream, 400, &format!("the request can't be read: {error}")),
        }
    }

    fn queue(&self, stream: &Arc<TcpStream>, request: &Incoming, control: &WorkerControl) -> Result<(), SendError> {
        let Some(publisher) = &self.publisher else { return say(stream, 404, "this service has no queue") };
        let Some(pushed) = push::read(&request.body) else { return say(stream, 400, "this is no request of faast") };
        let Pushed { request: number, secret, delivery, sealed } = pushed;
        if !self.may(secret.as_deref()) {
            return say(stream, 401, "the secret of the deployment is missing, or is another one");
        }
        let worker = self.sink.instance().clone();
        let mailbox = Mailbox { publisher: Arc::clone(publisher), worker, request: number, delivery };
        // What was not answered is delivered again.
        let acknowledge = |answered| {
            if answered { say(stream, 200, "") } else { say(stream, 500, "the answer could not be published") }
        };
        match open(&sealed) {
            Ok(calls) => {
                let ticket = self.run(stream, calls, Way::Messages(mailbox), execution(request), control)?;
                let said = acknowledge(ticket.is_complete());
                ticket.acknowledged();
                said
            }
            Err(error) => acknowledge(mailbox.refuse(&format!("the request can't be read: {error}")).is_ok()),
        }
    }

    /// Has a request run, and waits for its end.
    fn run(
        &self,
        stream: &TcpStream,
        request: Request,
        way: Way,
        execution: Option<ExecutionId>,
        control: &WorkerControl,
    ) -> Result<Arc<Ticket>, SendError> {
        let received = Instant::now();
        let ticket = Ticket::new().map_err(|_| SendError::Closed)?;
        let job = Job { request, ticket: Arc::clone(&ticket), way, execution, received };
        self.jobs.send(job).map_err(|_| SendError::Closed)?;
        if ticket.wait(stream) {
            return Ok(ticket);
        }
        ticket.abandon();
        let since = Instant::now();
        while since.elapsed() < GRACE {
            self.sink.cancel(&ticket, control);
            if ticket.wait_for(TELL_EVERY) {
                return Err(SendError::Closed);
            }
        }
        self.sink.end_abandoned(&ticket);
        Err(SendError::Closed)
    }

    /// Whether a request brings the secret, if there is one. Compared in a time that says nothing about where they differ.
    fn may(&self, brought: Option<&str>) -> bool {
        let Some(secret) = &self.secret else { return true };
        let (wanted, brought) = (secret.expose().as_bytes(), brought.unwrap_or_default().as_bytes());
        let mut differ = u8::from(wanted.len() != brought.len());
        for (at, byte) in brought.iter().enumerate() {
            differ |= black_box(byte ^ wanted.get(at).copied().unwrap_or_default());
        }
        black_box(differ) == 0
    }
}

fn open(body: &Bytes) -> Result<Request> {
    frame::decode_request(sealed::open(body.clone())?)
}

/// The request's trace, by which the platform's logs know it.
fn execution(request: &Incoming) -> Option<ExecutionId> {
    let trace = request.header("x-cloud-trace-context")?.split(['/', ';']).next()?;
    (!trace.is_empty()).then(|| ExecutionId(trace.into()))
}

fn say(stream: &TcpStream, status: u16, text: &str) -> Result<(), SendError> {
    let mut stream = stream;
    std::io::Write::write_all(&mut stream, answer(status, text).as_bytes()).map_err(|_| SendError::Closed)
}
