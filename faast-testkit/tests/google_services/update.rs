//! Changing what is there: buckets, repositories, topics and subscriptions, and what of them nobody can change.

use serde_json::{Value, json};

use crate::client::{Project, Told as _};

const BUCKET: &str = "/storage/v1/b/faast-bucket";
const REPOSITORIES: &str = "/v1/projects/faast-project/locations/us-central1/repositories";

#[test]
fn a_buckets_patch_merges_labels_and_takes_away_what_is_null() {
    let project = Project::new();
    let spec = json!({ "name": "faast-bucket", "location": "US-CENTRAL1", "labels": { "a": "1", "b": "2" } });
    project.api("POST", "/storage/v1/b?project=faast-project", &spec).ok();
    let patched = project.api("PATCH", BUCKET, &json!({ "labels": { "a": null, "b": "3", "c": "4" } })).ok();
    assert_eq!(patched["labels"], json!({ "b": "3", "c": "4" }));
    assert_eq!(patched["metageneration"], "2");
    assert_eq!(project.get(BUCKET).ok()["labels"], json!({ "b": "3", "c": "4" }));
    let moved = project.api("PATCH", BUCKET, &json!({ "location": "EU" })).refusal();
    assert_eq!(moved, (400, "Cannot change immutable field: location".into()));
    assert_eq!(
        project.api("PATCH", BUCKET, &json!({ "labels": { "A": "1" } })).refusal(),
        (400, "Invalid label".into())
    );
    assert_eq!(project.get(BUCKET).ok()["metageneration"], "2", "a refusal changes nothing");
    assert_eq!(project.api("PATCH", "/storage/v1/b/another", &json!({ "labels": {} })).status, 404);
}

#[test]
fn a_repositorys_mask_says_what_changes() {
    let project = Project::new();
    let body = json!({ "format": "DOCKER", "labels": { "a": "1" }, "description": "old" });
    project.api("POST", &format!("{REPOSITORIES}?repositoryId=r"), &body).ok();
    let patch = |mask: &str, body: &Value| project.api("PATCH", &format!("{REPOSITORIES}/r?updateMask={mask}"), body);
    let changed = patch("labels", &json!({ "labels": { "b": "2" }, "description": "new" })).ok();
    assert_eq!((&changed["labels"], &changed["description"]), (&json!({ "b": "2" }), &json!("old")));
    assert_eq!(project.get(&format!("{REPOSITORIES}/r")).ok()["labels"], json!({ "b": "2" }));
    assert_eq!(patch("format", &json!({ "format": "NPM" })).status, 400);
    assert_eq!(patch("labels", &json!({ "labels": { "B": "2" } })).status, 400);
    assert_eq!(project.api("PATCH", &format!("{REPOSITORIES}/s?updateMask=labels"), &json!({})).status, 404);
}

#[test]
fn topics_and_subscriptions_change_by_a_mask_and_stay_as_they_are_without_one() {
    let project = Project::new();
    project.subscribe("sub-a", &json!({ "labels": { "a": "1" }, "ackDeadlineSeconds": 20 }));
    for (kind, collection) in [("topic", "topics"), ("subscription", "subscriptions")] {
        let path = format!("{collection}/sub-a");
        let name = format!("projects/faast-project/{path}");
        let change = |name: &str, mask: &str, labels: Value| {
            let body = json!({ kind: { "name": name, "labels": labels }, "updateMask": mask });
            project.pubsub("PATCH", &path, &body)
        };
        assert_eq!(change(&name, "labels", json!({ "b": "2" })).ok()["labels"], json!({ "b": "2" }));
        let shown = project.pubsub("GET", &path, &Value::Null).ok();
        assert_eq!(shown["labels"], json!({ "b": "2" }));
        for (name, mask, words) in [
            (name.as_str(), "", "non-empty paths list"),
            (name.as_str(), "color", "'color' is not a known"),
            ("projects/faast-project/topics/other", "labels", "Invalid resource name"),
        ] {
            let (status, text) = change(name, mask, json!({})).refusal();
            assert!(status == 400 && text.contains(words), "{kind}, {mask}: {status} {text}");
        }
        assert_eq!(change(&name, "labels", json!({ "B": "2" })).status, 400);
        assert_eq!(project.pubsub("GET", &path, &Value::Null).ok(), shown, "a refusal changes nothing");
    }
    let subscription = project.pubsub("GET", "subscriptions/sub-a", &Value::Null).ok();
    assert_eq!(subscription["ackDeadlineSeconds"], 20, "the mask did not name it");
    let body = json!({
        "subscription": { "name": "projects/faast-project/subscriptions/sub-a", "ackDeadlineSeconds": 601 },
        "updateMask": "ackDeadlineSeconds",
    });
    assert_eq!(project.pubsub("PATCH", "subscriptions/sub-a", &body).status, 400);
}
