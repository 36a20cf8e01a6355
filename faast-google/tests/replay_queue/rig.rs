//! A Pub/Sub that answers as a test tells it, a queue that talks to it, and messages as workers write them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use faast_core::provider::{CallId, Event, InstanceId, InvokeError, Metering, Outcome, Payload, Request, Runtime};
use faast_core::wire::sealed;
use faast_google::private::{Plan, Queue, impatient_queue_at, queue_at};
use faast_testkit::frame;
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Respond, ResponseTemplate};

pub(crate) const SECRET: &str = "correct-horse";
pub(crate) const NAME: &str = "faast-6a1f0d1e-8a0e-4c5e-9a53-0d4b7f3a2c11";

/// Pub/Sub: what it says to a request that is published, and what the answers' subscription holds.
#[derive(Clone)]
pub(crate) struct PubSub(pub(crate) Arc<Mutex<State>>);

pub(crate) struct State {
    /// To each request in turn; the last one is for all that follow.
    publishes: Vec<ResponseTemplate>,
    /// The messages that follow a request, given its attributes.
    answers: fn(&Value) -> Vec<Value>,
    messages: Vec<Value>,
    pub(crate) refusal: Option<ResponseTemplate>,
    pub(crate) published: usize,
    pub(crate) pulls: usize,
    pub(crate) acknowledged: Vec<String>,
}

impl PubSub {
    pub(crate) fn new(answers: fn(&Value) -> Vec<Value>) -> Self {
        let publishes = vec![ResponseTemplate::new(200).set_body_json(json!({ "messageIds": ["1"] }))];
        let (messages, refusal, acknowledged) = (Vec::new(), None, Vec::new());
        let state = State { publishes, answers, messages, refusal, published: 0, pulls: 0, acknowledged };
        Self(Arc::new(Mutex::new(state)))
    }

    pub(crate) fn publishes(self, publishes: Vec<ResponseTemplate>) -> Self {
        self.0.lock().unwrap().publishes = publishes;
        self
    }

    pub(crate) fn unreadable(self, status: u16, code: &str) -> Self {
        self.0.lock().unwrap().refusal = Some(refusal(status, code));
        self
    }
}

pub(crate) fn refusal(status: u16, code: &str) -> ResponseTemplate {
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

fn plan() -> Plan {
    let runtime = Runtime::start().unwrap();
    Plan { concurrency: 4, timeout: Duration::from_mins(1), memory_mb: 512, cpu: 1.0, runtime }
}

pub(crate) fn queue(endpoint: &str) -> Queue {
    queue_at(plan(), endpoint, NAME, Some(SECRET)).unwrap()
}

/// A queue, its service, and what keeps both.
pub(crate) struct Rig {
    pub(crate) queue: Queue,
    pub(crate) service: PubSub,
    server: MockServer,
}

impl Rig {
    pub(crate) async fn new(service: PubSub) -> Self {
        // A server of its own: listeners of a test that has ended may still talk to a pooled one.
        let server = MockServer::builder().start().await;
        Mock::given(any()).respond_with(service.clone()).mount(&server).await;
        Self { queue: queue(&server.uri()), service, server }
    }

    /// One that gives up at once where nobody begins anything, with this advice.
    pub(crate) async fn impatient(service: PubSub, advice: &str) -> Self {
        let mut rig = Self::new(service).await;
        rig.queue = impatient_queue_at(plan(), &rig.server.uri(), NAME, SECRET, advice).unwrap();
        rig
    }

    pub(crate) async fn items(&self) -> Vec<Result<Event, InvokeError>> {
        self.queue.invoke(request()).collect().await
    }

    pub(crate) async fn value(&self) -> Bytes {
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
    pub(crate) async fn error(&self) -> InvokeError {
        self.items().await.pop().unwrap().unwrap_err()
    }

    pub(crate) async fn until(&self, so: impl Fn(&State) -> bool) {
        while !so(&self.service.0.lock().unwrap()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

pub(crate) fn request() -> Request {
    frame::unknown(1)
}

/// A message about an event of the request, in one delivery of it.
pub(crate) fn message(ack: &str, attributes: &Value, delivery: &str, event: &Event) -> Value {
    let encoded = frame::events(std::slice::from_ref(event));
    let attributes = json!({ "faast-request": attributes["faast-request"], "faast-delivery": delivery });
    raw(ack, &attributes, &sealed::seal(encoded).unwrap())
}

pub(crate) fn raw(ack: &str, attributes: &Value, data: &[u8]) -> Value {
    let id = format!("{ack}-{}", attributes["faast-request"]);
    let message =
        json!({ "data": STANDARD.encode(data), "attributes": attributes, "messageId": id, "publishTime": "x" });
    json!({ "ackId": ack, "message": message })
}

pub(crate) fn started(instance: &str) -> Event {
    Event::Started { call: CallId(0), instance: InstanceId(instance.into()), execution: None }
}

pub(crate) fn done() -> Event {
    let metering = Metering { duration: Duration::from_millis(7), ..Metering::default() };
    Event::Done { call: CallId(0), outcome: Outcome::Ok(Payload::Inline("value".into())), metering }
}

pub(crate) fn success(attributes: &Value) -> Vec<Value> {
    vec![message("a", attributes, "1", &started("one")), message("b", attributes, "1", &done())]
}

pub(crate) fn nothing(_: &Value) -> Vec<Value> {
    Vec::new()
}
