//! Whole programs, as users start them: what they print, and how they end.
//!
//! No test harness stands around `main` here, because `main` is what is tested: this executable starts itself as one of
//! the programs in `program.rs`, chosen by a variable. Without it, it runs the tests; `harness.rs` is the little that
//! `cargo test` and nextest need for that.

#![expect(
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "functions and helpers of tests fail as tests do"
)]

mod harness;
mod program;
mod resume;

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use rustix::process::{Pid, Signal, kill_process};

use self::program::PROGRAM;

fn main() -> faast::Result<()> {
    match env::var(PROGRAM) {
        Err(_) => harness::run(&[
            ("a_program_runs_and_prints_nothing_of_its_own", a_program_runs_and_prints_nothing_of_its_own),
            ("a_program_without_faast_main_is_told_so", a_program_without_faast_main_is_told_so),
            ("a_marked_process_that_deploys_is_told_so", a_marked_process_that_deploys_is_told_so),
            ("a_mark_of_another_client_makes_no_worker", a_mark_of_another_client_makes_no_worker),
            ("a_function_that_deploys_itself_comes_to_an_end", a_function_that_deploys_itself_comes_to_an_end),
            ("ctrl_c_cleans_up", ctrl_c_cleans_up),
            ("ctrl_c_cleans_up_where_main_blocks", ctrl_c_cleans_up_where_main_blocks),
            ("ctrl_c_cleans_up_for_whoever_asks_for_it", ctrl_c_cleans_up_for_whoever_asks_for_it),
            ("a_second_ctrl_c_ends_a_program_at_once", a_second_ctrl_c_ends_a_program_at_once),
            ("two_processes_do_not_meet", two_processes_do_not_meet),
            (
                "workers_work_where_the_program_was_when_it_deployed",
                workers_work_where_the_program_was_when_it_deployed,
            ),
            ("workers_start_after_the_executable_was_replaced", workers_start_after_the_executable_was_replaced),
            ("calls_shows_each_call", calls_shows_each_call),
            ("info_tells_of_deployment", info_tells_of_deployment),
            ("provider_shows_each_step_of_the_contract", provider_shows_each_step_of_the_contract),
            ("with_a_subscriber_the_channels_are_its_targets", with_a_subscriber_the_channels_are_its_targets),
            ("a_lossy_argument_is_a_warning_that_names_it", a_lossy_argument_is_a_warning_that_names_it),
            ("an_error_of_main_says_what_to_know", an_error_of_main_says_what_to_know),
            ("a_map_that_is_killed_again_and_again_comes_to_its_end", resume::kills),
            ("ctrl_c_leaves_a_journal_to_go_on_from", resume::ctrl_c),
            ("a_full_disk_is_an_error_and_loses_nothing", resume::full_disk),
            ("a_limit_on_the_size_of_files_is_an_error_and_loses_nothing", resume::file_limit),
            ("two_programs_do_not_share_a_journal", resume::two_programs),
        ]),
        Ok(program) if program == "bare" => program::bare(),
        Ok(program) if program == "listens" => program::listens(),
        Ok(_) => return program::annotated::main(),
    }
    Ok(())
}

fn command(program: &str) -> Command {
    command_of(&env::current_exe().unwrap(), program)
}

