//! Faults of the services, and hooks around their requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use faast_testkit::emulator_google::{FaultScope, Faults, Latency, Moment, Then};
use serde_json::{Value, json};

use crate::client::{PARENT, Project, Told as _};

/// A project whose calls meet these faults: status of one, and how often it ran.
fn called(faults: Faults) -> (std::io::Result<u16>, usize) {
    let project = Project::with(|it| it.faults(faults));
    let service = project.deploy("f", &json!({}));
    let path = format!("/note?{}", project.file("ran").display());
    let status = project.start_call(&service, &path, &[]).answer().map(|it| it.status);
    (status, project.notes("ran").len())
}

#[test]
fn a_fault_before_the_call_does_not_run_it_and_one_after_does() {
    let none = Faults::default();
    let (status, runs) = called(Faults { error_before: 1.0, ..none.clone() });
    assert_eq!((status.unwrap(), runs), (500, 0));
    let (status, runs) = called(Faults { throttled: 1.0, ..none.clone() });
    assert_eq!((status.unwrap(), runs), (429, 0));
    let (status, runs) = called(Faults { error_after: 1.0, ..none.clone() });
    assert_eq!((status.unwrap(), runs), (503, 1));
    let (status, runs) = called(Faults { drop_before: 1.0, ..none.clone() });
    assert!(status.is_err() && runs == 0, "{status:?} {runs}");
    let (status, runs) = called(Faults { drop_after: 1.0, ..none.clone() });
    assert!(status.is_err() && runs == 1, "{status:?} {runs}");
    let (status, runs) = called(Faults { break_off: 1.0, ..none });
    assert!(status.is_err() && runs == 1, "{status:?} {runs}");
}

#[test]
fn slow_answers_and_latency_take_their_time() {
    let slow_by = Duration::from_millis(100);
    let faults = Faults { slow: 1.0, slow_by, scope: FaultScope::All, ..Faults::default() };
    let latency = Latency::none().action("run", "ListServices", slow_by);
    let project = Project::with(|it| it.faults(faults).latency(latency));
    let start = Instant::now();
    assert_eq!(project.get(&format!("/v2/{PARENT}/services")).status, 200);
    assert!(start.elapsed() >= slow_by * 2);
}

#[test]
fn tokens_can_fail_by_themselves() {
    let project = Project::with(|it| it.faults(Faults { token_failures: 1.0, ..Faults::default() }));
    assert_eq!(project.send("POST", "/token", &[], b"grant_type=refresh_token&refresh_token=r").status, 503);
    assert_eq!(project.get(&format!("/v2/{PARENT}/services")).status, 200);
}

#[test]
fn hooks_see_every_request_twice_and_can_drop_it() {
    let project = Project::new();
    project.deploy("f", &json!({}));
    let seen = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&seen);
    project.google.on_call(move |call, moment| {
        if call.action != "DeleteService" {
            return Then::Go;
        }
        assert_eq!(call.status.is_some(), moment == Moment::After);
        // The first is dropped before it is carried out, the second after it.
        let count = counter.fetch_add(1, Ordering::Relaxed);
        if count == 0 || count == 2 { Then::Drop } else { Then::Go }
    });
    let delete = || project.start("DELETE", &format!("/v2/{PARENT}/services/f"), &[], b"").answer();
    let exists = || project.google.leftovers().iter().any(|it| it.ends_with("/services/f"));
    assert!(delete().is_err() && exists());
    assert!(delete().is_err() && !exists());
    assert_eq!(delete().unwrap().status, 404);
    let deletions: Vec<_> = project.google.calls().into_iter().filter(|it| it.action == "DeleteService").collect();
    assert_eq!(deletions.iter().map(|it| it.status).collect::<Vec<_>>(), [None, Some(200), Some(404)]);
    assert!(deletions.iter().all(|it| it.service == "run" && it.function.as_deref() == Some("f")));
    assert_eq!(deletions[2].error.as_deref(), Some("NOT_FOUND"));
}

#[test]
fn permissions_that_callers_do_not_have_are_refused_by_name() {
    let project = Project::with(|it| {
        it.without_permission("run.services.create").without_permission("artifactregistry.repositories.create")
    });
    let refusal = project.create("f", &json!({})).refusal();
    assert_eq!((refusal.0, refusal.1.as_str()), (403, "PERMISSION_DENIED"));
    assert!(refusal.2.starts_with("Permission 'run.services.create' denied on resource 'projects/faast-project/"));
    let path = format!("/v1/{PARENT}/repositories?repositoryId=r");
    let refusal = project.api("POST", &path, &json!({ "format": "DOCKER" })).refusal();
    assert!(refusal.2.contains("'artifactregistry.repositories.create' denied on resource '//artifactregistry"));
    let asked = json!({ "permissions": ["run.services.create", "run.services.get"] });
    let tested = project.api("POST", "/v3/projects/faast-project:testIamPermissions", &asked).ok();
    assert_eq!(tested["permissions"], json!(["run.services.get"]));
    let asked = project.google.permissions();
    assert!(asked.iter().any(|it| it.action == "run.services.create" && !it.granted));
}

#[test]
fn an_api_that_is_not_enabled_says_how_to_enable_it() {
    let project = Project::with(|it| it.disabled_api("run.googleapis.com"));
    let answer = project.get(&format!("/v2/{PARENT}/services"));
    let refusal = answer.refusal();
    assert_eq!((refusal.0, refusal.1.as_str()), (403, "PERMISSION_DENIED"));
    let detail = answer.json()["error"]["details"][0].clone();
    assert_eq!(
        (&detail["reason"], &detail["metadata"]["service"]),
        (&json!("SERVICE_DISABLED"), &json!("run.googleapis.com"))
    );
    let state = || project.get("/v1/projects/faast-project/services/run.googleapis.com").ok()["state"].clone();
    assert_eq!(state(), "DISABLED");
    let enabled = json!({ "serviceIds": ["run.googleapis.com"] });
    assert_eq!(project.api("POST", "/v1/projects/faast-project/services:batchEnable", &enabled).ok()["done"], true);
    assert_eq!((state(), project.get(&format!("/v2/{PARENT}/services")).status), (Value::from("ENABLED"), 200));
}
