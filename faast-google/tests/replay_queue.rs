//! Queue mode against a Pub/Sub that answers as a test tells it: what each refusal, and each message, comes to.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State as Shared};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use faast_core::ErrorKind;
use faast_core::provider::{
    CallId, Event, InstanceId, InvokeError, Metering, Outcome, Payload, Ran, Request, RetryClass, Runtime,
};
use faast_core::wire::sealed;
use faast_google::private::{Plan, Queue, queue_at};
use faast_testkit::frame;
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Respond, ResponseTemplate};

const SECRET: &str = "correct-horse";
const NAME: &str = "faast-6a1f0d1e-8a0e-4c5e-9a53-0d4b7f3a2c11";

/// Pub/Sub: what it says to a request that is published, and what the answers' subscription holds.
#[derive(Clone)]
struct PubSub(Arc<Mutex<State>>);

struct State {
    /// To each request in turn; the last one is for all that follow.
    publishes: Vec<ResponseTemplate>,
    /// The messages that follow a request, given its attributes.
    answers: fn(&Value) -> Vec<Value>,
    messages: Vec<Value>,
    refusal: Option<ResponseTemplate>,
    published: usize,
    pulls: usize,
    acknowledged: Vec<String>,
}

impl PubSub {
    fn new(answers: fn(&Value) -> Vec<Value>) -> Self {
        let publishes = vec![ResponseTemplate::new(200).set_body_json(json!({ "messageIds": ["1"] }))];
        let (messages, refusal, acknowledged) = (Vec::new(), None, Vec::new());
        let state = State { publishes, answers, messages, refusal, published: 0, pulls: 0, acknowledged };
        Self(Arc::new(Mutex::new(state)))
    }

    fn publishes(self, publishes: Vec<ResponseTemplate>) -> Self {
        self.0.lock().unwrap().publishes = publishes;
        self
    }

    fn unreadable(self, status: u16, code: &str) -> Self {
        self.0.lock().unwrap().refusal = Some(refusal(status, code));
        self
    }
}

fn refusal(status: u16, code: &str) -> ResponseTemplate {
    let error = json!({ "error": { "code": status, "message": "no", "status": code } });
    ResponseTemplate::new(status).set_body_json(error)
}

impl Respond for PubSub {
    fn respond(&self, request: &wiremock::Request) -> ResponseTemplate {
        let state = &mut *self.0.lock().unwrap();
        let asked: Value = serde_json::from_slice(&request.body).unwrap();
        let (resource, verb) = request.url.path().rsplit_once(':').unwrap();
        match verb {
            "publish" => {
                assert_eq!(resource, format!("/v1/projects/p/topics/{NAME}-requests"));
                let attributes = &asked["messages"][0]["attributes"];
                assert_eq!(attributes["faast-secret"], SECRET);
                let template =
                    if state.publishes.len() > 1 { state.publishes.remove(0) } else { state.publishes[0].clone() };
                state.messages.extend((state.answers)(attributes));
                state.published += 1;
                template
            }
            "pull" => {
                assert_eq!(resource, format!("/v1/projects/p/subscriptions/{NAME}-responses"));
                assert_eq!(asked["maxMessages"], 1000);
                state.pulls += 1;
                if let Some(refusal) = &state.refusal {
                    return refusal.clone();
                }
                if state.messages.is_empty() {
                    // Not as long as the real one.
                    return ResponseTemplate::new(200).set_delay(Duration::from_millis(50)).set_body_json(json!({}));
                }
                let messages = std::mem::take(&mut state.messages);
                ResponseTemplate::new(200).set_body_json(json!({ "receivedMessages": messages }))
            }
            "acknowledge" => {
                let ids = asked["ackIds"].as_array().unwrap().iter();
                state.acknowledged.extend(ids.map(|id| id.as_str().unwrap().to_owned()));
                ResponseTemplate::new(200).set_body_json(json!({}))
            }
            other => unreachable!("{other}"),
        }
    }
}

fn queue(endpoint: &str) -> Queue {
    let runtime = Runtime::start().unwrap();
    let plan = Plan { concurrency: 4, timeout: Duration::from_mins(1), memory_mb: 512, cpu: 1.0, runtime };
    queue_at(plan, endpoint, NAME, Some(SECRET)).unwrap()
}

/// A queue, its service, and what keeps both.
struct Rig {
    queue: Queue,
    service: PubSub,
    _server: MockServer,
}