fn command_of(executable: &Path, program: &str) -> Command {
    let mut command = Command::new(executable);
    command.env(PROGRAM, program).env_remove("DEBUG").env_remove("RUST_LOG").env("RUST_BACKTRACE", "0");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(command: &mut Command) -> (bool, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.success(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn a_program_runs_and_prints_nothing_of_its_own() {
    assert_eq!(run(&mut command("hello")), (true, "hello world!\n".into(), String::new()));
}

fn a_program_without_faast_main_is_told_so() {
    let (good, out, err) = run(&mut command("bare"));
    assert!(!good && out == "started\n", "{out}{err}");
    assert!(err.contains("#[faast::main]") && err.contains("faast::worker::init()"), "{err}");
}

fn a_marked_process_that_deploys_is_told_so() {
    let (good, out, err) = run(command("bare").arg(format!("faast-worker:local:{}:1", std::process::id())));
    assert!(!good && out == "started\n", "{out}{err}");
    assert!(err.contains("started as a worker") && err.contains("#[faast::main]"), "{err}");
}

fn a_mark_of_another_client_makes_no_worker() {
    // Process 1 did not start it, and there is no socket.
    let (good, out, err) = run(command("hello").arg("faast-worker:local:1:1"));
    assert!(!good && out.is_empty() && err.contains("worker"), "{out}{err}");
}

fn a_function_that_deploys_itself_comes_to_an_end() {
    let (good, out, err) = run(&mut command("recursion"));
    assert!(good, "{err}");
    assert!(out.contains("nested more than 4 deep"), "{out}{err}");
}

fn ctrl_c_cleans_up() {
    let home = tempfile::tempdir().unwrap();
    let mut child = command("busy").env("FAAST_HOME", home.path()).spawn().unwrap();
    let workers = workers_of(&child);
    interrupt(&child);
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130), "{status}");
    assert!(workers.iter().all(|worker| !Path::new(&format!("/proc/{worker}")).exists()));
    assert!(!holds_files(home.path()), "{:?}", fs::read_dir(home.path()).unwrap().collect::<Vec<_>>());
}

/// A program that has deployed and waits for a line that never comes.
fn is_interrupted(program: &str) {
    let home = tempfile::tempdir().unwrap();
    let mut waiting = Stepwise::start(command(program).env("FAAST_HOME", home.path()));
    assert_eq!(waiting.said(), "deployed");
    // Waiting would close it, and the program read its end.
    let _open = waiting.0.stdin.take();
    interrupt(&waiting.0);
    let status = waiting.0.wait().unwrap();
    assert_eq!(status.code(), Some(130), "{status}");
    assert!(!holds_files(home.path()), "{:?}", fs::read_dir(home.path()).unwrap().collect::<Vec<_>>());
}

fn interrupt(child: &Child) {
    kill_process(Pid::from_raw(child.id().try_into().unwrap()).unwrap(), Signal::INT).unwrap();
}

fn ctrl_c_cleans_up_where_main_blocks() {
    is_interrupted("asks");
}

fn ctrl_c_cleans_up_for_whoever_asks_for_it() {
    is_interrupted("listens");
}

fn a_second_ctrl_c_ends_a_program_at_once() {
    let mut waiting = Stepwise::start(&mut command("clings"));
    assert_eq!(waiting.said(), "deployed");
    interrupt(&waiting.0);
    assert_eq!(waiting.said(), "cleaning up");
    interrupt(&waiting.0);
    assert_eq!(waiting.0.wait().unwrap().code(), Some(130));
}

/// Its two busy workers, as soon as there are so many.
fn workers_of(child: &Child) -> Vec<u32> {
    let since = Instant::now();
    loop {
        let tasks = fs::read_dir(format!("/proc/{}/task", child.id())).unwrap();
        let lists = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("children")).ok());
        let workers: Vec<u32> = lists
            .flat_map(|list| list.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<_>>())
            .collect();
        let busy = workers.iter().filter(|worker| cpu_ticks(**worker) > 2).count();
        if busy == 2 {
            return workers;
        }
        assert!(since.elapsed() < Duration::from_secs(50), "workers: {workers:?}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// User time of a process so far, in hundredths of a second.
fn cpu_ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(11)?.parse().ok()).unwrap_or(0)
}

/// When garbage was last collected stays, and nothing else.
fn holds_files(folder: &Path) -> bool {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut entries = entries.filter(|path| !path.ends_with("local/gc"));
    entries.any(|path| !path.is_dir() || holds_files(&path))
}

/// A program that works in steps: it says what came of each, and waits for a line before the next.
struct Stepwise(Child, Lines<BufReader<ChildStdout>>);

impl Stepwise {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self(child, lines)
    }

    fn said(&mut self) -> String {
        self.1.next().unwrap_or_else(|| panic!("it ended early")).unwrap()
    }

    fn go_on(&mut self) {
        self.0.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }

    fn ends_well(mut self) {
        let status = self.0.wait().unwrap();
        assert!(status.success(), "{status}");
    }
}

fn workers_work_where_the_program_was_when_it_deployed() {
    let place = tempfile::tempdir().unwrap();
    let (good, out, err) = run(command("moves").current_dir(place.path()));
    let here = fs::canonicalize(place.path()).unwrap().display().to_string();
    assert!(good && out.lines().count() == 2 && out.lines().all(|line| line == here), "{out}{err}");
}

