//! `faast report` on a run that was really recorded.

#![expect(clippy::unwrap_used, reason = "functions and helpers of tests fail as tests do")]

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

faast::test_worker!();

#[faast::function]
fn double(n: u64) -> u64 {
    2 * n
}

/// Set for the process that records.
const RECORD: &str = "FAAST_TEST_RECORD";

/// Does nothing in a test run; the other test runs it in a process of its own.
#[test]
fn recorded_process() {
    if env::var_os(RECORD).is_none() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let cloud = faast::local().concurrency(1).record().deploy().await.unwrap();
        cloud.map((0..25).map(double::call)).try_collect().await.unwrap();
        cloud.cleanup().await.unwrap();
    });
}

fn faast(home: &Path, words: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_faast"));
    let Output { status, stdout, stderr } =
        command.args(words).env("FAAST_HOME", home).current_dir(home).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn runs_are_listed_and_reported_by_name_as_page_and_as_json() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let (code, printed, _) = faast(home, &["report", "local"]);
    assert_eq!((code, printed.as_str()), (Some(0), "no run on local is recorded; `.record()` records one\n"));

    let mut recorded = Command::new(env::current_exe().unwrap());
    recorded.args(["recorded_process", "--exact"]).env(RECORD, "").env("FAAST_HOME", home).stdout(Stdio::null());
    assert!(recorded.status().unwrap().success());

    let (code, listed, _) = faast(home, &["report", "local"]);
    let name = listed.trim();
    assert_eq!((code, listed.lines().count()), (Some(0), 1));
    for run in ["last", name, name.rsplit('-').next().unwrap()] {
        let (code, printed, _) = faast(home, &["report", "local", run, "--json"]);
        let json: Value = serde_json::from_str(&printed).unwrap();
        assert_eq!((code, &json["totals"]["completed"], &json["finished"]), (Some(0), &25.into(), &true.into()));
    }
    let (code, printed, _) = faast(home, &["report", "local", "last", "-o", "page.html"]);
    assert_eq!((code, printed.as_str()), (Some(0), "the report is in page.html\n"));
    assert!(fs::read_to_string(home.join("page.html")).unwrap().contains("report::double"));
    assert_eq!(faast(home, &["report", "local", "last"]).0, Some(0));
    assert!(home.join("run.html").is_file());

    let (code, _, errors) = faast(home, &["report", "local", "1999"]);
    assert!(code == Some(1) && errors.contains("no recorded run `1999`") && errors.contains("hint"), "{errors}");
    assert_eq!(faast(home, &["report", "nowhere", "last"]).0, Some(2));
}
