//! From an image to a service: what is refused and in which words, and what operations say.

use faast_testkit::emulator_google::ResourceKind;
use faast_testkit::watch::until;
use serde_json::{Value, json};

use crate::client::{PARENT, PROGRAM, Project, Told as _, image, image_for};

/// The error of the operation that creates a service.
fn failure(project: &Project, name: &str, service: &Value) -> Value {
    project.wait(&project.create(name, service).ok())["error"].clone()
}

#[test]
fn an_operation_runs_until_the_service_is_ready() {
    let project = Project::with(|it| it.operation_delay(std::time::Duration::from_millis(50)));
    let image = project.push("f");
    let begun = project.create("f", &Project::service(&image, &json!({}))).ok();
    assert_eq!((begun["done"].as_bool(), begun["response"].is_null()), (None, true));
    assert!(begun["name"].as_str().unwrap().starts_with(&format!("{PARENT}/operations/")));
    let path = format!("/v2/{PARENT}/services/f");
    assert_eq!(project.get(&path).ok()["reconciling"], true);
    let service = project.wait(&begun)["response"].clone();
    assert_eq!(service["terminalCondition"]["state"], "CONDITION_SUCCEEDED");
    assert_eq!(project.get(&path).ok()["uri"], service["uri"]);
    assert_eq!(service["urls"], json!([service["uri"]]));
}

#[test]
fn enums_come_as_numbers_if_they_are_wanted_so_and_may_be_sent_so() {
    let project = Project::new();
    let image = project.push("f");
    let settings = json!({ "ingress": 1, "launchStage": 4, "template": { "executionEnvironment": 2 } });
    let service = Project::service(&image, &settings);
    let alt = "$alt=json;enum-encoding=int";
    let begun = project.api("POST", &format!("/v2/{PARENT}/services?serviceId=f&{alt}"), &service).ok();
    assert_eq!(begun["metadata"]["terminalCondition"]["state"], 2);
    project.wait(&begun);
    let numbers = project.get(&format!("/v2/{PARENT}/services/f?{alt}")).ok();
    assert_eq!(numbers["terminalCondition"]["state"], 4);
    assert_eq!(numbers["template"]["executionEnvironment"], 2);
    let names = project.get(&format!("/v2/{PARENT}/services/f")).ok();
    assert_eq!(names["ingress"], "INGRESS_TRAFFIC_ALL");
    assert_eq!(names["template"]["executionEnvironment"], "EXECUTION_ENVIRONMENT_GEN2");
}

#[test]
fn what_cloud_run_refuses_is_refused_at_once_and_nothing_exists() {
    let project = Project::new();
    let image = project.push("f");
    let container = |container: Value| json!({ "template": { "containers": [container] } });
    let limits =
        |cpu: &str, memory: &str| container(json!({ "resources": { "limits": { "cpu": cpu, "memory": memory } } }));
    let env = |name: &str| container(json!({ "env": [{ "name": name, "value": "x" }] }));
    let gen2 = json!({ "executionEnvironment": "EXECUTION_ENVIRONMENT_GEN2" });
    let mut small = limits("1", "256Mi");
    small["template"]["executionEnvironment"] = gen2["executionEnvironment"].clone();
    let cases = [
        (env("PORT"), "The following reserved env names were provided: PORT."),
        (env("K_SERVICE"), "The following reserved env names were provided: K_SERVICE."),
        (limits("3", "512Mi"), "Invalid value specified for cpu."),
        (limits("1", "8Gi"), "For 1.0 CPU, memory must be between 128Mi and 4Gi inclusive."),
        (small, "Total memory < 512 Mi is not supported with gen2 execution environment."),
        (
            container(json!({ "image": "ghcr.io/a/b" })),
            "Expected an image path like [host/]repo-path[:tag and/or @digest]",
        ),
        (json!({ "template": { "timeout": "3601s" } }), "Violation in CreateServiceRequest.service.template.timeout"),
        (json!({ "template": { "maxInstanceRequestConcurrency": 1001 } }), "must be between 1 and 1000"),
        (json!({ "labels": { "Upper": "x" } }), "Violation in CreateServiceRequest.service.labels"),
        (json!({ "labels": { "faast": "a b" } }), "Violation in CreateServiceRequest.service.labels"),
    ];
    for (settings, text) in cases {
        let refusal = project.create("f", &Project::service(&image, &settings)).refusal();
        assert_eq!((refusal.0, refusal.1.as_str()), (400, "INVALID_ARGUMENT"), "{settings}: {refusal:?}");
        assert!(refusal.2.contains(text), "{settings}: {refusal:?}");
    }
    for name in ["", "Upper", "1f", "f-", &"f".repeat(50)] {
        let refusal = project.create(name, &Project::service(&image, &json!({}))).refusal();
        assert!(refusal.2.starts_with("Violation in CreateServiceRequest.service_id"), "{name}: {refusal:?}");
    }
    assert!(project.google.leftovers().iter().all(|it| !it.contains("/services/")));
}

