//! What the account that services run as may do where nobody made it an editor.

use faast_testkit::emulator_google::{GoogleEmulator, RuntimeAccount, SERVICE_ACCOUNT};
use serde_json::json;

use crate::client::{Project, Told as _};

#[test]
fn the_runtime_account_needs_a_role_on_what_it_uses() {
    let google = GoogleEmulator::builder().runtime_account(RuntimeAccount::Nothing).start();
    let project = Project { google };
    project.subscribe("sub-a", &json!({}));
    project.api("POST", "/storage/v1/b?project=faast-project", &json!({ "name": "faast-bucket" })).ok();
    let token = project.metadata("instance/service-accounts/default/token").ok()["access_token"].clone();
    let token = token.as_str().unwrap();
    let publish = || {
        let body = json!({ "messages": [{ "data": "aGVsbG8=" }] }).to_string();
        project.send_as(
            token,
            "POST",
            "/v1/projects/faast-project/topics/sub-a:publish",
            "application/json",
            body.as_bytes(),
        )
    };
    let put = || {
        let path = "/upload/storage/v1/b/faast-bucket/o?uploadType=media&name=a";
        project.send_as(token, "POST", path, "application/octet-stream", b"x")
    };
    assert_eq!(publish().refusal(), (403, "User not authorized to perform this action.".into()));
    assert_eq!(put().status, 403);
    assert_eq!(project.publish("sub-a", &["x"]).status, 200, "others may");
    let binding = |role: &str| json!([{ "role": role, "members": [format!("serviceAccount:{SERVICE_ACCOUNT}")] }]);
    let policy = json!({ "policy": { "bindings": binding("roles/pubsub.publisher") } });
    project.pubsub("POST", "topics/sub-a:setIamPolicy", &policy).ok();
    let policy = json!({ "bindings": binding("roles/storage.objectUser") });
    project.api("PUT", "/storage/v1/b/faast-bucket/iam", &policy).ok();
    assert_eq!([publish().status, put().status], [200, 200]);
    let read = project.send_as(token, "GET", "/v1/projects/faast-project/topics", "application/json", b"");
    assert_eq!(read.status, 403, "nothing else");
}
