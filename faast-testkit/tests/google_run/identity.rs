//! Who may call a service, and with which token.

use faast_testkit::emulator_google::{Identity, SERVICE_ACCOUNT};
use serde_json::{Value, json};

use crate::client::{Deployed, PARENT, Project, Told as _};

/// A token of the metadata server's account.
fn machine_token(project: &Project, audience: &str) -> String {
    let path = format!("/computeMetadata/v1/instance/service-accounts/default/identity?audience={audience}");
    project.send("GET", &path, &[("metadata-flavor", "Google")], b"").text()
}

/// What a developer's own login gives.
fn user_tokens(project: &Project, client: &str) -> Value {
    let body = format!("grant_type=refresh_token&refresh_token=r&client_id={client}&client_secret=s");
    project.send("POST", "/token", &[], body.as_bytes()).ok()
}

fn call(project: &Project, service: &Deployed, token: &str) -> u16 {
    let value = format!("Bearer {token}");
    project.start_call(service, "/echo", &[("authorization", &value)]).answer().unwrap().status
}

fn private(project: &Project) -> Deployed {
    project.deploy("f", &json!({ "invokerIamDisabled": false }))
}

fn allow(project: &Project, member: &str) {
    let policy = json!({ "policy": { "bindings": [{ "role": "roles/run.invoker", "members": [member] }] } });
    let set = project.api("POST", &format!("/v2/{PARENT}/services/f:setIamPolicy"), &policy);
    assert_eq!(set.status, 200, "{}", set.text());
}

#[test]
fn without_a_token_a_private_service_is_forbidden() {
    let project = Project::new();
    let service = private(&project);
    let answer = project.call(&service, "/echo");
    assert_eq!(answer.status, 403);
    assert!(
        answer.text().contains("Your client does not have permission to get URL <code>/echo</code> from this server.")
    );
    allow(&project, "allUsers");
    assert_eq!(project.call(&service, "/echo").status, 200);
}

#[test]
fn the_audience_of_a_token_is_the_service() {
    let project = Project::new();
    let service = private(&project);
    allow(&project, &format!("serviceAccount:{SERVICE_ACCOUNT}"));
    assert_eq!(call(&project, &service, &machine_token(&project, &service.uri)), 200);
    assert_eq!(call(&project, &service, &machine_token(&project, "https://example.com")), 401);
    assert_eq!(call(&project, &service, "nonsense"), 401);
    let access = user_tokens(&project, "c")["access_token"].as_str().unwrap().to_owned();
    assert_eq!(call(&project, &service, &access), 401, "an access token is none");
}

#[test]
fn an_account_needs_the_role_of_an_invoker() {
    let project = Project::new();
    let service = private(&project);
    let token = machine_token(&project, &service.uri);
    assert_eq!(call(&project, &service, &token), 403);
    allow(&project, &format!("serviceAccount:{SERVICE_ACCOUNT}"));
    assert_eq!(call(&project, &service, &token), 200);
}

#[test]
fn a_users_token_is_taken_from_googles_own_clients_only() {
    let project = Project::new();
    let service = private(&project);
    let token = |client: &str| user_tokens(&project, client)["id_token"].as_str().unwrap().to_owned();
    let known = "764086051850-6qr4p6gpi6hn506pt8ejuq83di341hur.apps.googleusercontent.com";
    assert_eq!(call(&project, &service, &token(known)), 200);
    assert_eq!(call(&project, &service, &token("own.apps.googleusercontent.com")), 401);
}

#[test]
fn a_service_account_gets_a_token_for_its_assertion() {
    let project = Project::new();
    let service = private(&project);
    let assertion = |claims: &Value| {
        let part = |value: &Value| base64::Engine::encode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, value.to_string());
        format!("{}.{}.c2ln", part(&json!({ "alg": "RS256" })), part(claims))
    };
    let ask = |claims: &Value| {
        let grant = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";
        project.send("POST", "/token", &[], format!("{grant}&assertion={}", assertion(claims)).as_bytes())
    };
    let email = "deployer@faast-project.iam.gserviceaccount.com";
    let exp = 4_000_000_000_u64;
    let token = ask(&json!({ "iss": email, "exp": exp, "target_audience": service.uri })).ok();
    assert_eq!(call(&project, &service, token["id_token"].as_str().unwrap()), 200);
    let scope = "https://www.googleapis.com/auth/cloud-platform";
    assert!(ask(&json!({ "iss": email, "exp": exp, "scope": scope })).ok()["access_token"].is_string());
    assert_eq!(ask(&json!({ "iss": email, "exp": 1, "scope": scope })).json()["error"], "invalid_grant");
}

