//! Executables: where they come from, and what the file system says of them.

use std::fs::{File, Metadata};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use faast_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use crate::CargoBuild;
use crate::contents::unreadable;

/// Leads to the file of the running program, also when it was replaced or removed since.
const RUNNING: &str = "/proc/self/exe";

/// Which executable goes into a package.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Source {
    /// The running program's, which must be able to run on the target.
    #[default]
    RunningExecutable,
    /// A file.
    Executable(PathBuf),
    /// The running program's if it can run on the target, else what a build gives.
    Build(CargoBuild),
}

/// An executable, as messages speak of it and as it has to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    /// The program that packs.
    Running,
    /// What the user named.
    Given(PathBuf),
    /// What was built for the target. Only tests are started with the arguments that this program needs.
    Built { path: PathBuf, is_test: bool },
}

impl Subject {
    pub(crate) fn open(&self) -> Result<Executable> {
        match self {
            Self::Running => {
                let running = Path::new(RUNNING);
                if running.exists() {
                    return Executable::open(running);
                }
                let path = std::env::current_exe().map_err(|error| {
                    Error::new(ErrorKind::Io, "the file of the running program can't be found").with_source(error)
                })?;
                Executable::open(&path)
            }
            Self::Given(path) | Self::Built { path, .. } => Executable::open(path),
        }
    }

    /// The arguments that it has to be started with.
    pub(crate) fn arguments<'a>(&self, of_this_program: &'a [String]) -> &'a [String] {
        match self {
            Self::Built { is_test: false, .. } => &[],
            _ => of_this_program,
        }
    }

    /// Its file name, for copies that people look at.
    pub(crate) fn name(&self) -> String {
        let path = self.path();
        let name = path.as_deref().and_then(Path::file_name);
        name.map_or_else(|| "program".into(), |name| name.to_string_lossy().into_owned())
    }

    /// Where it is, if that is known.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        match self {
            Self::Running => std::env::current_exe().ok(),
            Self::Given(path) | Self::Built { path, .. } => Some(path.clone()),
        }
    }
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Running => f.write_str("the running executable"),
            Self::Given(path) => write!(f, "`{}`", path.display()),
            Self::Built { path, .. } => write!(f, "the built executable `{}`", path.display()),
        }
    }
}

/// An open executable.
#[derive(Debug)]
pub(crate) struct Executable {
    file: File,
    path: PathBuf,
    pub(crate) stamp: Stamp,
}

impl Executable {
    fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| unreadable(path, error))?;
        let data = file.metadata().map_err(|error| unreadable(path, error))?;
        if !data.is_file() {
            return Err(Error::new(ErrorKind::Config, format!("`{}` is no file", path.display()))
                .with_hint("name the executable itself"));
        }
        Ok(Self { file, path: path.into(), stamp: Stamp::of(&data) })
    }

    /// All of its bytes.
    pub(crate) fn read(mut self) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(usize::try_from(self.stamp.size).unwrap_or(0));
        self.file.read_to_end(&mut bytes).map_err(|error| unreadable(&self.path, error))?;
        let after = self.file.metadata().map_err(|error| unreadable(&self.path, error))?;
        if Stamp::of(&after) != self.stamp {
            return Err(Error::new(ErrorKind::Io, format!("`{}` changed while it was read", self.path.display()))
                .with_hint("wait for the build to end"));
        }
        Ok(bytes)
    }
}

/// What tells one state of a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// The state of a file, if there is one.
    pub(crate) fn of_path(path: &Path) -> Option<Self> {
        path.metadata().ok().filter(Metadata::is_file).map(|data| Self::of(&data))
    }

    fn of(data: &Metadata) -> Self {
        Self {
            device: data.dev(),
            inode: data.ino(),
            size: data.size(),
            modified: (data.mtime(), data.mtime_nsec()),
            changed: (data.ctime(), data.ctime_nsec()),
        }
    }

    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let times = [self.modified.0, self.modified.1, self.changed.0, self.changed.1];
        let ids = [self.device, self.inode, self.size].map(u64::to_le_bytes);
        ids.into_iter().chain(times.map(i64::to_le_bytes)).flatten().collect()
    }

    /// Whether a later change would give the file another time, however coarse the file system's clock is.
    pub(crate) fn is_settled(self, now: SystemTime) -> bool {
        const TICK: Duration = Duration::from_millis(100);
        let (seconds, nanoseconds) = self.changed;
        let since = Duration::new(seconds.try_into().unwrap_or(0), nanoseconds.try_into().unwrap_or(0));
        now.duration_since(UNIX_EPOCH + since).is_ok_and(|age| age > TICK)
    }
}
