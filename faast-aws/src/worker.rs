//! The worker's side: is this process a worker of Lambda, and its transport, which speaks the Runtime API directly.
//!
//! Lambda can give a program no arguments, so that faast's mark is the function's handler, which Lambda puts into the
//! environment. Before the first `next` there is one connection and nothing else: no async runtime, no TLS, no SDK. The
//! thread that reads an event also runs the function and posts the answer.

mod answer;
mod deadline;
mod http;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use faast_core::provider::{BlobStore, EventSink, ExecutionId, InstanceId, Request, WorkerStart, WorkerTransport};
use faast_core::wire::{frame, sealed};
use faast_core::worker::{Mark, since_start, watched_memory};

use self::answer::{Begin, Sink};
use self::deadline::Deadline;
use self::http::{Connection, Response};
use crate::config::Keys;
use crate::store::{Sandbox, WorkerStore};
use crate::{NAME, body, resource};

/// The type of the error that is told when an event is no request of faast.
pub(crate) const NOT_A_REQUEST: &str = "Faast.NotARequest";

/// The type of the error that is told when a call of a request had no answer.
pub(crate) const UNANSWERED: &str = "Faast.Unanswered";

/// The function's handler, which is faast's mark.
const HANDLER: &str = "_HANDLER";
/// Host and port of the Runtime API.
const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";
/// Memory of the function in MB.
const MEMORY_SIZE: &str = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE";
/// The stream that this environment's log goes to; it names the environment.
const LOG_STREAM: &str = "AWS_LAMBDA_LOG_STREAM_NAME";

/// The transport, if this process was started by Lambda for a function that faast deployed.
pub(crate) fn worker_transport(_: &WorkerStart) -> Option<Box<dyn WorkerTransport>> {
    let mark = std::env::var(HANDLER).ok().and_then(|handler| Mark::parse(&handler))?;
    if mark.provider != NAME {
        return None;
    }
    let api = std::env::var(RUNTIME_API).ok()?;
    let memory_mb = std::env::var(MEMORY_SIZE).ok().and_then(|mb| mb.parse().ok());
    let log_stream = std::env::var(LOG_STREAM).unwrap_or_default();
    let sink = Sink::new(Connection::new(&api), InstanceId(log_stream.into()));
    Some(Box::new(LambdaTransport {
        sink: Arc::new(sink),
        store: sandbox().map(|sandbox| Arc::new(WorkerStore::new(sandbox))),
        deadline: Deadline::default(),
        depth: mark.depth,
        memory_mb,
        init: None,
        first: true,
    }))
}

/// What the store needs to know, if this is a function that has a bucket.
fn sandbox() -> Option<Sandbox> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let (id, secret) = (variable("AWS_ACCESS_KEY_ID")?, variable("AWS_SECRET_ACCESS_KEY")?);
    let function = variable("AWS_LAMBDA_FUNCTION_NAME").filter(|name| resource::deployment_of(name).is_some())?;
    // As every SDK has it. A platform that is not AWS sets it, or the user with `.env(..)`: where the client finds S3 says
    // nothing about where a worker does.
    let endpoint = variable("AWS_ENDPOINT_URL_S3").or_else(|| variable("AWS_ENDPOINT_URL"));
    let keys = Keys { id, secret, session_token: variable("AWS_SESSION_TOKEN") };
    Some(Sandbox { function, region: variable("AWS_REGION")?, keys, endpoint })
}

struct LambdaTransport {
    sink: Arc<Sink>,
    store: Option<Arc<WorkerStore>>,
    deadline: Deadline,
    depth: u32,
    memory_mb: Option<u64>,
    /// How long the start took, which is billed with the first event; `None` before it has ended.
    init: Option<Duration>,
    first: bool,
}

impl WorkerTransport for LambdaTransport {
    fn next(&mut self) -> Option<Request> {
        self.init = if std::mem::take(&mut self.first) { start() } else { None };
        loop {
            // An error is the end: without the Runtime API there is nobody to work for.
            let event = self.sink.next_event().ok()?;
            let id = event.header("lambda-runtime-aws-request-id")?.to_owned();
            match request(&event) {
                Ok((request, room)) => {
                    self.begin(&event, id, &request, room);
                    return Some(request);
                }
                Err(error) => {
                    let message =
                        format!("this function was deployed by faast and is invoked by its client only: {error}");
                    self.sink.refuse(&id, event.header(INVOCATION_ID), NOT_A_REQUEST, &message).ok()?;
                }
            }
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
}

/// Echoed, so that Lambda tells a late answer from that of another invocation.
const INVOCATION_ID: &str = "lambda-runtime-invocation-id";

impl LambdaTransport {
    fn begin(&mut self, event: &Response, id: String, request: &Request, room: usize) {
        let left = event.header("lambda-runtime-deadline-ms").and_then(|ms| ms.parse().ok()).and_then(time_left);
        let begin = Begin {
            execution: ExecutionId(id.into()),
            invocation: event.header(INVOCATION_ID).map(str::to_owned),
            calls: request.calls.iter().map(|frame| frame.id).collect(),
            streamed: request.calls.len() > 1 || request.streams(),
            room,
            init: self.init.take(),
        };
        let number = self.sink.begin(begin);
        if let Some(left) = left
            && deadline::may_come_first(request, left)
        {
            self.deadline.watch(&self.sink, number, left);
        }
    }
}

/// The request, and the bytes that its answer may have.
fn request(event: &Response) -> faast_core::Result<(Request, usize)> {
    let received = body::receive(&event.body)?;
    Ok((frame::decode_request(sealed::open(received.sealed)?)?, received.room))
}

/// How long the start took.
fn start() -> Option<Duration> {
    /// A longer start is ended by the platform.
    const LONGEST: Duration = Duration::from_secs(10);
    since_start().map(|start| start.min(LONGEST))
}

/// Until a moment that Lambda gives in milliseconds since 1970.
fn time_left(deadline_ms: u64) -> Option<Duration> {
    (UNIX_EPOCH + Duration::from_millis(deadline_ms)).duration_since(SystemTime::now()).ok()
}

/// For errors of the Runtime API's own requests.
fn json_error(kind: &str, message: &str) -> Bytes {
    let json = serde_json::json!({ "errorType": kind, "errorMessage": message, "stackTrace": [] });
    json.to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_that_is_over_leaves_no_time() {
        assert_eq!(time_left(1), None);
    }
}
