//! The service: what it is asked for with, quotas, refusals, operations that fail, and answers that are lost.

use std::time::{Duration, SystemTime};

use faast_core::ErrorKind;
use faast_google::{GoogleOptions, private};
use faast_testkit::refusal::says;
use serde_json::json;

use crate::project::Fault;
use crate::rig::{Rig, SECRETS};

#[tokio::test]
async fn a_deployment_makes_a_repository_and_a_service_and_removes_both() {
    Rig::new().await.succeeds().await;
}

#[tokio::test]
async fn an_instance_has_one_request_at_a_time_and_is_billed_only_while_it_has_one() {
    let mut rig = Rig::new().await;
    rig.spec.memory_mb = Some(5000);
    let function = rig.deploy(|builder| builder.max_instances(7)).await.unwrap();
    let asked = &rig.project.seen_of("CreateService")[0].body;
    let template = &asked["template"];
    let container = &template["containers"][0];
    assert_eq!(container["resources"]["cpuIdle"], json!(true), "left out, all of an instance's life is billed");
    assert_eq!(template["maxInstanceRequestConcurrency"], json!(1));
    assert_eq!(template["scaling"]["maxInstanceCount"], json!(7));
    assert_eq!(container["resources"]["limits"], json!({ "cpu": "2", "memory": "5000Mi" }));
    assert_eq!(template["timeout"], json!("3600s"), "this program has generators, which have no time-out as a whole");
    assert_eq!(template["executionEnvironment"], json!(2));
    assert!(container["image"].as_str().unwrap().contains("/worker@sha256:"), "{container}");
    assert_eq!(container["command"], json!(null), "the image says what runs");
    let mark = container["args"].as_array().unwrap().last().unwrap().as_str().unwrap();
    assert!(mark.contains("google"), "{mark}");
    assert_eq!(function.limits().concurrency, Some(7));
    assert!(function.cleanup().await.is_clean());
}

#[tokio::test]
async fn the_longest_chain_of_calls_is_as_short_as_promised() {
    let rig = Rig::new().await;
    let function = rig.deploy(|builder| builder).await.unwrap();
    let beside = ["Token", "ListSkus", "setIamPolicy"];
    let seen = rig.project.seen().into_iter().map(|seen| seen.action).filter(|it| !beside.contains(&it.as_str()));
    let mut chain: Vec<_> = seen.collect();
    // Both blobs go side by side.
    chain.dedup();
    let names =
        ["CreateRepository", "GetOperation", "StartUpload", "PutBlob", "PutManifest", "CreateService", "GetOperation"];
    assert_eq!(private::LONGEST_CHAIN, names);
    let firsts: Vec<_> = names.iter().map(|name| chain.iter().position(|it| it == name).unwrap()).collect();
    assert!(firsts[..6].is_sorted(), "{chain:?}");
    assert_eq!(chain.last().unwrap(), "GetOperation");
    assert!(chain.iter().all(|it| names.contains(&it.as_str())), "{chain:?}");
    assert!(function.cleanup().await.is_clean());
}

#[tokio::test]
async fn max_instances_above_the_quota_get_what_the_quota_allows() {
    // The trap: instances times processors are checked when a service is made, and nothing is fitted.
    let text = "spec.template.spec.containers[0].resources: Max instances must be set to 5 or fewer to set the requested \
                total CPU.";
    let rig = Rig::failing("CreateService", Fault::status(400, "INVALID_ARGUMENT", text)).await;
    let function = rig.deploy(|builder| builder).await.unwrap();
    let asked: Vec<_> = rig
        .project
        .seen_of("CreateService")
        .iter()
        .map(|seen| seen.body["template"]["scaling"]["maxInstanceCount"].clone())
        .collect();
    assert_eq!(asked, [json!(100), json!(5)]);
    assert_eq!(function.limits().concurrency, Some(5), "the client sends no more than that");
    assert!(function.cleanup().await.is_clean());
}

#[tokio::test]
async fn a_quota_that_is_told_after_the_service_was_made_is_kept_to_as_well() {
    let error = json!({ "code": 8, "message": "Quota violated. Max instances must be set to 12 or fewer to set the requested total CPU." });
    let rig = Rig::failing("CreateService", Fault::Fails(error)).await;
    let function = rig.deploy(|builder| builder).await.unwrap();
    let changed = rig.project.seen_of("UpdateService");
    assert_eq!(changed.len(), 1);
    assert_eq!(changed[0].body["template"]["scaling"]["maxInstanceCount"], json!(12));
    assert_eq!(function.limits().concurrency, Some(12));
    assert!(function.cleanup().await.is_clean());
}

#[tokio::test]
async fn an_api_that_is_not_enabled_is_named_with_the_command_that_enables_it() {
    let facts = json!({ "service": "run.googleapis.com", "consumer": "projects/1" });
    let text = "Cloud Run Admin API has not been used in project 1 before or it is disabled.";
    let fault = Fault::reason(403, "PERMISSION_DENIED", text, "SERVICE_DISABLED", &facts);
    let error = Rig::failing("CreateService", fault).await.refused(|builder| builder).await;
    says(&error, ErrorKind::Config, "it is disabled", "gcloud services enable run.googleapis.com");
}

#[tokio::test]
async fn a_permission_that_is_missing_is_named() {
    let facts = json!({ "permission": "run.services.create", "resource": "projects/p1" });
    let text = "Permission 'run.services.create' denied on resource 'projects/p1/locations/us-central1' (or it may not exist).";
    let fault = Fault::reason(403, "PERMISSION_DENIED", text, "IAM_PERMISSION_DENIED", &facts);
    let error = Rig::failing("CreateService", fault).await.refused(|builder| builder).await;
    says(&error, ErrorKind::Denied, "run.services.create", "allow `run.services.create`");
}

