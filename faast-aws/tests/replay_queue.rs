//! Queue mode against a service that answers as a test tells it: what each refusal, and each record, comes to.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::{Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use faast_aws::private::{Plan, Queue};
use faast_core::provider::{CallId, Event, InvokeError, Metering, Outcome, Payload, Ran, Request, RetryClass, Runtime};
use faast_core::{Arch, ErrorKind};
use faast_testkit::frame;
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Respond, ResponseTemplate};

/// The service: what it says to an event, and what is in the queue.
#[derive(Clone)]
struct Service(Arc<Mutex<State>>);

struct State {
    /// To each event in turn; the last one is for all that follow.
    sends: Vec<ResponseTemplate>,
    /// The record of an accepted event, given its request.
    record: fn(&Value) -> Vec<Value>,
    messages: Vec<Value>,
    refusal: Option<ResponseTemplate>,
    accepted: usize,
    polls: usize,
    deleted: usize,
}

impl Service {
    fn new(record: fn(&Value) -> Vec<Value>) -> Self {
        let sends = vec![ResponseTemplate::new(202)];
        let (messages, refusal) = (Vec::new(), None);
        let state = State { sends, record, messages, refusal, accepted: 0, polls: 0, deleted: 0 };
        Self(Arc::new(Mutex::new(state)))
    }

    fn sends(self, sends: Vec<ResponseTemplate>) -> Self {
        self.0.lock().unwrap().sends = sends;
        self
    }

    fn unreadable(self, status: u16, code: &str) -> Self {
        let refusal = ResponseTemplate::new(status).set_body_json(json!({ "__type": code, "message": "no" }));
        self.0.lock().unwrap().refusal = Some(refusal);
        self
    }
}

impl Respond for Service {
    fn respond(&self, request: &wiremock::Request) -> ResponseTemplate {
        let state = &mut *self.0.lock().unwrap();
        let target = request.headers.get("x-amz-target").map(|target| target.to_str().unwrap().to_owned());
        match target.as_deref() {
            None => {
                assert_eq!(request.headers["x-amz-invocation-type"], "Event");
                let signed = request.headers["authorization"].to_str().unwrap();
                assert!(signed.contains("host;x-amz-date;x-amz-invocation-type"), "{signed}");
                let answer = if state.sends.len() > 1 { state.sends.remove(0) } else { state.sends[0].clone() };
                let event = serde_json::from_slice(&request.body).unwrap();
                state.messages.extend((state.record)(&event));
                state.accepted += 1;
                answer
            }
            Some("AmazonSQS.ReceiveMessage") => {
                state.polls += 1;
                if let Some(refusal) = &state.refusal {
                    return refusal.clone();
                }
                if state.messages.is_empty() {
                    // Not as long as the real one.
                    return ResponseTemplate::new(200).set_delay(Duration::from_millis(50)).set_body_json(json!({}));
                }
                ResponseTemplate::new(200).set_body_json(json!({ "Messages": std::mem::take(&mut state.messages) }))
            }
            Some("AmazonSQS.DeleteMessageBatch") => {
                let asked: Value = serde_json::from_slice(&request.body).unwrap();
                state.deleted += asked["Entries"].as_array().unwrap().len();
                ResponseTemplate::new(200).set_body_json(json!({ "Successful": [], "Failed": [] }))
            }
            Some(other) => unreachable!("{other}"),
        }
    }
}

/// A queue, its service, and what keeps both.
struct Rig {
    queue: Queue,
    service: Service,
    _server: Option<MockServer>,
}

impl Rig {
    async fn new(service: Service) -> Self {
        // A server of its own: listeners of a test that has ended may still talk to a pooled one.
        let server = MockServer::builder().start().await;
        Mock::given(any()).respond_with(service.clone()).mount(&server).await;
        let queue = queue(&server.uri());
        Self { queue, service, _server: Some(server) }
    }

    async fn items(&self) -> Vec<Result<Event, InvokeError>> {
        self.queue.invoke(request()).collect().await
    }

    async fn value(&self) -> Bytes {
        match self.items().await.pop().unwrap().unwrap() {
            Event::Done { outcome: Outcome::Ok(Payload::Inline(value)), metering, .. } => {
                assert!(metering.quantities.iter().any(|it| it.metric == "queue" && it.amount >= 1.0), "{metering:?}");
                assert!(metering.quantities.iter().any(|it| it.metric == "requests"), "{metering:?}");
                value
            }
            other => unreachable!("{other:?}"),
        }
    }

    async fn error(&self) -> InvokeError {
        let mut items = self.items().await;
        assert_eq!(items.len(), 1, "{items:?}");
        items.pop().unwrap().unwrap_err()
    }

