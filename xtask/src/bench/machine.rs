//! What the kernel knows: processor time of this program and of others, memory of processes, who is whose child.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getcpu, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

/// Clock ticks in a second, in /proc; the same on every Linux that a user sees.
const TICKS: f64 = 100.0;

/// Processor time that others used meanwhile.
pub(super) struct Foreign {
    start: Instant,
    all: f64,
    own: f64,
}

/// Processor seconds of others, and how long that was watched.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Noise {
    pub(super) seconds: f64,
    pub(super) watched: f64,
}

impl Noise {
    /// The part of all processors that others used.
    pub(super) fn share(self) -> f64 {
        let processors =
            std::thread::available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap_or(1));
        if self.watched > 0.0 { self.seconds / self.watched / f64::from(processors) } else { 0.0 }
    }

    /// Whether it can have changed what was measured. The kernel counts in ticks, so that a few are none.
    pub(super) fn is_little(self) -> bool {
        self.seconds <= 0.03 || self.share() <= 0.05
    }
}

impl std::ops::AddAssign for Noise {
    fn add_assign(&mut self, other: Self) {
        self.seconds += other.seconds;
        self.watched += other.watched;
    }
}

impl Foreign {
    pub(super) fn start() -> Result<Self> {
        Ok(Self { start: Instant::now(), all: machine_seconds()?, own: own_seconds()? })
    }

    pub(super) fn end(&self) -> Result<Noise> {
        let seconds = (machine_seconds()? - self.all) - (own_seconds()? - self.own);
        Ok(Noise { seconds: seconds.max(0.0), watched: self.start.elapsed().as_secs_f64() })
    }
}

/// Busy and stolen time of all processors.
fn machine_seconds() -> Result<f64> {
    let text = fs::read_to_string("/proc/stat")?;
    let line = text.lines().next().context("/proc/stat is empty")?;
    let ticks: Vec<f64> = line.split_whitespace().skip(1).filter_map(|it| it.parse().ok()).collect();
    // user, nice, system, idle, iowait, irq, softirq, steal; the rest is counted within the first two.
    Ok(ticks.iter().take(8).enumerate().filter(|(at, _)| !matches!(at, 3 | 4)).map(|(_, it)| it).sum::<f64>() / TICKS)
}

/// This process and its children that have ended.
fn own_seconds() -> Result<f64> {
    let fields = stat("self").context("/proc/self/stat")?;
    // utime, stime, cutime, cstime.
    Ok(fields.iter().skip(11).take(4).filter_map(|it| it.parse::<f64>().ok()).sum::<f64>() / TICKS)
}

/// The fields of `/proc/<pid>/stat` from the state on.
fn stat(pid: &str) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(')')?;
    Some(fields.split_whitespace().map(str::to_owned).collect())
}

/// Whether a process is there and not a corpse.
pub(super) fn is_alive(pid: u32) -> bool {
    stat(&pid.to_string()).is_some_and(|fields| !matches!(fields[0].as_str(), "Z" | "X"))
}

/// The children of this process.
pub(super) fn children() -> Result<Vec<u32>> {
    let own = std::process::id().to_string();
    let processes = fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let pids = processes.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    let mine = pids.filter(|pid| stat(pid).is_some_and(|fields| fields.get(1) == Some(&own)));
    Ok(mine.filter_map(|pid| pid.parse().ok()).collect())
}

/// The most memory that a process ever had resident, in KiB.
pub(super) fn peak_kib(pid: u32) -> Result<f64> {
    field(&format!("/proc/{pid}/status"), "VmHWM:")
}

/// The memory of a process, with its share of what others have too, in KiB.
pub(super) fn proportional_kib(pid: u32) -> Result<f64> {
    field(&format!("/proc/{pid}/smaps_rollup"), "Pss:")
}

fn field(path: &str, name: &str) -> Result<f64> {
    let text = fs::read_to_string(path).with_context(|| path.to_owned())?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok());
    value.with_context(|| format!("no `{name}` in {path}"))
}

/// Processor time of this process so far.
pub(super) fn processor_time() -> Duration {
    clock(ClockId::ProcessCPUTime)
}

/// A clock that all processes of this machine share.
pub(super) fn machine_clock() -> Duration {
    clock(ClockId::Monotonic)
}

fn clock(id: ClockId) -> Duration {
    Duration::try_from(clock_gettime(id)).unwrap_or_default()
}

/// Keeps this process and everything that comes of it on one processor, as far as it has no threads yet.
pub(super) fn stay_on_one_processor() -> Result<()> {
    let mut one = CpuSet::new();
    one.set(sched_getcpu());
    for thread in fs::read_dir("/proc/self/task")? {
        let thread = thread?.file_name();
        let id = thread.to_str().and_then(|id| Pid::from_raw(id.parse().ok()?));
        sched_setaffinity(id, &one)?;
    }
    Ok(())
}
