//! The answer to one event: posted as a whole when its call is done, or in chunks while its calls run.
//!
//! Shared by the thread that runs functions, the one that watches their time and memory, and the one that watches the
//! platform's deadline. Every call is answered once: whoever takes it out of `pending` does it.

use std::collections::VecDeque;
use std::io;
use std::process;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use faast_core::ErrorKind;
use faast_core::provider::{CallId, Event, EventSink, ExecutionId, Failure, InstanceId, Metering, Outcome, SendError};
use faast_core::wire::{frame, sealed};

use super::http::{Connection, Response};
use super::{INVOCATION_ID, UNANSWERED, json_error};
use crate::body;

/// Bytes of a streamed answer at most, as the platform has it.
const MAX_STREAM: u64 = 200 * 1024 * 1024;

/// Bytes of that for small events only: a hundred thousand references to the store.
const RESERVED: u64 = 20 * 1024 * 1024;

/// Bytes of an event that is small.
const SMALL: u64 = 1024;

/// How a streamed answer is announced.
const STREAMING: &str = "Content-Type: application/octet-stream\r\n\
    Lambda-Runtime-Function-Response-Mode: streaming\r\n\
    Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n";

/// An event that is to be answered.
#[derive(Debug)]
pub(super) struct Begin {
    pub(super) execution: ExecutionId,
    /// What the platform wants to have back.
    pub(super) invocation: Option<String>,
    pub(super) calls: VecDeque<CallId>,
    pub(super) streamed: bool,
    /// Bytes that an answer may have that is not streamed.
    pub(super) room: usize,
    /// How long the start took that is billed with this answer; taken by its first call.
    pub(super) init: Option<Duration>,
}

/// Where a worker's events go.
pub(super) struct Sink {
    instance: InstanceId,
    out: Mutex<Out>,
}

struct Out {
    connection: Connection,
    answer: Option<Answer>,
    /// Answers that were begun.
    answers: u64,
}

/// An answer that is being written.
struct Answer {
    begin: Begin,
    /// Which it is among all answers, so that a deadline is not taken for that of another.
    number: u64,
    body: Body,
}

enum Body {
    /// Encoded events behind the flag's byte.
    Whole(Vec<u8>),
    /// Bytes that were sent.
    Chunks(u64),
}

impl Sink {
    pub(super) fn new(connection: Connection, instance: InstanceId) -> Self {
        Self { instance, out: Mutex::new(Out { connection, answer: None, answers: 0 }) }
    }

    fn lock(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next event. Ends the answer before, if a call of it had none.
    pub(super) fn next_event(&self) -> io::Result<Response> {
        let mut out = self.lock();
        out.give_up()?;
        let event = out.connection.get("invocation/next")?;
        if event.status == 200 { Ok(event) } else { Err(io::Error::other(format!("status {}", event.status))) }
    }

    /// Opens the answer to an event; gives its number.
    pub(super) fn begin(&self, begin: Begin) -> u64 {
        let mut out = self.lock();
        out.answers += 1;
        let number = out.answers;
        let body = if begin.streamed { Body::Chunks(0) } else { Body::Whole(vec![0]) };
        out.answer = Some(Answer { begin, number, body });
        // If the Runtime API is gone, the next event says so.
        let _ = out.open().and_then(|()| out.started(&self.instance));
        number
    }

    /// Answers an event with an error instead.
    pub(super) fn refuse(&self, id: &str, invocation: Option<&str>, kind: &str, message: &str) -> io::Result<()> {
        self.lock().error(id, invocation, kind, message)
    }

    /// The platform is about to end answer `number`: says so for the call that runs, gives the others back, and ends
    /// the process, because nothing else stops the function.
    pub(super) fn run_out(&self, number: u64, failure: &Failure) {
        let mut out = self.lock();
        let Some(answer) = out.answer.as_ref().filter(|answer| answer.number == number) else { return };
        let calls = answer.begin.calls.clone();
        for (at, call) in calls.into_iter().enumerate() {
            let mut event = match at {
                0 => Event::Done {
                    call,
                    outcome: Outcome::Err(Box::new(failure.clone())),
                    metering: Metering::default(),
                },
                _ => Event::Returned { call },
            };
            if out.send(&mut event, &self.instance).is_err() {
                break;
            }
        }
        // Holding the lock, so that nobody begins anything.
        process::exit(1);
    }
}

impl Out {
    fn path(&self, what: &str) -> Option<(String, String)> {
        let begin = &self.answer.as_ref()?.begin;
        Some((format!("invocation/{}/{what}", begin.execution), echo(begin.invocation.as_deref())))
    }

    /// A streamed answer begins at once.
    fn open(&mut self) -> Result<(), SendError> {
        let streamed = matches!(&self.answer, Some(Answer { body: Body::Chunks(_), .. }));
        let Some((path, headers)) = self.path("response").filter(|_| streamed) else { return Ok(()) };
        self.connection.begin_chunks(&path, &format!("{headers}{STREAMING}")).map_err(|_| SendError::Closed)
    }

    /// Says that the next call starts, so that a crash is known to be its own.
    fn started(&mut self, instance: &InstanceId) -> Result<(), SendError> {
        let Some(begin) = self.answer.as_ref().map(|answer| &answer.begin) else { return Ok(()) };
        let Some(call) = begin.calls.front().copied() else { return Ok(()) };
        let event = Event::Started { call, instance: instance.clone(), execution: Some(begin.execution.clone()) };
        self.write(&event)
    }

