//! Garbage collection beside a deployment: what dead clients left goes, what lives and what others made stays.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use faast_testkit::emulator_google::{GoogleEmulator, PROJECT, REGION, ResourceKind};

use super::{double, on};

/// The endpoint for [`program`]; unset in a test run.
const ENDPOINT: &str = "FAAST_TEST_ENDPOINT";

const DEAD: &str = "6a1f0d1e-8a0e-4c5e-9a53-0d4b7f3a2c11";
const LIVE: &str = "6a1f0d1e-8a0e-4c5e-9a53-0d4b7f3a2c12";
const OTHER: &str = "6a1f0d1e-8a0e-4c5e-9a53-0d4b7f3a2c13";

/// What says in a home that a collection has come to its end.
fn stamp(home: &Path) -> PathBuf {
    home.join(format!("google/gc/{PROJECT}-{REGION}"))
}

/// A job that goes on until a collection has come to its end. Does nothing in a test run.
#[tokio::test]
async fn program() {
    let Ok(endpoint) = std::env::var(ENDPOINT) else { return };
    let cloud = on(&endpoint).memory_mb(512).concurrency(1).deploy().await.unwrap();
    let home = PathBuf::from(std::env::var_os("FAAST_HOME").unwrap());
    while !stamp(&home).exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(cloud.run(double::call(21)).await.unwrap(), 42);
    cloud.cleanup().await.unwrap();
}

/// Everything that a deployment has, as one whose client was killed leaves it.
fn deployment(google: &GoogleEmulator, id: &str, expires: &str) {
    let labels =
        [("faast-deployment", id), ("faast-created", "1000"), ("faast-expires", expires), ("faast-version", "0-1-0")];
    for (kind, ending) in [
        (ResourceKind::Subscription, "-requests"),
        (ResourceKind::Subscription, "-responses"),
        (ResourceKind::Topic, "-requests"),
        (ResourceKind::Topic, "-responses"),
        (ResourceKind::Bucket, ""),
        (ResourceKind::Repository, ""),
        (ResourceKind::Service, ""),
    ] {
        google.add_someone_elses(kind, &format!("faast-{id}{ending}"), &labels);
    }
}

#[test]
fn what_dead_clients_left_is_collected_and_nothing_else() {
    let google = GoogleEmulator::start();
    let in_an_hour = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 3600;
    deployment(&google, LIVE, &in_an_hour.to_string());
    let some = [("faast-deployment", OTHER), ("faast-expires", "1")];
    google.add_someone_elses(ResourceKind::Service, &format!("faast-{OTHER}"), &some);
    google.add_someone_elses(ResourceKind::Repository, &format!("faast-{OTHER}"), &[]);
    google.add_someone_elses(ResourceKind::Bucket, "faast-of-somebody", &some);
    let stays = google.leftovers();
    deployment(&google, DEAD, "2000");
    assert_eq!(google.leftovers().len(), stays.len() + 7);

    let home = tempfile::tempdir().unwrap();
    let mut program = Command::new(std::env::current_exe().unwrap());
    program.args(["garbage::program", "--exact", "--nocapture"]).env(ENDPOINT, google.endpoint());
    let output = program.env("FAAST_HOME", home.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(google.leftovers(), stays);
}