#[test]
fn validate_only_checks_everything_and_makes_nothing() {
    let project = Project::with(|it| it.cpu_quota(2));
    let image = project.push("f");
    let path = format!("/v2/{PARENT}/services?serviceId=f&validateOnly=true");
    let two = json!({ "template": { "scaling": { "maxInstanceCount": 2 } } });
    let checked = project.api("POST", &path, &Project::service(&image, &two)).ok();
    assert_eq!(checked["done"], true);
    let refusal = project.api("POST", &path, &Project::service(&image, &json!({}))).refusal();
    assert!(refusal.2.contains("Max instances must be set to 2 or fewer"), "{refusal:?}");
    assert_eq!(project.get(&format!("/v2/{PARENT}/services/f")).status, 404);
}

#[test]
fn more_vcpus_than_the_quota_are_refused_with_the_number_that_would_do() {
    let project = Project::with(|it| it.cpu_quota(3));
    let image = project.push("f");
    let refusal = project.create("f", &Project::service(&image, &json!({}))).refusal();
    assert_eq!((refusal.0, refusal.1.as_str()), (400, "INVALID_ARGUMENT"));
    assert!(
        refusal.2.contains("Max instances must be set to 3 or fewer to set the requested total CPU."),
        "{refusal:?}"
    );
    assert!(refusal.2.contains("CpuAllocPerProjectRegion requested: 4000 allowed: 3000"), "{refusal:?}");
    let three = json!({ "template": { "scaling": { "maxInstanceCount": 3 } } });
    assert_eq!(failure(&project, "f", &Project::service(&image, &three)), Value::Null);
}

#[test]
fn a_container_that_does_not_come_up_fails_the_operation_and_leaves_the_service() {
    let project = Project::new();
    let good = project.push("f");
    let arguments = |argument: &str| json!({ "template": { "containers": [{ "args": [argument] }] } });
    let entries = |files: &[(&str, u32, &[u8])]| image(files);
    let mut arm = PROGRAM.clone();
    arm[18] = 183;
    let cases = [
        ("exits", good, arguments("exit"), "Container called exit(3)."),
        (
            "missing",
            project.push_image("a", &entries(&[("work/x", 0o644, b"x")])),
            json!({}),
            "no such file or directory",
        ),
        ("plain", project.push_image("b", &entries(&[("faast", 0o644, &PROGRAM)])), json!({}), "invalid mode 0644"),
        ("arm", project.push_image("c", &entries(&[("faast", 0o755, &arm)])), json!({}), "exec format error"),
    ];
    for (name, image, settings, log) in cases {
        assert_fails(&project, name, &Project::service(&image, &settings), log);
    }
    let impatient = Project::with(|it| it.startup_limit(std::time::Duration::from_millis(300)));
    let service = Project::service(&impatient.push("f"), &arguments("sleep"));
    assert_fails(&impatient, "sleeps", &service, "Default STARTUP TCP probe failed");
}

/// It is told why in the log, and is there all the same.
fn assert_fails(project: &Project, name: &str, service: &Value, log: &str) {
    let error = failure(project, name, service);
    let text = error["message"].as_str().unwrap();
    assert!(error["code"] == 9 && text.contains("failed to start and listen on the port defined"), "{name}: {error}");
    assert!(text.contains(&format!("Revision '{name}-00001-")), "{text}");
    until(|| project.log(name).iter().any(|it| it.contains(log)));
    let service = project.get(&format!("/v2/{PARENT}/services/{name}")).ok();
    assert_eq!(service["terminalCondition"]["state"], "CONDITION_FAILED", "{name}");
}

