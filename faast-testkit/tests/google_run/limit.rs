//! What is refused because it is too much, in the words of Google.

use std::time::Duration;

use faast_testkit::http::Pending;
use faast_testkit::watch::until;
use serde_json::{Value, json};

use crate::client::{Deployed, PARENT, Project, Told as _};

/// So many calls that run until the file `gate` exists.
fn hold(project: &Project, service: &Deployed, count: usize) -> Vec<Pending> {
    let path = format!("/gate?{},{}", project.file("note").display(), project.file("gate").display());
    let calls = (0..count).map(|_| project.start_call(service, &path, &[])).collect();
    until(|| project.notes("note").len() == count);
    calls
}

fn scaling(instances: u32) -> Value {
    json!({ "template": { "scaling": { "maxInstanceCount": instances } } })
}

#[test]
fn requests_wait_for_an_instance_and_are_then_refused() {
    let project = Project::with(|it| it.queue_limit(Duration::from_secs(2)));
    let service = project.deploy("f", &scaling(2));
    let held = hold(&project, &service, 2);
    let refused = project.call(&service, "/echo");
    assert_eq!((refused.status, refused.text().as_str()), (429, "Rate exceeded."));
    std::fs::write(project.file("gate"), "").unwrap();
    for call in held {
        assert_eq!(call.answer().unwrap().status, 200);
    }
    assert_eq!(project.call(&service, "/echo").status, 200);
}

#[test]
fn a_request_that_waits_gets_the_instance_that_becomes_free() {
    let project = Project::new();
    let service = project.deploy("f", &scaling(1));
    let held = hold(&project, &service, 1);
    let waiting = project.start_call(&service, "/echo", &[]);
    std::fs::write(project.file("gate"), "").unwrap();
    assert_eq!(waiting.answer().unwrap().status, 200);
    for call in held {
        assert_eq!(call.answer().unwrap().status, 200);
    }
}

#[test]
fn sixty_requests_a_minute_may_write() {
    let project = Project::with(|it| it.write_quota(3));
    let delete = || project.api("DELETE", &format!("/v2/{PARENT}/services/none"), &Value::Null);
    let image = project.push("f");
    for index in 0..3 {
        assert_eq!(project.create(&format!("f-{index}"), &Project::service(&image, &json!({}))).status, 200);
    }
    let refused = project.create("f-3", &Project::service(&image, &json!({})));
    let refusal = refused.refusal();
    assert_eq!((refusal.0, refusal.1.as_str()), (429, "RESOURCE_EXHAUSTED"));
    let text = "Quota exceeded for quota metric 'Write requests' and limit 'Write requests per minute per region'";
    assert!(refusal.2.starts_with(text), "{refusal:?}");
    assert_eq!(delete().status, 404, "what is not there costs nothing");
    project.google.advance(Duration::from_secs(20));
    assert_eq!(project.create("f-3", &Project::service(&image, &json!({}))).status, 200);
}

#[test]
fn requests_and_answers_have_at_most_32_mib() {
    let project = Project::new();
    let service = project.deploy("f", &json!({}));
    let path = format!("{}/echo", project.path(&service.uri));
    let most = vec![b'x'; 32 << 20];
    assert_eq!(project.send("POST", &path, &[], &most).body.len(), most.len());
    let more = vec![b'x'; (32 << 20) + 1];
    assert_eq!(project.send("POST", &path, &[], &more).status, 413);
    let too_long = project.call(&service, &format!("/big?{}", more.len()));
    assert_eq!(too_long.status, 500);
    assert!(too_long.text().contains("Response size was too large."));
}
