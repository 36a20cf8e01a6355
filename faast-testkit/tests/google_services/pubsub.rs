//! Pub/Sub with pull: at least once, until it is acknowledged.

use std::time::Duration;

use faast_testkit::emulator_google::{Faults, GoogleEmulator};
use faast_testkit::watch::until;
use serde_json::json;

use crate::client::{Project, Told as _, texts};

#[test]
fn a_message_is_there_until_it_is_acknowledged() {
    let project = Project::new();
    project.subscribe("sub-a", &json!({ "ackDeadlineSeconds": 20 }));
    let published = project.publish("sub-a", &["one", "two"]).ok();
    assert_eq!(published["messageIds"].as_array().unwrap().len(), 2);
    let received = project.pull("sub-a");
    assert_eq!(texts(&received), ["one", "two"]);
    assert_eq!(received[0]["message"]["attributes"]["key"], "value");
    assert_eq!(received[0]["message"]["messageId"], published["messageIds"][0]);
    project.acknowledge("sub-a", &received[..1]);
    assert!(project.pull("sub-a").is_empty(), "the other one is with somebody");
    project.google.advance(Duration::from_secs(20));
    assert_eq!(texts(&project.pull("sub-a")), ["two"]);
}

#[test]
fn a_lease_can_be_made_longer_and_given_back() {
    let project = Project::new();
    project.subscribe("sub-a", &json!({}));
    project.publish("sub-a", &["one"]);
    let received = project.pull("sub-a");
    let modify = |seconds: u32| {
        let body = json!({ "ackIds": [received[0]["ackId"]], "ackDeadlineSeconds": seconds });
        project.pubsub("POST", "subscriptions/sub-a:modifyAckDeadline", &body)
    };
    assert_eq!(modify(600).status, 200);
    project.google.advance(Duration::from_secs(599));
    assert!(project.pull("sub-a").is_empty());
    assert_eq!(modify(0).status, 200);
    assert_eq!(texts(&project.pull("sub-a")), ["one"]);
    assert_eq!(modify(601).status, 400);
}

#[test]
fn a_pull_waits_for_the_first_message() {
    let project = Project::new();
    project.subscribe("sub-a", &json!({}));
    std::thread::scope(|scope| {
        let pull =
            scope.spawn(|| project.pubsub("POST", "subscriptions/sub-a:pull", &json!({ "maxMessages": 10 })).ok());
        until(|| project.google.calls().iter().any(|it| it.action == "Pull"));
        project.publish("sub-a", &["late"]);
        assert_eq!(pull.join().unwrap()["receivedMessages"].as_array().unwrap().len(), 1);
    });
}

#[test]
fn every_subscription_gets_its_own_copy_and_none_from_before_it_existed() {
    let project = Project::new();
    project.subscribe("sub-a", &json!({}));
    project.publish("sub-a", &["before"]);
    let topic = json!({ "topic": "projects/faast-project/topics/sub-a" });
    project.pubsub("PUT", "subscriptions/sub-b", &topic).ok();
    project.publish("sub-a", &["after"]);
    assert_eq!(texts(&project.pull("sub-a")), ["before", "after"]);
    assert_eq!(texts(&project.pull("sub-b")), ["after"]);
}

#[test]
fn a_message_that_nobody_acknowledges_goes_to_the_dead_letters() {
    let project = Project::new();
    project.subscribe("letters", &json!({}));
    let policy = json!({ "deadLetterTopic": "projects/faast-project/topics/letters", "maxDeliveryAttempts": 5 });
    project.subscribe("sub-a", &json!({ "deadLetterPolicy": policy }));
    project.publish("sub-a", &["poison"]);
    for attempt in 1..=5 {
        assert_eq!(project.pull("sub-a")[0]["deliveryAttempt"], attempt);
        project.google.advance(Duration::from_secs(10));
    }
    assert!(project.pull("sub-a").is_empty());
    let letters = project.pull("letters");
    assert_eq!(texts(&letters), ["poison"]);
    assert_eq!(letters[0]["message"]["attributes"]["CloudPubSubDeadLetterSourceSubscription"], "sub-a");
}

