//! Notes of runs: a line in a file for each time that a function runs, so that a test counts what really ran.
//!
//! Written by workers, read by the test; neither the client's nor an emulator's own counts are asked. A line is written at
//! once, so that workers may share a file.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

/// Adds a line for a run of number `n`.
///
/// # Errors
///
/// When the file can't be written.
pub fn write(path: impl AsRef<Path>, n: u32) -> io::Result<()> {
    OpenOptions::new().create(true).append(true).open(path)?.write_all(format!("{n}\n").as_bytes())
}

/// How often each number ran, in the order of `numbers`.
///
/// A file that nobody has made is one without lines.
///
/// ```
/// use faast_testkit::notes;
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("notes");
/// notes::write(&path, 2)?;
/// notes::write(&path, 2)?;
/// assert_eq!(notes::times(&path, 0..3), [0, 0, 2]);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn times(path: impl AsRef<Path>, numbers: impl IntoIterator<Item = u32>) -> Vec<usize> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let mut times = BTreeMap::<&str, usize>::new();
    for line in text.lines() {
        *times.entry(line).or_default() += 1;
    }
    numbers.into_iter().map(|n| times.get(&*n.to_string()).copied().unwrap_or_default()).collect()
}