    fn send(&mut self, event: &mut Event, instance: &InstanceId) -> Result<(), SendError> {
        let call = event.call();
        let ends = matches!(event, Event::Done { .. } | Event::Returned { .. });
        let answer = self.answer.as_ref().ok_or(SendError::Closed)?;
        if let (Event::Done { metering, .. }, Some(init)) = (&mut *event, answer.begin.init) {
            // Counts where no report of the platform's comes with the answer.
            metering.billed = Some(metering.duration + init);
        }
        if !answer.begin.calls.contains(&call) {
            // Answered already, by the deadline.
            return Err(SendError::Closed);
        }
        self.write(event)?;
        if !ends {
            return Ok(());
        }
        let Some(answer) = &mut self.answer else { return Ok(()) };
        answer.begin.calls.retain(|other| *other != call);
        answer.begin.init = None;
        if answer.begin.calls.is_empty() {
            return self.end();
        }
        if matches!(event, Event::Done { .. }) { self.started(instance) } else { Ok(()) }
    }

    fn write(&mut self, event: &Event) -> Result<(), SendError> {
        let Some(answer) = &mut self.answer else { return Err(SendError::Closed) };
        match &mut answer.body {
            Body::Whole(events) => {
                let before = events.len();
                frame::encode_event(event, events);
                // Compressed only when it has to be: what is sealed at the end is what counts.
                let (size, limit) = (body::json_len(events.len()), answer.begin.room);
                if size <= limit {
                    return Ok(());
                }
                let size = sealed::seal(events.clone()).map_or(size, |sealed| body::json_len(sealed.len()));
                if size <= limit {
                    return Ok(());
                }
                events.truncate(before);
                Err(SendError::TooLarge { size: size as u64, limit: limit as u64 })
            }
            Body::Chunks(sent) => {
                let mut encoded = vec![0];
                frame::encode_event(event, &mut encoded);
                let sealed = sealed::seal(encoded).map_err(|_| SendError::Closed)?;
                let size = (sealed.len() + sealed::LENGTH) as u64;
                let left = MAX_STREAM.saturating_sub(*sent);
                // What is large goes through the store: the platform lets the rest of a stream out slowly, and charges for
                // it. The end of the stream is for what refers to the store.
                let limit =
                    if size <= SMALL { left } else { left.saturating_sub(RESERVED).min(body::MAX_PAYLOAD as u64) };
                if size > limit {
                    return Err(SendError::TooLarge { size, limit });
                }
                *sent += size;
                let length = sealed::length_of(&sealed).map_err(|_| SendError::TooLarge { size, limit })?;
                self.connection.chunk([&length, &sealed]).map_err(|_| SendError::Closed)
            }
        }
    }

    /// Every call has its answer.
    fn end(&mut self) -> Result<(), SendError> {
        let target = self.path("response");
        let (Some((path, headers)), Some(answer)) = (target, self.answer.take()) else { return Ok(()) };
        let posted = match answer.body {
            Body::Whole(events) => {
                let sealed = sealed::seal(events).map_err(|_| SendError::Closed)?;
                let headers = format!("{headers}Content-Type: application/json\r\n");
                self.connection.post(&path, &headers, &body::to_json(&sealed))
            }
            Body::Chunks(_) => self.connection.end_chunks(""),
        };
        // What is too large after all, or too late, the client learns from the platform. An error must not follow.
        posted.map(drop).map_err(|_| SendError::Closed)
    }

    /// Ends an answer that lacks one for a call: it could not be sent, or was larger than anything.
    fn give_up(&mut self) -> io::Result<()> {
        let Some(answer) = self.answer.take() else { return Ok(()) };
        let message = format!("{} calls of the request have no answer", answer.begin.calls.len());
        let Begin { execution, invocation, .. } = &answer.begin;
        match answer.body {
            Body::Whole(_) => self.error(&execution.0, invocation.as_deref(), UNANSWERED, &message),
            Body::Chunks(_) => {
                let error = STANDARD.encode(json_error(UNANSWERED, &message));
                let trailers = format!(
                    "Lambda-Runtime-Function-Error-Type: {UNANSWERED}\r\nLambda-Runtime-Function-Error-Body: {error}\r\n"
                );
                self.connection.end_chunks(&trailers).map(drop)
            }
        }
    }

    fn error(&mut self, id: &str, invocation: Option<&str>, kind: &str, message: &str) -> io::Result<()> {
        let headers = format!(
            "{}Content-Type: application/json\r\nLambda-Runtime-Function-Error-Type: {kind}\r\n",
            echo(invocation)
        );
        let body = json_error(kind, message);
        self.connection.post(&format!("invocation/{id}/error"), &headers, &body).map(drop)
    }
}

fn echo(invocation: Option<&str>) -> String {
    invocation.map_or_else(String::new, |id| format!("{INVOCATION_ID}: {id}\r\n"))
}

impl EventSink for Sink {
    fn send(&self, event: &mut Event, _: usize) -> Result<(), SendError> {
        self.lock().send(event, &self.instance)
    }

    fn flush(&self) -> Result<(), SendError> {
        // Nothing is held back.
        Ok(())
    }

    fn terminate(&self) {
        // The sandbox starts the program again.
        process::exit(1);
    }
}

/// The failure of a call that the platform is about to end.
pub(super) fn out_of_time(whole: Duration) -> Failure {
    let message = format!("the execution ran into the limit of its function, {whole:?} after it began");
    Failure::new(ErrorKind::Timeout, message)
}
