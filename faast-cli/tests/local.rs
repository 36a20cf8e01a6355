//! The real command against the local provider: what dead clients left behind in a home folder.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// Above the system's largest process id.
const NOBODY: &str = "999999999";

/// A home folder as clients of the local provider leave it.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn provider(&self) -> PathBuf {
        self.0.path().join("local")
    }

    /// The logs of a client with that process id.
    fn logs(&self, deployment: &str, client: &str) -> PathBuf {
        let folder = self.provider().join("logs").join(deployment);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("client.pid"), client).unwrap();
        fs::write(folder.join("worker-0.log"), "words").unwrap();
        folder
    }

    fn file(&self, path: &str) -> PathBuf {
        let path = self.provider().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "x").unwrap();
        path
    }

    fn run(&self, words: &[&str]) -> Run {
        Run::of(Command::new(env!("CARGO_BIN_EXE_faast")).args(words).env("FAAST_HOME", self.0.path()))
    }
}

/// What the command did.
#[derive(Debug)]
struct Run {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Run {
    fn of(command: &mut Command) -> Self {
        let Output { status, stdout, stderr } = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap()
    }
}

fn ids(resources: &Value) -> Vec<String> {
    let id = |resource: &Value| resource["id"].as_str().unwrap().to_owned();
    resources.as_array().unwrap().iter().map(id).collect()
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn a_dry_run_says_what_would_go_and_what_stays_and_changes_nothing() {
    let home = Home::new();
    let dead = home.logs("dead", NOBODY);
    let live = home.logs("live", &std::process::id().to_string());
    let package = home.file("packages/abc.zip");
    let run = home.run(&["cleanup", "local"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    let (doomed, rest) = run.stdout.split_once("stays:").unwrap();
    assert!(doomed.contains(&shown(&dead)) && !doomed.contains(&shown(&live)), "{run:?}");
    let (stays, cache) = rest.split_once("cache files").unwrap();
    assert!(stays.contains(&shown(&live)) && cache.contains("packages"), "{run:?}");
    assert!(
        run.stdout.ends_with("1 would be deleted, 1 stay; nothing was changed: the same command with -x does it\n")
    );
    assert!(dead.exists() && live.exists() && package.exists());
}

#[test]
fn doing_it_deletes_exactly_what_the_dry_run_said() {
    let home = Home::new();
    let dead = home.logs("dead", NOBODY);
    let live = home.logs("live", &std::process::id().to_string());
    let foreign = home.file("logs/mine/notes.txt");
    let (package, ledger) = (home.file("packages/abc.zip"), home.file("ledger/notes.txt"));
    let planned = home.run(&["cleanup", "local", "--json"]).json();
    assert_eq!(ids(&planned["would_delete"]), [shown(&dead)]);
    let run = home.run(&["cleanup", "local", "-x", "--json"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let done = run.json();
    assert_eq!(ids(&done["deleted"]), ids(&planned["would_delete"]));
    assert_eq!(done["cache"]["entries"], planned["cache"]["entries"]);
    assert_eq!(ids(&done["stays"]), [shown(&live)]);
    assert!(!dead.exists() && !package.exists());
    assert!(live.exists() && foreign.exists() && ledger.exists());
    let again = home.run(&["cleanup", "local"]);
    assert_eq!(again.code, Some(0), "{again:?}");
}

#[test]
fn what_is_in_use_stays_even_when_live_ones_are_asked_for() {
    let home = Home::new();
    let live = home.logs("live", &std::process::id().to_string());
    let staged = home.file("stage/live/input.csv");
    let run = home.run(&["cleanup", "local", "--include-live", "--execute"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(live.exists() && staged.exists(), "{run:?}");
    assert!(run.stdout.contains("a client uses it"), "{run:?}");
}

#[test]
fn one_deployment_can_be_chosen_and_leaves_the_cache_alone() {
    let home = Home::new();
    let (one, other) = (home.logs("one", NOBODY), home.logs("other", NOBODY));
    let package = home.file("packages/abc.zip");
    let run = home.run(&["cleanup", "local", "-x", "--deployment", "one"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(!one.exists() && other.exists() && package.exists(), "{run:?}");
}

#[test]
fn the_ledger_of_a_dead_client_is_closed() {
    let home = Home::new();
    let ledger = home.file("ledger/d1.jsonl");
    // A deployment whose log folder was never made.
    let entry =
        format!(r#"{{"kind":"log folder","id":"{}","expires":{{"secs":1,"nanos":0}}}}"#, shown(&home.provider()));
    fs::write(&ledger, format!("{{\"op\":\"intent\",{}\n{{\"op\":\"deleted\",{}\n", &entry[1..], &entry[1..])).unwrap();
    assert_eq!(home.run(&["cleanup", "local"]).code, Some(0));
    assert!(ledger.exists());
    assert_eq!(home.run(&["cleanup", "local", "-x"]).code, Some(0));
    assert!(!ledger.exists());
}

#[test]
fn an_entry_that_leads_elsewhere_is_not_deleted() {
    let home = Home::new();
    let ledger = home.file("ledger/d1.jsonl");
    let mine = tempfile::tempdir().unwrap();
    let entry = format!(
        r#"{{"op":"intent","kind":"log folder","id":"{}","expires":{{"secs":1,"nanos":0}}}}"#,
        shown(mine.path())
    );
    fs::write(&ledger, entry + "\n").unwrap();
    let run = home.run(&["cleanup", "local", "-x"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stdout.contains("could not be deleted:") && mine.path().exists(), "{run:?}");
}

#[test]
fn deployments_are_listed_with_state_and_resources() {
    let home = Home::new();
    home.logs("dead", NOBODY);
    home.logs("live", &std::process::id().to_string());
    let run = home.run(&["list", "local"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.stdout.contains("dead: expired ") && run.stdout.contains("live: live, "), "{run:?}");
    assert!(run.stdout.contains("1 live, 1 expired"), "{run:?}");
    let listing = home.run(&["list", "local", "--json"]).json();
    let states: Vec<_> = listing["deployments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["id"].as_str().unwrap(), it["state"].as_str().unwrap()))
        .collect();
    assert_eq!(states.len(), 2);
    assert!(states.contains(&("dead", "expired")) && states.contains(&("live", "unknown")), "{states:?}");
}

#[test]
fn an_empty_home_is_clean() {
    let home = Home::new();
    for words in [["cleanup", "local"], ["list", "local"]] {
        let run = home.run(&words);
        assert_eq!(run.code, Some(0), "{run:?}");
        assert!(run.stdout.starts_with("nothing "), "{run:?}");
    }
}

#[test]
fn a_wrong_command_line_is_told_apart_by_its_code() {
    let home = Home::new();
    let unknown = home.run(&["cleanup", "azure"]);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.stderr.starts_with("error: ") && unknown.stderr.contains("`azure`"), "{unknown:?}");
    assert!(unknown.stderr.contains("hint: known here: ") && unknown.stderr.contains("local"), "{unknown:?}");
    for words in [&["cleanup"][..], &["cleanup", "local", "--force"], &["tidy"], &[]] {
        assert_eq!(home.run(words).code, Some(2), "{words:?}");
    }
}

#[test]
fn the_help_has_the_exit_codes() {
    let home = Home::new();
    for words in [&["--help"][..], &["cleanup", "--help"], &["list", "--help"]] {
        let help = home.run(words);
        assert_eq!(help.code, Some(0), "{help:?}");
        assert!(help.stdout.contains("Exit codes:"), "{help:?}");
    }
}

#[test]
fn a_reader_that_stops_early_is_no_failure() {
    let home = Home::new();
    for n in 0..200 {
        home.logs(&format!("dead-{n}"), NOBODY);
    }
    let script = format!("{} list local | head -n 1", env!("CARGO_BIN_EXE_faast"));
    let run = Run::of(Command::new("bash").args(["-o", "pipefail", "-c", &script]).env("FAAST_HOME", home.0.path()));
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
}
