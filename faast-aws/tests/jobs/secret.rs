//! Looking for a planted secret where none may be.

use std::process::Command;

use faast_testkit::emulator_aws::AwsEmulator;
use faast_testkit::planted::{files_below, holds};
use faast_testkit::tap::Tap;

use super::{PLANTED, declines, double, on};

/// The endpoint for [`program`]; unset in a test run.
const ENDPOINT: &str = "FAAST_TEST_ENDPOINT";

/// A job that logs all there is to log, meets an error, and leaves its resources behind for the ledger to name.
#[tokio::test]
async fn program() {
    let Ok(endpoint) = std::env::var(ENDPOINT) else { return };
    let cloud = on(&endpoint).deploy().await.unwrap();
    assert_eq!(cloud.run(double::call(21)).await.unwrap(), 42);
    let declined = cloud.run(declines::call(1)).await.unwrap_err();
    eprintln!("{declined:?}");
    // Without a cleanup, so that the ledger stays.
    std::process::exit(0);
}

/// The secret key signs everything and is nowhere: not on the wire, not in logs, not on the disk.
#[test]
fn a_planted_secret_is_nowhere() {
    let home = tempfile::tempdir().unwrap();
    let aws = AwsEmulator::start();
    let tap = Tap::before(&aws.endpoint());
    let mut client = Command::new(std::env::current_exe().unwrap());
    client.args(["secret::program", "--exact", "--nocapture"]).env(ENDPOINT, tap.endpoint());
    let output = client.env("FAAST_HOME", home.path()).env("DEBUG", "faast:*").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 is declined") && said.contains("deploying"), "the job said what it did: {said}");
    assert!(said.contains("Lambda.CreateFunction") && said.contains("attempt 1: 201"), "so did the SDK: {said}");
    assert!(!said.contains(PLANTED) && !holds(&output.stdout, PLANTED), "in what was printed");

    let kept = files_below(home.path(), "zip");
    assert!(kept.iter().any(|file| holds(file, "\"function\"")), "there is a ledger");
    assert!(kept.iter().all(|file| !holds(file, PLANTED)), "in ~/.faast");

    let heard = tap.heard();
    assert!(holds(&heard, "CreateRole") && holds(&heard, "Credential=AKIDEXAMPLE"), "the requests were heard");
    // The archive is the program, which has the constant; it goes as base64.
    assert!(!holds(&heard, PLANTED), "on the wire");
}