fn two_processes_do_not_meet() {
    let home = tempfile::tempdir().unwrap();
    let mut one = Stepwise::start(command("steps").env("FAAST_HOME", home.path()));
    let mut other = Stepwise::start(command("steps").env("FAAST_HOME", home.path()));
    // Both are deployed from here on.
    let (log_of_one, log_of_other) = (PathBuf::from(one.said()), PathBuf::from(other.said()));
    assert!(log_of_one.is_file() && log_of_other.is_file());
    assert_ne!(log_of_one.parent(), log_of_other.parent());
    // They map at once, and each looks at its own results.
    one.go_on();
    other.go_on();
    let (workers_of_one, workers_of_other) = (one.said(), other.said());
    let workers = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    assert!(workers(&workers_of_one).iter().all(|worker| !workers(&workers_of_other).contains(worker)));
    // One ends, and the other has lost nothing.
    one.go_on();
    one.ends_well();
    assert!(!log_of_one.parent().unwrap().exists());
    assert!(log_of_other.is_file());
    other.go_on();
    other.ends_well();
    assert!(!holds_files(home.path()), "{:?}", fs::read_dir(home.path()).unwrap().collect::<Vec<_>>());
}

fn workers_start_after_the_executable_was_replaced() {
    // Where executables are, not where temporary files are: that may be no place to run programs from.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let executable = folder.path().join("program");
    fs::copy(env::current_exe().unwrap(), &executable).unwrap();
    let mut program = Stepwise::start(&mut command_of(&executable, "renews"));
    let mut before = program.said();
    let another = folder.path().join("another");
    fs::write(&another, "#!/bin/false\n").unwrap();
    fs::rename(&another, &executable).unwrap();
    for file in ["replaced", "deleted"] {
        if file == "deleted" {
            fs::remove_file(&executable).unwrap();
        }
        program.go_on();
        let after = program.said();
        assert!(after != before, "{file}: no new worker");
        before = after;
    }
    program.go_on();
    program.ends_well();
}

fn calls_shows_each_call() {
    let (good, out, err) = run(command("hello").env("DEBUG", "faast:calls"));
    assert!(good && out == "hello world!\n", "{out}{err}");
    let lines: Vec<_> = err.lines().collect();
    assert_eq!(lines.len(), 2, "{err}");
    assert!(lines.iter().all(|line| line.starts_with("faast:calls") && line.contains("::hello`")), "{err}");
    assert!(lines[0].contains("sent") && lines[1].contains("completed in"), "{err}");
}

fn info_tells_of_deployment() {
    let (good, _, err) = run(command("hello").env("DEBUG", "faast:info"));
    assert!(
        good && err.lines().any(|line| line.starts_with("faast:info deployed") && line.contains("`local`")),
        "{err}"
    );
    assert!(!err.contains("faast:calls"), "{err}");
}

fn provider_shows_each_step_of_the_contract() {
    let (good, out, err) = run(command("hello").env("DEBUG", "faast:provider"));
    assert!(good && out == "hello world!\n", "{out}{err}");
    let lines: Vec<_> = err.lines().collect();
    let steps =
        ["deploying", "deployed", "invoking", "cleaning", "cleaned"].map(|step| format!("faast:provider {step} "));
    assert_eq!(lines.len(), steps.len(), "{err}");
    assert!(lines.iter().zip(&steps).all(|(line, step)| line.starts_with(step)), "{err}");
    assert!(lines[0].contains("on `local`"), "{err}");
}

fn with_a_subscriber_the_channels_are_its_targets() {
    // As a program has it that calls `tracing_subscriber::fmt().init()`: the level is the subscriber's business.
    let (good, out, err) = run(command("hello").env("SUBSCRIBE", "1").env("DEBUG", "faast:calls"));
    assert!(good && out.contains("hello world!\n"), "{out}{err}");
    assert!(out.contains("DEBUG faast:calls: call 1"), "{out}{err}");
    assert!(!err.contains("faast:calls"), "said twice: {err}");
}

fn a_lossy_argument_is_a_warning_that_names_it() {
    let (good, _, err) = run(&mut command("lossy"));
    assert!(good, "{err}");
    let warning = err.lines().find(|line| line.starts_with("faast:warning")).unwrap_or_else(|| panic!("{err}"));
    assert!(warning.contains("forgetful") && warning.contains("`note`"), "{warning}");
    let (_, _, err) = run(command("lossy").env("FAAST_VALIDATE", "never"));
    assert_eq!(err, "");
}

fn an_error_of_main_says_what_to_know() {
    let (good, _, err) = run(&mut command("fails"));
    assert!(!good, "{err}");
    assert!(
        err.contains("::fails`: panicked: on purpose at ") && err.contains("[panic]") && err.contains("logs: file://"),
        "{err}"
    );
}
