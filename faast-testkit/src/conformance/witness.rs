//! A file that workers write to and the test reads: for promises that no answer can show.

use std::fs;
use std::time::Duration;

use tempfile::NamedTempFile;

/// How long nothing must be written for a function to count as stopped. Functions write every few milliseconds.
const QUIET: Duration = Duration::from_millis(400);

/// Removed when it is dropped.
pub(super) struct Witness(NamedTempFile);

impl Witness {
    pub(super) fn new() -> Self {
        Self(NamedTempFile::new().expect("a temporary file can be made"))
    }

    /// What functions take to find it.
    pub(super) fn path(&self) -> String {
        self.0.path().to_string_lossy().into_owned()
    }

    /// How often that line was written.
    pub(super) fn count(&self, line: &str) -> usize {
        let text = fs::read_to_string(self.0.path()).expect("the witness can be read");
        text.lines().filter(|written| *written == line).count()
    }

    /// Waits until that line has been written at least so often.
    pub(super) async fn wait_for(&self, line: &str, times: usize) {
        while self.count(line) < times {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until nothing is written any more.
    pub(super) async fn wait_for_quiet(&self) {
        let len = || fs::metadata(self.0.path()).map_or(0, |metadata| metadata.len());
        let mut before = len();
        loop {
            tokio::time::sleep(QUIET).await;
            if len() == before {
                return;
            }
            before = len();
        }
    }
}
