//! The repository and the push of the image into it.

use faast_core::ErrorKind;
use faast_testkit::refusal::says;
use serde_json::json;

use crate::project::Fault;
use crate::rig::Rig;

#[tokio::test]
async fn blobs_are_sent_in_one_piece() {
    // The trap: Artifact Registry takes no parts. The project has no answer to them, and ends the test.
    let rig = Rig::new().await;
    rig.succeeds().await;
    let blobs = rig.project.seen_of("PutBlob");
    assert_eq!(blobs.len(), 2, "a layer and a configuration");
    assert!(blobs.iter().all(|seen| seen.query["digest"].starts_with("sha256:") && seen.query["state"] == "1"));
}

#[tokio::test]
async fn the_repository_has_the_labels_and_the_name_of_the_deployment() {
    let rig = Rig::new().await;
    rig.succeeds().await;
    let made = &rig.project.seen_of("CreateRepository")[0];
    assert_eq!(made.query["repositoryId"], rig.name());
    assert_eq!(made.body["format"], json!("DOCKER"));
    for label in ["faast-deployment", "faast-created", "faast-expires", "faast-version"] {
        assert!(made.body["labels"][label].is_string(), "{label}");
    }
}

#[tokio::test]
async fn a_repository_whose_answer_was_lost_is_found_and_used() {
    Rig::failing("CreateRepository", Fault::Lost).await.succeeds().await;
}

#[tokio::test]
async fn a_repository_that_the_registry_does_not_know_yet_is_waited_for() {
    let rig = Rig::new().await;
    for _ in 0..3 {
        rig.project.fault(
            "StartUpload",
            Fault::Refused(404, json!({ "errors": [{ "code": "NAME_UNKNOWN", "message": "not found" }] })),
        );
    }
    rig.succeeds().await;
}

#[tokio::test]
async fn an_upload_that_breaks_off_begins_anew() {
    let rig = Rig::new().await;
    for action in ["PutBlob", "PutManifest"] {
        rig.project.fault(action, Fault::Lost);
    }
    rig.succeeds().await;
    assert_eq!(rig.project.seen_of("StartUpload").len(), 3, "a place for an upload counts once");
}

#[tokio::test]
async fn who_may_not_push_is_told_which_permission_is_missing() {
    let denied = json!({ "errors": [{ "code": "DENIED", "message": "Permission \"artifactregistry.repositories.uploadArtifacts\" denied" }] });
    let error = Rig::failing("StartUpload", Fault::Refused(403, denied)).await.refused(|builder| builder).await;
    says(&error, ErrorKind::Denied, "uploadArtifacts", "allow `artifactregistry.repositories.uploadArtifacts`");
}

#[tokio::test]
async fn a_registry_that_is_not_enabled_is_named() {
    let facts = json!({ "service": "artifactregistry.googleapis.com" });
    let fault = Fault::reason(403, "PERMISSION_DENIED", "it is disabled", "SERVICE_DISABLED", &facts);
    let error = Rig::failing("CreateRepository", fault).await.refused(|builder| builder).await;
    says(&error, ErrorKind::Config, "disabled", "gcloud services enable artifactregistry.googleapis.com");
}

#[tokio::test]
async fn a_bucket_is_emptied_before_it_is_deleted() {
    use faast_core::provider::{CloudProvider as _, Deleted, Resource};
    let rig = Rig::new().await;
    let google = rig.provider(|builder| builder);
    let name = rig.name();
    rig.project.put(&format!("b/{name}"), json!({ "objects": ["args/1", "args/2", "results/3"] }));
    let mut bucket = Resource::new("bucket", name);
    bucket.region = crate::project::REGION.into();
    assert_eq!(google.delete(&bucket).await.unwrap(), Deleted::Now);
    assert_eq!(rig.project.seen_of("DeleteObject").len(), 3);
    assert_eq!(google.delete(&bucket).await.unwrap(), Deleted::Before);
    assert!(rig.project.left().is_empty());
}

#[tokio::test]
async fn what_faast_does_not_make_is_not_deleted() {
    use faast_core::provider::{CloudProvider as _, Resource};
    let google = Rig::new().await.provider(|builder| builder);
    for (kind, id) in [("service", "faast-batch"), ("function", "faast-6a1f0d1e-8a0e-4c5e-9a53-0d4b7f3a2c11")] {
        let error = google.delete(&Resource::new(kind, id)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{kind} {id}");
    }
}

#[tokio::test]
async fn a_client_that_may_not_use_buckets_cleans_up_all_the_same() {
    use faast_core::provider::CloudFunction;
    let rig = Rig::new().await;
    let function: std::sync::Arc<dyn CloudFunction> = rig.deploy(|builder| builder).await.unwrap();
    rig.project.fault("DeleteBucket", Fault::status(403, "PERMISSION_DENIED", "denied"));
    let report = function.cleanup().await;
    assert!(report.is_clean() && report.notes.len() == 1, "{report:?}");
    assert!(rig.project.left().is_empty());
}

#[tokio::test]
async fn a_bucket_that_a_worker_made_is_removed() {
    let rig = Rig::new().await;
    let function = rig.deploy(|builder| builder).await.unwrap();
    rig.project.put(&format!("b/{}", rig.name()), json!({ "objects": ["results/1"] }));
    let report = function.cleanup().await;
    assert!(report.deleted.iter().any(|resource| resource.kind == "bucket"), "{report:?}");
    assert!(rig.project.left().is_empty());
}
