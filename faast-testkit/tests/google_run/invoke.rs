//! What a container in Cloud Run can rely on, and what its callers see of it.

use faast_testkit::watch::{is_alive, state_of, until};
use serde_json::{Value, json};

use crate::client::Project;

fn pid(text: &str) -> u64 {
    text.trim().parse().unwrap()
}

#[test]
fn a_process_has_the_environment_of_a_container_and_nothing_else() {
    let project = Project::new();
    let env = json!([{ "name": "COLOUR", "value": "red" }]);
    let service = project.deploy("f", &json!({ "template": { "containers": [{ "env": env }] } }));
    let text = project.call(&service, "/environment").text();
    let names: Vec<&str> = text.lines().map(|it| it.split('=').next().unwrap()).collect();
    let expected = [
        "COLOUR",
        "FAAST_GOOGLE_ENDPOINT_URL",
        "GCE_METADATA_HOST",
        "HOME",
        "K_CONFIGURATION",
        "K_REVISION",
        "K_SERVICE",
        "OF_IMAGE",
        "PATH",
        "PORT",
    ];
    assert_eq!(names, expected);
    assert!(
        text.contains("K_SERVICE=f\n") && text.contains("K_CONFIGURATION=f\n") && text.contains("K_REVISION=f-00001-")
    );
}

#[test]
fn a_process_sees_its_image_as_its_root_and_writes_to_a_layer_of_its_own() {
    let project = Project::new();
    let service = project.deploy("f", &json!({}));
    let text = project.call(&service, "/place").text();
    let (place, root) = text.rsplit_once(' ').unwrap();
    assert_eq!(place, "/work data");
    for folder in ["dev", "faast", "proc", "tmp", "work"] {
        assert!(root.split(',').any(|it| it == folder), "{text}");
    }
    assert!(!root.split(',').any(|it| it == "usr" || it == "etc"), "{text}");
    assert!(project.call(&service, "/write").text().ends_with(' '), "nothing was written before");
    assert!(project.call(&service, "/write").text().ends_with(" x"), "it stays as long as the instance");
    project.call(&service, "/exit");
    assert!(project.call(&service, "/write").text().ends_with(' '), "another instance does not see it");
}

#[test]
fn what_the_container_answers_comes_through_as_it_is() {
    let project = Project::new();
    let service = project.deploy("f", &json!({}));
    assert_eq!(project.call(&service, "/echo").text(), "body");
    let failed = project.call(&service, "/fail");
    assert_eq!((failed.status, failed.header("faast"), failed.text().as_str()), (418, Some("1"), "short"));
}

#[test]
fn a_request_comes_with_a_trace_and_without_what_concerns_the_connection() {
    let project = Project::new();
    let service = project.deploy("f", &json!({}));
    let trace = "0123456789abcdef0123456789abcdef";
    let given = format!("{trace}/1;o=1");
    let headers = [("x-cloud-trace-context", given.as_str()), ("x-own", "kept"), ("te", "trailers")];
    let answer = project.start_call(&service, "/headers?a=b", &headers).answer().unwrap();
    let text = answer.text().to_lowercase();
    assert!(text.starts_with("post /headers?a=b http/1.1"), "{text}");
    assert!(
        text.contains(&format!("x-cloud-trace-context: {trace}/"))
            && text.contains(&format!("traceparent: 00-{trace}-"))
    );
    assert!(
        text.contains("x-own: kept") && text.contains("x-forwarded-proto: https") && !text.contains("te: trailers")
    );
    assert_eq!(answer.header("x-cloud-trace-context"), Some(format!("{trace};o=1").as_str()));
}

#[test]
fn instances_take_one_request_at_a_time_and_are_used_again() {
    let project = Project::new();
    let service = project.deploy("f", &json!({}));
    let first = project.call(&service, "/pid").text();
    assert_eq!(project.call(&service, "/pid").text(), first, "an idle one is used again");
    let (note, gate) = (project.file("note"), project.file("gate"));
    let path = format!("/gate?{},{}", note.display(), gate.display());
    let calls: Vec<_> = (0..3).map(|_| project.start_call(&service, &path, &[])).collect();
    until(|| project.notes("note").len() == 3);
    let mut instances = project.notes("note");
    instances.sort();
    instances.dedup();
    assert_eq!(instances.len(), 3);
    std::fs::write(gate, "").unwrap();
    for call in calls {
        assert_eq!(call.answer().unwrap().text(), "through");
    }
}

#[test]
fn an_instance_without_a_request_has_no_cpu_if_it_is_so_configured() {
    let project = Project::new();
    let idle = project.deploy("idle", &json!({}));
    let pid_of_idle = pid(&project.call(&idle, "/pid").text());
    until(|| state_of(pid_of_idle) == Some('T'));
    let resources = json!({ "cpuIdle": false });
    let busy = project.deploy("busy", &json!({ "template": { "containers": [{ "resources": resources }] } }));
    let pid_of_busy = pid(&project.call(&busy, "/pid").text());
    assert_eq!(project.call(&idle, "/echo").text(), "body", "with a request it goes on");
    assert_ne!(state_of(pid_of_busy), Some('T'));
}

