//! The answer to one request: events in chunks on its connection, or published one by one.
//!
//! Shared by the thread that runs functions, the one that watches their time and memory, the connection's own, and the one
//! that waits for the platform's word that the instance ends. Every call is answered once: whoever takes it out of
//! `calls` does it. That a call starts is told before it starts, so that a crash is known to be its own.

use std::collections::VecDeque;
use std::io::Write as _;
use std::net::TcpStream;
use std::os::fd::{AsFd as _, OwnedFd};
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use faast_core::ErrorKind;
use faast_core::provider::{CallId, Event, EventSink, ExecutionId, Failure, InstanceId, Metering, Outcome, SendError};
use faast_core::wire::{frame, sealed};
use faast_core::worker::WorkerControl;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use super::http::{END, EVENTS};
use super::publish::Mailbox;

/// The end of an answer, as its connection waits for it.
#[derive(Debug)]
pub(super) struct Ticket {
    /// Becomes readable when the answer has ended.
    ended: OwnedFd,
    /// Nobody waits for it. Written by the connection.
    abandoned: AtomicBool,
    /// All of it was sent. Written before the end.
    complete: AtomicBool,
    /// Whoever brought the request was told the end. Written by the connection, where answers are messages.
    acknowledged: AtomicBool,
}

impl Ticket {
    pub(super) fn new() -> std::io::Result<Arc<Self>> {
        let ended = eventfd(0, EventfdFlags::CLOEXEC)?;
        let [abandoned, complete, acknowledged] = [const { AtomicBool::new(false) }; 3];
        Ok(Arc::new(Self { ended, abandoned, complete, acknowledged }))
    }

    /// Nobody waits any more.
    pub(super) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Acquire)
    }

    pub(super) fn is_complete(&self) -> bool {
        self.complete.load(Ordering::Acquire)
    }

    /// Whoever brought the request was told its end, or can't be.
    pub(super) fn acknowledged(&self) {
        self.acknowledged.store(true, Ordering::Release);
    }

    fn end(&self, complete: bool) {
        self.complete.store(complete, Ordering::Release);
        // Fails only where the counter is at its end.
        let _ = rustix::io::write(&self.ended, &1_u64.to_ne_bytes());
    }

    /// Waits for the end of the answer, or until the other side of its connection hangs up; gives whether it has ended.
    pub(super) fn wait(&self, connection: &TcpStream) -> bool {
        loop {
            let mut fds = [
                PollFd::new(&self.ended, PollFlags::IN),
                PollFd::from_borrowed_fd(connection.as_fd(), PollFlags::RDHUP),
            ];
            // Interrupted, or out of memory: then once more.
            if poll(&mut fds, None).is_err() {
                continue;
            }
            let [ended, hung_up] = fds.map(|fd| fd.revents());
            if ended.contains(PollFlags::IN) {
                return true;
            }
            if hung_up.intersects(PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR) {
                return false;
            }
        }
    }

    /// Waits for the end of the answer, and not longer than that.
    pub(super) fn wait_for(&self, time: Duration) -> bool {
        let mut fds = [PollFd::new(&self.ended, PollFlags::IN)];
        let time = Timespec::try_from(time).ok();
        poll(&mut fds, time.as_ref()).is_ok_and(|ready| ready > 0)
    }
}

/// Where the events of an answer go.
#[derive(Debug)]
pub(super) enum Way {
    /// In chunks, on the connection that the request came on.
    Chunks(Arc<TcpStream>),
    /// As messages.
    Messages(Mailbox),
}

/// How long a process that is about to end waits until its last answer is acknowledged: a packet on a connection.
const LAST_WORD: Duration = Duration::from_secs(1);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(1);

/// An answer that is to be given.
#[derive(Debug)]
pub(super) struct Begin {
    pub(super) ticket: Arc<Ticket>,
    pub(super) way: Way,
    pub(super) calls: VecDeque<CallId>,
    pub(super) execution: Option<ExecutionId>,
    /// Until when the time of this instance is on another bill; moves on with every call that is done.
    pub(super) billed_until: Instant,
    /// What the start of the process took, for its first answer; taken by its first call.
    pub(super) start: Option<Duration>,
}

