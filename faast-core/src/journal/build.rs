//! Which build of the program this is: a hash of the running executable, taken once.

use std::fs::File;
use std::io;
use std::sync::OnceLock;

use sha2::{Digest as _, Sha256};

/// The running executable, also after its file was replaced.
const RUNNING: &str = "/proc/self/exe";

/// A build of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Build(pub(super) [u8; 16]);

impl Build {
    /// This program's. Where the executable can't be read, its functions and their signatures stand for it.
    pub(crate) fn running() -> Self {
        static RUNS: OnceLock<Build> = OnceLock::new();
        *RUNS.get_or_init(|| Self::of_executable().unwrap_or_else(|_| Self::of_functions()))
    }

    fn of_executable() -> io::Result<Self> {
        let mut file = File::open(RUNNING).or_else(|_| File::open(std::env::current_exe()?))?;
        let mut hash = Writer(Sha256::new());
        io::copy(&mut file, &mut hash)?;
        Ok(Self(first_16(hash.0)))
    }

    fn of_functions() -> Self {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&crate::function::build_fingerprint().to_le_bytes());
        Self(id)
    }
}

/// The first half of a hash: still beyond any chance of two being the same.
pub(super) fn first_16(hash: Sha256) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&hash.finalize()[..16]);
    half
}

struct Writer(Sha256);

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_program_is_one_build_and_has_one() {
        assert_eq!(Build::running(), Build::of_executable().unwrap());
        assert_ne!(Build::running(), Build::of_functions());
    }
}