#[test]
fn a_caller_who_hangs_up_closes_the_connection_to_the_instance() {
    let project = Project::new();
    let service = project.deploy("f", &json!({}));
    let call = project.start_call(&service, &format!("/watch?{}", project.file("watch").display()), &[]);
    until(|| project.notes("watch").len() == 1);
    assert!(project.notes("watch.gone").is_empty());
    drop(call);
    until(|| project.notes("watch.gone").len() == 1);
    assert_eq!(project.call(&service, "/echo").status, 200);
}

#[test]
fn an_answer_is_passed_on_piece_by_piece() {
    let project = Project::new();
    let service = project.deploy("f", &json!({}));
    let path = |how: &str| format!("/pieces?{how},{}", project.file(how).display());
    let mut call = project.start_call(&service, &path("end"), &[]);
    assert_eq!(call.head().unwrap().status, 200);
    assert_eq!(call.chunk().unwrap().unwrap(), b"first");
    std::fs::write(project.file("end"), "").unwrap();
    assert_eq!((call.chunk().unwrap().unwrap().as_slice(), call.chunk().unwrap()), (b"second".as_slice(), None));
    let mut broken = project.start_call(&service, &path("exit"), &[]);
    assert_eq!(broken.head().unwrap().status, 200);
    assert_eq!(broken.chunk().unwrap().unwrap(), b"first");
    std::fs::write(project.file("exit"), "").unwrap();
    assert!(broken.chunk().is_err(), "what broke off does not look like an end");
}

#[test]
fn a_crash_is_told_as_503_and_the_next_request_gets_another_instance() {
    let project = Project::new();
    let service = project.deploy("f", &json!({}));
    for path in ["/exit", "/abort", "/malformed"] {
        let answer = project.call(&service, path);
        assert_eq!((answer.status, answer.text().as_str()), (503, "Service Unavailable"), "{path}");
        assert_eq!(answer.header("faast"), None);
        assert_eq!(project.call(&service, "/echo").status, 200, "{path}");
    }
    until(|| project.log("f").iter().any(|it| it == "Container called exit(7)."));
    until(|| project.log("f").iter().any(|it| it == "Uncaught signal: 6."));
}

#[test]
fn too_much_memory_kills_the_instance() {
    let project = Project::new();
    let service = project.deploy("f", &json!({}));
    assert_eq!(project.call(&service, "/memory").status, 503);
    let is_told = |it: &String| it.starts_with("Memory limit of 512 MiB exceeded with ");
    until(|| project.log("f").iter().any(is_told));
    assert_eq!(project.call(&service, "/echo").status, 200);
}

#[test]
fn at_the_timeout_the_caller_gets_504_and_the_instance_is_not_killed() {
    let project = Project::new();
    let service = project.deploy("f", &json!({ "template": { "timeout": "1s" } }));
    let (note, gate) = (project.file("note"), project.file("gate"));
    let answer = project.call(&service, &format!("/gate?{},{}", note.display(), gate.display()));
    assert_eq!((answer.status, answer.text().as_str()), (504, "upstream request timeout"));
    assert!(is_alive(pid(&project.notes("note")[0])));
    std::fs::write(gate, "").unwrap();
}

#[test]
fn what_a_container_writes_is_in_its_log_with_the_trace_of_requests() {
    let project = Project::new();
    let service = project.deploy("f", &json!({}));
    until(|| project.log("f").iter().any(|it| it == "a line of its start"));
    let trace = "0123456789abcdef0123456789abcdef";
    let header = [("x-cloud-trace-context", trace)];
    assert_eq!(project.start_call(&service, "/echo", &header).answer().unwrap().status, 200);
    let filter = format!("trace=\"projects/faast-project/traces/{trace}\"");
    let entries = || project.api("POST", "/v2/entries:list", &json!({ "filter": filter })).ok()["entries"].clone();
    until(|| entries().as_array().is_some_and(|it| it.len() == 1));
    assert_eq!(entries()[0]["httpRequest"]["status"], json!(200));
    assert_eq!(entries()[0]["jsonPayload"], Value::Null);
}

#[test]
fn the_bill_counts_requests_and_tenths_of_seconds() {
    let project = Project::new();
    let service = project.deploy("f", &json!({}));
    let before = project.google.bill();
    assert!(before.requests == 0 && before.billed_ms >= 100, "starting is billed: {before:?}");
    assert_eq!(project.call(&service, "/echo").status, 200);
    until(|| project.google.bill().billed_ms > before.billed_ms);
    let after = project.google.bill();
    let billed_ms = after.billed_ms - before.billed_ms;
    assert_eq!((after.requests, billed_ms % 100, after.answer_bytes), (1, 0, 4));
    assert_eq!((after.ms_mcpu - before.ms_mcpu, after.ms_mib - before.ms_mib), (billed_ms * 1000, billed_ms * 512));
}
