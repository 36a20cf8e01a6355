//! Records: what is on disk of a run, while it goes on, after it, and after its client was killed.

#![expect(clippy::unwrap_used, reason = "functions and helpers of tests fail as tests do")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{env, fs, thread};

use faast::ErrorKind;
use faast::core::cache::CacheFolder;
use faast::core::record::{RecordedRun, runs};
use faast::prelude::*;
use serde_json::Value;

faast::test_worker!();

#[faast::function]
fn third(n: u64) -> Result<u64, String> {
    if n.is_multiple_of(3) { Err(format!("{n} is a multiple of three")) } else { Ok(n) }
}

/// Set for the processes that record: how many calls they make. Their home is a folder of the test's own.
const CALLS: &str = "FAAST_TEST_CALLS";

/// In the environment of the workers, and nowhere else.
const SECRET: &str = "planted-secret-4711";

/// Does nothing in a test run; the others run it in processes of their own.
#[tokio::test]
async fn recorded_process() {
    let Some(calls) = env::var(CALLS).ok().and_then(|calls| calls.parse().ok()) else { return };
    let cloud = faast::local().concurrency(2).env("TOKEN", SECRET).record().deploy().await.unwrap();
    let mut map = cloud.map((0..calls).map(third::call));
    while map.next().await.is_some() {}
    drop(map);
    let report = Path::new(&env::var("FAAST_HOME").unwrap()).join("run.json");
    cloud.report(&report).await.unwrap();
    cloud.cleanup().await.unwrap();
}

fn process(home: &Path, calls: u64) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["recorded_process", "--exact"]).env(CALLS, calls.to_string()).env("FAAST_HOME", home);
    command.stdout(Stdio::null()).spawn().unwrap()
}

fn recorded(home: &Path) -> Vec<PathBuf> {
    runs(&CacheFolder::at(home.join("local"))).unwrap()
}

fn json(run: &RecordedRun) -> Value {
    serde_json::from_str(&run.to_json()).unwrap()
}

#[test]
fn a_record_has_every_call_in_bounded_room() {
    let home = tempfile::tempdir().unwrap();
    assert!(process(home.path(), 90_000).wait().unwrap().success());
    let found = recorded(home.path());
    assert_eq!(found.len(), 1);
    let run = json(&RecordedRun::open(&found[0]).unwrap());
    assert_eq!(run["totals"]["submitted"], 90_000);
    assert_eq!((&run["totals"]["completed"], &run["totals"]["failed"]), (&60_000.into(), &30_000.into()));
    assert_eq!(run["totals"]["unrecorded"], 0);
    assert_eq!((&run["totals"]["attempts"], &run["latency"]["total"]["count"]), (&90_000.into(), &60_000.into()));
    assert_eq!((&run["errors"][0]["count"], run["errors"].as_array().unwrap().len()), (&30_000.into(), 1));
    assert_eq!(run["finished"], true);
    let room: u64 = fs::read_dir(&found[0]).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(room < 3 << 20, "{room} bytes");
    // What the program itself wrote before its cleanup says the same.
    let early: Value = serde_json::from_slice(&fs::read(home.path().join("run.json")).unwrap()).unwrap();
    assert_eq!((&early["totals"], &early["finished"]), (&run["totals"], &false.into()));
}

#[test]
fn a_killed_client_leaves_a_record_that_can_be_read() {
    let home = tempfile::tempdir().unwrap();
    let mut client = process(home.path(), u64::MAX);
    let completed = || {
        let run = recorded(home.path()).first().and_then(|run| RecordedRun::open(run).ok());
        run.and_then(|run| json(&run)["totals"]["completed"].as_u64()).unwrap_or(0)
    };
    while completed() == 0 {
        assert!(client.try_wait().unwrap().is_none());
        thread::sleep(Duration::from_millis(10));
    }
    client.kill().unwrap();
    client.wait().unwrap();
    let run = RecordedRun::open(&recorded(home.path())[0]).unwrap();
    let numbers = json(&run);
    assert_eq!(numbers["finished"], false);
    assert!(numbers["attempts"]["rows"].as_array().unwrap().len() > 100);
    assert!(run.to_html().contains("not finished"));
}

#[test]
fn no_secret_gets_into_a_record_or_its_report() {
    let home = tempfile::tempdir().unwrap();
    assert!(process(home.path(), 10).wait().unwrap().success());
    let run = &recorded(home.path())[0];
    let files = fs::read_dir(run).unwrap().map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    let texts: Vec<_> = files.chain([RecordedRun::open(run).unwrap().to_html()]).collect();
    assert_eq!(texts.len(), 3);
    assert!(texts.iter().any(|text| text.contains("TOKEN")), "the name is there");
    assert!(texts.iter().all(|text| !text.contains(SECRET)));
}

#[tokio::test]
async fn without_a_record_there_is_no_report() {
    let cloud = faast::local().concurrency(1).deploy().await.unwrap();
    let error = cloud.report("nowhere.html").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.hint().unwrap().contains(".record()"), "{error:?}");
    cloud.cleanup().await.unwrap();
}
