//! What the environment says, or does not say: each in a process of its own, because an environment belongs to one.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use faast_aws::{Aws, AwsOptions as _};
use faast_core::cache::CacheFolder;
use faast_core::provider::{CloudProvider as _, DeployContext, DeploySpec, DeploymentId, Runtime};
use faast_core::{Builder, ErrorKind};
use faast_testkit::refusal::says;

use crate::rig::Rig;

/// The variable that says where the child is to talk to.
const ENDPOINT: &str = "FAAST_TEST_ENDPOINT";

/// Runs this test alone, in a process with nothing in its environment but these variables; returns what it printed.
async fn alone(test: &str, home: &Path, endpoint: &str, variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env_clear();
    command.env(ENDPOINT, endpoint).env("HOME", home).env("AWS_EC2_METADATA_DISABLED", "true");
    command.envs(variables.iter().copied());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Deploys with what the environment says; returns the refusal.
async fn deploy(endpoint: &str) -> String {
    let home = tempfile::tempdir().unwrap();
    let id = DeploymentId::random();
    let cache = Arc::new(CacheFolder::at(home.path()));
    let context = DeployContext::new(cache, id.clone(), Runtime::start().unwrap());
    let provider = Builder::new(Aws::new()).endpoint_url(endpoint).provider_mut().clone();
    let error = provider.deploy(&DeploySpec::new(id), &context).await.err().unwrap();
    format!("kind={:?} message={} hint={}", error.kind(), error.message(), error.hint().unwrap_or_default())
}

/// The printed refusal has to say all of this.
#[track_caller]
fn printed(output: &str, parts: &[&str]) {
    for part in parts {
        assert!(output.contains(part), "`{part}` is not in: {output}");
    }
}

/// In the child, the whole test: fails with what a user reads.
async fn is_child() -> bool {
    let Ok(endpoint) = std::env::var(ENDPOINT) else { return false };
    panic!("{}", deploy(&endpoint).await)
}

#[tokio::test]
async fn without_a_region_the_user_reads_where_to_set_one() {
    if is_child().await {
        return;
    }
    let (rig, home) = (Rig::new().await, tempfile::tempdir().unwrap());
    let test = "configuration::without_a_region_the_user_reads_where_to_set_one";
    let output = alone(test, home.path(), &rig.server.uri(), &[]).await;
    printed(&output, &["kind=Config", "no AWS region is set", "AWS_REGION", ".region("]);
    assert!(rig.account.state().calls.is_empty());
}

#[tokio::test]
async fn without_credentials_the_user_reads_how_to_get_some() {
    if is_child().await {
        return;
    }
    let (rig, home) = (Rig::new().await, tempfile::tempdir().unwrap());
    let test = "configuration::without_credentials_the_user_reads_how_to_get_some";
    let output = alone(test, home.path(), &rig.server.uri(), &[("AWS_REGION", "us-west-2")]).await;
    printed(&output, &["kind=Denied", "there are no credentials", "AWS_PROFILE", "aws configure"]);
    assert!(rig.account.state().calls.is_empty());
}

#[tokio::test]
async fn the_environment_and_the_profile_are_read() {
    if is_child().await {
        return;
    }
    let (rig, home) = (Rig::new().await, tempfile::tempdir().unwrap());
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    std::fs::write(home.path().join(".aws/config"), "[profile batch]\nregion = eu-west-3\n").unwrap();
    std::fs::write(
        home.path().join(".aws/credentials"),
        "[batch]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = planted-secret-key\n",
    )
    .unwrap();
    let denied = crate::account::Fault::new(403, "AccessDenied", "Access Denied");
    rig.account.fault("iam:CreateRole", denied);
    let test = "configuration::the_environment_and_the_profile_are_read";
    let output = alone(test, home.path(), &rig.server.uri(), &[("AWS_PROFILE", "batch")]).await;
    printed(&output, &["kind=Denied", "`iam:CreateRole` was refused"]);
    assert!(!output.contains("planted-secret-key"), "{output}");
}

#[tokio::test]
async fn an_expired_session_is_told_apart_from_none() {
    if is_child().await {
        return;
    }
    let (rig, home) = (Rig::new().await, tempfile::tempdir().unwrap());
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    std::fs::write(
        home.path().join(".aws/config"),
        "[default]\nregion = us-west-2\ncredential_process = echo '{\"Version\":1,\"AccessKeyId\":\"AKIDEXAMPLE\",\
         \"SecretAccessKey\":\"planted-secret-key\",\"SessionToken\":\"t\",\"Expiration\":\"2020-01-01T00:00:00Z\"}'\n",
    )
    .unwrap();
    let expired =
        crate::account::Fault::new(403, "ExpiredToken", "The security token included in the request is expired");
    rig.account.fault("iam:CreateRole", expired);
    let test = "configuration::an_expired_session_is_told_apart_from_none";
    let output = alone(test, home.path(), &rig.server.uri(), &[("PATH", "/usr/bin:/bin")]).await;
    printed(&output, &["kind=Denied", "expired", "aws sso login"]);
    assert!(!output.contains("planted-secret-key"), "{output}");
}

#[tokio::test]
async fn a_service_that_can_not_be_reached_is_said_to_be() {
    let rig = Rig::new().await;
    // A port that was free a moment ago, and where nobody listens.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let provider = rig.provider(|builder| builder.endpoint_url(format!("http://127.0.0.1:{port}")));
    let error = provider.deploy(&rig.spec, &rig.context).await.err().unwrap();
    says(&error, ErrorKind::Unavailable, "did not get through", "check the network");
}
