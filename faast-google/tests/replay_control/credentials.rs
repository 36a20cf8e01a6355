//! Who calls, and who may call.

use faast_core::ErrorKind;
use faast_core::provider::CloudProvider as _;
use faast_google::{GoogleOptions, private};
use faast_testkit::refusal::says;
use serde_json::json;

use crate::project::Fault;
use crate::rig::{Rig, SECRETS};

#[tokio::test]
async fn a_developers_own_login_calls_by_an_identity_token() {
    // The trap: the SDK's own search makes no identity tokens of a developer's login (google-cloud-rust#4215).
    let rig = Rig::new().await;
    let function = rig.deploy(|builder| builder).await.unwrap();
    let service = &rig.project.seen_of("CreateService")[0].body;
    assert_ne!(service["invokerIamDisabled"], json!(true));
    let env = service["template"]["containers"][0]["env"].to_string();
    assert!(!env.contains("FAAST_SECRET"), "{env}");
    let policy = &rig.project.seen_of("setIamPolicy")[0].body["policy"]["bindings"][0];
    assert_eq!(policy["role"], json!("roles/run.invoker"));
    assert_eq!(policy["members"], json!(["user:ann@example.com"]), "whoever deploys may call");
    let calls = rig.project.seen();
    let tokens = calls.iter().filter(|seen| seen.action == "CreateService" || seen.action == "StartUpload");
    assert!(tokens.into_iter().all(|seen| seen.authorization.as_deref() == Some("Bearer access-token")));
    assert!(function.cleanup().await.is_clean());
}

#[tokio::test]
async fn who_may_not_say_who_may_call_deploys_all_the_same() {
    Rig::failing("setIamPolicy", Fault::status(403, "PERMISSION_DENIED", "denied")).await.succeeds().await;
}

#[tokio::test]
async fn a_secret_lets_in_where_iam_is_off() {
    let rig = Rig::new().await;
    let function = rig.deploy(GoogleOptions::invoker_secret).await.unwrap();
    let service = &rig.project.seen_of("CreateService")[0].body;
    assert_eq!(service["invokerIamDisabled"], json!(true));
    let env = service["template"]["containers"][0]["env"].as_array().unwrap();
    let secret =
        env.iter().find(|variable| variable["name"] == json!("FAAST_SECRET")).unwrap()["value"].as_str().unwrap();
    assert!(secret.len() >= 64, "{} characters", secret.len());
    assert!(rig.project.seen_of("setIamPolicy").is_empty());
    let ledger = std::fs::read_to_string(rig.context.ledger.path()).unwrap();
    assert!(!ledger.contains(secret) && !function.log_url(None).contains(secret));
    assert!(function.cleanup().await.is_clean());
    let other = Rig::new().await;
    let function = other.deploy(GoogleOptions::invoker_secret).await.unwrap();
    let again = other.project.seen_of("CreateService")[0].body.to_string();
    assert!(!again.contains(secret), "each deployment has its own");
    assert!(function.cleanup().await.is_clean());
}

#[tokio::test]
async fn credentials_that_can_not_say_who_calls_get_a_secret() {
    let rig = Rig::new().await;
    let google = private::anonymous(rig.provider(|builder| builder));
    let function = google.deploy(&rig.spec, &rig.context).await.unwrap();
    assert_eq!(rig.project.seen_of("CreateService")[0].body["invokerIamDisabled"], json!(true));
    assert!(
        rig.project
            .seen()
            .iter()
            .all(|seen| seen.action == "Token" || seen.authorization.as_deref() != Some("Bearer access-token"))
    );
    assert!(function.cleanup().await.is_clean());
}

#[tokio::test]
async fn a_login_that_has_ended_is_said_with_what_to_do() {
    let rig = Rig::new().await;
    for _ in 0..64 {
        let body = json!({ "error": "invalid_grant", "error_description": "Token has been expired or revoked." });
        rig.project.fault("Token", Fault::Refused(400, body));
    }
    let error = rig.refused(|builder| builder).await;
    says(&error, ErrorKind::Denied, "expired", "gcloud auth application-default login");
}

#[tokio::test]
async fn a_project_that_pays_and_may_not_be_used_is_told_from_a_permission_of_the_call() {
    let text = "Caller does not have required permission to use project the-one-that-pays. Grant the caller the \
                roles/serviceusage.serviceUsageConsumer role.";
    let facts = json!({ "consumer": "projects/the-one-that-pays", "service": "artifactregistry.googleapis.com" });
    let fault = Fault::reason(403, "PERMISSION_DENIED", text, "USER_PROJECT_DENIED", &facts);
    let error = Rig::failing("CreateRepository", fault).await.refused(|builder| builder).await;
    says(&error, ErrorKind::Denied, "the-one-that-pays", "allow `serviceusage.services.use` in the project that pays");
}

#[tokio::test]
async fn nothing_secret_is_shown() {
    let rig = Rig::new().await;
    let google = rig.provider(GoogleOptions::invoker_secret);
    let shown = format!("{google:?}");
    assert!(SECRETS.iter().all(|secret| !shown.contains(secret)), "{shown}");
}

#[tokio::test]
async fn a_file_of_an_unknown_kind_is_refused() {
    let rig = Rig::new().await;
    let google = private::credentials(rig.provider(|builder| builder), json!({ "type": "magic" }));
    let error = google.deploy(&rig.spec, &rig.context).await.err();
    // Where this machine has credentials of its own, they are not taken instead.
    assert!(error.is_some_and(|error| error.kind() == ErrorKind::Denied));
}
