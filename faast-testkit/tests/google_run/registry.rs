//! Pushing an image: what Artifact Registry takes, and what it does not.

use faast_testkit::http::Answer;
use serde_json::{Value, json};

use crate::client::{PARENT, Project, Told as _, digest, image};

fn code(answer: &Answer) -> (u16, String) {
    (answer.status, answer.json()["errors"][0]["code"].as_str().unwrap_or("").to_owned())
}

fn project() -> Project {
    let project = Project::new();
    project.push_image("r", &image(&[("x", 0o644, b"x")]));
    project
}

#[test]
fn a_blob_is_uploaded_in_one_piece_to_the_location_that_was_given() {
    let project = project();
    let location = project.begin_upload("r");
    let chunk = project.send("PATCH", &location, &[], b"some");
    assert_eq!(code(&chunk), (405, "UNSUPPORTED".into()));
    let wrong = project.send("PUT", &format!("{location}?digest={}", digest(b"other")), &[], b"blob");
    assert_eq!(code(&wrong), (400, "DIGEST_INVALID".into()));
    let put = project.send("PUT", &format!("{location}?digest={}", digest(b"blob")), &[], b"blob");
    assert_eq!((put.status, put.header("docker-content-digest")), (201, Some(digest(b"blob").as_str())));
    let again = project.send("PUT", &format!("{location}?digest={}", digest(b"blob")), &[], b"blob");
    assert_eq!(code(&again), (404, "BLOB_UPLOAD_UNKNOWN".into()));
    let path = format!("/v2/faast-project/r/worker/blobs/{}", digest(b"blob"));
    assert_eq!(project.send("HEAD", &path, &[], b"").header("content-length"), Some("4"));
    assert_eq!(project.get(&path).body, b"blob");
    assert_eq!(project.get(&path.replace("sha256:", "sha256:0")).status, 404);
}

#[test]
fn a_manifest_has_to_be_whole_and_its_digest_right() {
    let project = project();
    let known = image(&[("x", 0o644, b"x")]);
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let put = |reference: &str, kind: &str, manifest: &[u8]| {
        let path = format!("/v2/faast-project/r/worker/manifests/{reference}");
        project.send("PUT", &path, &[("content-type", kind)], manifest)
    };
    let good = known.manifest.clone();
    assert_eq!(put("latest", kind, &good).status, 201);
    assert_eq!(code(&put(&digest(b"x"), kind, &good)), (400, "DIGEST_INVALID".into()));
    assert_eq!(code(&put("latest", "application/json", &good)), (400, "MANIFEST_INVALID".into()));
    assert_eq!(code(&put("latest", kind, b"{}")), (400, "MANIFEST_INVALID".into()));
    let mut json: Value = serde_json::from_slice(&good).unwrap();
    json["layers"][0]["size"] = json!(1);
    assert_eq!(code(&put("latest", kind, json.to_string().as_bytes())), (400, "MANIFEST_INVALID".into()));
    json["layers"][0]["digest"] = json!(digest(b"never pushed"));
    assert_eq!(code(&put("latest", kind, json.to_string().as_bytes())), (404, "MANIFEST_BLOB_UNKNOWN".into()));
    let tagged = project.send("HEAD", "/v2/faast-project/r/worker/manifests/latest", &[], b"");
    assert_eq!(tagged.header("docker-content-digest"), Some(digest(&good).as_str()));
    let tags = project.get("/v2/faast-project/r/worker/tags/list").ok();
    assert_eq!(tags["tags"], json!(["latest"]));
}

#[test]
fn a_repository_has_to_exist_and_takes_its_images_along() {
    let project = project();
    let blob = format!("/v2/faast-project/r/worker/manifests/{}", digest(&image(&[("x", 0o644, b"x")]).manifest));
    assert_eq!(project.send("HEAD", &blob, &[], b"").status, 200);
    let packages = project.get(&format!("/v1/{PARENT}/repositories/r/packages")).ok();
    assert_eq!(packages["packages"][0]["name"], format!("{PARENT}/repositories/r/packages/worker"));
    let deleted = project.api("DELETE", &format!("/v1/{PARENT}/repositories/r"), &Value::Null).ok();
    let operation = project.get(&format!("/v1/{}", deleted["name"].as_str().unwrap()));
    assert_eq!(operation.status, 200);
    assert_eq!(
        code(&project.send("POST", "/v2/faast-project/r/worker/blobs/uploads/", &[], b"")),
        (404, "NAME_UNKNOWN".into())
    );
    let path = format!("/v1/{PARENT}/repositories?repositoryId=r");
    assert_eq!(project.api("POST", &path, &json!({ "format": "DOCKER" })).status, 200);
    assert_eq!(project.get(&blob).status, 404, "a new one of the same name is empty");
}

#[test]
fn repositories_have_names_labels_and_a_format() {
    let project = Project::new();
    let create =
        |id: &str, body: Value| project.api("POST", &format!("/v1/{PARENT}/repositories?repositoryId={id}"), &body);
    let labels = json!({ "faast-deployment": "d" });
    let created = create("faast-1", json!({ "format": 1, "labels": labels })).ok();
    let done = project.get(&format!("/v1/{}", created["name"].as_str().unwrap()));
    assert_eq!(done.status, 200);
    let got = project.get(&format!("/v1/{PARENT}/repositories/faast-1")).ok();
    assert_eq!((&got["labels"], got["format"].as_str()), (&labels, Some("DOCKER")));
    let again = create("faast-1", json!({ "format": "DOCKER" })).refusal();
    assert_eq!((again.0, again.1.as_str(), again.2.as_str()), (409, "ALREADY_EXISTS", "the repository already exists"));
    for (id, body) in [
        ("Upper", json!({ "format": "DOCKER" })),
        ("r-", json!({ "format": "DOCKER" })),
        ("r", json!({})),
        ("r", json!({ "format": "DOCKER", "labels": { "A": "b" } })),
    ] {
        assert_eq!(create(id, body.clone()).refusal().1, "INVALID_ARGUMENT", "{id} {body}");
    }
    let list = project.get(&format!("/v1/{PARENT}/repositories")).ok();
    assert_eq!(list["repositories"].as_array().unwrap().len(), 1);
}
