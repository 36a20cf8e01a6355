//! Pub/Sub with push: to whatever is on the emulator's port. The token endpoint is what answers here: it says what it was
//! sent by the status of its answer.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use faast_testkit::emulator_google::{GoogleEmulator, Moment, Then};
use faast_testkit::watch::until;
use serde_json::json;

use crate::client::{Project, Told as _};

/// A project with a push subscription, and how often a push came.
fn pushing(path: &str, backoff: Duration, more: &serde_json::Value) -> (Project, Arc<Mutex<u32>>) {
    let project = Project { google: GoogleEmulator::builder().push_backoff(backoff).start() };
    let seen = Arc::new(Mutex::new(0));
    let counter = Arc::clone(&seen);
    project.google.on_call(move |call, moment| {
        if moment == Moment::Before && call.service == "metadata" {
            *counter.lock().unwrap() += 1;
        }
        Then::Go
    });
    let mut settings = json!({ "pushConfig": { "pushEndpoint": format!("{}{path}", project.google.endpoint()) } });
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    project.subscribe("sub-a", &settings);
    (project, seen)
}

#[test]
fn a_push_that_is_refused_comes_again_until_it_is_a_dead_letter() {
    let (project, seen) = pushing("/computeMetadata/v1/none", Duration::from_millis(1), &json!({}));
    project.subscribe("letters", &json!({}));
    let policy = json!({ "deadLetterTopic": "projects/faast-project/topics/letters", "maxDeliveryAttempts": 5 });
    let spec = json!({
        "topic": "projects/faast-project/topics/sub-a",
        "pushConfig": { "pushEndpoint": format!("{}/computeMetadata/v1/other", project.google.endpoint()) },
        "deadLetterPolicy": policy,
    });
    project.pubsub("DELETE", "subscriptions/sub-a", &json!(null)).ok();
    project.pubsub("PUT", "subscriptions/sub-b", &spec).ok();
    project.publish("sub-a", &["poison"]);
    let mut letters = Vec::new();
    until(|| {
        letters.extend(project.pull("letters"));
        !letters.is_empty()
    });
    assert_eq!(*seen.lock().unwrap(), 5);
}

#[test]
fn a_push_subscription_cannot_be_pulled() {
    let (project, _) = pushing("/computeMetadata/v1/none", Duration::from_mins(1), &json!({}));
    let refusal = project.pubsub("POST", "subscriptions/sub-a:pull", &json!({ "maxMessages": 1 })).refusal();
    assert_eq!(refusal, (400, "The subscription is a push subscription and cannot be pulled.".into()));
}

#[test]
fn a_failed_push_waits_for_its_backoff() {
    let retry = json!({ "retryPolicy": { "minimumBackoff": "10s", "maximumBackoff": "600s" } });
    let (project, seen) = pushing("/computeMetadata/v1/none", Duration::ZERO, &retry);
    project.publish("sub-a", &["one"]);
    let count = |expected: u32| until(|| *seen.lock().unwrap() == expected);
    count(1);
    let ended = || project.google.calls().iter().filter(|it| it.service == "metadata" && it.status.is_some()).count();
    until(|| ended() == 1);
    // The emulator hears of the answer a moment after it was given.
    until(|| {
        project.google.advance(Duration::from_secs(10));
        *seen.lock().unwrap() == 2
    });
}
