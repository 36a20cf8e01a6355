//! Programs whose map has a journal, and what may happen to them: they are killed, interrupted, out of disk, or two.
//!
//! `FAAST_TEST_KILLS=100 FAAST_TEST_CALLS=100000 cargo test -p faast --test programs killed` is the long form;
//! `FAAST_TEST_SEED` takes other moments for the kills. What ran is told by the workers, in a file of their own.

use std::collections::HashSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{command, run};

/// A job with its journal, and what is known of its runs.
struct Job {
    home: TempDir,
    calls: u64,
    runs: u64,
    /// How its results come: `indexed` or `keyed`.
    shape: &'static str,
}

impl Job {
    fn new(calls: u64) -> Self {
        let job = Self { home: tempfile::tempdir().unwrap(), calls, runs: 0, shape: "indexed" };
        fs::write(job.executions(), "").unwrap();
        job
    }

    fn journal(&self) -> PathBuf {
        self.home.path().join("job.journal")
    }

    fn executions(&self) -> PathBuf {
        self.home.path().join("executions")
    }

    /// The program, started once more.
    fn command(&mut self) -> Command {
        self.runs += 1;
        let mut command = command("resumes");
        self.give(&mut command);
        command
    }

    /// The program, started once more by a command whose last argument it is.
    fn wrapped(&mut self, by: &[&str]) -> Command {
        let plain = self.command();
        let mut command = Command::new(by[0]);
        command.args(&by[1..]).arg(plain.get_program()).stdin(Stdio::null());
        for (name, value) in plain.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }

    fn give(&self, command: &mut Command) {
        command.env("FAAST_HOME", self.home.path().join("faast"));
        command.env("JOURNAL", self.journal()).env("EXECUTIONS", self.executions());
        command.env("CALLS", self.calls.to_string()).env("RUN", self.runs.to_string()).env("SHAPE", self.shape);
    }

    /// The inputs whose results are in the journal.
    fn recorded(&self) -> Vec<u64> {
        let mut lines = Vec::new();
        if self.journal().exists() && fs::metadata(self.journal()).unwrap().len() > 0 {
            faast::journal::export(self.journal(), &mut lines).unwrap();
        }
        let lines = String::from_utf8(lines).unwrap();
        lines
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["input"].as_u64().unwrap())
            .collect()
    }

    /// What workers worked on, with the run in which they did.
    fn executed(&self) -> Vec<(u64, u64)> {
        let text = fs::read_to_string(self.executions()).unwrap();
        let line =
            |line: &str| line.split_once(' ').map(|(run, n)| (run.parse().unwrap(), n.parse().unwrap())).unwrap();
        text.lines().map(line).collect()
    }

    /// Runs it to its end; gives how many results came from the journal.
    fn ends(&mut self) -> u64 {
        let (good, out, err) = run(&mut self.command());
        assert!(good, "{out}{err}");
        let words: Vec<u64> = out.split_whitespace().map(|word| word.parse().unwrap()).collect();
        assert_eq!(words[..2], [self.calls, undisturbed(self.calls)], "{out}");
        words[2]
    }
}

/// The sum that a run gives that nothing happens to.
fn undisturbed(calls: u64) -> u64 {
    let value = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (0..calls).fold(0, |sum, n| sum.wrapping_add(value(n).rotate_left(7) ^ n))
}

fn number(name: &str, otherwise: u64) -> u64 {
    env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(child.id().try_into().unwrap()).unwrap(), signal).unwrap();
}

/// Waits until a file has so many bytes, or the program has ended.
fn grows(path: &Path, bytes: u64, child: &mut Child) {
    let since = Instant::now();
    while fs::metadata(path).map_or(0, |data| data.len()) < bytes && child.try_wait().unwrap().is_none() {
        assert!(since.elapsed() < Duration::from_secs(50), "nothing is written");
        thread::sleep(Duration::from_millis(1));
    }
}

