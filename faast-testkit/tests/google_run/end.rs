//! Nothing that was started outlives its service, its time or the emulator.

use std::time::Duration;

use faast_testkit::watch::{is_alive, state_of, until};
use serde_json::{Value, json};

use crate::client::{Deployed, PARENT, Project};

fn pid(project: &Project, service: &Deployed) -> u64 {
    project.call(service, "/pid").text().parse().unwrap()
}

#[test]
fn deleting_a_service_ends_its_instances_and_its_address() {
    let project = Project::new();
    let (gone, left) = (project.deploy("f", &json!({})), project.deploy("g", &json!({})));
    let pids = [pid(&project, &gone), pid(&project, &left)];
    assert_eq!(project.api("DELETE", &format!("/v2/{PARENT}/services/f"), &Value::Null).status, 200);
    until(|| !is_alive(pids[0]));
    assert!(is_alive(pids[1]));
    let answer = project.call(&gone, "/echo");
    assert_eq!(answer.status, 404);
    assert!(answer.text().contains("The requested URL was not found on this server."));
}

#[test]
fn idle_instances_end_after_a_while() {
    let project = Project::with(|it| it.idle_limit(Duration::from_millis(50)));
    let service = project.deploy("f", &json!({}));
    let first = pid(&project, &service);
    until(|| !is_alive(first));
    assert_ne!(pid(&project, &service), first);
}

#[test]
fn dropping_the_emulator_ends_everything_at_once() {
    let project = Project::new();
    let idle = project.deploy("idle", &json!({}));
    let idle = pid(&project, &idle);
    let busy = project.deploy("busy", &json!({}));
    let path = format!("/gate?{},{}", project.file("note").display(), project.file("gate").display());
    let call = project.start_call(&busy, &path, &[]);
    until(|| project.notes("note").len() == 1);
    let held = project.notes("note")[0].parse::<u64>().unwrap();
    drop(project);
    assert_eq!([state_of(idle), state_of(held)], [None, None], "not even a zombie");
    // Its instance goes first, and the port with the connection right after that.
    assert!(call.answer().map_or(true, |it| it.status == 503));
}
