//! The worker processes of one deployment: started when there is no idle one, reused, and ended.
//!
//! How many there are at once is core's business: it keeps no more requests in flight than `concurrency`.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use faast_core::worker::{Mark, launch_args};
use tokio::sync::oneshot;

use crate::NAME;
use crate::worker::{ANNOUNCEMENT, WORKER_NAME};

/// How often it is looked whether a worker whose connection broke has ended.
const LOOK: Duration = Duration::from_millis(2);

/// How long that is looked for.
const LOOKS: u32 = 500;

/// What every worker is started with.
pub(crate) struct Launch {
    pub(crate) env: Vec<(String, String)>,
    pub(crate) folder: Option<PathBuf>,
    pub(crate) logs: PathBuf,
}

pub(crate) struct Pool {
    launch: Launch,
    started: AtomicU64,
    /// `None` once the deployment is cleaned up.
    idle: Mutex<Option<Vec<Worker>>>,
}

impl Pool {
    pub(crate) fn new(launch: Launch) -> Arc<Self> {
        Arc::new(Self { launch, started: AtomicU64::new(0), idle: Mutex::new(Some(Vec::new())) })
    }

    fn idle(&self) -> MutexGuard<'_, Option<Vec<Worker>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An idle worker, or a new one.
    pub(crate) async fn take(&self) -> io::Result<Worker> {
        let idle = self.idle().as_mut().and_then(Vec::pop);
        match idle {
            Some(worker) => Ok(worker),
            None => self.start().await,
        }
    }

    /// Gives a worker back that has answered everything. After [`close`](Self::close) it ends.
    pub(crate) fn give_back(&self, worker: Worker) {
        if let Some(idle) = self.idle().as_mut() {
            idle.push(worker);
        }
    }

    /// Ends the idle workers; the others end with their requests.
    pub(crate) fn close(&self) {
        let idle = self.idle().take();
        drop(idle);
    }

    async fn start(&self) -> io::Result<Worker> {
        let name = format!("worker-{}", self.started.fetch_add(1, Ordering::Relaxed) + 1);
        let log = OpenOptions::new().create(true).append(true).open(self.launch.logs.join(format!("{name}.log")))?;
        // Not the path of the executable: the file may have been replaced since this program was started.
        let mut command = Command::new("/proc/self/exe");
        command.args(launch_args()).arg(Mark::for_child(NAME).to_string());
        command.env("RUST_BACKTRACE", "0").envs(self.launch.env.iter().cloned()).env(WORKER_NAME, &name);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log.try_clone()?);
        if let Some(folder) = &self.launch.folder {
            command.current_dir(folder);
        }
        let mut child = command.spawn()?;
        let (tell, told) = oneshot::channel();
        let stdout = child.stdout.take();
        let mut worker = Worker { name, address: SocketAddr::from(([127, 0, 0, 1], 0)), child };
        if let Some(stdout) = stdout {
            thread::Builder::new().name("http-pool-log".into()).spawn(move || listen(stdout, log, tell))?;
        }
        worker.address = told.await.map_err(|_| io::Error::other("the worker ended before it listened"))?;
        Ok(worker)
    }
}

/// Reads a worker's standard output: where it listens, and then words for its log.
fn listen(stdout: ChildStdout, mut log: File, tell: oneshot::Sender<SocketAddr>) {
    let mut stdout = BufReader::new(stdout);
    let mut line = String::new();
    while stdout.read_line(&mut line).is_ok_and(|read| read > 0) {
        if let Some(address) = line.strip_prefix(ANNOUNCEMENT).and_then(|rest| rest.trim().parse().ok()) {
            // Whoever waits may have given up; the worker then ends with its standard input.
            let _ = tell.send(address);
            // A log that can't be written is no reason to stop reading: the worker would block.
            let _ = io::copy(&mut stdout, &mut log).or_else(|_| io::copy(&mut stdout, &mut io::sink()));
            return;
        }
        line.clear();
    }
}

/// A worker process. Dropping it ends it.
pub(crate) struct Worker {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    child: Child,
}

impl Worker {
    /// Waits for the end of a worker whose connection broke; `None` if it does not end.
    pub(crate) async fn ended(&mut self) -> Option<ExitStatus> {
        for _ in 0..LOOKS {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            tokio::time::sleep(LOOK).await;
        }
        None
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is reaped here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
