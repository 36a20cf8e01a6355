//! Looking before deploying.

use faast_core::provider::{Checkup, CloudProvider as _, Finding, Verdict};
use faast_google::private;
use serde_json::json;

use crate::project::Fault;
use crate::rig::Rig;

async fn findings(rig: &Rig, checkup: &Checkup) -> Vec<Finding> {
    let google = rig.provider(|builder| builder);
    google.tools().unwrap().preflight(checkup).await.unwrap()
}

fn of<'f>(findings: &'f [Finding], topic: &str) -> &'f Finding {
    findings.iter().find(|finding| finding.topic == topic).unwrap_or_else(|| panic!("no {topic} in {findings:?}"))
}

#[tokio::test]
async fn a_project_that_is_well_has_no_problems() {
    let rig = Rig::new().await;
    let findings = findings(&rig, &Checkup::new()).await;
    assert!(findings.iter().all(|finding| finding.verdict < Verdict::Warning), "{findings:?}");
    for topic in ["project", "region", "credentials", "permission", "service", "quota"] {
        of(&findings, topic);
    }
    assert!(rig.project.left().is_empty(), "nothing was made");
}

#[tokio::test]
async fn every_permission_that_is_missing_is_found_at_once() {
    let granted = json!({ "permissions": ["run.services.create"] });
    let rig = Rig::failing("testIamPermissions", Fault::Refused(200, granted)).await;
    let findings = findings(&rig, &Checkup::new()).await;
    let missing: Vec<_> = findings.iter().filter(|finding| finding.topic == "permission").collect();
    assert!(missing.len() > 10, "{missing:?}");
    let verdict =
        |action: &str| missing.iter().find(|finding| finding.subject == action).map(|finding| finding.verdict);
    assert_eq!(verdict("artifactregistry.repositories.create"), Some(Verdict::Problem));
    assert_eq!(verdict("run.services.list"), Some(Verdict::Warning));
    assert_eq!(verdict("run.services.create"), None);
}

#[tokio::test]
async fn a_service_that_is_not_enabled_is_found() {
    let services = json!({ "services": [
        { "name": "projects/1/services/run.googleapis.com", "state": "DISABLED" },
        { "name": "projects/1/services/artifactregistry.googleapis.com", "state": "ENABLED" },
    ] });
    let rig = Rig::failing("batchGet", Fault::Refused(200, services)).await;
    let findings = findings(&rig, &Checkup::new()).await;
    let finding = of(&findings, "service");
    assert!(
        findings.iter().any(|it| it.subject == "run.googleapis.com" && it.verdict == Verdict::Problem),
        "{finding:?}"
    );
    assert!(findings.iter().any(|it| it.subject == "cloudbilling.googleapis.com" && it.verdict == Verdict::Note));
}

#[tokio::test]
async fn a_quota_below_what_is_asked_for_is_found_by_a_dry_run() {
    let text = "Max instances must be set to 20 or fewer to set the requested total CPU.";
    let rig = Rig::failing("CreateService", Fault::status(400, "INVALID_ARGUMENT", text)).await;
    let checkup = Checkup::new().concurrency(200).calls(400, std::time::Duration::from_secs(3));
    let findings = findings(&rig, &checkup).await;
    let finding = of(&findings, "quota");
    assert_eq!((finding.verdict, finding.facts["allowed"].as_str()), (Verdict::Warning, "20"));
    let time = findings.iter().find(|finding| finding.subject == "time").unwrap();
    assert_eq!(time.facts["seconds"], "60", "{time:?}");
    assert_eq!(rig.project.seen_of("CreateService")[0].query["validateOnly"], "true");
}

#[tokio::test]
async fn without_credentials_that_count_nothing_else_is_asked() {
    let rig = Rig::new().await;
    for _ in 0..32 {
        rig.project.fault("Token", Fault::Refused(400, json!({ "error": "invalid_grant" })));
    }
    let findings = findings(&rig, &Checkup::new()).await;
    assert_eq!(of(&findings, "credentials").verdict, Verdict::Problem);
    assert!(rig.project.seen().iter().all(|seen| seen.action == "Token"));
}

#[tokio::test]
async fn the_least_role_is_printed() {
    let google = private::anonymous(faast_google::Google::new());
    let tools = google.tools().unwrap();
    let plain = tools.policy(&Checkup::new()).unwrap();
    let role: serde_json::Value = serde_json::from_str(&plain).unwrap();
    assert!(role["includedPermissions"].as_array().unwrap().contains(&json!("run.services.create")));
    assert!(!plain.contains("pubsub.topics.publish"));
    assert!(tools.policy(&Checkup::new().with("queue")).unwrap().contains("pubsub.topics.publish"));
}
