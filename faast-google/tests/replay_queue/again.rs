//! Requests and answers that come more than once: what the call ends with, and what is billed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use faast_core::ErrorKind;
use faast_core::provider::{Event, InvokeError, Metering, Outcome, Ran, RetryClass};
use faast_google::private::Queue;
use serde_json::Value;

use crate::rig::{PubSub, Rig, done, message, raw, started, success};

/// What a worker says in one delivery of the request.
fn says(worker: &str, attributes: &Value, delivery: &str, event: &Event) -> Value {
    let mut said = message(&format!("{worker}-{}", matches!(event, Event::Done { .. })), attributes, delivery, event);
    said["message"]["attributes"]["faast-worker"] = worker.into();
    said
}

/// The request as it was published: that is how Pub/Sub gives it up.
fn dead(attributes: &Value) -> Value {
    let mut attributes = attributes.clone();
    attributes["CloudPubSubDeadLetterSourceDeliveryCount"] = "5".into();
    raw("dead", &attributes, b"the request")
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

/// Who runs the call, as core hears it, and what it hears last.
fn heard(items: Vec<Result<Event, InvokeError>>) -> (Vec<String>, Result<Metering, InvokeError>) {
    let (mut runs, mut last) = (Vec::new(), None);
    for item in items {
        match item {
            Ok(Event::Started { instance, .. }) => runs.push(instance.to_string()),
            Ok(Event::Done { outcome: Outcome::Ok(_), metering, .. }) => last = Some(Ok(metering)),
            Ok(other) => unreachable!("{other:?}"),
            Err(error) => last = Some(Err(error)),
        }
    }
    (runs, last.unwrap())
}

/// Requests to the service that are on the bill of a call.
fn requests(metering: &Metering) -> usize {
    let of_requests = metering.quantities.iter().filter(|it| it.metric == "requests");
    of_requests.inspect(|it| assert!((it.amount - 1.0).abs() < 1e-9, "{it:?}")).count()
}

/// Those that are on no call's.
fn more_requests(queue: &Queue) -> f64 {
    queue.usage().quantities().filter(|it| it.metric == "requests").map(|it| it.amount).sum()
}

#[tokio::test]
async fn of_a_request_that_is_delivered_twice_the_first_answer_counts() {
    fn twice(attributes: &Value) -> Vec<Value> {
        vec![
            says("one", attributes, "1", &started("one")),
            says("other", attributes, "1", &started("other")),
            says("one", attributes, "1", &done()),
            says("other", attributes, "1", &done()),
        ]
    }
    let rig = Rig::new(PubSub::new(twice)).await;
    let (runs, end) = heard(rig.items().await);
    assert_eq!(runs, ["one", "other", "one"], "and core knows whose it is");
    let billed = requests(&end.unwrap());
    rig.until(|state| state.acknowledged.len() == 4).await;
    assert_eq!((rig.queue.late(), billed), (1, 1));
    let late = more_requests(&rig.queue);
    assert!((late - 1.0).abs() < 1e-9, "the other one is billed when it answers: {late}");
}

#[tokio::test]
async fn a_push_whose_answer_was_lost_is_no_crash() {
    fn lost(attributes: &Value) -> Vec<Value> {
        vec![
            says("one", attributes, "1", &started("one")),
            // Faster than the answer to the delivery before.
            says("other", attributes, "2", &started("other")),
            says("one", attributes, "1", &done()),
            says("other", attributes, "2", &done()),
        ]
    }
    let rig = Rig::new(PubSub::new(lost)).await;
    let (runs, end) = heard(rig.items().await);
    assert_eq!((runs, requests(&end.unwrap())), (vec!["one".into(), "other".into(), "one".into()], 1));
    rig.until(|state| state.acknowledged.len() == 4).await;
    assert_eq!(rig.queue.late(), 1);
}

#[tokio::test]
async fn after_a_crash_the_call_has_the_value_of_its_second_run_and_both_are_billed() {
    fn crashed_once(attributes: &Value) -> Vec<Value> {
        vec![
            says("one", attributes, "1", &started("one")),
            says("other", attributes, "2", &started("other")),
            says("other", attributes, "2", &done()),
        ]
    }
    let rig = Rig::new(PubSub::new(crashed_once)).await;
    let (runs, end) = heard(rig.items().await);
    let metering = end.unwrap();
    assert_eq!((runs, requests(&metering)), (vec!["one".into(), "other".into()], 2));
    assert_eq!(metering.duration, Duration::from_millis(7), "that of the run that answered");
    assert_eq!(rig.queue.late(), 0);
}

#[tokio::test]
async fn a_request_that_is_begun_and_given_up_has_crashed_and_every_run_is_billed() {
    fn crashes(attributes: &Value) -> Vec<Value> {
        let starts = ["one", "two", "three", "four", "five"].into_iter().zip(["1", "2", "3", "4", "5"]);
        let starts = starts.map(|(worker, delivery)| says(worker, attributes, delivery, &started(worker)));
        starts.chain([dead(attributes)]).collect()
    }
    let rig = Rig::new(PubSub::new(crashes)).await;
    let (runs, end) = heard(rig.items().await);
    let error = end.unwrap_err();
    assert_eq!(runs, ["one", "two", "three", "four", "five"]);
    assert_eq!((error.class, error.kind, error.ran), (RetryClass::Crash, ErrorKind::Crash, Ran::Yes));
    assert_eq!(requests(&error.metering), 5);
    rig.until(|state| state.acknowledged.len() == 6).await;
    assert_eq!(rig.queue.late(), 0, "none of it is an answer");
}

/// Each worker's word that it has answered takes longer than the next delivery.
#[tokio::test]
async fn an_answer_that_comes_after_four_deliveries_were_begun_is_the_calls() {
    fn late(attributes: &Value) -> Vec<Value> {
        let starts = ["one", "two", "three", "four"].into_iter().zip(["1", "2", "3", "4"]);
        let starts = starts.map(|(worker, delivery)| says(worker, attributes, delivery, &started(worker)));
        starts.chain([says("one", attributes, "1", &done())]).collect()
    }
    let rig = Rig::new(PubSub::new(late)).await;
    let (runs, end) = heard(rig.items().await);
    assert_eq!((runs, requests(&end.unwrap())), (["one", "two", "three", "four", "one"].map(String::from).to_vec(), 1));
}

#[tokio::test]
async fn an_answer_that_is_delivered_twice_is_counted_and_billed_once() {
    fn again(attributes: &Value) -> Vec<Value> {
        let mut messages = success(attributes);
        messages.push(message("b", attributes, "1", &done()));
        messages
    }
    let rig = Rig::new(PubSub::new(again)).await;
    assert_eq!(rig.value().await, "value");
    rig.until(|state| state.acknowledged == ["a", "b", "b"]).await;
    assert_eq!(rig.queue.late(), 0);
    let metrics: Vec<_> = rig.queue.usage().quantities().map(|it| it.metric).collect();
    assert_eq!(metrics, ["messages"], "but for the pull");
}

/// Two requests, published and pushed; a start and an answer each, published; two pulls: a kilobyte each. The start may come
/// behind the answer.
#[tokio::test]
async fn messages_cost_what_a_hand_computes() {
    fn reversed(attributes: &Value) -> Vec<Value> {
        success(attributes).into_iter().rev().collect()
    }
    for messages in [success as fn(&Value) -> Vec<Value>, reversed] {
        let rig = Rig::new(PubSub::new(messages)).await;
        let mut amount = 0.0;
        for _ in 0..2 {
            let (_, end) = heard(rig.items().await);
            let of_call = end.unwrap().quantities.into_iter().filter(|it| it.metric == "messages");
            amount += of_call.map(|it| it.amount).sum::<f64>();
        }
        rig.until(|state| state.acknowledged.len() == 4).await;
        amount += rig.queue.usage().quantities().map(|it| it.amount).sum::<f64>();
        let by_hand = 2.0 * (2.0 + 2.0 + 1.0) * 1000.0 / f64::from(1 << 30);
        assert!((amount - by_hand).abs() < 1e-12, "{amount} is not {by_hand}");
    }
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
async fn a_dead_letter_that_no_worker_began_was_throttled_and_one_that_a_single_one_began_is_lost() {
    fn never(attributes: &Value) -> Vec<Value> {
        vec![dead(attributes)]
    }
    fn began(attributes: &Value) -> Vec<Value> {
        vec![message("a", attributes, "5", &started("one")), dead(attributes)]
    }
    let throttled = Rig::new(PubSub::new(never)).await.error().await;
    assert_eq!((throttled.class, throttled.ran), (RetryClass::Throttled, Ran::No));
    assert!(throttled.metering.quantities.iter().all(|it| it.metric == "messages"), "{throttled:?}");
    let lost = Rig::new(PubSub::new(began)).await.error().await;
    assert_eq!((lost.class, lost.kind, lost.ran), (RetryClass::WorkerLost, ErrorKind::WorkerLost, Ran::Maybe));
}

/// The trap: a push that the service refuses looks like one that finds no instance.
#[tokio::test]
async fn requests_that_nobody_ever_begins_end_as_denied_and_one_that_was_begun_makes_the_others_wait() {
    fn never(attributes: &Value) -> Vec<Value> {
        vec![dead(attributes)]
    }
    fn once(attributes: &Value) -> Vec<Value> {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        if ASKED.fetch_add(1, Ordering::Relaxed) == 0 { success(attributes) } else { vec![dead(attributes)] }
    }
    let rig = Rig::impatient(PubSub::new(never), "open the door").await;
    let denied = rig.error().await;
    assert_eq!((denied.class, denied.kind, denied.ran), (RetryClass::Permanent, ErrorKind::Denied, Ran::No));
    assert_eq!(denied.hint.as_deref(), Some("open the door"));
    let rig = Rig::impatient(PubSub::new(once), "open the door").await;
    assert_eq!(rig.value().await, "value");
    let throttled = rig.error().await;
    assert_eq!((throttled.class, throttled.ran), (RetryClass::Throttled, Ran::No), "there is no room, which comes");
}
