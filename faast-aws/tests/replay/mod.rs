//! A server that gives one answer, and answers as Lambda and its workers write them.

use std::time::Duration;

use aws_config::{Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use faast_aws::private::{Invoker, Plan};
use faast_core::provider::{
    CallId, Event, ExecutionId, Failure, InstanceId, InvokeError, Metering, Outcome, Payload, Request, Runtime,
};
use faast_core::{Arch, ErrorKind};
use faast_testkit::frame;
pub(crate) use faast_testkit::frame::unknown as request;
use futures_util::StreamExt as _;
use wiremock::matchers::{header_exists, method, path_regex};
use wiremock::{Mock, MockServer, ResponseTemplate};

pub(crate) const REQUEST_ID: &str = "8f5f36f6-0a3d-4b5c-9a3c-111111111111";

/// A report of a worker that was killed with all its memory in use.
pub(crate) const TAIL_KILLED_AT_LIMIT: &str = "at the limit\n";

/// An invoker and the server that it talks to.
pub(crate) struct Replay {
    pub(crate) invoker: Invoker,
    server: Option<MockServer>,
}

impl Replay {
    /// A server that always gives this answer, and checks what it can of each request.
    pub(crate) async fn new(answer: ResponseTemplate) -> Self {
        let server = MockServer::start().await;
        let functions = "^/2015-03-31/functions/faast-x/invocations$|^/2021-11-15/functions/faast-x/response-streaming-invocations$";
        let answer = answer.insert_header("x-amzn-RequestId", REQUEST_ID);
        Mock::given(method("POST"))
            .and(path_regex(functions))
            .and(header_exists("authorization"))
            .and(header_exists("x-amz-date"))
            .respond_with(answer)
            .mount(&server)
            .await;
        Self { server: Some(server), ..Self::at_nothing() }.connected()
    }

    fn at_nothing() -> Self {
        Self::at("http://127.0.0.1:1")
    }

    fn connected(self) -> Self {
        let endpoint = self.endpoint();
        Self { server: self.server, ..Self::at(&endpoint) }
    }

    /// No server of ours.
    pub(crate) fn at(endpoint: &str) -> Self {
        let credentials = Credentials::new("AKIDEXAMPLE", "secret", Some("token".into()), None, "test");
        Self::with(config(endpoint), Some(SharedCredentialsProvider::new(credentials)))
    }

    pub(crate) fn with(config: aws_config::SdkConfig, credentials: Option<SharedCredentialsProvider>) -> Self {
        let mut config = config.into_builder();
        config.set_credentials_provider(credentials);
        let plan = Plan {
            concurrency: 4,
            timeout: Duration::from_mins(1),
            memory_mb: 128,
            ephemeral_mb: 512,
            arch: Arch::X86_64,
            runtime: Runtime::start().unwrap(),
        };
        Self { invoker: Invoker::new(&config.build(), "faast-x".into(), plan).unwrap(), server: None }
    }

    pub(crate) fn endpoint(&self) -> String {
        self.server.as_ref().unwrap().uri()
    }

    pub(crate) async fn items(&self, request: &Request) -> Vec<Result<Event, InvokeError>> {
        self.invoker.invoke(request.clone()).collect().await
    }

    /// The one thing that comes, which is an error.
    pub(crate) async fn error(&self, request: &Request) -> InvokeError {
        let mut items = self.items(request).await;
        let error = items.pop().unwrap().unwrap_err();
        assert!(items.is_empty(), "{items:?}");
        error
    }

    pub(crate) async fn requests(&self) -> Vec<wiremock::Request> {
        self.server.as_ref().unwrap().received_requests().await.unwrap()
    }

    pub(crate) async fn received(&self) -> usize {
        self.requests().await.len()
    }
}

pub(crate) fn config(endpoint: &str) -> SdkConfig {
    SdkConfig::builder().region(Region::new("us-west-2")).endpoint_url(endpoint).build()
}

pub(crate) fn call(id: u64) -> CallId {
    CallId(id)
}

pub(crate) fn started(id: u64) -> Event {
    Event::Started { call: CallId(id), instance: InstanceId("stream".into()), execution: None }
}

pub(crate) fn instance(id: u64) -> Event {
    let execution = Some(ExecutionId(REQUEST_ID.into()));
    Event::Started { call: CallId(id), instance: InstanceId("stream".into()), execution }
}

pub(crate) fn done(id: u64, value: &'static [u8]) -> Event {
    let outcome = Outcome::Ok(Payload::Inline(Bytes::from_static(value)));
    Event::Done { call: CallId(id), outcome, metering: Metering::default() }
}

pub(crate) fn failed(id: u64, kind: ErrorKind) -> Event {
    let outcome = Outcome::Err(Box::new(Failure::new(kind, "failed")));
    Event::Done { call: CallId(id), outcome, metering: Metering::default() }
}

/// A log that ends as Lambda ends one.
pub(crate) fn log_tail(log: &str) -> String {
    let used = if log == TAIL_KILLED_AT_LIMIT { 128 } else { 15 };
    STANDARD.encode(format!(
        "START RequestId: {REQUEST_ID} Version: $LATEST\n{log}END RequestId: {REQUEST_ID}\nREPORT RequestId: \
         {REQUEST_ID}\tDuration: 1.44 ms\tBilled Duration: 20 ms\tMemory Size: 128 MB\tMax Memory Used: {used} MB\tInit \
         Duration: 18.45 ms\t\n"
    ))
}

/// The body of a unary answer.
pub(crate) fn json(events: &[Event]) -> String {
    format!("\"{}\"", STANDARD.encode(frame::events(events)))
}

pub(crate) fn answer(events: &[Event]) -> ResponseTemplate {
    ResponseTemplate::new(200).insert_header("X-Amz-Log-Result", log_tail("")).set_body_string(json(events))
}

pub(crate) fn refusal(status: u16, code: &str, message: &str) -> ResponseTemplate {
    let template = ResponseTemplate::new(status);
    if code.is_empty() {
        return template.set_body_string(message);
    }
    let body = serde_json::json!({ "Type": "User", "message": message });
    template.insert_header("x-amzn-ErrorType", code).set_body_json(body)
}

pub(crate) fn function_error(kind: &str, message: &str, log: &str) -> ResponseTemplate {
    let body = serde_json::json!({ "errorType": kind, "errorMessage": message });
    ResponseTemplate::new(200)
        .insert_header("X-Amz-Function-Error", "Unhandled")
        .insert_header("X-Amz-Log-Result", log_tail(log))
        .set_body_json(body)
}

fn message(kind: &str, name: &str, value: &str, payload: impl Into<Bytes>) -> Message {
    let text = |text: &str| HeaderValue::String(text.to_owned().into());
    Message::new(payload)
        .add_header(Header::new(":message-type", text(kind)))
        .add_header(Header::new(name.to_owned(), text(value)))
}

/// Events in chunks that are cut where no event ends.
fn chunks(events: &[Event]) -> Vec<u8> {
    let mut payload = Vec::new();
    for event in events {
        let sealed = frame::events(std::slice::from_ref(event));
        payload.extend_from_slice(&u32::try_from(sealed.len()).unwrap().to_le_bytes());
        payload.extend_from_slice(&sealed);
    }
    let mut stream = Vec::new();
    for piece in payload.chunks(7) {
        write_message_to(&message("event", ":event-type", "PayloadChunk", piece.to_vec()), &mut stream).unwrap();
    }
    stream
}

fn stream(bytes: Vec<u8>) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_raw(bytes, "application/vnd.amazon.eventstream")
}

/// A streamed answer with its end, which may be an error.
pub(crate) fn streamed(events: &[Event], error: Option<(&str, &str)>, log: &str) -> ResponseTemplate {
    let mut bytes = chunks(events);
    let complete = serde_json::json!({
        "ErrorCode": error.map(|(code, _)| code),
        "ErrorDetails": error.map(|(_, details)| details),
        "LogResult": log_tail(log),
    });
    write_message_to(&message("event", ":event-type", "InvokeComplete", complete.to_string()), &mut bytes).unwrap();
    stream(bytes)
}

pub(crate) fn stream_exception(events: &[Event], code: &str, words: &str) -> ResponseTemplate {
    let mut bytes = chunks(events);
    let body = serde_json::json!({ "message": words }).to_string();
    write_message_to(&message("exception", ":exception-type", code, body), &mut bytes).unwrap();
    stream(bytes)
}

/// A streamed answer without an end.
pub(crate) fn cut_stream(events: &[Event]) -> ResponseTemplate {
    stream(chunks(events))
}
