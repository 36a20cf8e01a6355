//! How long this process exists: the start of a worker, which platforms bill with its first answer. Linux only.

use std::fs;
use std::time::Duration;

/// How long this process exists, to a hundredth of a second.
pub fn since_start() -> Option<Duration> {
    /// The unit of a process's times, which the kernel promises to programs.
    const TICKS: f64 = 100.0;
    let (stat, uptime) = (fs::read_to_string("/proc/self/stat").ok()?, fs::read_to_string("/proc/uptime").ok()?);
    // The program's name, in parentheses, may hold anything; the start is the twentieth field behind it.
    let started: f64 = stat.rsplit_once(") ")?.1.split(' ').nth(19)?.parse().ok()?;
    let now: f64 = uptime.split(' ').next()?.parse().ok()?;
    Duration::try_from_secs_f64(now - started / TICKS).ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_how_long_it_exists() {
        let before = since_start().unwrap();
        std::thread::sleep(Duration::from_millis(30));
        let after = since_start().unwrap();
        assert!(after > before, "{before:?} {after:?}");
    }
}
