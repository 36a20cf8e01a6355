//! What a package is made of and for, and what comes out.

use std::path::PathBuf;

use bytes::Bytes;

use crate::{Source, Target};

/// What to pack.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PackOptions {
    /// The machine that the package is for.
    pub target: Target,
    /// Which executable.
    pub source: Source,
    /// A folder with included files, if there are any.
    pub staged: Option<PathBuf>,
    /// Arguments that the running program needs to become a worker; see `faast_core::worker::launch_args`.
    pub launch_args: Vec<String>,
    /// What the platform allows.
    pub limits: Limits,
}

impl PackOptions {
    /// The running executable, without included files.
    pub fn new(target: Target) -> Self {
        Self {
            target,
            source: Source::default(),
            staged: None,
            launch_args: faast_core::worker::launch_args(),
            limits: Limits::default(),
        }
    }

    /// Takes another executable.
    #[must_use]
    pub fn source(mut self, source: Source) -> Self {
        self.source = source;
        self
    }

    /// Takes the files of a folder along.
    #[must_use]
    pub fn staged(mut self, folder: impl Into<PathBuf>) -> Self {
        self.staged = Some(folder.into());
        self
    }

    /// Starts the program with these arguments.
    #[must_use]
    pub fn launch_args(mut self, arguments: impl IntoIterator<Item = String>) -> Self {
        self.launch_args = arguments.into_iter().collect();
        self
    }

    /// Sets what the platform allows.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}

/// How large a package may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// All files together, in bytes.
    pub max_unpacked: u64,
}

impl Limits {
    /// A limit for all files together, in bytes.
    pub fn new(max_unpacked: u64) -> Self {
        Self { max_unpacked }
    }
}

impl Default for Limits {
    /// What AWS Lambda allows: 250 MiB.
    fn default() -> Self {
        Self { max_unpacked: 262_144_000 }
    }
}

/// An archive that is ready for upload.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Package {
    /// The zip archive, with an executable `bootstrap` at its root.
    pub bytes: Bytes,
    /// SHA-256 of the archive.
    pub sha256: [u8; 32],
    /// SHA-256 of the program in the archive, which is the executable without what is never loaded.
    pub executable_sha256: [u8; 32],
    /// The size of all files together, in bytes.
    pub unpacked: u64,
}