pub(super) fn kills() {
    let (kills, calls) = (number("FAAST_TEST_KILLS", 12), number("FAAST_TEST_CALLS", 6_000));
    let mut random = number("FAAST_TEST_SEED", 1);
    let mut job = Job::new(calls);
    // So many that the first to be killed does not see its end, and that the last does not have it all.
    let share = calls / (kills + 1);
    let mut known_before: Vec<HashSet<u64>> = Vec::new();
    for kill in 0..kills {
        let mut child = job.command().spawn().unwrap();
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let chance = random >> 33;
        if kill % 4 == 0 {
            // At any moment from its start on.
            thread::sleep(Duration::from_micros(chance % 60_000));
        } else {
            // After it has done something.
            let size = fs::metadata(job.journal()).map_or(0, |data| data.len());
            grows(&job.journal(), size + (chance % (share * 150)), &mut child);
        }
        signal(&child, Signal::KILL);
        child.wait().unwrap();
        let recorded = job.recorded();
        assert_eq!(recorded.iter().collect::<HashSet<_>>().len(), recorded.len(), "a result is there twice");
        known_before.push(recorded.into_iter().collect());
        let last_two = known_before.last_chunk::<2>();
        assert!(last_two.is_none_or(|[before, now]| before.is_subset(now)), "a result is gone");
    }
    let killed_with = known_before.last().map_or(0, HashSet::len);
    let replayed = job.ends();
    assert_eq!(replayed, killed_with as u64);
    let executed = job.executed();
    for (run, n) in &executed {
        let before = usize::try_from(*run).unwrap().checked_sub(2).map(|before| &known_before[before]);
        assert!(before.is_none_or(|known| !known.contains(n)), "{n} was known before run {run}, and ran again");
    }
    let again = executed.len() as u64 - calls;
    println!(
        "{kills} kills of {calls} calls: {killed_with} were known after the last kill, {again} ran more than once because \
         their results were on their way, none that was in the journal did"
    );
    // And once more there is nothing to do.
    assert_eq!(job.ends(), calls);
    assert_eq!(job.executed().len(), executed.len());
}

pub(super) fn ctrl_c() {
    let mut job = Job::new(20_000);
    let mut child = job.command().spawn().unwrap();
    grows(&job.journal(), 50_000, &mut child);
    signal(&child, Signal::INT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let recorded = job.recorded().len() as u64;
    assert!((100..20_000).contains(&recorded), "{recorded}");
    assert_eq!(job.ends(), recorded);
}

/// Arguments: none, the program is `$0`. It runs on a file system that is full soon, and then with more room on the same one,
/// which nobody else sees and which is gone afterwards; so what the first run has left is copied.
const SMALL: &str = r#"
mount -t tmpfs -o size=200k none "$SMALL" || exit
"$0"
echo "$?" >"$COPY.code"
cp "$SMALL/job.journal" "$COPY"
mount -o remount,size=64m "$SMALL" && exec "$0"
"#;

pub(super) fn full_disk() {
    for shape in ["indexed", "keyed"] {
        let mut job = Job { shape, ..Job::new(6_000) };
        let small = job.home.path().join("small");
        fs::create_dir(&small).unwrap();
        let mut there = job.wrapped(&["unshare", "-Urm", "sh", "-c", SMALL]);
        there.env("SMALL", &small).env("COPY", job.journal()).env("JOURNAL", small.join("job.journal"));
        let (good, out, err) = run(&mut there);
        let Ok(first) = fs::read_to_string(job.journal().with_extension("journal.code")) else {
            println!("no file system may be made here, so only the size of files is limited: {err}");
            return file_limit();
        };
        assert_ne!(first, "0\n");
        assert!(err.contains("job.journal can't be written") && err.contains("[io]"), "{err}");
        assert!(err.contains("No space left on device"), "{err}");
        let recorded = job.recorded().len() as u64;
        assert!((100..6_000).contains(&recorded), "{recorded}");
        // There was room again, and what had been recorded was all there.
        assert!(good, "{out}{err}");
        assert_eq!(out, format!("6000 {} {recorded}\n", undisturbed(6_000)));
    }
}

pub(super) fn file_limit() {
    for shape in ["indexed", "keyed"] {
        let mut job = Job { shape, ..Job::new(6_000) };
        // No file may have more than 200 KiB, and what is written beyond fails.
        let limit = "trap '' XFSZ; ulimit -f 200; exec \"$0\"";
        let (good, out, err) = run(&mut job.wrapped(&["bash", "-c", limit]));
        assert!(!good && out.is_empty(), "{out}{err}");
        assert!(err.contains("job.journal can't be written") && err.contains("[io]"), "{err}");
        let recorded = job.recorded().len() as u64;
        assert!((100..6_000).contains(&recorded), "{recorded}");
        assert_eq!(job.ends(), recorded);
    }
}

pub(super) fn two_programs() {
    let mut job = Job::new(20_000);
    let mut first = job.command().spawn().unwrap();
    grows(&job.journal(), 20_000, &mut first);
    let (good, out, err) = run(&mut job.command());
    assert!(!good && out.is_empty() && err.contains("is in use by another map or program"), "{out}{err}");
    let output = first.wait_with_output().unwrap();
    assert!(output.status.success(), "the first one goes on");
    assert!(output.stdout.starts_with(format!("20000 {} 0", undisturbed(20_000)).as_bytes()));
    assert!(job.executed().iter().all(|(run, _)| *run == 1));
}
