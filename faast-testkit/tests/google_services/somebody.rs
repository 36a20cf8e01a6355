//! Resources of others, which tests put there past the APIs.

use faast_testkit::emulator_google::ResourceKind;
use serde_json::json;

use crate::client::Project;

#[test]
fn what_somebody_else_made_looks_as_if_it_had_been_made_by_requests() {
    let project = Project::new();
    let labels = [("team", "x")];
    let kinds = [
        (ResourceKind::Bucket, "/storage/v1/b/theirs"),
        (ResourceKind::Repository, "/v1/projects/faast-project/locations/us-central1/repositories/theirs"),
        (ResourceKind::Service, "/v2/projects/faast-project/locations/us-central1/services/theirs"),
        (ResourceKind::Subscription, "/v1/projects/faast-project/subscriptions/theirs"),
        (ResourceKind::Topic, "/v1/projects/faast-project/topics/theirs"),
    ];
    for (kind, path) in kinds {
        let name = project.google.add_someone_elses(kind, "theirs", &labels);
        assert!(project.google.calls().iter().all(|it| it.status.is_some()), "no request was recorded");
        assert!(project.google.leftovers().contains(&name), "{name}");
        assert_eq!(project.get(path).ok()["labels"], json!({ "team": "x" }), "{path}");
        assert!(project.delete(path).status < 300, "{path}");
        assert!(!project.google.leftovers().contains(&name), "{name}");
    }
    assert!(project.google.leftovers().is_empty());
}
