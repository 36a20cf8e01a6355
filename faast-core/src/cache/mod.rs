//! The cache folder: `~/.faast/<provider>`, private to the user, shared by all of the user's processes.
//!
//! Responsible for where it is, who may read it, atomic writes and the age of entries; not for what an entry means:
//! packer, ledger and reports know their own. Opening costs nothing: the folder is made when something is first put
//! into it. Invariant: nothing here is ever needed. A missing or read-only home is a warning, and everything can be
//! deleted at any moment, also while several processes use it.

mod clear;
mod private;

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

pub use self::clear::Clearable;
pub(crate) use self::clear::may_be_going_on;
use crate::env;
use crate::log::Channel;

/// `~/.faast/<provider>`; the environment variable `FAAST_HOME` moves `~/.faast`.
///
/// Folders are for the user alone (0700), files too (0600). Where the folder can't be used there is a warning, once,
/// and a private folder in the system's temporary folder takes its place.
///
/// ```
/// # use faast_core::cache::CacheFolder;
/// # fn main() -> std::io::Result<()> {
/// # let home = tempfile::tempdir()?;
/// let cache = CacheFolder::at(home.path().join("aws")); // CacheFolder::open("aws") for `~/.faast/aws`
/// let prices = cache.write("prices/us-west-2.json", b"{}")?;
/// assert_eq!(std::fs::read(prices)?, b"{}");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct CacheFolder {
    wanted: Option<PathBuf>,
    /// The name of the folder that takes the place of `wanted` in the temporary folder.
    provider: String,
    temp: PathBuf,
    /// Set by the first use; never changes afterwards.
    root: OnceLock<PathBuf>,
}

impl CacheFolder {
    /// How long an entry is used: 24 hours.
    pub const MAX_AGE: Duration = Duration::from_hours(24);

    /// The folder of packages.
    pub const PACKAGES: &str = "packages";

    /// The folder of ledgers, which say what is left in an account; it is no cache, and [`clearable`](Self::clearable)
    /// keeps it.
    pub(crate) const LEDGER: &str = "ledger";

    /// The folder of recorded runs.
    pub const RUNS: &str = "runs";

    /// The folder of staged files, one for each deployment.
    pub(crate) const STAGE: &str = "stage";

    /// The folder that says when garbage was last collected, a file for each account.
    pub(crate) const GC: &str = "gc";

    /// The folder of workers' logs, one for each deployment.
    pub const LOGS: &str = "logs";

    /// A provider's cache folder. Makes no system call and never fails.
    pub fn open(provider: &str) -> Self {
        Self::below(env::faast_home(), provider, env::temp_folder())
    }