/// Where a worker's events go.
pub(super) struct Sink {
    instance: InstanceId,
    out: Mutex<Out>,
    /// An answer has ended.
    idle: Condvar,
}

#[derive(Default)]
struct Out {
    answer: Option<Begin>,
    /// The answer before, if it went in messages and was whole.
    last: Option<Arc<Ticket>>,
}

impl Begin {
    fn is_messages(&self) -> bool {
        matches!(self.way, Way::Messages(_))
    }
}

impl Sink {
    pub(super) fn new(instance: InstanceId) -> Self {
        Self { instance, out: Mutex::default(), idle: Condvar::new() }
    }

    /// Who answers.
    pub(super) fn instance(&self) -> &InstanceId {
        &self.instance
    }

    fn lock(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the answer to a request. Ends the one before, if a call of it had none.
    ///
    /// # Errors
    ///
    /// The start could not be published, so that the request must not run: nobody would know that it did. It has come to its
    /// end, and is delivered again.
    pub(super) fn begin(&self, begin: Begin) -> Result<(), SendError> {
        let mut out = self.lock();
        self.end(&mut out, false);
        let is_messages = begin.is_messages();
        let head = if is_messages { &[] } else { EVENTS.as_bytes() };
        out.answer = Some(begin);
        match self.started(&mut out, head.to_vec()) {
            Err(error) if is_messages => {
                self.end(&mut out, false);
                Err(error)
            }
            // Whoever does not take it has hung up, and its connection sees that.
            _ => Ok(()),
        }
    }

    /// Whether no answer is being given.
    pub(super) fn is_idle(&self) -> bool {
        self.lock().answer.is_none()
    }

    /// Ends the answer that was given last, if a call of it had none.
    pub(super) fn give_up(&self) {
        self.end(&mut self.lock(), false);
    }

    /// Tells the function that runs for an answer that nobody waits for it, if it is this answer that is being given.
    pub(super) fn cancel(&self, ticket: &Arc<Ticket>, control: &WorkerControl) {
        // Held meanwhile, so that no other request begins.
        let out = self.lock();
        if out.answer.as_ref().is_some_and(|answer| Arc::ptr_eq(&answer.ticket, ticket)) {
            control.cancel(None);
        }
    }

    /// Ends the process if it still runs functions for an answer that nobody waits for: nothing else stops them.
    pub(super) fn end_abandoned(&self, ticket: &Arc<Ticket>) {
        let out = self.lock();
        if out.answer.as_ref().is_some_and(|answer| Arc::ptr_eq(&answer.ticket, ticket)) {
            process::exit(1);
        }
    }

    /// The platform ends this instance: waits for the answer that is being given, then says of its calls that this
    /// worker is lost to them, and ends the process. A request that came by Pub/Sub is delivered again without a word.
    pub(super) fn stop(&self, patience: Duration) -> ! {
        let out = self.lock();
        let running = |out: &mut Out| out.answer.is_some();
        let waited = self.idle.wait_timeout_while(out, patience, running);
        let (mut out, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let told = out.answer.as_ref().filter(|answer| !answer.is_messages());
        let calls = told.map(|answer| answer.calls.clone()).unwrap_or_default();
        for (at, call) in calls.into_iter().enumerate() {
            let failure = Failure::new(ErrorKind::WorkerLost, "the platform ended the instance while the call ran");
            let mut event = match at {
                0 => Event::Done { call, outcome: Outcome::Err(Box::new(failure)), metering: Metering::default() },
                _ => Event::Returned { call },
            };
            if self.tell(&mut out, &mut event).is_err() {
                break;
            }
        }
        // Holding the lock, so that nobody begins anything.
        process::exit(0);
    }

    /// Says that the next call starts, behind what is to be sent anyway.
    fn started(&self, out: &mut Out, before: Vec<u8>) -> Result<(), SendError> {
        let Some(answer) = &mut out.answer else { return Ok(()) };
        let event = answer.calls.front().map(|call| Event::Started {
            call: *call,
            instance: self.instance.clone(),
            execution: answer.execution.clone(),
        });
        answer.way.send(before, event.as_ref(), false)
    }

    fn tell(&self, out: &mut Out, event: &mut Event) -> Result<(), SendError> {
        let answer = out.answer.as_mut().ok_or(SendError::Closed)?;
        let call = event.call();
        if !answer.calls.contains(&call) {
            // Answered already, by somebody else.
            return Err(SendError::Closed);
        }
        let ends = matches!(event, Event::Done { .. } | Event::Returned { .. });
        if let Event::Done { metering, .. } = &mut *event {
            let now = Instant::now();
            metering.billed = Some(now - answer.billed_until + answer.start.unwrap_or_default());
        }
        let last = ends && answer.calls.len() == 1;
        // A message would reach the client, who takes it for the function's own. The request is delivered again.
        let is_withheld = answer.is_messages() && answer.ticket.is_abandoned();
        let sent = if is_withheld { Err(SendError::Closed) } else { answer.way.send(Vec::new(), Some(event), last) };
        if let Err(error) = sent {
            if error == SendError::Closed && ends {
                answer.calls.retain(|other| *other != call);
            }
            return Err(error);
        }
        if !ends {
            return Ok(());
        }
        answer.calls.retain(|other| *other != call);
        if last {
            self.end(out, true);
            return Ok(());
        }
        if matches!(event, Event::Done { .. }) {
            (answer.billed_until, answer.start) = (Instant::now(), None);
            return self.started(out, Vec::new());
        }
        Ok(())
    }

    fn end(&self, out: &mut Out, complete: bool) {
        let Some(mut answer) = out.answer.take() else { return };
        if !complete {
            // The end of the chunks: without it, the client would take it for the end of the process.
            let _ = answer.way.send(Vec::new(), None, true);
        }
        answer.ticket.end(complete);
        out.last = (complete && answer.is_messages()).then_some(answer.ticket);
        self.idle.notify_all();
    }
}

impl Way {
    /// Sends an event behind other bytes; with the last one goes the end of the answer.
    fn send(&mut self, mut bytes: Vec<u8>, event: Option<&Event>, last: bool) -> Result<(), SendError> {
        let sealed = event.map(seal).transpose()?;
        match self {
            Self::Chunks(stream) => {
                if let Some(sealed) = &sealed {
                    chunk(sealed, &mut bytes)?;
                }
                if last {
                    bytes.extend_from_slice(END);
                }
                (&**stream).write_all(&bytes).map_err(|_| SendError::Closed)
            }
            Self::Messages(mailbox) => sealed.map_or(Ok(()), |sealed| mailbox.send(&sealed)),
        }
    }
}

fn seal(event: &Event) -> Result<Bytes, SendError> {
    let mut encoded = vec![0];
    frame::encode_event(event, &mut encoded);
    sealed::seal(encoded).map(Bytes::from).map_err(|_| SendError::Closed)
}

/// Appends a sealed event as a chunk of HTTP.
fn chunk(sealed: &Bytes, out: &mut Vec<u8>) -> Result<(), SendError> {
    let size = sealed.len() as u64;
    let length = sealed::length_of(sealed).map_err(|_| SendError::TooLarge { size, limit: u32::MAX.into() })?;
    out.reserve(sealed.len() + 32);
    out.extend_from_slice(format!("{:x}\r\n", length.len() + sealed.len()).as_bytes());
    out.extend_from_slice(&length);
    out.extend_from_slice(sealed);
    out.extend_from_slice(b"\r\n");
    Ok(())
}

impl EventSink for Sink {
    fn send(&self, event: &mut Event, _: usize) -> Result<(), SendError> {
        self.tell(&mut self.lock(), event)
    }

    fn flush(&self) -> Result<(), SendError> {
        // Nothing is held back: an answer that was, would be lost with the next call's crash.
        Ok(())
    }

    fn terminate(&self) {
        // Held, so that nobody begins anything.
        let out = self.lock();
        let since = Instant::now();
        // Or Pub/Sub would deliver the request again, though it is answered.
        while out.last.as_ref().is_some_and(|it| !it.acknowledged.load(Ordering::Acquire))
            && since.elapsed() < LAST_WORD
        {
            thread::sleep(LOOK);
        }
        // The platform starts another process.
        process::exit(1);
    }
}
