//! The memory limit: what a process holds is read from the system again and again, and too much of it kills.
//!
//! Counted is memory that a process has for itself; pages of its executable that can be read again do not count, as the
//! kernel would drop them first. Nor does what a process holds that was started and is not yet another program: until then
//! its memory is that of the emulator, which the kernel lets go on a moment before.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Pid;

use super::process::Processes;

/// The shortest time between two looks at all processes.
const BETWEEN: Duration = Duration::from_millis(20);

/// Looking takes at most this part of the time.
const SHARE: u32 = 10;

/// What one process may use and has used.
#[derive(Debug)]
pub(super) struct Memory {
    limit: u64,
    max: AtomicU64,
}

impl Memory {
    pub(super) fn new(limit_mb: u32) -> Self {
        Self { limit: u64::from(limit_mb) << 20, max: AtomicU64::new(0) }
    }

    /// Reads what a process uses now; true if that is too much.
    pub(super) fn measure(&self, pid: Pid) -> bool {
        let Some(used) = used(pid) else { return false };
        self.max.fetch_max(used, Ordering::Relaxed);
        used > self.limit
    }

    /// The most that was seen, in MB, if that is more than the limit.
    #[cfg(feature = "emulator-google")]
    pub(super) fn excess_mb(&self) -> Option<u64> {
        let max = self.max.load(Ordering::Relaxed);
        (max > self.limit).then(|| max.div_ceil(1 << 20))
    }

    /// The most that was seen, in MB, at most the limit.
    pub(super) fn max_mb(&self) -> u32 {
        let bytes = self.max.load(Ordering::Relaxed).min(self.limit);
        u32::try_from(bytes.div_ceil(1 << 20)).unwrap_or(u32::MAX).max(1)
    }
}

/// Looks at all processes until it is aborted.
pub(crate) async fn watch(processes: Arc<Processes>) {
    loop {
        let start = Instant::now();
        processes.measure();
        tokio::time::sleep(BETWEEN.max(start.elapsed() * SHARE)).await;
    }
}

/// Bytes that are a process's own: resident pages less those shared with files. `None` where it has none of its own.
fn used(pid: Pid) -> Option<u64> {
    let program = |pid: &str| fs::read_link(format!("/proc/{pid}/exe")).ok();
    let pid = pid.as_raw_nonzero().to_string();
    // In this order: once it is another program it stays one.
    if program(&pid)? == program("self")? {
        return None;
    }
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let mut pages = text.split(' ').skip(1).map(|it| it.trim().parse::<u64>());
    let (resident, shared) = (pages.next()?.ok()?, pages.next()?.ok()?);
    let page = u64::try_from(rustix::param::page_size()).unwrap_or(4096);
    Some(resident.saturating_sub(shared) * page)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn what_is_not_yet_another_program_has_no_memory_of_its_own() {
        let memory = Memory::new(0);
        assert!(!memory.measure(rustix::process::getpid()), "this program is the emulator");
        assert_eq!(memory.max_mb(), 1);
        let mut sleep = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = Pid::from_child(&sleep);
        while !memory.measure(pid) {
            std::thread::yield_now();
        }
        sleep.kill().unwrap();
        sleep.wait().unwrap();
    }
}
