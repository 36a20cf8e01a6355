//! The parent of one seed's client: starts it in trouble, stops, wakes or kills it, and waits until nothing of it is left.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{LazyLock, mpsc};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::plan::{Plan, Trouble};

/// Says which seed a client process is to run.
const SEED: &str = "FAAST_TEST_SEED";

/// Files that can't grow: above the journal of a worker, which is memory and counts as a file, below what is printed.
const LIMITED: &str = "trap '' XFSZ; ulimit -f 400; exec \"$0\" \"$@\"";

/// No job takes so long: one that does hangs, and is ended so that the others can be heard of.
const HANGS: Duration = Duration::from_mins(8);

/// A file system that is full soon.
const SMALL: &str = "mount -t tmpfs -o size=128k none \"$FAAST_HOME\" && exec \"$0\" \"$@\"";

/// What a client said, and what it left.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) lines: Vec<String>,
    /// What [`once`](super::function::once) noted.
    pub(crate) notes: Vec<u64>,
    /// The client came to its end by itself.
    pub(crate) ended: bool,
    /// What it said to people.
    pub(crate) other: String,
    pub(crate) faults: Vec<(u64, &'static str)>,
}

/// In a client, its seed.
pub(crate) fn seed_of_this_client() -> Option<u64> {
    std::env::var(SEED).ok().map(|seed| seed.parse().unwrap())
}

/// Whether this user may mount a file system of his own.
fn may_mount() -> bool {
    static MAY: LazyLock<bool> = LazyLock::new(|| {
        let mut tried = Command::new("unshare");
        tried.args(["-Urm", "mount", "-t", "tmpfs", "-o", "size=64k", "none", "/mnt"]);
        tried.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    });
    *MAY
}

fn command(plan: &Plan, home: &Path) -> Command {
    let program = std::env::current_exe().unwrap();
    let (before, script) = match plan.trouble {
        Trouble::DiskFull if may_mount() => (&["unshare", "-Urm", "sh", "-c"][..], SMALL),
        Trouble::DiskFull | Trouble::FileSize => (&["sh", "-c"][..], LIMITED),
        _ => (&[][..], ""),
    };
    let mut command = match before.split_first() {
        Some((first, rest)) => {
            let mut command = Command::new(first);
            command.args(rest).arg(script).arg(program);
            command
        }
        None => Command::new(program),
    };
    command.args(["client_of_a_seed", "--exact", "--nocapture", "--test-threads=1"]);
    command.env(SEED, plan.seed.to_string()).env("FAAST_HOME", home);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs a seed.
pub(crate) fn run(plan: &Plan) -> Result<Heard, String> {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("faast");
    fs::create_dir(&home).unwrap();
    let mut client = command(plan, &home).spawn().unwrap();
    let pid = Pid::from_child(&client);
    let (stdout, stderr) = (client.stdout.take().unwrap(), client.stderr.take().unwrap());
    let complaints = thread::spawn(move || std::io::read_to_string(stderr).unwrap_or_default());
    let mut heard = Heard::default();
    let troubles = thread::scope(|scope| {
        let trouble = scope.spawn(|| disturb(plan, pid));
        let (over, is_over) = mpsc::channel::<()>();
        scope.spawn(move || {
            if is_over.recv_timeout(HANGS) == Err(mpsc::RecvTimeoutError::Timeout) {
                kill_process(pid, Signal::KILL).unwrap();
            }
        });
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            // The harness does not end its own line before the first one of ours.
            match line.split_once("@ ") {
                Some((_, line)) => heard.lines.push(line.to_owned()),
                None => heard.other.extend([line.as_str(), "\n"]),
            }
        }
        drop(over);
        trouble.join().unwrap()
    });
    let status = client.wait().unwrap();
    heard.faults = troubles;
    heard.other += &complaints.join().unwrap();
    heard.ended = heard.lines.last().is_some_and(|line| line == "end");
    if plan.trouble != Trouble::KillClient && !(heard.ended && status.success()) {
        return Err(format!("the client ended with {status}: {:?}\n{}", heard.lines, heard.other));
    }
    nothing_is_left(&home)?;
    let notes = fs::read_to_string(folder.path().join("notes")).unwrap_or_default();
    heard.notes = notes.lines().map(|line| line.parse().unwrap()).collect();
    Ok(heard)
}

/// Does to the client what only somebody else can do.
fn disturb(plan: &Plan, client: Pid) -> Vec<(u64, &'static str)> {
    let mut done = Vec::new();
    match plan.trouble {
        Trouble::PauseClient => {
            for pair in plan.moments.chunks(2) {
                thread::sleep(pair[0] * 4);
                // It is not reaped before this thread ends, so the id is nobody else's.
                kill_process(client, Signal::STOP).unwrap();
                thread::sleep(pair.last().copied().unwrap_or_default() * 4);
                kill_process(client, Signal::CONT).unwrap();
                done.push((1, "clients paused"));
            }
        }
        Trouble::KillClient => {
            thread::sleep(plan.moments.iter().sum());
            kill_process(client, Signal::KILL).unwrap();
            done.push((1, "clients killed"));
        }
        _ => {}
    }
    done
}

/// Workers end with their client, however it ended.
fn nothing_is_left(home: &Path) -> Result<(), String> {
    let mark = format!("FAAST_HOME={}", home.display()).into_bytes();
    let is_ours = |pid: &fs::DirEntry| {
        let environment = fs::read(pid.path().join("environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == mark)
    };
    let mut left = Vec::new();
    for _ in 0..2_000 {
        left = fs::read_dir("/proc").unwrap().flatten().filter(is_ours).map(|pid| pid.file_name()).collect();
        if left.is_empty() {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(10));
    }
    Err(format!("processes were left: {left:?}"))
}
