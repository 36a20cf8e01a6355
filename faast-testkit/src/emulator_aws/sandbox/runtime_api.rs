//! The Runtime API of one environment, on a port of its own: what the process asks and answers, and what it gets back.
//!
//! A server knows the state of one invocation at a time and refuses what does not fit it, as the real one does. What it
//! accepts becomes a [`Signal`]; what follows from one is the sandbox's matter.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody as _, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tokio::net::TcpListener;
use tokio::sync::{Mutex as AsyncMutex, mpsc};
use tokio::task::JoinHandle;

use super::super::report::error_body;

/// The longest answer that is not streamed.
pub(super) const RESPONSE_LIMIT: usize = 6_291_556;

/// The longest streamed answer.
const STREAM_LIMIT: usize = 200 << 20;

/// Signals that may wait; a stream that nobody reads fast enough waits too.
const SIGNALS: usize = 64;

/// What the process did.
#[derive(Debug)]
pub(super) enum Signal {
    /// It wants an event.
    Next,
    /// It can't start; the body of its report.
    InitError { kind: String, body: Bytes },
    /// It answered.
    Response(Bytes),
    /// A part of a streamed answer.
    Chunk(Bytes),
    /// The end of a streamed answer, with an error if it broke off.
    StreamEnd(Option<StreamError>),
    /// It reported an error of the function.
    Error { kind: String, body: Bytes },
    /// Its answer was too long.
    TooLarge,
}

/// Why a streamed answer broke off.
#[derive(Debug)]
pub(super) struct StreamError {
    pub(super) kind: String,
    pub(super) body: String,
}

/// An event on its way into the process.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) request_id: String,
    pub(super) deadline_ms: u64,
    pub(super) function_arn: String,
    pub(super) trace_id: String,
    pub(super) invocation_id: String,
    /// Decoded, as the runtime gets it.
    pub(super) client_context: Option<String>,
    pub(super) payload: Bytes,
}

/// A running server. It ends when it is dropped.
#[derive(Debug)]
pub(super) struct RuntimeApi {
    pub(super) port: u16,
    pub(super) signals: mpsc::Receiver<Signal>,
    events: mpsc::Sender<Event>,
    server: JoinHandle<()>,
}

impl RuntimeApi {
    pub(super) async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let (tell, signals) = mpsc::channel(SIGNALS);
        let (events, next) = mpsc::channel(1);
        let api = Arc::new(Api { tell, next: AsyncMutex::new(next), phase: Mutex::new(Phase::Init) });
        let router = Router::new().fallback(answer).with_state(api);
        let server = tokio::spawn(async move {
            let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
                // A failure costs time only.
                let _ = stream.set_nodelay(true);
            });
            // It serves until it is aborted.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { port, signals, events, server })
    }

    /// Gives an event to the process, which waits for it or will.
    pub(super) fn give(&self, event: Event) {
        // There is room: one event is given after the last was answered. A dead process needs none.
        let _ = self.events.try_send(event);
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Shared by the connections of one process. The phase is written by accepted requests only.
#[derive(Debug)]
struct Api {
    tell: mpsc::Sender<Signal>,
    next: AsyncMutex<mpsc::Receiver<Event>>,
    phase: Mutex<Phase>,
}

/// What the process may do next.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    /// Ask for its first event, or report that it can't.
    Init,
    /// Wait for an event.
    Waiting { last: Option<Ids> },
    /// Answer this event.
    Running(Ids),
    /// Ask for the next event.
    Answered(Ids),
}

/// The two ids of an invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ids {
    request: String,
    invocation: String,
}

/// An answer that refuses, apart from those that accept.
#[derive(Debug)]
struct Refused {
    status: u16,
    kind: &'static str,
    text: String,
}

async fn answer(State(api): State<Arc<Api>>, request: Request) -> Result<Response<Body>, Infallible> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().strip_prefix("/2018-06-01/runtime/").unwrap_or("").to_owned();
    let segments: Vec<&str> = path.split('/').collect();
    let result = match (&parts.method, segments.as_slice()) {
        (&Method::GET, ["invocation", "next"]) => api.next().await,
        (&Method::POST, ["init", "error"]) => api.init_error(&parts.headers, body).await,
        (&Method::POST, ["invocation", id, "response"]) => api.response(id, &parts.headers, body).await,
        (&Method::POST, ["invocation", id, "error"]) => api.error(id, &parts.headers, body).await,
        _ => Err(refusal(404, "NotFound", "404 page not found")),
    };
    Ok(result.unwrap_or_else(Refused::response))
}

