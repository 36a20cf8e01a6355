//! What deployments left behind, found by labels alone.

use faast_core::ErrorKind;
use faast_core::provider::{CloudProvider as _, Resource, StrayScope};
use faast_google::Google;
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use crate::project::Fault;
use crate::rig::Rig;

const DEAD: &str = "6a1f0d1e-8a0e-4c5e-9a53-0d4b7f3a2c11";
const LIVE: &str = "7b1f0d1e-8a0e-4c5e-9a53-0d4b7f3a2c12";

fn labels(id: &str) -> Value {
    let expires = if id == DEAD { "1700086400" } else { "4102444800" };
    json!({ "faast-deployment": id, "faast-created": "1700000000", "faast-expires": expires, "faast-version": "0-1-0" })
}

/// Everything that two deployments can have, one of them in another region, and things of others beside.
async fn project() -> Rig {
    let rig = Rig::new().await;
    for id in [DEAD, LIVE] {
        let name = format!("faast-{id}");
        for key in [format!("repositories/{name}"), format!("b/{name}")] {
            rig.project.put(&key, json!({ "labels": labels(id), "location": "US-CENTRAL1" }));
        }
        for kind in ["topics", "subscriptions"] {
            for ending in ["requests", "responses"] {
                rig.project.put(&format!("{kind}/{name}-{ending}"), json!({ "labels": labels(id) }));
            }
        }
        rig.project.put(&format!("services/{name}"), json!({ "labels": labels(id), "region": "europe-west1" }));
    }
    let mut some = labels(DEAD);
    some.as_object_mut().unwrap().remove("faast-created");
    rig.project.put("services/faast-batch", json!({ "labels": labels(DEAD) }));
    rig.project.put(&format!("topics/faast-{LIVE}"), json!({ "labels": labels(LIVE) }));
    rig.project.put("b/faast-8c1f0d1e-8a0e-4c5e-9a53-0d4b7f3a2c13", json!({ "labels": some }));
    rig.project.put("topics/somebody-elses", json!({}));
    rig
}

async fn found(google: &Google, scope: &StrayScope) -> Vec<Resource> {
    google.stray(scope).map(Result::unwrap).collect().await
}

#[tokio::test]
async fn everything_of_an_expired_deployment_is_found_in_all_regions_and_nothing_else() {
    let rig = project().await;
    let google = rig.provider(|builder| builder);
    let found = found(&google, &StrayScope::default()).await;
    let kinds: Vec<_> = found.iter().map(|resource| resource.kind.as_str()).collect();
    // The mock lists the same repositories in both regions.
    let mut unlike = kinds.clone();
    unlike.dedup();
    assert_eq!(unlike, ["subscription", "topic", "bucket", "repository", "service"], "in the order of deletion");
    assert!(found.iter().all(|resource| resource.deployment.as_ref().is_some_and(|id| id.as_str() == DEAD)));
    assert_eq!(found.last().unwrap().region, "europe-west1", "the service says where it is");
}

#[tokio::test]
async fn live_ones_are_found_where_they_are_asked_for() {
    let rig = project().await;
    let google = rig.provider(|builder| builder);
    let mut scope = StrayScope::default();
    scope.include_live = true;
    scope.regions = vec!["europe-west1".into()];
    let found = found(&google, &scope).await;
    assert_eq!(found.iter().filter(|resource| resource.kind == "service").count(), 2);
    assert!(found.iter().all(|it| it.region.is_empty() || it.region == "europe-west1"), "{found:?}");
}

#[tokio::test]
async fn what_is_found_can_be_deleted_and_nothing_of_others_is_touched() {
    let rig = project().await;
    let google = rig.provider(|builder| builder);
    for resource in found(&google, &StrayScope::default()).await {
        google.delete(&resource).await.unwrap();
    }
    let left = rig.project.left();
    assert!(!left.iter().any(|key| key.contains(DEAD)), "{left:?}");
    assert_eq!(left.len(), 7 + 4, "{left:?}");
}

#[tokio::test]
async fn a_region_that_does_not_answer_is_said() {
    let rig = Rig::new().await;
    rig.project.fault(
        "ListServices",
        Fault::Refused(200, json!({ "items": [], "unreachable": ["projects/p1/locations/asia-east1"] })),
    );
    let google = rig.provider(|builder| builder);
    let found: Vec<_> = google.stray(&StrayScope::default()).collect().await;
    assert_eq!(found.len(), 1);
    assert!(found[0].as_ref().unwrap_err().message().contains("asia-east1"));
}

#[tokio::test]
async fn a_service_that_is_not_enabled_has_nothing_in_it() {
    let rig = project().await;
    let facts = json!({ "service": "pubsub.googleapis.com" });
    for action in ["ListTopics", "ListSubscriptions"] {
        let fault = Fault::reason(403, "PERMISSION_DENIED", "it is disabled", "SERVICE_DISABLED", &facts);
        rig.project.fault(action, fault);
    }
    let found = found(&rig.provider(|builder| builder), &StrayScope::default()).await;
    assert!(found.iter().all(|resource| !["topic", "subscription"].contains(&resource.kind.as_str())));
}

#[tokio::test]
async fn what_may_not_be_listed_is_said() {
    let rig = Rig::failing("ListBuckets", Fault::status(403, "PERMISSION_DENIED", "denied")).await;
    let google = rig.provider(|builder| builder);
    let found: Vec<_> = google.stray(&StrayScope::default()).collect().await;
    let error = found[0].as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.hint().is_some_and(|hint| hint.contains("storage.buckets.list")));
}

#[tokio::test]
async fn one_resource_is_looked_up_as_it_is_now() {
    let rig = project().await;
    let google = rig.provider(|builder| builder);
    for (kind, ending, region) in [
        ("subscription", "-requests", ""),
        ("topic", "-responses", ""),
        ("bucket", "", "us-central1"),
        ("repository", "", "us-central1"),
        ("service", "", "us-central1"),
    ] {
        let mut recorded = Resource::new(kind, format!("faast-{DEAD}{ending}"));
        recorded.region = region.into();
        let there = google.look_up(&recorded).await.unwrap().unwrap();
        assert!(there.expires.is_some() && there.deployment.is_some(), "{kind}: {there:?}");
        recorded.id = format!("faast-8c1f0d1e-8a0e-4c5e-9a53-0d4b7f3a2c14{ending}");
        assert_eq!(google.look_up(&recorded).await.unwrap(), None, "{kind}");
    }
}
