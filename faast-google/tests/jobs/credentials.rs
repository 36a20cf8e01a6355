//! Whoever deploys: every kind of credentials that can be had here deploys, is let in, and cleans up, where nobody gets
//! anywhere without a good token.

use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use faast_core::Builder;
use faast_google::{Google, GoogleOptions as _, private};
use faast_testkit::emulator_google::{GoogleEmulator, Identity, Moment, PROJECT, REGION, Then};
use faast_testkit::tap::Tap;
use serde_json::{Value, json};

use super::double;

/// The endpoint for [`program`]; unset in a test run.
const ENDPOINT: &str = "FAAST_TEST_ENDPOINT";

/// A client of OAuth whose users Cloud Run takes: that of the login for applications.
const CLIENT: &str = "764086051850-6qr4p6gpi6hn506pt8ejuq83di341hur.apps.googleusercontent.com";

/// Every address and policy takes a while until it is known.
fn strict() -> GoogleEmulator {
    GoogleEmulator::builder().identity(Identity::Required).propagation(Duration::from_millis(1500)).start()
}

pub(super) fn on(endpoint: &str, credentials: Value) -> Builder<Google> {
    let mut builder = Builder::new(Google::new()).project(PROJECT).region(REGION).endpoint_url(endpoint).memory_mb(512);
    let google = private::credentials(builder.provider_mut().clone(), credentials);
    *builder.provider_mut() = google;
    builder
}

/// A developer's own login.
pub(super) fn login(google: &GoogleEmulator) -> Value {
    json!({
        "type": "authorized_user",
        "client_id": CLIENT,
        "client_secret": "secret",
        "refresh_token": "refresh",
        "token_uri": format!("{}/token", google.endpoint()),
    })
}

async fn deploys_and_calls(google: &GoogleEmulator, builder: Builder<Google>) {
    let cloud = builder.concurrency(2).deploy().await.unwrap();
    let doubled = cloud.map((0..10).map(double::call)).try_collect().await.unwrap();
    assert_eq!(doubled, (0..10).map(|n| n * 2).collect::<Vec<_>>());
    let stats = cloud.stats();
    assert_eq!((stats.completed, stats.failed, stats.retried), (10, 0, 0), "{stats:?}");
    cloud.cleanup().await.unwrap();
    assert_eq!(google.leftovers(), Vec::<String>::new());
}

#[tokio::test]
async fn a_developers_own_login_is_let_in() {
    let google = strict();
    deploys_and_calls(&google, on(&google.endpoint(), login(&google))).await;
}

/// The trap: the SDK asks once for a token, and keeps the error for ten seconds.
#[tokio::test]
async fn a_token_that_is_not_given_in_passing_fails_neither_a_deployment_nor_a_call() {
    let google = strict();
    let (given, is_made) = (AtomicUsize::new(0), AtomicBool::new(false));
    google.on_call(move |call, moment| {
        is_made.fetch_or(call.action == "CreateService", Ordering::Relaxed);
        if call.action != "Token" || moment != Moment::Before {
            return Then::Go;
        }
        // The first ones are for the control plane, and the one after the service was made is for its calls.
        let is_first = given.fetch_add(1, Ordering::Relaxed) < 2;
        if is_first || is_made.swap(false, Ordering::Relaxed) { Then::Drop } else { Then::Go }
    });
    deploys_and_calls(&google, on(&google.endpoint(), login(&google))).await;
}

/// The trap: while a machine is suspended, the clock stands still by which the SDK keeps tokens.
#[tokio::test]
async fn tokens_that_ended_while_the_machine_was_suspended_are_replaced() {
    let google = strict();
    let cloud = on(&google.endpoint(), login(&google)).deploy().await.unwrap();
    assert_eq!(cloud.run(double::call(21)).await.unwrap(), 42);
    google.expire_tokens();
    assert_eq!(cloud.run(double::call(2)).await.unwrap(), 4);
    assert_eq!((cloud.stats().retried, cloud.stats().failed), (1, 0), "{:?}", cloud.stats());
    cloud.cleanup().await.unwrap();
    assert_eq!(google.leftovers(), Vec::<String>::new());
}

#[tokio::test]
async fn an_impersonated_service_account_is_let_in() {
    let google = strict();
    let account = "bot@faast-project.iam.gserviceaccount.com";
    let url = format!("{}/v1/projects/-/serviceAccounts/{account}:generateAccessToken", google.endpoint());
    let credentials = json!({
        "type": "impersonated_service_account",
        "service_account_impersonation_url": url,
        "source_credentials": login(&google),
        "delegates": [],
    });
    deploys_and_calls(&google, on(&google.endpoint(), credentials)).await;
}

/// The trap: no identity tokens are made for those of another provider.
#[tokio::test]
async fn a_federated_identity_is_let_in_by_a_secret() {
    let google = strict();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("subject");
    std::fs::write(&file, "a-token-of-somebody-else").unwrap();
    let credentials = json!({
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": format!("{}/v1/token", google.endpoint()),
        "credential_source": { "file": file },
    });
    deploys_and_calls(&google, on(&google.endpoint(), credentials)).await;
}

/// On a machine of Google's. Does nothing in a test run.
#[tokio::test]
async fn program() {
    let Ok(endpoint) = std::env::var(ENDPOINT) else { return };
    let cloud =
        Builder::new(Google::new()).endpoint_url(endpoint).region(REGION).memory_mb(512).deploy().await.unwrap();
    assert_eq!(cloud.run(double::call(21)).await.unwrap(), 42);
    cloud.cleanup().await.unwrap();
}

#[test]
fn a_machine_of_googles_is_let_in_by_its_metadata_server() {
    let google = strict();
    let folder = tempfile::tempdir().unwrap();
    let endpoint = google.endpoint();
    let mut program = Command::new(std::env::current_exe().unwrap());
    program.args(["credentials::program", "--exact", "--nocapture"]).env(ENDPOINT, &endpoint);
    program.env("GCE_METADATA_HOST", endpoint.trim_start_matches("http://")).env("HOME", folder.path());
    for other in ["GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT"] {
        program.env_remove(other);
    }
    let output = program.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(google.leftovers(), Vec::<String>::new());
}

/// The trap: the services that a login asks are billed to a project of their own unless it is named.
#[tokio::test]
async fn the_project_that_pays_is_named_in_every_plain_call() {
    let google = strict();
    let tap = Tap::before(&google.endpoint());
    let mut credentials = login(&google);
    credentials["quota_project_id"] = json!("the-one-that-pays");
    let builder = on(&tap.endpoint(), credentials).endpoint_url_of("registry", google.endpoint());
    deploys_and_calls(&google, builder).await;
    let heard = String::from_utf8_lossy(&tap.heard()).to_ascii_lowercase();
    let heads = heard.split("\r\n\r\n").filter(|part| part.contains(" http/1.1\r\n")).collect::<Vec<_>>();
    // Cloud Run's own calls are the SDK's.
    let plain = heads.into_iter().filter(|head| head.contains("/v1/"));
    let (named, unnamed): (Vec<&str>, Vec<&str>) =
        plain.partition(|head| head.contains("x-goog-user-project: the-one-that-pays"));
    assert!(!named.is_empty() && unnamed.is_empty(), "{unnamed:?}");
}
