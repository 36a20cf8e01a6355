//! Starting, ending and burying one worker process. The one module that only works on Linux.
//!
//! A worker is `/proc/self/exe`: the running program itself, also after `cargo build` has replaced its file on disk. Its
//! standard input is one end of a socket pair, its standard output the journal (a memfd), its standard error its log
//! file. It leads a process group of its own, so that Ctrl-C reaches only the client and children of functions end with
//! it. Every descriptor of the client is close-on-exec, so a worker inherits nothing else of faast's.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::classify::Ended;
use crate::config::FAAST_MEMORY_MB;

/// How workers of a deployment are started.
#[derive(Debug)]
pub(crate) struct Launch {
    pub(crate) name: String,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) folder: Option<PathBuf>,
}

/// A process that has not been reaped yet, or has been: its id is only used while it can't be another's.
#[derive(Debug)]
pub(crate) struct Process {
    pid: Pid,
    /// Taken by the one thread that reaps; whoever sends a signal holds the lock meanwhile.
    child: Mutex<Option<Child>>,
}

/// A process that was just started, with the client's ends.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) process: Process,
    pub(crate) socket: UnixStream,
    pub(crate) journal: OwnedFd,
}

impl Launch {
    /// Starts a worker that logs to `log`.
    pub(crate) fn start(&self, log: Option<&Path>) -> io::Result<Started> {
        let (near, far) = UnixStream::pair()?;
        let journal = memfd_create("faast-journal", MemfdFlags::CLOEXEC)?;
        let mut command = Command::new("/proc/self/exe");
        command
            .arg0(&self.name)
            .args(&self.args)
            // A deployment within a worker has a limit of its own, or none.
            .env_remove(FAAST_MEMORY_MB)
            .envs(self.env.iter().map(|(key, value)| (key, value)))
            .stdin(OwnedFd::from(far))
            .stdout(journal.try_clone()?)
            .stderr(log_file(log))
            .process_group(0);
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        let mut child = command.spawn()?;
        let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else {
            child.kill()?;
            return Err(io::Error::other("a process without an id"));
        };
        Ok(Started { process: Process { pid, child: Mutex::new(Some(child)) }, socket: near, journal })
    }
}

fn log_file(path: Option<&Path>) -> Stdio {
    // For the user alone, as everything that faast writes: functions print what they like.
    path.and_then(|path| File::options().append(true).create(true).mode(0o600).open(path).ok())
        .map_or_else(Stdio::null, Stdio::from)
}

impl Process {
    pub(crate) fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Ends the process and its group, if it has not been reaped.
    pub(crate) fn kill(&self) {
        if self.child.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            // Gone already is fine: its parent, this process, has not reaped it, so the id is nobody else's.
            let _ = kill_process_group(self.pid, Signal::KILL);
        }
    }

    /// Waits for the end, ends what is left of the group, reaps. For the one thread that saw the socket end.
    ///
    /// The socket ends while the process exits, shortly before its status is there. A process that closed its socket
    /// and lives on is of no use any more; killing one that exits already does not change its status.
    pub(crate) fn bury(&self) -> Ended {
        self.kill();
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let _ = rustix::io::retry_on_intr(|| waitid(WaitId::Pid(self.pid), options));
        // Its children that were born between the first signal and its end.
        self.kill();
        let child = self.child.lock().unwrap_or_else(PoisonError::into_inner).take();
        match child.map(|mut child| child.wait()) {
            Some(Ok(status)) => status
                .code()
                .map(Ended::Exited)
                .or_else(|| status.signal().map(Ended::Signaled))
                .unwrap_or(Ended::Unknown),
            _ => Ended::Unknown,
        }
    }
}
