//! `Invoke`: an event is checked, let in, and carried out now or later.

use axum::body::Bytes;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::de::IgnoredAny;
use std::sync::Arc;

use super::super::iam;
use super::super::limit::Permit;
use super::super::protocol::{ApiError, ApiRequest, Reply};
use super::super::sandbox::{Answer, Call, Outcome, Sandbox};
use super::super::state::Shared;
use super::fleet::Fleet;
use super::{Key, event, pending, throttle};

/// The longest payload of a synchronous invocation.
const SYNC_LIMIT: usize = 6_291_456;

/// The longest payload of an asynchronous one.
const EVENT_LIMIT: usize = 1_048_576;

/// The longest client context, in base64.
const CONTEXT_LIMIT: usize = 3583;

/// What a request asks for.
#[derive(Debug)]
pub(super) struct Invocation {
    pub(super) key: Key,
    pub(super) call: Call,
    pub(super) kind: Kind,
    pub(super) wants_log: bool,
}

/// When the function runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Now,
    Later,
    /// Not at all.
    Dry,
}

/// An event that may run, with the environment for it.
#[derive(Debug)]
pub(super) struct Admitted {
    fleet: Arc<Fleet>,
    sandbox: Sandbox,
    permit: Permit,
}

impl Admitted {
    /// Carries the event out.
    pub(super) async fn run(self, call: &Call) -> Outcome {
        let outcome = self.fleet.run(self.sandbox, call).await;
        drop(self.permit);
        outcome
    }
}

pub(super) async fn invoke(emulator: &Shared, request: &ApiRequest) -> Result<Reply, ApiError> {
    let invocation = read(emulator, request)?;
    match invocation.kind {
        Kind::Dry => Ok(executed(Reply::empty(204))),
        Kind::Later => {
            event::accept(emulator, &invocation.key, &invocation.call);
            Ok(Reply::empty(202))
        }
        Kind::Now => {
            let admitted = admit(emulator, &invocation.key)?;
            let outcome = admitted.run(&invocation.call).await;
            Ok(reply(emulator, &invocation, outcome))
        }
    }
}

/// Checks a request before anything runs.
pub(super) fn read(emulator: &Shared, request: &ApiRequest) -> Result<Invocation, ApiError> {
    let key = Key::of(request)?;
    iam::authorize(emulator, request, "lambda:InvokeFunction", &key.arn())?;
    let kind = kind(request)?;
    let (limit, name) = if kind == Kind::Later { (EVENT_LIMIT, "Event") } else { (SYNC_LIMIT, "RequestResponse") };
    let size = request.body.len();
    if size > limit {
        let text = format!("{size} byte payload is too large for the {name} invocation type (limit {limit} bytes)");
        return Err(ApiError::new(413, "RequestTooLargeException", text).field("Type", "User"));
    }
    if emulator.state().lambda.function(&key)?.is_pending(emulator.clock.now_ms()) {
        return Err(pending());
    }
    let payload = if request.body.is_empty() { Bytes::from_static(b"{}") } else { request.body.clone() };
    if let Err(error) = serde_json::from_slice::<IgnoredAny>(&payload) {
        return Err(bad_content(&format!("Could not parse request body into json: {error}")));
    }
    let client_context = client_context(request)?;
    let call = Call { request_id: request.id.clone(), payload, client_context, stream: None };
    Ok(Invocation { key, call, kind, wants_log: request.header("x-amz-log-type") == Some("Tail") })
}

fn kind(request: &ApiRequest) -> Result<Kind, ApiError> {
    match (request.header("x-amz-invocation-type"), request.action.as_str()) {
        (None | Some("RequestResponse"), _) => Ok(Kind::Now),
        (Some("DryRun"), _) => Ok(Kind::Dry),
        (Some("Event"), "Invoke") => Ok(Kind::Later),
        (Some(other), _) => {
            let text = format!(
                "1 validation error detected: Value '{other}' at 'invocationType' failed to satisfy constraint: Member must \
                 satisfy enum value set: [Event, RequestResponse, DryRun]"
            );
            Err(ApiError::new(400, "ValidationException", text))
        }
    }
}

fn client_context(request: &ApiRequest) -> Result<Option<String>, ApiError> {
    let Some(encoded) = request.header("x-amz-client-context") else { return Ok(None) };
    let decoded = BASE64_STANDARD.decode(encoded).ok().and_then(|it| String::from_utf8(it).ok());
    let is_json = |it: &String| serde_json::from_str::<IgnoredAny>(it).is_ok();
    match decoded.filter(is_json) {
        Some(context) if encoded.len() <= CONTEXT_LIMIT => Ok(Some(context)),
        _ => Err(bad_content("Client context must be a valid Base64-encoded JSON object.")),
    }
}

fn bad_content(text: &str) -> ApiError {
    ApiError::new(400, "InvalidRequestContentException", text).field("Type", "User")
}

/// Lets an event run, or says which limit does not.
pub(super) fn admit(emulator: &Shared, key: &Key) -> Result<Admitted, ApiError> {
    let (fleet, permit) = {
        let now_ms = emulator.clock.now_ms();
        let mut state = emulator.state();
        let limit = emulator.settings.account_concurrency.saturating_sub(state.lambda.reserved());
        let unreserved = state.lambda.rates.unreserved.clone();
        let function = state.lambda.function_mut(key)?;
        let permit = throttle::admit(function, &unreserved, limit, &emulator.settings, now_ms)?;
        (Arc::clone(&function.fleet), permit)
    };
    let sandbox = fleet.take(emulator)?;
    Ok(Admitted { fleet, sandbox, permit })
}

fn reply(emulator: &Shared, invocation: &Invocation, outcome: Outcome) -> Reply {
    let (body, error) = match outcome.answer {
        Answer::Body(body) => (body, false),
        Answer::Failed { body, .. } => (body, true),
    };
    emulator.state().bill.answer_bytes += body.len() as u64;
    let mut reply = executed(Reply::bytes(200, body)).header("x-amzn-remapped-content-length", "0");
    if error {
        reply = reply.header("x-amz-function-error", "Unhandled");
    }
    if invocation.wants_log {
        reply = reply.header("x-amz-log-result", BASE64_STANDARD.encode(outcome.log_tail));
    }
    reply
}

/// With the version that ran.
pub(super) fn executed(reply: Reply) -> Reply {
    reply.header("x-amz-executed-version", "$LATEST")
}