#[tokio::test]
async fn who_may_not_act_as_the_workers_account_is_told_so() {
    let text =
        "Permission 'iam.serviceaccounts.actAs' denied on service account 1-compute@developer.gserviceaccount.com";
    let fault = Fault::status(403, "PERMISSION_DENIED", text);
    let error = Rig::failing("CreateService", fault).await.refused(|builder| builder).await;
    says(&error, ErrorKind::Denied, "actAs", "roles/iam.serviceAccountUser");
}

#[tokio::test]
async fn an_organisation_that_forbids_a_service_without_iam_is_named() {
    let text = "One or more users named in the policy do not belong to a permitted customer: constraints/run.managed.requireInvokerIam";
    let fault = Fault::status(400, "FAILED_PRECONDITION", text);
    let error = Rig::failing("CreateService", fault).await.refused(GoogleOptions::invoker_secret).await;
    says(&error, ErrorKind::Config, "constraints/", "organisation");
}

#[tokio::test]
async fn a_project_without_billing_is_told_so() {
    let fault = Fault::reason(
        403,
        "PERMISSION_DENIED",
        "This API method requires billing to be enabled.",
        "BILLING_DISABLED",
        &json!({}),
    );
    let error = Rig::failing("CreateRepository", fault).await.refused(|builder| builder).await;
    says(&error, ErrorKind::Config, "billing", "billing account");
}

#[tokio::test]
async fn a_worker_that_does_not_start_is_removed_and_the_log_is_pointed_to() {
    let text = "Revision 'faast-x-00001' is not ready and cannot serve traffic. The user-provided container failed to start \
                and listen on the port defined provided by the PORT=8080 environment variable.";
    let error = json!({ "code": 9, "message": text });
    let error = Rig::failing("CreateService", Fault::Fails(error)).await.refused(|builder| builder).await;
    says(&error, ErrorKind::Deploy, "failed to start and listen", "log");
}

#[tokio::test]
async fn writes_above_the_rate_of_the_region_are_waited_for() {
    let text = "Quota exceeded for quota metric 'Write requests' and limit 'Write requests per minute per region' of service \
                'run.googleapis.com'";
    let rig = Rig::new().await;
    for action in ["CreateService", "DeleteService"] {
        for _ in 0..2 {
            rig.project.fault(action, Fault::status(429, "RESOURCE_EXHAUSTED", text));
        }
    }
    rig.succeeds().await;
    assert_eq!(rig.project.seen_of("CreateService").len(), 3);
}

#[tokio::test]
async fn a_service_whose_answer_was_lost_is_found_and_used() {
    let rig = Rig::failing("CreateService", Fault::Lost).await;
    rig.succeeds().await;
    assert_eq!(rig.project.seen_of("CreateService").len(), 2);
}

#[tokio::test]
async fn somebody_elses_service_of_the_name_is_left_alone() {
    let rig = Rig::new().await;
    let key = format!("services/{}", rig.name());
    rig.project.put(&key, json!({ "labels": { "team": "ml" } }));
    let error = rig.deploy(|builder| builder).await.err().unwrap();
    says(&error, ErrorKind::Deploy, "did not make", "another name");
    assert_eq!(rig.project.left(), [key]);
    assert!(rig.project.seen_of("DeleteService").is_empty() && rig.project.seen_of("UpdateService").is_empty());
}

#[tokio::test]
async fn nothing_secret_is_in_what_a_service_repeats() {
    let text = format!("invalid value \"{}\" for PASSWORD", SECRETS[1]);
    let error = Rig::failing("CreateService", Fault::status(400, "INVALID_ARGUMENT", &text)).await;
    let error = error.refused(|builder| builder).await;
    says(&error, ErrorKind::Config, "\"***\" for PASSWORD", "options");
}

#[tokio::test]
async fn an_expiry_moves_on_everything_that_has_labels_and_nothing_else_changes() {
    let rig = Rig::new().await;
    let function = rig.deploy(|builder| builder.label("team", "ml")).await.unwrap();
    let until = SystemTime::now() + Duration::from_hours(72);
    let seconds = until.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs().to_string();
    function.renew(until).await.unwrap();
    for kind in ["services", "repositories"] {
        let labels = rig.project.get(&format!("{kind}/{}", rig.name())).unwrap()["labels"].clone();
        assert_eq!(labels["faast-expires"], json!(seconds), "{kind}");
        assert_eq!((&labels["team"], &labels["faast-version"]), (&json!("ml"), &json!("0-1-0")), "{kind}");
    }
    let change = &rig.project.seen_of("UpdateService")[0];
    assert_eq!(change.query["updateMask"], "labels");
    assert_eq!(change.body.get("template"), None, "a template would make a new revision");
    assert!(function.cleanup().await.is_clean());
}

#[tokio::test]
async fn what_can_not_be_removed_keeps_the_service_that_it_is_found_by() {
    let rig = Rig::new().await;
    let function = rig.deploy(|builder| builder).await.unwrap();
    rig.project.fault("DeleteRepository", Fault::status(403, "PERMISSION_DENIED", "denied"));
    let report = function.cleanup().await;
    assert_eq!(report.left.len(), 2, "{report:?}");
    assert!(rig.project.get(&format!("services/{}", rig.name())).is_some());
    assert!(rig.context.ledger.path().exists());
    let report = function.cleanup().await;
    assert!(report.is_clean(), "{report:?}");
    assert!(rig.project.left().is_empty());
}
