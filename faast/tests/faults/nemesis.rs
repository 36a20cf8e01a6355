//! What goes against the client from within it: a thread that kills or stops its workers, and a shortage of descriptors.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};

use super::client::fault;
use super::plan::{Plan, Trouble};

/// faast's own folder, which has little room where the disk is to be full.
pub(crate) fn home() -> PathBuf {
    std::env::var_os("FAAST_HOME").unwrap().into()
}

/// What functions note, beside it.
pub(crate) fn notes() -> PathBuf {
    home().with_file_name("notes")
}

/// Ends with the job.
pub(crate) struct Nemesis {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Nemesis {
    pub(crate) fn start(plan: &Plan) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (signal, name) = match plan.trouble {
            Trouble::KillWorkers => (Signal::KILL, "workers killed"),
            Trouble::StopWorkers => (Signal::STOP, "workers stopped"),
            _ => return Self { over, thread: None },
        };
        let (moments, mut rng) = (plan.moments.clone(), fastrand::Rng::with_seed(plan.seed));
        let is_over = Arc::clone(&over);
        let thread = thread::spawn(move || {
            for moment in moments {
                thread::sleep(moment);
                let workers = children();
                if is_over.load(Ordering::Relaxed) || workers.is_empty() {
                    continue;
                }
                let hit = workers[rng.usize(..workers.len())];
                // One that has just ended is as good.
                if kill_process(hit, signal).is_ok() {
                    fault(1, name);
                }
            }
        });
        Self { over, thread: Some(thread) }
    }
}

impl Drop for Nemesis {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// The workers that this process has started. One that is not a worker yet is not among them: a process that is stopped
/// between its birth and its program stops whoever starts it, and nothing can be done about that.
fn children() -> Vec<Pid> {
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let pids: Vec<i32> =
        lists.flat_map(|list| list.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<_>>()).collect();
    let is_worker = |pid: &i32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|word| word == b"faast_worker")
    };
    pids.into_iter().filter(is_worker).filter_map(Pid::from_raw).collect()
}

/// Few descriptors, as long as it lives.
pub(crate) struct Descriptors(Rlimit);

impl Descriptors {
    /// Lets this process open so many more than it has.
    pub(crate) fn few(more: u64) -> Self {
        let before = getrlimit(Resource::Nofile);
        let highest = fs::read_dir("/proc/self/fd").unwrap().flatten();
        let highest = highest.filter_map(|fd| fd.file_name().to_string_lossy().parse::<u64>().ok()).max().unwrap();
        setrlimit(Resource::Nofile, Rlimit { current: Some(highest + 1 + more), maximum: before.maximum }).unwrap();
        Self(before)
    }
}

impl Drop for Descriptors {
    fn drop(&mut self) {
        setrlimit(Resource::Nofile, self.0).unwrap();
    }
}
