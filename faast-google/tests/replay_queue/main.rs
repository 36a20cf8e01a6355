//! Queue mode against a Pub/Sub that answers as a test tells it: what each refusal, and each message, comes to.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod again;
mod rig;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State as Shared};
use axum::routing::post;
use faast_core::ErrorKind;
use faast_core::provider::{Payload, Ran, RetryClass};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use self::rig::{PubSub, Rig, SECRET, done, message, nothing, queue, raw, refusal, request, started, success};

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
