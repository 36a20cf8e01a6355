//! Progress where there is no terminal: lines, in the end one with the right numbers, and nothing where nobody asks.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::env;
use std::process::{Command, Stdio};

use faast::prelude::*;

faast::test_worker!();

#[faast::function]
fn third(n: u64) -> Result<u64, String> {
    if n.is_multiple_of(3) { Err(format!("{n} is a multiple of three")) } else { Ok(n) }
}

/// Set for the process whose standard error is looked at.
const CHILD: &str = "FAAST_TEST_PROGRESS";

/// Does nothing in a test run; the others run it in processes of their own.
#[tokio::test]
async fn watched_process() {
    if env::var_os(CHILD).is_none() {
        return;
    }
    let cloud = faast::local().concurrency(2).deploy().await.unwrap();
    let mut first = cloud.map((0..90).map(third::call)).progress();
    while first.next().await.is_some() {
        println!("the program's own line");
    }
    drop(first);
    let mut keyed = cloud.map_keyed((1..6).map(|n| (n, third::call(n)))).progress();
    while keyed.next().await.is_some() {}
    drop(keyed);
    // Given up in the middle.
    let mut endless = cloud.map((1..).map(third::call)).progress();
    endless.next().await;
    drop(endless);
    cloud.cleanup().await.unwrap();
}

/// What such a process prints to its standard error, and to its standard output.
fn watched(progress: Option<&str>) -> (Vec<String>, String) {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["watched_process", "--exact", "--nocapture"]).env(CHILD, "").stdin(Stdio::null());
    match progress {
        Some(value) => command.env("FAAST_PROGRESS", value),
        None => command.env_remove("FAAST_PROGRESS"),
    };
    let output = command.output().unwrap();
    assert!(output.status.success());
    let [errors, printed] = [output.stderr, output.stdout].map(|bytes| String::from_utf8(bytes).unwrap());
    (errors.lines().map(str::to_owned).collect(), printed)
}

#[test]
fn where_there_is_no_terminal_there_are_lines_and_no_escapes() {
    for progress in [None, Some("lines")] {
        let (lines, printed) = watched(progress);
        let ended: Vec<_> = lines.iter().filter(|line| line.contains(" done, ")).collect();
        assert_eq!(ended.len(), 3, "{lines:?}");
        assert!(ended[0].starts_with("faast: third: 90 done, 30 failed, in "), "{lines:?}");
        assert!(ended[0].contains("; local: ") && ended[0].contains(" in flight at most"), "{lines:?}");
        assert!(ended[1].starts_with("faast: third: 5 done, 1 failed"), "{lines:?}");
        assert!(ended[2].starts_with("faast: third: 1 done, "), "{lines:?}");
        assert!(!lines.concat().contains('\x1b') && !printed.contains('\x1b'));
        assert_eq!(printed.matches("the program's own line\n").count(), 90);
    }
}

#[test]
fn nothing_is_shown_where_nobody_wants_it() {
    let (lines, printed) = watched(Some("never"));
    assert!(lines.iter().all(|line| !line.contains("faast")), "{lines:?}");
    assert_eq!(printed.matches("the program's own line\n").count(), 90);
}