    /// A cache folder at a place of your own, for tests and tools.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        let provider = root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Self { wanted: Some(root), provider: folder_name(&provider), temp: env::temp_folder(), root: OnceLock::new() }
    }

    fn below(home: Option<PathBuf>, provider: &str, temp: PathBuf) -> Self {
        let provider = folder_name(provider);
        Self { wanted: home.map(|home| home.join(&provider)), provider, temp, root: OnceLock::new() }
    }

    /// Where the folder is. The first use makes it, or chooses the folder that takes its place.
    pub fn root(&self) -> &Path {
        self.root.get_or_init(|| self.resolve())
    }

    /// Whether the folder is where it was wanted; `false` if another one takes its place.
    pub fn is_in_home(&self) -> bool {
        self.wanted.as_deref() == Some(self.root())
    }

    /// A folder in the cache, made if need be: [`PACKAGES`](Self::PACKAGES), [`RUNS`](Self::RUNS) and so on.
    ///
    /// # Errors
    ///
    /// When it is not there and can't be made, or when `name` leads out of the cache.
    pub fn folder(&self, name: &str) -> io::Result<PathBuf> {
        let folder = self.inside(Path::new(name))?;
        private::create(&folder)?;
        Ok(folder)
    }

    /// Writes a file as a whole, relative to [`root`](Self::root).
    ///
    /// Readers see the old content or the new one, also after a crash, and of two writers at once one wins. Folders on
    /// the way are made.
    ///
    /// # Errors
    ///
    /// When the file can't be written, or when `path` leads out of the cache; the old content stays.
    pub fn write(&self, path: impl AsRef<Path>, bytes: &[u8]) -> io::Result<PathBuf> {
        let path = self.inside(path.as_ref())?;
        if let Some(folder) = path.parent() {
            private::create(folder)?;
        }
        let part = part_of(&path);
        let written = write_synced(&part, bytes).and_then(|()| fs::rename(&part, &path));
        if let Err(error) = written {
            let _ = fs::remove_file(&part);
            return Err(error);
        }
        Ok(path)
    }

    /// Opens a file for appending, relative to [`root`](Self::root), and makes it durable that it exists.
    pub(crate) fn append(&self, path: impl AsRef<Path>) -> io::Result<File> {
        let path = self.inside(path.as_ref())?;
        let folder = path.parent().unwrap_or(&path);
        private::create(folder)?;
        let file = private::options().read(true).append(true).create(true).open(&path)?;
        private::sync_folder(folder)?;
        Ok(file)
    }

    /// The entries of a folder of the cache that are older than `age` at `now`, sorted; none if there is no such folder.
    ///
    /// # Errors
    ///
    /// When the folder can't be listed.
    pub fn entries_older_than(&self, name: &str, age: Duration, now: SystemTime) -> io::Result<Vec<PathBuf>> {
        let mut old = Vec::new();
        for path in children(&self.inside(Path::new(name))?)? {
            // An entry that another process has just removed is not old, it is gone.
            if fs::symlink_metadata(&path).is_ok() && !is_fresh(&path, age, now) {
                old.push(path);
            }
        }
        old.sort();
        Ok(old)
    }

    fn inside(&self, path: &Path) -> io::Result<PathBuf> {
        let whole = self.root().join(path);
        let leaves = path.components().any(|part| part == Component::ParentDir) || !whole.starts_with(self.root());
        if leaves {
            let message = format!("`{}` leads out of the cache folder", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        Ok(whole)
    }

    fn resolve(&self) -> PathBuf {
        let reason = match &self.wanted {
            None => "there is no home folder".to_owned(),
            Some(wanted) => match private::claim(wanted) {
                Ok(()) => return wanted.clone(),
                Err(error) => format!("`{}` can't be used: {error}", wanted.display()),
            },
        };
        match private::claim_in_shared(&self.temp, &self.provider) {
            Ok(folder) => {
                let place = folder.display();
                crate::log!(Channel::Warning, "{reason}; caching in `{place}` instead ({} moves it)", env::FAAST_HOME);
                folder
            }
            Err(error) => {
                crate::log!(
                    Channel::Warning,
                    "{reason}, and there is no temporary folder ({error}); nothing is cached"
                );
                self.wanted.clone().unwrap_or_else(|| self.temp.join(&self.provider))
            }
        }
    }
}

/// The folder that gets a copy of each package, if the user asked for it by `FAAST_PACKAGE_DIR`.
pub fn package_dir() -> Option<PathBuf> {
    env::package_dir()
}

/// Whether an entry may be used: at most `age` old at `now`.
///
/// An entry from the future (a clock was set back) counts by its distance, so that it can't be used for ever.
pub fn is_fresh(path: &Path, age: Duration, now: SystemTime) -> bool {
    let modified = fs::symlink_metadata(path).and_then(|data| data.modified());
    modified.is_ok_and(|at| now.duration_since(at).unwrap_or_else(|future| future.duration()) <= age)
}

/// A third party's provider, or account, may be called anything; its folder is one folder.
pub(crate) fn folder_name(provider: &str) -> String {
    let name: String =
        provider.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '_' }).collect();
    if name.is_empty() { "_".to_owned() } else { name }
}

/// The paths in a folder; none if there is no such folder.
fn children(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Where a file is written before it gets its name: in the same folder, told apart by process and by write.
fn part_of(path: &Path) -> PathBuf {
    static WRITES: AtomicU64 = AtomicU64::new(0);
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}-{}.part", std::process::id(), WRITES.fetch_add(1, Ordering::Relaxed)));
    path.with_file_name(name)
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Truncates: a part of that name can only be left from a process that was killed and had the same pid.
    let mut file = private::options().write(true).create(true).truncate(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