#[test]
fn tokens_expire() {
    let project = Project::new();
    let service = private(&project);
    allow(&project, &format!("serviceAccount:{SERVICE_ACCOUNT}"));
    let token = machine_token(&project, &service.uri);
    project.google.advance(std::time::Duration::from_secs(3598));
    assert_eq!(call(&project, &service, &token), 200);
    project.google.advance(std::time::Duration::from_secs(2));
    assert_eq!(call(&project, &service, &token), 401);
    let fresh = machine_token(&project, &service.uri);
    assert_eq!(call(&project, &service, &fresh), 200);
    project.google.expire_tokens();
    assert_eq!(call(&project, &service, &fresh), 401);
}

#[test]
fn the_container_does_not_see_a_token_that_it_could_use() {
    let project = Project::new();
    let service = private(&project);
    allow(&project, &format!("serviceAccount:{SERVICE_ACCOUNT}"));
    let token = machine_token(&project, &service.uri);
    let value = format!("Bearer {token}");
    let seen = project.start_call(&service, "/headers", &[("authorization", &value)]).answer().unwrap().text();
    assert!(seen.contains(".SIGNATURE_REMOVED_BY_GOOGLE") && !seen.contains(&token), "{seen}");
}

#[test]
fn where_tokens_are_required_apis_refuse_requests_without_a_good_one() {
    let project = Project::with(|it| it.identity(Identity::Required));
    let path = format!("/v2/{PARENT}/services");
    let refusal = project.get(&path).refusal();
    assert_eq!((refusal.0, refusal.1.as_str()), (401, "UNAUTHENTICATED"));
    let bearer = |token: &str| format!("Bearer {token}");
    let with = |token: &str| project.send("GET", &path, &[("authorization", &bearer(token))], b"").status;
    assert_eq!(with("made-up"), 401);
    let token = user_tokens(&project, "c")["access_token"].as_str().unwrap().to_owned();
    assert_eq!(with(&token), 200);
    project.google.advance(std::time::Duration::from_hours(1));
    assert_eq!(with(&token), 401);
}

#[test]
fn the_metadata_server_wants_its_header() {
    let project = Project::new();
    assert_eq!(project.get("/computeMetadata/v1/project/project-id").status, 403);
    let flavor = [("metadata-flavor", "Google")];
    let text = |path: &str| project.send("GET", &format!("/computeMetadata/v1/{path}"), &flavor, b"").text();
    assert_eq!(text("project/project-id"), "faast-project");
    assert!(text("instance/region").ends_with("/regions/us-central1"));
    assert_eq!(text("instance/service-accounts/default/email"), SERVICE_ACCOUNT);
}

#[test]
fn new_services_and_policies_take_their_time() {
    let hour = std::time::Duration::from_hours(1);
    let project = Project::with(|it| it.propagation(hour));
    let service = private(&project);
    assert_eq!(project.call(&service, "/echo").status, 404);
    project.google.advance(hour);
    assert_eq!(project.call(&service, "/echo").status, 403);
    allow(&project, "allUsers");
    assert_eq!(project.call(&service, "/echo").status, 403);
    project.google.advance(hour);
    assert_eq!(project.call(&service, "/echo").status, 200);
}

#[test]
fn impersonated_accounts_and_federated_identities_get_tokens() {
    let project = Project::with(|it| it.identity(Identity::Required));
    let account = "/v1/projects/-/serviceAccounts/deployer@faast-project.iam.gserviceaccount.com";
    let impersonated = project.api("POST", &format!("{account}:generateAccessToken"), &json!({ "scope": ["x"] })).ok();
    let exchange = json!({ "grantType": "urn:ietf:params:oauth:grant-type:token-exchange", "subjectToken": "t" });
    let federated = project.api("POST", "/v1/token", &exchange).ok();
    for token in [&impersonated["accessToken"], &federated["access_token"]] {
        let value = format!("Bearer {}", token.as_str().unwrap());
        let path = format!("/v2/{PARENT}/services");
        assert_eq!(project.send("GET", &path, &[("authorization", &value)], b"").status, 200);
    }
    let identity = project.api("POST", &format!("{account}:generateIdToken"), &json!({ "audience": "https://a" })).ok();
    assert_eq!(identity["token"].as_str().unwrap().split('.').count(), 3);
}
