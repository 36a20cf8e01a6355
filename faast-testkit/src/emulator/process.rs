//! One process of an emulated service: started in a group of its own, watched for its end, and ended with all it started.
//!
//! [`Processes`] knows all that live, so that none outlives the emulator. A group is signalled only while its leader is
//! not reaped; what a leader leaves behind is killed right after it.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process_group, prlimit};
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, Command};
use tokio::sync::watch;

use super::memory::Memory;

/// All processes that live. Written when they start and end, read by whoever ends or measures them.
#[derive(Debug, Default)]
pub(crate) struct Processes {
    live: Mutex<Live>,
}

#[derive(Debug, Default)]
struct Live {
    memory: HashMap<Pid, Arc<Memory>>,
    /// The emulator ends: nothing may start.
    is_over: bool,
}

impl Processes {
    fn lock(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Signals a group, if its leader is not reaped.
    fn signal(&self, pid: Pid, signal: Signal) {
        let live = self.lock();
        if live.memory.contains_key(&pid) {
            // A group that is gone by now needs no signal.
            let _ = kill_process_group(pid, signal);
        }
    }

    /// Measures all, and kills those that use too much.
    pub(super) fn measure(&self) {
        let live: Vec<_> = self.lock().memory.iter().map(|(pid, memory)| (*pid, Arc::clone(memory))).collect();
        for (pid, memory) in live {
            if memory.measure(pid) {
                self.signal(pid, Signal::KILL);
            }
        }
    }

    /// Kills all, and waits until they are reaped.
    pub(crate) async fn end(&self) {
        self.lock().is_over = true;
        loop {
            let live: Vec<_> = self.lock().memory.keys().copied().collect();
            if live.is_empty() {
                return;
            }
            for pid in live {
                self.signal(pid, Signal::KILL);
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// A process that was started. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Process {
    pid: Pid,
    all: Arc<Processes>,
    memory: Arc<Memory>,
    ended: watch::Receiver<Option<ExitStatus>>,
}

/// What a process is started with.
#[derive(Debug)]
pub(crate) struct Program<'a> {
    pub(crate) executable: &'a Path,
    pub(crate) arguments: &'a [String],
    pub(crate) folder: &'a Path,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) memory_mb: u32,
    /// Descriptors that it may have open.
    pub(crate) files: u64,
}

impl Process {
    /// Starts it; what it writes comes out of the pipe.
    pub(crate) fn start(program: &Program<'_>, all: &Arc<Processes>) -> io::Result<(Self, Receiver)> {
        if all.lock().is_over {
            return Err(io::Error::other("the emulator ends"));
        }
        let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
        let output = Receiver::from_owned_fd(read)?;
        let child = spawn(program, write)?;
        let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let pid = pid.ok_or_else(|| io::Error::other("the process has no id"))?;
        let files = Rlimit { current: Some(program.files), maximum: Some(program.files) };
        // A process that is gone already has no limits.
        let _ = prlimit(Some(pid), Resource::Nofile, files);
        let memory = Arc::new(Memory::new(program.memory_mb));
        all.lock().memory.insert(pid, Arc::clone(&memory));
        let (tell, ended) = watch::channel(None);
        tokio::spawn(reap(child, pid, Arc::clone(all), tell));
        let process = Self { pid, all: Arc::clone(all), memory, ended };
        // It may have begun to end since; then whoever waits for the end sees this one, or it goes right here.
        if all.lock().is_over { Err(io::Error::other("the emulator ends")) } else { Ok((process, output)) }
    }

    /// Resolves when it has ended.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let status = self.ended.wait_for(Option::is_some).await;
        // Without its watcher the emulator is about to end, which kills.
        status.ok().and_then(|it| *it).unwrap_or_else(|| ExitStatus::from_raw(9))
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.ended.borrow().is_none()
    }

    pub(crate) fn stop(&self) {
        self.all.signal(self.pid, Signal::STOP);
    }

    pub(crate) fn go_on(&self) {
        self.all.signal(self.pid, Signal::CONT);
    }

    /// Asks it to end.
    #[cfg(feature = "emulator-google")]
    pub(crate) fn terminate(&self) {
        self.all.signal(self.pid, Signal::TERM);
    }

    pub(crate) fn kill(&self) {
        self.all.signal(self.pid, Signal::KILL);
    }

    /// The most memory that it used, in MB, at most what it may use.
    pub(crate) fn max_memory_mb(&self) -> u32 {
        // The id of one that has ended may be another's.
        if self.is_alive() {
            self.memory.measure(self.pid);
        }
        self.memory.max_mb()
    }
}

#[cfg(feature = "emulator-google")]
impl Process {
    /// Sees its end without keeping it alive.
    pub(crate) fn watcher(&self) -> Watcher {
        Watcher { memory: Arc::clone(&self.memory), ended: self.ended.clone() }
    }
}

/// Sees the end of a process that is somebody else's.
#[cfg(feature = "emulator-google")]
#[derive(Debug, Clone)]
pub(crate) struct Watcher {
    memory: Arc<Memory>,
    ended: watch::Receiver<Option<ExitStatus>>,
}

#[cfg(feature = "emulator-google")]
impl Watcher {
    /// Resolves when it has ended.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let status = self.ended.wait_for(Option::is_some).await;
        status.ok().and_then(|it| *it).unwrap_or_else(|| ExitStatus::from_raw(9))
    }

    /// The MB that it used if that was too much.
    pub(crate) fn excess_mb(&self) -> Option<u64> {
        self.memory.excess_mb()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(program: &Program<'_>, output: OwnedFd) -> io::Result<Child> {
    let errors = output.try_clone()?;
    Command::new(program.executable)
        .args(program.arguments)
        .env_clear()
        .envs(program.environment.iter().map(|(name, value)| (name, value)))
        .current_dir(program.folder)
        .stdin(Stdio::null())
        .stdout(Stdio::from(output))
        .stderr(Stdio::from(errors))
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// Waits for a process, and ends what it leaves behind.
async fn reap(mut child: Child, pid: Pid, all: Arc<Processes>, tell: watch::Sender<Option<ExitStatus>>) {
    let status = child.wait().await.unwrap_or_else(|_| ExitStatus::from_raw(9));
    all.lock().memory.remove(&pid);
    // Fails if it left nothing.
    let _ = kill_process_group(pid, Signal::KILL);
    tell.send_replace(Some(status));
}

/// How a process ended, in the words of the service; nothing for status 0.
pub(crate) fn ending(status: ExitStatus) -> Option<String> {
    match (status.code(), status.signal()) {
        (Some(0), _) => None,
        (Some(code), _) => Some(format!("exit status {code}")),
        (None, Some(signal)) => {
            let dumped = if status.core_dumped() { " (core dumped)" } else { "" };
            Some(format!("signal: {}{dumped}", signal_name(signal)))
        }
        (None, None) => Some("unknown".into()),
    }
}

fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "hangup",
        2 => "interrupt",
        3 => "quit",
        4 => "illegal instruction",
        5 => "trace/breakpoint trap",
        6 => "aborted",
        7 => "bus error",
        8 => "floating point exception",
        9 => "killed",
        11 => "segmentation fault",
        13 => "broken pipe",
        14 => "alarm clock",
        15 => "terminated",
        other => return format!("signal {other}"),
    };
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_are_told_in_the_words_of_the_service() {
        assert_eq!(ending(ExitStatus::from_raw(0)), None);
        assert_eq!(ending(ExitStatus::from_raw(7 << 8)).as_deref(), Some("exit status 7"));
        assert_eq!(ending(ExitStatus::from_raw(9)).as_deref(), Some("signal: killed"));
        assert_eq!(ending(ExitStatus::from_raw(0x80 | 6)).as_deref(), Some("signal: aborted (core dumped)"));
    }
}
