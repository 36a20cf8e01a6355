//! Messages that Pub/Sub pushes to a service.

use serde_json::{Value, json};

use faast_testkit::emulator_google::SERVICE_ACCOUNT;
use faast_testkit::watch::until;

use crate::client::{Deployed, PARENT, Project};

const TOPIC: &str = "projects/faast-project/topics/requests";

/// A topic whose messages are pushed to a path of the service.
fn subscribe(project: &Project, service: &Deployed, path: &str, token: &Value, more: &Value) {
    let api = |path: &str, body: &Value| project.api("PUT", &format!("/v1/projects/faast-project/{path}"), body).ok();
    api("topics/requests", &json!({}));
    let mut push = json!({ "pushEndpoint": format!("{}{path}", service.uri) });
    if !token.is_null() {
        push["oidcToken"] = token.clone();
    }
    let mut spec = json!({ "topic": TOPIC, "pushConfig": push, "ackDeadlineSeconds": 600 });
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    api("subscriptions/requests", &spec);
}

fn publish(project: &Project, data: &str) {
    let body = json!({ "messages": [{ "data": data, "attributes": { "call": "1" } }] });
    project.api("POST", &format!("/v1/{TOPIC}:publish"), &body).ok();
}

#[test]
fn a_message_is_pushed_in_an_envelope_until_the_service_says_yes() {
    let project = Project::new();
    let service = project.deploy("f", &json!({}));
    let path = format!("/keep?{}", project.file("kept").display());
    subscribe(&project, &service, &path, &Value::Null, &json!({}));
    publish(&project, "aGVsbG8=");
    until(|| project.notes("kept").len() == 1);
    let envelope: Value = serde_json::from_str(&project.notes("kept")[0]).unwrap();
    assert_eq!(envelope["subscription"], "projects/faast-project/subscriptions/requests");
    assert_eq!(
        (&envelope["message"]["data"], &envelope["message"]["attributes"]["call"]),
        (&json!("aGVsbG8="), &json!("1"))
    );
    assert_eq!(envelope["message"]["messageId"], envelope["message"]["message_id"]);
    // Acknowledged by its status, it does not come again when its deadline is over.
    let is_answered = || project.google.calls().iter().any(|it| it.service == "app" && it.status == Some(200));
    until(is_answered);
    publish(&project, "YWdhaW4=");
    until(|| project.notes("kept").len() == 2);
}

#[test]
fn a_crash_has_the_message_pushed_again_to_another_instance() {
    let project = Project::new();
    let service = project.deploy("f", &json!({}));
    let file = project.file("tried");
    subscribe(&project, &service, &format!("/note-and-exit?{}", file.display()), &Value::Null, &json!({}));
    publish(&project, "aGVsbG8=");
    until(|| project.notes("tried").len() >= 3);
    let mut instances = project.notes("tried");
    instances.truncate(3);
    instances.dedup();
    assert_eq!(instances.len(), 3);
}

#[test]
fn a_push_carries_the_token_of_its_account_for_its_audience() {
    let project = Project::new();
    let service = project.deploy("f", &json!({ "invokerIamDisabled": false }));
    let token = json!({ "serviceAccountEmail": SERVICE_ACCOUNT, "audience": service.uri });
    let path = format!("/note?{}", project.file("note").display());
    subscribe(&project, &service, &path, &token, &json!({}));
    publish(&project, "aGVsbG8=");
    let statuses = || -> Vec<Option<u16>> {
        project.google.calls().iter().filter(|it| it.service == "app").map(|it| it.status).collect()
    };
    until(|| statuses().contains(&Some(403)));
    assert!(project.notes("note").is_empty());
    let member = format!("serviceAccount:{SERVICE_ACCOUNT}");
    let policy = json!({ "policy": { "bindings": [{ "role": "roles/run.invoker", "members": [member] }] } });
    project.api("POST", &format!("/v2/{PARENT}/services/f:setIamPolicy"), &policy).ok();
    until(|| project.notes("note").len() == 1);
}