#[test]
fn an_image_has_to_be_there_and_for_this_machine() {
    let project = Project::new();
    let image = project.push("f");
    let missing = image.replace("/worker@", "/other@");
    let error = failure(&project, "f", &Project::service(&missing, &json!({})));
    assert!(error["code"] == 5 && error["message"].as_str().unwrap().ends_with("not found."), "{error}");
    let arm = project.push_image("g", &image_for("arm64", &[("faast", 0o755, &PROGRAM)]));
    let error = failure(&project, "g", &Project::service(&arm, &json!({})));
    assert!(error["message"].as_str().unwrap().contains("must support amd64/linux"), "{error}");
}

#[test]
fn an_image_may_be_deleted_while_a_service_runs_it() {
    let project = Project::new();
    let service = project.deploy("f", &json!({}));
    let deleted = project.api("DELETE", &format!("/v1/{PARENT}/repositories/f"), &Value::Null);
    assert_eq!(deleted.status, 200);
    project.call(&service, "/exit");
    assert_eq!(project.call(&service, "/echo").status, 200);
}

#[test]
fn a_name_can_be_taken_once_and_a_service_deleted_once() {
    let project = Project::new();
    project.deploy("f", &json!({}));
    let image = project.push("f");
    let again = project.create("f", &Project::service(&image, &json!({}))).refusal();
    assert_eq!(again, (409, "ALREADY_EXISTS".into(), "Resource 'f' already exists.".into()));
    let delete = || project.api("DELETE", &format!("/v2/{PARENT}/services/f"), &Value::Null);
    assert_eq!(project.wait(&delete().ok())["error"], Value::Null);
    let text = "Resource 'f' of kind 'SERVICE' in region 'us-central1' in project 'faast-project' does not exist.";
    assert_eq!(delete().refusal(), (404, "NOT_FOUND".into(), text.into()));
}

#[test]
fn a_changed_service_gets_a_new_revision_that_serves_from_then_on() {
    let project = Project::new();
    let service = project.deploy("f", &json!({}));
    let image = project.push("f");
    let env = json!([{ "name": "COLOUR", "value": "blue" }]);
    let change = Project::service(&image, &json!({ "template": { "containers": [{ "env": env }] } }));
    let path = format!("/v2/{PARENT}/services/f?updateMask=template");
    project.wait(&project.api("PATCH", &path, &change).ok());
    let text = project.call(&service, "/environment").text();
    assert!(text.contains("COLOUR=blue") && text.contains("K_REVISION=f-00002-"), "{text}");
}

#[test]
fn services_are_found_by_label_in_all_regions_at_once() {
    let project = Project::new();
    project.deploy("f", &json!({}));
    project.google.add_someone_elses(ResourceKind::Service, "other", &[("team", "x")]);
    let names = |query: &str| -> Vec<String> {
        let found = project.get(&format!("/v1/projects/faast-project/locations/-/services?{query}")).ok();
        let items = found["items"].as_array().cloned().unwrap_or_default();
        items.iter().map(|it| it["metadata"]["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(""), ["f", "other"]);
    assert_eq!(names("labelSelector=faast-deployment"), ["f"]);
    assert_eq!(names("labelSelector=faast-deployment%3Dd"), ["f"]);
    assert!(names("labelSelector=faast-deployment%3De").is_empty());
    let item = project.get("/v1/projects/faast-project/locations/-/services?limit=1").ok();
    assert_eq!(item["items"][0]["metadata"]["labels"]["cloud.googleapis.com/location"], "us-central1");
    assert_eq!(item["metadata"]["continue"], "1");
    let second = project.get(&format!("/v2/{PARENT}/services?pageSize=1&pageToken=page-1")).ok();
    assert!(second["services"][0]["name"].as_str().unwrap().ends_with("/services/other"));
    assert_eq!(project.get("/v2/projects/faast-project/locations/-/services").status, 400, "version 2 has no wildcard");
}
