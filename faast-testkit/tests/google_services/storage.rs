//! Cloud Storage: buckets, objects, and what is refused.

use serde_json::{Value, json};

use crate::client::{Project, Told as _};

fn with_bucket() -> Project {
    let project = Project::new();
    let spec = json!({ "name": "faast-bucket", "location": "US-CENTRAL1", "labels": { "faast-deployment": "d" } });
    project.api("POST", "/storage/v1/b?project=faast-project", &spec).ok();
    project
}

fn put(project: &Project, name: &str, more: &str, content: &[u8]) -> u16 {
    let path = format!("/upload/storage/v1/b/faast-bucket/o?uploadType=media&name={name}{more}");
    project.send("POST", &path, "application/octet-stream", content).status
}

#[test]
fn an_object_is_written_read_listed_and_deleted() {
    let project = with_bucket();
    assert_eq!(put(&project, "call%2F1", "", b"content"), 200);
    let object = "/storage/v1/b/faast-bucket/o/call%2F1";
    assert_eq!(project.get(&format!("{object}?alt=media")).body, b"content");
    assert_eq!(project.get(&format!("/download{object}?alt=media")).body, b"content");
    let resource = project.get(object).ok();
    assert_eq!((&resource["name"], &resource["size"]), (&json!("call/1"), &json!("7")));
    assert_eq!(resource["md5Hash"], "mgNkuembtIDdJeHwKEyFVQ==");
    assert_eq!(put(&project, "other", "", b"x"), 200);
    let list = |query: &str| project.get(&format!("/storage/v1/b/faast-bucket/o?{query}")).ok();
    assert_eq!(list("")["items"].as_array().unwrap().len(), 2);
    assert_eq!(list("prefix=call%2F")["items"][0]["name"], "call/1");
    let first = list("maxResults=1");
    let second = list(&format!("maxResults=1&pageToken={}", first["nextPageToken"].as_str().unwrap()));
    assert_eq!((&second["items"][0]["name"], &second["nextPageToken"]), (&json!("other"), &Value::Null));
    assert_eq!(project.delete(object).status, 204);
    assert_eq!(project.delete(object).status, 404);
    assert_eq!(project.get(&format!("{object}?alt=media")).status, 404);
}

#[test]
fn a_precondition_that_does_not_hold_changes_nothing() {
    let project = with_bucket();
    assert_eq!(put(&project, "a", "&ifGenerationMatch=0", b"first"), 200);
    assert_eq!(put(&project, "a", "&ifGenerationMatch=0", b"second"), 412);
    assert_eq!(project.get("/storage/v1/b/faast-bucket/o/a?alt=media").body, b"first");
}

#[test]
fn a_bucket_is_deleted_when_it_is_empty() {
    let project = with_bucket();
    put(&project, "a", "", b"x");
    let text = "The bucket you tried to delete is not empty.";
    assert_eq!(project.delete("/storage/v1/b/faast-bucket").refusal(), (409, text.into()));
    assert_eq!(
        project.google.leftovers(),
        ["projects/_/buckets/faast-bucket", "projects/_/buckets/faast-bucket/objects/a"]
    );
    project.delete("/storage/v1/b/faast-bucket/o/a");
    assert_eq!(project.delete("/storage/v1/b/faast-bucket").status, 204);
    let text = "The specified bucket does not exist.";
    assert_eq!(project.delete("/storage/v1/b/faast-bucket").refusal(), (404, text.into()));
    assert!(project.google.leftovers().is_empty());
}

#[test]
fn names_of_buckets_belong_to_the_whole_world() {
    let project = with_bucket();
    let create = |project_id: &str, name: &str| {
        project.api("POST", &format!("/storage/v1/b?project={project_id}"), &json!({ "name": name })).refusal()
    };
    assert!(create("faast-project", "faast-bucket").1.contains("you already own it"));
    let taken = create("another", "faast-bucket");
    assert!(taken.0 == 409 && taken.1.starts_with("The requested bucket name is not available."), "{taken:?}");
    for name in ["Upper", "ab", "-a-b", "of-google-it", &"a".repeat(64)] {
        assert_eq!(create("faast-project", name), (400, format!("Invalid bucket name: '{name}'")));
    }
    let shown = project.get("/storage/v1/b/faast-bucket").ok();
    assert_eq!((&shown["labels"]["faast-deployment"], &shown["projectNumber"]), (&json!("d"), &json!("123456789012")));
    let list = project.get("/storage/v1/b?project=faast-project&prefix=faast-").ok();
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
}

#[test]
fn a_policy_is_read_changed_and_tested() {
    let project = with_bucket();
    let path = "/storage/v1/b/faast-bucket/iam";
    let etag = project.get(path).ok()["etag"].clone();
    let binding = json!([{ "role": "roles/storage.objectUser", "members": ["serviceAccount:a@b"] }]);
    let set = |etag: &Value| project.api("PUT", path, &json!({ "etag": etag, "bindings": binding })).status;
    assert_eq!([set(&etag), set(&etag)], [200, 409], "the second one has missed the first");
    assert_eq!(project.get(path).ok()["bindings"], binding);
    let tested = project.get(&format!("{path}/testPermissions?permissions=storage.objects.get")).ok();
    assert_eq!(tested["permissions"], json!(["storage.objects.get"]));
}

#[test]
fn reads_and_writes_are_metered() {
    let project = with_bucket();
    let before = project.google.bill();
    put(&project, "a", "", b"12345");
    project.get("/storage/v1/b/faast-bucket/o/a?alt=media");
    project.delete("/storage/v1/b/faast-bucket/o/a");
    let after = project.google.bill();
    assert_eq!((after.storage_writes - before.storage_writes, after.storage_reads - before.storage_reads), (1, 1));
    assert_eq!(after.storage_bytes_read, 5);
}