impl Rig {
    async fn new(service: PubSub) -> Self {
        // A server of its own: listeners of a test that has ended may still talk to a pooled one.
        let server = MockServer::builder().start().await;
        Mock::given(any()).respond_with(service.clone()).mount(&server).await;
        Self { queue: queue(&server.uri()), service, _server: server }
    }

    async fn items(&self) -> Vec<Result<Event, InvokeError>> {
        self.queue.invoke(request()).collect().await
    }

    async fn value(&self) -> Bytes {
        match self.items().await.pop().unwrap().unwrap() {
            Event::Done { outcome: Outcome::Ok(Payload::Inline(value)), metering, .. } => {
                let used = |metric: &str| metering.quantities.iter().any(|it| it.metric == metric && it.amount > 0.0);
                assert!(used("messages") && used("requests") && used("vCPU") && used("memory"), "{metering:?}");
                value
            }
            other => unreachable!("{other:?}"),
        }
    }

    /// What the request ends with, which is an error.
    async fn error(&self) -> InvokeError {
        self.items().await.pop().unwrap().unwrap_err()
    }

    async fn until(&self, so: impl Fn(&State) -> bool) {
        while !so(&self.service.0.lock().unwrap()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn request() -> Request {
    frame::unknown(1)
}

/// A message about an event of the request, in one delivery of it.
fn message(ack: &str, attributes: &Value, delivery: &str, event: &Event) -> Value {
    let encoded = frame::events(std::slice::from_ref(event));
    let attributes = json!({ "faast-request": attributes["faast-request"], "faast-delivery": delivery });
    raw(ack, &attributes, &sealed::seal(encoded).unwrap())
}

fn raw(ack: &str, attributes: &Value, data: &[u8]) -> Value {
    let message =
        json!({ "data": STANDARD.encode(data), "attributes": attributes, "messageId": ack, "publishTime": "x" });
    json!({ "ackId": ack, "message": message })
}

fn started(instance: &str) -> Event {
    Event::Started { call: CallId(0), instance: InstanceId(instance.into()), execution: None }
}

fn done() -> Event {
    let metering = Metering { duration: Duration::from_millis(7), ..Metering::default() };
    Event::Done { call: CallId(0), outcome: Outcome::Ok(Payload::Inline("value".into())), metering }
}

fn success(attributes: &Value) -> Vec<Value> {
    vec![message("a", attributes, "1", &started("one")), message("b", attributes, "1", &done())]
}

fn nothing(_: &Value) -> Vec<Value> {
    Vec::new()
}

#[tokio::test]
async fn a_request_is_answered_by_messages_which_are_acknowledged() {
    let rig = Rig::new(PubSub::new(success)).await;
    assert_eq!(rig.value().await, "value");
    assert_eq!(rig.value().await, "value");
    rig.until(|state| state.acknowledged == ["a", "b", "a", "b"]).await;
    assert_eq!(rig.queue.late(), 0);
}

#[tokio::test]
async fn the_start_is_told_before_the_end_is_there() {
    fn begins(attributes: &Value) -> Vec<Value> {
        vec![message("a", attributes, "1", &started("one"))]
    }
    let rig = Rig::new(PubSub::new(begins)).await;
    let mut stream = rig.queue.invoke(request());
    assert_eq!(stream.next().await.unwrap().unwrap(), started("one"));
}

#[tokio::test]
async fn an_answer_may_be_faster_than_the_word_that_its_request_was_accepted() {
    let late = ResponseTemplate::new(200).set_delay(Duration::from_mins(2)).set_body_json(json!({}));
    let rig = Rig::new(PubSub::new(success).publishes(vec![late])).await;
    assert_eq!(rig.value().await, "value");
}

#[tokio::test]
async fn what_was_run_twice_is_counted_and_billed() {
    fn twice(attributes: &Value) -> Vec<Value> {
        let mut messages = success(attributes);
        messages.push(message("c", attributes, "2", &done()));
        messages
    }
    let rig = Rig::new(PubSub::new(twice)).await;
    assert_eq!(rig.value().await, "value");
    rig.until(|state| state.acknowledged.len() == 3).await;
    assert_eq!(rig.queue.late(), 1);
    let usage = rig.queue.usage();
    assert!(usage.quantities().any(|it| it.metric == "requests" && (it.amount - 1.0).abs() < 1e-9), "{usage:?}");
}

#[tokio::test]
async fn messages_of_somebody_else_are_removed_and_do_no_harm() {
    fn odd(attributes: &Value) -> Vec<Value> {
        let nobodys = json!({ "faast-request": "999999" });
        let mut messages = vec![
            json!({ "ackId": "1", "message": {} }),
            raw("2", &json!({ "other": "x" }), b"hello"),
            message("3", &nobodys, "1", &done()),
        ];
        messages.extend(success(attributes));
        messages
    }
    let rig = Rig::new(PubSub::new(odd)).await;
    assert_eq!(rig.value().await, "value");
    rig.until(|state| state.acknowledged.len() == 5).await;
    assert_eq!(rig.queue.late(), 1, "one was an answer");
}

#[tokio::test]
async fn a_second_start_by_another_worker_is_the_crash_of_the_first() {
    fn crashed(attributes: &Value) -> Vec<Value> {
        vec![
            message("a", attributes, "1", &started("one")),
            message("b", attributes, "2", &started("other")),
            message("c", attributes, "2", &done()),
        ]
    }
    let rig = Rig::new(PubSub::new(crashed)).await;
    let items = rig.items().await;
    assert!(items.len() == 2 && items[0].is_ok(), "{items:?}");
    let error = items.into_iter().nth(1).unwrap().unwrap_err();
    assert_eq!((error.class, error.kind, error.ran), (RetryClass::Crash, ErrorKind::Crash, Ran::Yes));
    assert!(error.metering.quantities.iter().any(|it| it.metric == "vCPU"), "{error:?}");
}

#[tokio::test]
async fn the_same_start_twice_is_no_crash() {
    fn twice(attributes: &Value) -> Vec<Value> {
        let mut messages = vec![message("0", attributes, "1", &started("one"))];
        messages.extend(success(attributes));
        messages
    }
    assert_eq!(Rig::new(PubSub::new(twice)).await.value().await, "value");
}

#[tokio::test]
async fn a_dead_letter_is_a_crash_if_a_worker_had_begun_and_else_throttled() {
    /// The request as it was published: that is how Pub/Sub gives it up.
    fn dead(attributes: &Value) -> Value {
        let mut attributes = attributes.clone();
        attributes["CloudPubSubDeadLetterSourceDeliveryCount"] = "5".into();
        raw("dead", &attributes, b"the request")
    }
    fn never(attributes: &Value) -> Vec<Value> {
        vec![dead(attributes)]
    }
    fn began(attributes: &Value) -> Vec<Value> {
        vec![message("a", attributes, "5", &started("one")), dead(attributes)]
    }
    let throttled = Rig::new(PubSub::new(never)).await.error().await;
    assert_eq!((throttled.class, throttled.ran), (RetryClass::Throttled, Ran::No));
    assert!(throttled.metering.quantities.iter().all(|it| it.metric == "messages"), "{throttled:?}");
    let crash = Rig::new(PubSub::new(began)).await.error().await;
    assert_eq!((crash.class, crash.kind, crash.ran), (RetryClass::Crash, ErrorKind::Crash, Ran::Yes));
}

#[tokio::test]
async fn a_worker_that_can_not_read_the_request_says_why() {
    fn refused(attributes: &Value) -> Vec<Value> {
        let told = json!({ "faast-request": attributes["faast-request"], "faast-delivery": "1", "faast-refused": "another version" });
        vec![raw("a", &told, b"")]
    }
    let error = Rig::new(PubSub::new(refused)).await.error().await;
    assert_eq!((error.class, error.kind, error.ran), (RetryClass::Permanent, ErrorKind::StaleBuild, Ran::No));
    assert!(error.to_string().contains("another version"), "{error}");
}

#[tokio::test]
async fn data_that_is_no_event_is_an_error_of_its_request() {
    fn odd(attributes: &Value) -> Vec<Value> {
        let told = json!({ "faast-request": attributes["faast-request"], "faast-delivery": "1" });
        vec![raw("a", &told, &[9, 9, 9])]
    }
    let error = Rig::new(PubSub::new(odd)).await.error().await;
    assert_eq!((error.class, error.kind), (RetryClass::Permanent, ErrorKind::Decode));
}

#[tokio::test]
async fn a_refused_request_has_its_class() {
    for (status, code, class, kind) in [
        (429, "RESOURCE_EXHAUSTED", RetryClass::Throttled, ErrorKind::Throttled),
        (503, "UNAVAILABLE", RetryClass::Transient, ErrorKind::Unavailable),
        (403, "PERMISSION_DENIED", RetryClass::Permanent, ErrorKind::Denied),
        (404, "NOT_FOUND", RetryClass::Permanent, ErrorKind::Unavailable),
    ] {
        let error = Rig::new(PubSub::new(nothing).publishes(vec![refusal(status, code)])).await.error().await;
        assert_eq!((error.class, error.kind), (class, kind), "{code}");
        assert!(!format!("{error:?}").contains(SECRET));
    }
}

#[tokio::test]
async fn without_a_way_to_the_service_a_request_is_unreachable_and_did_not_run() {
    let error = queue("http://127.0.0.1:1").invoke(request()).collect::<Vec<_>>().await.remove(0).unwrap_err();
    assert_eq!((error.class, error.kind, error.ran), (RetryClass::Unreachable, ErrorKind::Unavailable, Ran::No));
}

#[tokio::test]
async fn a_subscription_that_can_not_be_read_is_tried_again_until_that_is_for_good() {
    for (status, code, kind) in
        [(403, "PERMISSION_DENIED", ErrorKind::Denied), (404, "NOT_FOUND", ErrorKind::Unavailable)]
    {
        let rig = Rig::new(PubSub::new(success).unreadable(status, code)).await;
        let error = rig.error().await;
        assert_eq!((error.class, error.kind, error.ran), (RetryClass::Permanent, kind, Ran::Maybe), "{error}");
        assert!(rig.service.0.lock().unwrap().pulls >= 7);
    }
}

#[tokio::test]
async fn a_subscription_that_fails_in_passing_loses_no_answer() {
    let rig = Rig::new(PubSub::new(success).unreadable(503, "UNAVAILABLE")).await;
    let mending = async {
        rig.until(|state| state.pulls >= 4).await;
        rig.service.0.lock().unwrap().refusal = None;
    };
    let (value, ()) = tokio::join!(rig.value(), mending);
    assert_eq!(value, "value");
}

#[tokio::test]
async fn a_call_that_is_longer_than_its_service_is_refused_before_it_is_published() {
    let rig = Rig::new(PubSub::new(success)).await;
    let mut long = request();
    long.calls[0].timeout = Duration::from_mins(2);
    let error = rig.queue.invoke(long).collect::<Vec<_>>().await.remove(0).unwrap_err();
    assert_eq!((error.class, error.kind, error.ran), (RetryClass::Permanent, ErrorKind::Config, Ran::No));
    assert_eq!(rig.service.0.lock().unwrap().published, 0);
}

#[tokio::test]
async fn a_request_that_does_not_fit_into_a_message_is_refused_before_it_is_published() {
    let rig = Rig::new(PubSub::new(success)).await;
    let mut large = request();
    let mut random = fastrand::Rng::with_seed(1);
    let args: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(8_000_000).collect();
    large.calls[0].args = Payload::Inline(args.into());
    let error = rig.queue.invoke(large).collect::<Vec<_>>().await.remove(0).unwrap_err();
    assert_eq!((error.class, error.kind, error.ran), (RetryClass::Permanent, ErrorKind::TooLarge, Ran::No));
    assert_eq!(rig.service.0.lock().unwrap().published, 0);
}

#[tokio::test]
async fn after_the_cleanup_requests_end_as_canceled() {
    let rig = Rig::new(PubSub::new(nothing)).await;
    let closing = async {
        rig.until(|state| state.published == 1).await;
        rig.queue.close();
    };
    let (error, ()) = tokio::join!(rig.error(), closing);
    assert_eq!(error.class, RetryClass::Canceled);
    assert_eq!(rig.error().await.class, RetryClass::Canceled);
}

/// Requests that are being published now, and the most of them at any time.
#[derive(Default)]
struct Publishing {
    now: AtomicUsize,
    most: AtomicUsize,
    all: AtomicUsize,
}

#[tokio::test]
async fn a_burst_is_published_over_a_few_connections() {
    async fn answer(Shared(state): Shared<Arc<Publishing>>, Path(path): Path<String>) -> &'static str {
        if path.ends_with(":publish") {
            let now = state.now.fetch_add(1, Ordering::SeqCst) + 1;
            state.most.fetch_max(now, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(10)).await;
            state.now.fetch_sub(1, Ordering::SeqCst);
            state.all.fetch_add(1, Ordering::SeqCst);
        } else {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        "{}"
    }
    let state = Arc::<Publishing>::default();
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().route("/v1/{*path}", post(answer)).with_state(Arc::clone(&state));
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });
    let queue = queue(&endpoint);
    let requests: Vec<_> = (0..500).map(|_| queue.invoke(request()).collect::<Vec<_>>()).collect();
    let all = tokio::spawn(futures_util::future::join_all(requests));
    while state.all.load(Ordering::SeqCst) < 500 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(state.most.load(Ordering::SeqCst) <= 64, "{} at once", state.most.load(Ordering::SeqCst));
    queue.close();
    all.await.unwrap();
    serving.abort();
}
