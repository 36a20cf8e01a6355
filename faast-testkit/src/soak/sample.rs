//! What a process holds, sampled from `/proc`, and whether it is flat.
//!
//! Responsible for taking samples and for comparing them. Linux only. The invariant: the first third of the samples is the way up and is not looked at, so that caches, pools and recordings may fill.

use std::fmt;
use std::fs;
use std::path::Path;

use faast_core::leak::Counts;

/// What this process and a folder held at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sample {
    /// Memory that is in use, in KiB.
    pub resident_kib: u64,
    /// Open descriptors.
    pub descriptors: usize,
    /// Threads.
    pub threads: usize,
    /// Child processes.
    pub children: usize,
    /// Bytes of files below the folder.
    pub disk_bytes: u64,
}

impl Sample {
    /// Takes one, with the files below `folder`; `None` where there is no `/proc`.
    pub fn take(folder: &Path) -> Option<Self> {
        let counts = Counts::now()?;
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(Self {
            resident_kib: resident.trim().trim_end_matches(" kB").parse().ok()?,
            descriptors: counts.descriptors,
            threads: counts.threads,
            children: counts.children,
            disk_bytes: bytes_below(folder),
        })
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resident_kib, descriptors, threads, children, disk_bytes } = self;
        write!(f, "{resident_kib} KiB in memory, {descriptors} descriptors, {threads} threads, ")?;
        write!(f, "{children} children, {} KiB on disk", disk_bytes.div_ceil(1024))
    }
}

/// Files that end while this looks count nothing.
fn bytes_below(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(data) if data.is_dir() => bytes_below(&entry.path()),
        Ok(data) => data.len(),
        Err(_) => 0,
    };
    entries.map(size).sum()
}

/// How much more the last third of the samples may hold than the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slack {
    /// Of memory, in KiB.
    pub resident_kib: u64,
    /// Descriptors, threads and children each.
    pub counts: usize,
    /// Of files.
    pub disk_bytes: u64,
}

/// One number of a sample.
type Quantity = fn(&Sample) -> u64;

/// Says what grew, if anything did.
///
/// # Errors
///
/// The first quantity whose largest sample in the last third is above the largest in the second by more than `slack`; or
/// that there are too few samples to tell.
pub fn is_flat(samples: &[Sample], slack: Slack) -> Result<(), String> {
    let third = samples.len() / 3;
    if third == 0 {
        return Err(format!("{} samples are too few", samples.len()));
    }
    let (second, last) = (&samples[third..2 * third], &samples[2 * third..]);
    let most = |of: &[Sample], what: Quantity| of.iter().map(what).max().unwrap_or_default();
    let counts = slack.counts as u64;
    let quantities: [(&str, Quantity, u64); 5] = [
        ("KiB in memory", |sample| sample.resident_kib, slack.resident_kib),
        ("descriptors", |sample| sample.descriptors as u64, counts),
        ("threads", |sample| sample.threads as u64, counts),
        ("children", |sample| sample.children as u64, counts),
        ("bytes on disk", |sample| sample.disk_bytes, slack.disk_bytes),
    ];
    for (name, what, slack) in quantities {
        let (before, after) = (most(second, what), most(last, what));
        if after > before + slack {
            return Err(format!("{after} {name}, {before} before"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLACK: Slack = Slack { resident_kib: 100, counts: 0, disk_bytes: 0 };

    fn samples(resident: impl IntoIterator<Item = u64>) -> Vec<Sample> {
        let sample = |resident_kib| Sample { resident_kib, descriptors: 9, threads: 3, children: 2, disk_bytes: 7 };
        resident.into_iter().map(sample).collect()
    }

    #[test]
    fn what_grows_is_found_and_the_way_up_is_not() {
        assert_eq!(is_flat(&samples([10, 500, 900, 900, 950, 980]), SLACK), Ok(()));
        let grown = is_flat(&samples([100, 200, 300, 400, 500, 600]), SLACK);
        assert_eq!(grown.unwrap_err(), "600 KiB in memory, 400 before");
        let mut leaking = samples([5; 6]);
        leaking[5].descriptors = 10;
        assert_eq!(is_flat(&leaking, SLACK).unwrap_err(), "10 descriptors, 9 before");
        assert!(is_flat(&samples([1, 2]), SLACK).is_err());
    }

    #[test]
    fn a_sample_counts_what_there_is() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("a")).unwrap();
        fs::write(folder.path().join("a/b"), [0; 300]).unwrap();
        let before = Sample::take(folder.path()).unwrap();
        assert_eq!(before.disk_bytes, 300);
        assert!(before.resident_kib > 100 && before.threads > 0, "{before}");
    }
}
