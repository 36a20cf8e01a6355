//! What faast leaves on disk is for its user alone, and holds no secret.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "functions and helpers of tests fail as tests do, and a function prints"
)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use faast::prelude::*;

faast::test_worker!();

/// What no file may hold.
const PLANTED: &str = "hunter2-planted-4f1c";

/// Says that this process is the client.
const CLIENT: &str = "FAAST_TEST_PRIVATE";

#[faast::function]
fn keeps(secret: &str) -> String {
    assert_eq!(env::var("API_KEY").unwrap(), secret);
    eprintln!("what a function prints is its own");
    secret.chars().rev().chain(secret.chars()).collect()
}

#[faast::function]
fn fails(_secret: &str) -> Result<u32, String> {
    Err("in its own words".into())
}

#[faast::function]
fn dies(_secret: &str) -> u32 {
    std::process::abort()
}

/// Does nothing in a test run; the next test runs it in a process of its own.
#[tokio::test]
async fn client() {
    if env::var_os(CLIENT).is_none() {
        return;
    }
    let home = PathBuf::from(env::var_os("FAAST_HOME").unwrap());
    let builder = faast::local().concurrency(2).env("API_KEY", PLANTED).keep_logs().record();
    let cloud = builder.include("included/*.txt").deploy().await.unwrap();
    assert!(cloud.run(keeps::call(PLANTED)).await.unwrap().ends_with(PLANTED));
    assert!(cloud.run(fails::call(PLANTED)).await.is_err());
    let error = cloud.run(dies::call(PLANTED)).await.unwrap_err();
    assert!(!format!("{error:?}{error}").contains(PLANTED), "{error:?}");
    cloud.report(home.join("local/run.html")).await.unwrap();
    assert!(!format!("{cloud:?}").contains(PLANTED));
    // While it lives: there is most then.
    look(&home, false);
    cloud.cleanup().await.unwrap();
}

/// Looks at everything below a folder. What users include keeps its permissions, in a folder that is closed.
fn look(folder: &Path, staged: bool) -> usize {
    let mut files = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let data = fs::symlink_metadata(&path).unwrap();
        let mode = data.permissions().mode() & 0o777;
        let report = path.ends_with("run.html");
        assert!(staged || report || mode | 0o700 == 0o700, "{} is open to others: {mode:o}", path.display());
        if data.is_dir() {
            files += look(&path, staged || path.ends_with("stage"));
        } else {
            let bytes = fs::read(&path).unwrap();
            let holds = bytes.windows(PLANTED.len()).any(|window| window == PLANTED.as_bytes());
            assert!(!holds, "{} holds the secret", path.display());
            files += 1;
        }
    }
    files
}

#[test]
fn what_is_on_disk_is_for_the_user_alone_and_holds_no_secret() {
    let place = tempfile::tempdir().unwrap();
    let home = place.path().join("home");
    fs::create_dir(place.path().join("included")).unwrap();
    fs::write(place.path().join("included/data.txt"), "some data").unwrap();
    // A user who opens whatever he makes to everybody.
    let mut command = Command::new("sh");
    command.args(["-c", "umask 000; exec \"$0\" \"$@\""]).arg(env::current_exe().unwrap());
    command.args(["client", "--exact", "--nocapture"]).env(CLIENT, "1").env("FAAST_HOME", &home);
    command.current_dir(place.path());
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stdout));
    assert!(!text.contains(PLANTED), "{text}");
    let mode = fs::metadata(&home).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o700, "{mode:o}");
    // A record, a report, logs of workers that are kept.
    assert!(look(&home, false) >= 4);
}
