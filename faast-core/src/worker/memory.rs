//! How much memory this process has: read from `/proc`, where there is one. Linux only; elsewhere unknown.

use std::fs::{self, File};
use std::io::Read;

/// Whose memory a call's peak is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peaks {
    /// The process is the worker's own: the peak is counted anew after each call that was measured.
    OfCalls,
    /// The process is somebody else's too, and its peak is left alone.
    OfProcess,
}

impl Peaks {
    /// The peak of what ran since the last time, in bytes.
    pub(super) fn take(self) -> Option<u64> {
        let peak = peak();
        if self == Self::OfCalls {
            // Where that is not allowed, it is the peak since the process started.
            let _ = fs::write("/proc/self/clear_refs", "5");
        }
        peak
    }
}

/// Peak resident size in bytes since the process started, or since it was counted anew.
pub(super) fn peak() -> Option<u64> {
    field("VmHWM:")
}

/// Resident size in bytes now.
pub(super) fn resident() -> Option<u64> {
    field("VmRSS:")
}

/// Bytes above which core ends a call of a worker with so much memory, while it can still say so.
///
/// Platforms count all of a sandbox, and end it without a word.
pub fn watched_memory(memory_mb: u64) -> u64 {
    /// What the sandbox has for itself, and what a function may take between two looks.
    const LEAST_MB: u64 = 8;
    const MOST_MB: u64 = 64;
    (memory_mb - (memory_mb / 16).clamp(LEAST_MB, MOST_MB).min(memory_mb / 2)) << 20
}

fn field(name: &str) -> Option<u64> {
    // One read that holds all of it: short calls ask for this too.
    let mut buffer = [0; 4096];
    let len = File::open("/proc/self/status").and_then(|mut status| status.read(&mut buffer)).ok()?;
    let line = std::str::from_utf8(&buffer[..len]).ok()?.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix("kB")?.trim_end().parse::<u64>().ok()? * 1024)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn resident_size_is_below_its_peak() {
        let (resident, peak) = (resident().unwrap(), peak().unwrap());
        assert!(0 < resident && resident <= peak + 4096 * 64, "{resident} {peak}");
    }
    #[test]
    fn memory_is_watched_below_the_limit_and_never_at_zero() {
        for mb in [1, 128, 512, 1769, 10_240] {
            let watched = watched_memory(mb);
            assert!(watched <= mb << 20 && watched >= (mb << 20) / 2, "{mb}");
        }
        assert_eq!(watched_memory(128), 120 << 20);
        assert_eq!(watched_memory(10_240), (10_240 - 64) << 20);
    }
}