#[test]
fn what_pubsub_refuses_is_refused() {
    let project = Project::new();
    project.subscribe("sub-a", &json!({}));
    let topic = "projects/faast-project/topics/sub-a";
    let subscribe = |more: serde_json::Value| {
        let mut spec = json!({ "topic": topic });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        project.pubsub("PUT", "subscriptions/sub-c", &spec).refusal()
    };
    for more in [
        json!({ "ackDeadlineSeconds": 9 }),
        json!({ "ackDeadlineSeconds": 601 }),
        json!({ "expirationPolicy": { "ttl": "3600s" } }),
        json!({ "expirationPolicy": { "ttl": "86400s" } }),
        json!({ "messageRetentionDuration": "60s" }),
        json!({ "retryPolicy": { "minimumBackoff": "601s" } }),
        json!({ "labels": { "A": "b" } }),
        json!({ "deadLetterPolicy": { "deadLetterTopic": topic, "maxDeliveryAttempts": 4 } }),
        json!({ "pushConfig": { "pushEndpoint": "ftp://example.com" } }),
    ] {
        assert_eq!(subscribe(more.clone()).0, 400, "{more}");
    }
    assert_eq!(subscribe(json!({ "topic": "projects/faast-project/topics/none" })).0, 404);
    assert_eq!(project.pubsub("PUT", "topics/sub-a", &json!({})).status, 409);
    assert_eq!(project.pubsub("PUT", "topics/goog-x", &json!({})).status, 400);
    assert_eq!(project.pubsub("POST", "topics/sub-a:publish", &json!({ "messages": [{}] })).status, 400);
    assert_eq!(project.publish("none", &["x"]).refusal(), (404, "Resource not found (resource=none).".into()));
    let big = "x".repeat(10_000_001);
    assert!(project.publish("sub-a", &[&big]).refusal().1.contains("the maximum value is 10000000"));
    let many = vec!["x"; 1001];
    assert_eq!(project.publish("sub-a", &many).status, 400);
    let untyped = project.send("POST", "/v1/projects/faast-project/topics/sub-a:publish", "text/plain", b"{}");
    assert_eq!(untyped.status, 404, "JSON has to say that it is JSON");
}

#[test]
fn topics_and_subscriptions_are_listed_in_pages_and_deleted() {
    let project = Project::new();
    for id in ["sub-a", "sub-b", "sub-c"] {
        project.subscribe(id, &json!({ "labels": { "faast-deployment": "d" } }));
    }
    let first = project.pubsub("GET", "topics?pageSize=2", &json!(null)).ok();
    let token = first["nextPageToken"].as_str().unwrap();
    let second = project.pubsub("GET", &format!("topics?pageSize=2&pageToken={token}"), &json!(null)).ok();
    assert_eq!([first["topics"].as_array().unwrap().len(), second["topics"].as_array().unwrap().len()], [2, 1]);
    let listed = project.pubsub("GET", "subscriptions", &json!(null)).ok();
    assert_eq!(listed["subscriptions"][0]["labels"]["faast-deployment"], "d");
    assert_eq!(project.pubsub("DELETE", "topics/sub-a", &json!(null)).status, 200);
    let orphan = project.pubsub("GET", "subscriptions/sub-a", &json!(null)).ok();
    assert_eq!(orphan["topic"], "_deleted-topic_");
    assert_eq!(project.pubsub("DELETE", "subscriptions/sub-a", &json!(null)).status, 200);
    assert_eq!(project.pubsub("DELETE", "subscriptions/sub-a", &json!(null)).status, 404);
    assert_eq!(project.google.leftovers().len(), 4);
}

#[test]
fn duplicates_come_by_seed() {
    let faults = Faults { duplicate_messages: 1.0, ..Faults::default() };
    let project = Project { google: GoogleEmulator::builder().faults(faults).start() };
    project.subscribe("sub-a", &json!({}));
    project.publish("sub-a", &["one"]);
    assert_eq!(texts(&project.pull("sub-a")), ["one", "one"]);
}

#[test]
fn messages_are_metered_with_a_kilobyte_at_least() {
    let project = Project::new();
    project.subscribe("sub-a", &json!({}));
    project.publish("sub-a", &["x"]);
    project.pull("sub-a");
    let big = "x".repeat(5000);
    project.publish("sub-a", &[&big]);
    let bill = project.google.bill();
    // Attributes count, too.
    assert_eq!((bill.published_bytes, bill.delivered_bytes), (1000 + 5008, 1000));
}
