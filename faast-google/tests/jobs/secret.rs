//! Looking for planted secrets where none may be: in what is sent to Google's services, in what is printed and logged, in
//! the files of this home.

use std::fs;
use std::process::Command;

use faast_core::Builder;
use faast_google::{Google, GoogleOptions as _};
use faast_testkit::emulator_google::{GoogleEmulator, Identity, PROJECT, REGION};
use faast_testkit::planted::{files_below, holds};
use faast_testkit::tap::Tap;
use serde_json::{Value, json};

use super::{declines, double};

/// The endpoint for [`program`]; unset in a test run.
const ENDPOINT: &str = "FAAST_TEST_ENDPOINT";

/// Where [`program`] pushes its image: Cloud Run takes no image of another host than the registry's.
const REGISTRY: &str = "FAAST_TEST_REGISTRY";

/// How requests of [`program`] are let in.
const ENTRY: &str = "FAAST_TEST_ENTRY";

/// What is in the environment of functions, for them alone.
const OF_FUNCTIONS: &str = "FAAST_TEST_PASSWORD";

/// A client of OAuth whose users Cloud Run takes: that of the login for applications.
const CLIENT: &str = "764086051850-6qr4p6gpi6hn506pt8ejuq83di341hur.apps.googleusercontent.com";

/// A job that logs all there is to log, meets an error, and leaves its resources behind for the ledger to name.
#[tokio::test]
async fn program() {
    let Ok(endpoint) = std::env::var(ENDPOINT) else { return };
    let builder = Builder::new(Google::new()).project(PROJECT).region(REGION).endpoint_url(endpoint).memory_mb(512);
    let builder = builder.endpoint_url_of("registry", std::env::var(REGISTRY).unwrap());
    let builder = builder.env(OF_FUNCTIONS, std::env::var(OF_FUNCTIONS).unwrap());
    let by_secret = std::env::var(ENTRY).is_ok_and(|entry| entry == "secret");
    let cloud = if by_secret { builder.invoker_secret() } else { builder }.deploy().await.unwrap();
    assert_eq!(cloud.run(double::call(21)).await.unwrap(), 42);
    let declined = cloud.run(declines::call(1)).await.unwrap_err();
    eprintln!("{declined:?}");
    // Without a cleanup, so that the ledger stays.
    std::process::exit(0);
}

/// What follows the name of a variable in the JSON that was sent.
fn value_of(variable: &str, heard: &[u8]) -> String {
    let text = String::from_utf8_lossy(heard);
    let after = text.split_once(&format!("\"{variable}\"")).map(|(_, after)| after);
    let value = after.and_then(|after| after.split_once("\"value\":\"")?.1.split_once('"'));
    value.unwrap_or_else(|| panic!("{variable} was never sent")).0.to_owned()
}

/// All that instances have written, and what the platform has written about them.
async fn container_logs(google: &GoogleEmulator, token: &str) -> String {
    let body = json!({ "resourceNames": [format!("projects/{PROJECT}")], "pageSize": 1000 });
    let request = reqwest::Client::new().post(format!("{}/v2/entries:list", google.endpoint())).bearer_auth(token);
    let answer = request.header("content-type", "application/json").body(body.to_string()).send().await.unwrap();
    assert!(answer.status().is_success());
    answer.text().await.unwrap()
}

/// A token of the person whose login it is.
async fn token(login: &Value) -> String {
    let grant = json!({ "grant_type": "refresh_token", "refresh_token": login["refresh_token"], "client_id": CLIENT });
    let url = login["token_uri"].as_str().unwrap();
    let answer = reqwest::Client::new().post(url).body(grant.to_string()).send().await.unwrap().text().await.unwrap();
    serde_json::from_str::<Value>(&answer).unwrap()["access_token"].as_str().unwrap().to_owned()
}

/// What a login holds goes to the place that gives tokens for it and is nowhere else; what lets requests in, and what
/// functions have in their environment, is sent once, with the service, and is nowhere else.
async fn nothing_secret_is_anywhere(entry: &str) {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    let planted = |what: &str| format!("planted-{what}-{:032x}", fastrand::u128(..));
    let (refresh, client, password) = (planted("refresh"), planted("client"), planted("password"));
    let google = GoogleEmulator::builder().identity(Identity::Required).start();
    let tap = Tap::before(&google.endpoint());
    let login = json!({
        "type": "authorized_user",
        "client_id": CLIENT,
        "client_secret": client,
        "refresh_token": refresh,
        "token_uri": format!("{}/token", google.endpoint()),
    });
    let file = folder.path().join("login.json");
    fs::write(&file, login.to_string()).unwrap();
    let mut program = Command::new(std::env::current_exe().unwrap());
    program.args(["secret::program", "--exact", "--nocapture"]).env(ENDPOINT, tap.endpoint()).env(ENTRY, entry);
    program.env(REGISTRY, google.endpoint());
    program.env(OF_FUNCTIONS, &password).env("GOOGLE_APPLICATION_CREDENTIALS", &file).env("HOME", folder.path());
    let output = program.env("FAAST_HOME", &home).env("DEBUG", "faast:*").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 is declined") && said.contains("deploying"), "the job said what it did: {said}");

    let heard = tap.heard();
    assert!(holds(&heard, "/services?") && holds(&heard, "Bearer ya29."), "the requests were heard");
    assert!(!holds(&heard, &refresh) && !holds(&heard, &client), "in a request");
    assert_eq!(value_of(OF_FUNCTIONS, &heard), password);
    let mut secrets = vec![refresh, client, password];
    if entry == "secret" {
        secrets.push(value_of("FAAST_SECRET", &heard));
    }

    let kept = files_below(&home, "gz");
    assert!(kept.iter().any(|file| holds(file, "\"service\"")), "there is a ledger");
    let logs = container_logs(&google, &token(&login).await).await;
    assert!(logs.contains("Starting new instance"), "{logs}");
    let names = google.leftovers().join(" ");
    assert!(names.contains("/services/faast-"), "{names}");
    for secret in &secrets {
        assert!(!said.contains(secret) && !holds(&output.stdout, secret), "in what was printed");
        assert!(kept.iter().all(|file| !holds(file, secret)), "in the home folder");
        assert!(!logs.contains(secret), "in the logs of instances");
        assert!(!names.contains(secret), "in a name");
    }
    assert!(!said.contains("ya29.") && kept.iter().all(|file| !holds(file, "ya29.")), "a token is as good");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planted_secret_is_nowhere() {
    nothing_secret_is_anywhere("identity").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_is_the_secret_of_the_deployment() {
    nothing_secret_is_anywhere("secret").await;
}