    async fn until(&self, so: impl Fn(&State) -> bool) {
        while !so(&self.service.0.lock().unwrap()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn queue(endpoint: &str) -> Queue {
    let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "test");
    let sdk = SdkConfig::builder()
        .region(Region::new("us-west-2"))
        .endpoint_url(endpoint)
        .behavior_version(aws_config::BehaviorVersion::latest())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    let plan = Plan {
        concurrency: 4,
        timeout: Duration::from_mins(1),
        memory_mb: 128,
        ephemeral_mb: 512,
        arch: Arch::X86_64,
        runtime: Runtime::start().unwrap(),
    };
    Queue::new(&sdk, "faast-x".into(), plan, "https://sqs.us-west-2.amazonaws.com/123456789012/faast-x".into()).unwrap()
}

fn request() -> Request {
    frame::unknown(1)
}

fn message(event: &Value, condition: &str, answer: &Value) -> Value {
    let record = json!({
        "version": "1.0",
        "requestContext": { "requestId": "execution", "condition": condition, "approximateInvokeCount": 1 },
        "requestPayload": event,
        "responseContext": { "statusCode": 200, "executedVersion": "$LATEST" },
        "responsePayload": answer,
    });
    body(&record.to_string(), 1)
}

fn body(text: &str, received: u32) -> Value {
    json!({
        "MessageId": "m",
        "ReceiptHandle": "h",
        "Body": text,
        "Attributes": { "ApproximateReceiveCount": received.to_string() },
    })
}

/// What the worker says of the call: its value.
fn answer() -> Value {
    let done = Event::Done {
        call: CallId(0),
        outcome: Outcome::Ok(Payload::Inline(Bytes::from_static(b"value"))),
        metering: Metering { duration: Duration::from_millis(7), ..Metering::default() },
    };
    STANDARD.encode(frame::events(&[done])).into()
}

fn success(event: &Value) -> Vec<Value> {
    vec![message(event, "Success", &answer())]
}

fn nothing(_: &Value) -> Vec<Value> {
    Vec::new()
}

#[tokio::test]
async fn an_event_is_answered_by_its_record_which_is_deleted() {
    let rig = Rig::new(Service::new(success)).await;
    assert_eq!(rig.value().await, "value");
    assert_eq!(rig.value().await, "value");
    rig.until(|state| state.deleted == 2).await;
    assert_eq!(rig.queue.late(), 0);
}

#[tokio::test]
async fn a_record_may_be_faster_than_the_word_that_its_event_was_accepted() {
    let late = ResponseTemplate::new(202).set_delay(Duration::from_mins(2));
    let rig = Rig::new(Service::new(success).sends(vec![late])).await;
    assert_eq!(rig.value().await, "value");
}

#[tokio::test]
async fn what_comes_twice_is_counted_and_only_a_second_run_is_billed() {
    fn twice(event: &Value) -> Vec<Value> {
        let first = message(event, "Success", &answer());
        // Delivered again, and run again.
        vec![first.clone(), body(first["Body"].as_str().unwrap(), 2), first]
    }
    let rig = Rig::new(Service::new(twice)).await;
    assert_eq!(rig.value().await, "value");
    rig.until(|state| state.deleted == 3).await;
    assert_eq!(rig.queue.late(), 2);
    let usage = rig.queue.usage();
    let used = |metric: &str| usage.quantities().find(|it| it.metric == metric).map_or(0.0, |it| it.amount);
    assert!((used("requests") - 1.0).abs() < 1e-9, "{usage:?}");
}

#[tokio::test]
async fn messages_that_are_no_records_are_removed_and_do_no_harm() {
    fn odd(event: &Value) -> Vec<Value> {
        let mut messages =
            vec![body("hello", 1), body("{}", 1), message(&json!({ "id": 999_999 }), "Success", &answer())];
        messages.extend(success(event));
        messages
    }
    let rig = Rig::new(Service::new(odd)).await;
    assert_eq!(rig.value().await, "value");
    rig.until(|state| state.deleted == 4).await;
    assert_eq!(rig.queue.late(), 1);
}

#[tokio::test]
async fn a_failed_execution_has_the_kind_that_it_has_without_a_queue() {
    macro_rules! fails {
        ($($kind:literal, $words:literal => $class:expr, $expected:expr, $ran:expr;)+) => {$({
            fn failed(event: &Value) -> Vec<Value> {
                let words = format!("RequestId: 8f5f Error: {}", $words);
                vec![message(event, "RetriesExhausted", &json!({ "errorType": $kind, "errorMessage": words }))]
            }
            let error = Rig::new(Service::new(failed)).await.error().await;
            assert_eq!((error.class, error.kind, error.ran), ($class, $expected, $ran), "{}", $words);
            assert_eq!(error.execution.as_ref().map(|it| &*it.0), Some("execution"));
            assert!(error.metering.quantities.iter().any(|it| it.metric == "requests"), "{error:?}");
        })+};
    }
    fails! {
        "Sandbox.Timedout", "Task timed out after 3.00 seconds" => RetryClass::Timeout, ErrorKind::Timeout, Ran::Yes;
        "Runtime.ExitError", "Runtime exited with error: signal: killed" => RetryClass::OutOfMemory, ErrorKind::OutOfMemory, Ran::Yes;
        "Runtime.ExitError", "Runtime exited with error: signal: aborted" => RetryClass::Crash, ErrorKind::Crash, Ran::Yes;
        "Function.ResponseSizeTooLarge", "6291556 bytes" => RetryClass::Permanent, ErrorKind::TooLarge, Ran::Yes;
        "Runtime.InvalidEntrypoint", "Couldn't find bootstrap" => RetryClass::Permanent, ErrorKind::Deploy, Ran::No;
    }
}

#[tokio::test]
async fn an_event_that_found_no_place_was_throttled_and_costs_no_run() {
    fn too_old(event: &Value) -> Vec<Value> {
        let mut record: Value =
            serde_json::from_str(message(event, "EventAgeExceeded", &Value::Null)["Body"].as_str().unwrap()).unwrap();
        record["requestContext"]["approximateInvokeCount"] = 0.into();
        vec![body(&record.to_string(), 1)]
    }
    let error = Rig::new(Service::new(too_old)).await.error().await;
    assert_eq!((error.class, error.kind, error.ran), (RetryClass::Throttled, ErrorKind::Throttled, Ran::No));
    assert!(error.metering.quantities.iter().all(|it| it.metric == "queue"), "{error:?}");
}

#[tokio::test]
async fn a_refused_event_has_the_class_that_it_has_without_a_queue() {
    for (status, code, class, kind) in [
        (429, "TooManyRequestsException", RetryClass::Throttled, ErrorKind::Throttled),
        (500, "ServiceException", RetryClass::Transient, ErrorKind::Unavailable),
        (403, "AccessDeniedException", RetryClass::Permanent, ErrorKind::Denied),
        (413, "RequestTooLargeException", RetryClass::Permanent, ErrorKind::TooLarge),
        (404, "ResourceNotFoundException", RetryClass::Permanent, ErrorKind::Unavailable),
    ] {
        let refusal = ResponseTemplate::new(status).insert_header("x-amzn-errortype", code);
        let refusal = refusal.set_body_json(json!({ "message": "no" }));
        let error = Rig::new(Service::new(nothing).sends(vec![refusal])).await.error().await;
        assert_eq!((error.class, error.kind), (class, kind), "{code}");
    }
}

#[tokio::test]
async fn without_a_way_to_the_service_an_event_is_unreachable_and_did_not_run() {
    let items: Vec<_> = queue("http://127.0.0.1:1").invoke(request()).collect().await;
    let Some(Err(error)) = items.into_iter().next() else { unreachable!("it can't be sent") };
    assert_eq!((error.class, error.kind, error.ran), (RetryClass::Unreachable, ErrorKind::Unavailable, Ran::No));
}

#[tokio::test]
async fn a_connection_that_breaks_leaves_open_whether_the_event_was_accepted() {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    // Reads something of each request, and hangs up.
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let _ = std::io::Read::read(&mut stream, &mut [0; 64]);
        }
    });
    let items: Vec<_> = queue(&endpoint).invoke(request()).collect().await;
    let Some(Err(error)) = items.into_iter().next() else { unreachable!("it can't be sent") };
    assert_eq!((error.class, error.ran), (RetryClass::Unreachable, Ran::Maybe), "{error}");
    assert!(error.metering.quantities.is_empty(), "its record would say what it cost");
}