impl Api {
    fn phase(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn next(&self) -> Result<Response<Body>, Refused> {
        let last = match &*self.phase() {
            Phase::Init => None,
            Phase::Answered(ids) => Some(ids.clone()),
            Phase::Waiting { last } => last.clone(),
            Phase::Running(_) => return Err(transition("InvocationResponse", "Ready")),
        };
        *self.phase() = Phase::Waiting { last };
        // Without its sandbox the process is about to be killed.
        let _ = self.tell.send(Signal::Next).await;
        let event = self.next.lock().await.recv().await;
        let event = event.ok_or_else(|| refusal(500, "InternalServerError", "the environment is shut down"))?;
        *self.phase() =
            Phase::Running(Ids { request: event.request_id.clone(), invocation: event.invocation_id.clone() });
        Ok(event_response(event))
    }

    async fn init_error(&self, headers: &HeaderMap, body: Body) -> Result<Response<Body>, Refused> {
        if *self.phase() != Phase::Init {
            return Err(transition("Ready", "InitError"));
        }
        let body = whole(body).await?;
        self.send(Signal::InitError { kind: error_kind(headers, "Runtime.Unknown"), body }).await;
        Ok(accepted())
    }

    async fn response(&self, id: &str, headers: &HeaderMap, body: Body) -> Result<Response<Body>, Refused> {
        self.take(id, headers)?;
        if text(headers, "lambda-runtime-function-response-mode") == Some("streaming") {
            return self.stream(body).await;
        }
        let Ok(body) = to_bytes(body, RESPONSE_LIMIT).await else {
            self.send(Signal::TooLarge).await;
            return Err(too_large());
        };
        self.send(Signal::Response(body)).await;
        Ok(accepted())
    }

    async fn error(&self, id: &str, headers: &HeaderMap, body: Body) -> Result<Response<Body>, Refused> {
        self.take(id, headers)?;
        let body = whole(body).await?;
        self.send(Signal::Error { kind: error_kind(headers, "Unhandled"), body }).await;
        Ok(accepted())
    }

    /// Passes a streamed answer on, piece by piece; its trailers say whether it broke off.
    async fn stream(&self, mut body: Body) -> Result<Response<Body>, Refused> {
        let (mut sent, mut broken) = (0, None);
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            let Ok(frame) = frame else {
                // The process went away in the middle of it, and its end tells the rest.
                return Err(refusal(500, "InternalServerError", "the body broke off"));
            };
            if let Some(trailers) = frame.trailers_ref() {
                broken = stream_error(trailers);
            } else if let Ok(data) = frame.into_data() {
                sent += data.len();
                if sent > STREAM_LIMIT {
                    self.send(Signal::TooLarge).await;
                    return Err(too_large());
                }
                self.send(Signal::Chunk(data)).await;
            }
        }
        self.send(Signal::StreamEnd(broken)).await;
        Ok(accepted())
    }

    /// Lets an answer in, if it is to the event that runs.
    fn take(&self, id: &str, headers: &HeaderMap) -> Result<(), Refused> {
        let mut phase = self.phase();
        let invocation = text(headers, "lambda-runtime-invocation-id");
        let stale = |ids: &Ids| invocation.is_some_and(|it| it != ids.invocation);
        match &*phase {
            Phase::Running(ids) if ids.request == id && !stale(ids) => {
                *phase = Phase::Answered(ids.clone());
                Ok(())
            }
            Phase::Running(ids) if ids.request == id => Err(gone()),
            Phase::Answered(ids) if ids.request == id => Err(transition("InvocationResponse", "InvocationResponse")),
            Phase::Waiting { last: Some(ids) } if ids.request == id => Err(gone()),
            _ => Err(refusal(400, "InvalidRequestID", "Invalid request ID")),
        }
    }

    async fn send(&self, signal: Signal) {
        // Without its sandbox the process is about to be killed.
        let _ = self.tell.send(signal).await;
    }
}

fn event_response(event: Event) -> Response<Body> {
    let mut response = Response::builder()
        .header("content-type", "application/json")
        .header("lambda-runtime-aws-request-id", event.request_id)
        .header("lambda-runtime-deadline-ms", event.deadline_ms)
        .header("lambda-runtime-invoked-function-arn", event.function_arn)
        .header("lambda-runtime-trace-id", event.trace_id)
        .header("lambda-runtime-invocation-id", event.invocation_id);
    if let Some(context) = event.client_context {
        response = response.header("lambda-runtime-client-context", context);
    }
    // Only a client context can be no header, and then the process sees an empty event.
    response.body(Body::from(event.payload)).unwrap_or_default()
}

fn accepted() -> Response<Body> {
    let response = Response::builder().status(202).header("content-type", "application/json");
    response.body(Body::from("{\"status\":\"OK\"}\n")).unwrap_or_default()
}

impl Refused {
    fn response(self) -> Response<Body> {
        let response = Response::builder().status(self.status).header("content-type", "application/json");
        response.body(Body::from(error_body(self.kind, &self.text))).unwrap_or_default()
    }
}

fn refusal(status: u16, kind: &'static str, text: impl Into<String>) -> Refused {
    Refused { status, kind, text: text.into() }
}

fn too_large() -> Refused {
    let text = format!("Exceeded maximum allowed payload size ({RESPONSE_LIMIT} bytes).");
    refusal(413, "RequestEntityTooLarge", text)
}

fn gone() -> Refused {
    refusal(410, "Gone", "the invocation is over")
}

fn transition(from: &str, to: &str) -> Refused {
    let text =
        format!("State transition from {from} to {to} failed for runtime. Error: State transition is not allowed");
    refusal(403, "InvalidStateTransition", text)
}

async fn whole(body: Body) -> Result<Bytes, Refused> {
    to_bytes(body, RESPONSE_LIMIT).await.map_err(|_| too_large())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn error_kind(headers: &HeaderMap, otherwise: &str) -> String {
    text(headers, "lambda-runtime-function-error-type").unwrap_or(otherwise).to_owned()
}

/// The error that the trailers of a streamed answer tell of.
fn stream_error(trailers: &HeaderMap) -> Option<StreamError> {
    let kind = text(trailers, "lambda-runtime-function-error-type")?.to_owned();
    let encoded = text(trailers, "lambda-runtime-function-error-body").unwrap_or("");
    let body = BASE64_STANDARD.decode(encoded).unwrap_or_default();
    Some(StreamError { kind, body: String::from_utf8_lossy(&body).into_owned() })
}