#[tokio::test]
async fn a_queue_that_can_not_be_read_is_tried_again_until_that_is_for_good() {
    for (status, code, kind) in [
        (403, "AccessDeniedException", ErrorKind::Denied),
        (400, "com.amazonaws.sqs#QueueDoesNotExist", ErrorKind::Unavailable),
    ] {
        let rig = Rig::new(Service::new(success).unreadable(status, code)).await;
        let error = rig.error().await;
        assert_eq!((error.class, error.kind, error.ran), (RetryClass::Permanent, kind, Ran::Maybe), "{error}");
        assert!(rig.service.0.lock().unwrap().polls >= 7);
    }
}

#[tokio::test]
async fn a_queue_that_fails_in_passing_loses_no_answer() {
    let rig = Rig::new(Service::new(success).unreadable(500, "InternalFailure")).await;
    let mending = async {
        rig.until(|state| state.polls >= 4).await;
        rig.service.0.lock().unwrap().refusal = None;
    };
    let (value, ()) = tokio::join!(rig.value(), mending);
    assert_eq!(value, "value");
}

#[tokio::test]
async fn nobody_listens_when_nothing_is_outstanding() {
    let rig = Rig::new(Service::new(success)).await;
    rig.value().await;
    let mut polls = 0;
    // Each of the two hears nothing once; then there is silence.
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let now = rig.service.0.lock().unwrap().polls;
        if now == polls {
            break;
        }
        polls = now;
    }
    assert!(polls <= 6, "{polls}");
    rig.value().await;
}

#[tokio::test]
async fn after_the_cleanup_requests_end_as_canceled() {
    let rig = Rig::new(Service::new(nothing)).await;
    let closing = async {
        rig.until(|state| state.accepted == 1).await;
        rig.queue.close();
    };
    let (error, ()) = tokio::join!(rig.error(), closing);
    assert_eq!(error.class, RetryClass::Canceled);
    assert_eq!(rig.error().await.class, RetryClass::Canceled);
}
