//! Clearing: which files of the cache can go, how large they are, and deleting them.
//!
//! Everything can but the ledgers, which are no cache; logs, which are a deployment's or the user's; and what a deployment
//! that lives works with: its staged files, and its record. Staged files of a deployment that nobody knows are kept for a
//! day, because it may be one that is just being made.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{CacheFolder, children, is_fresh};

/// A recorded run that was written to so lately may be going on.
const MAY_BE_GOING_ON: Duration = Duration::from_hours(1);

/// A file or folder of the cache that can be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Clearable {
    /// Where it is.
    pub path: PathBuf,
    /// What it holds, of files.
    pub bytes: u64,
}

impl Clearable {
    fn at(path: PathBuf) -> Self {
        let files = walkdir::WalkDir::new(&path).into_iter().filter_map(Result::ok);
        // One that another process has just removed holds nothing.
        let bytes = files.filter_map(|file| file.metadata().ok()).filter(fs::Metadata::is_file).map(|file| file.len());
        let bytes = bytes.sum();
        Self { path, bytes }
    }

    /// Deletes it. That it is gone already is a success.
    ///
    /// # Errors
    ///
    /// When some of it is still there.
    pub fn delete(&self) -> io::Result<()> {
        let is_folder = fs::symlink_metadata(&self.path).is_ok_and(|data| data.is_dir());
        match if is_folder { fs::remove_dir_all(&self.path) } else { fs::remove_file(&self.path) } {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl CacheFolder {
    /// The files and folders that nobody needs: they are made anew when they are missed.
    ///
    /// Sorted, without the ledgers, and without what belongs to a deployment that `is_live`.
    ///
    /// # Errors
    ///
    /// When a folder can't be listed.
    pub fn clearable(&self, is_live: impl Fn(&str) -> bool, now: SystemTime) -> io::Result<Vec<Clearable>> {
        let mut found = Vec::new();
        for path in children(self.root())? {
            match name(&path) {
                Self::LEDGER | Self::LOGS => {}
                Self::STAGE => {
                    let unused = |path: &PathBuf| !is_live(name(path)) && !is_fresh(path, Self::MAX_AGE, now);
                    found.extend(children(&path)?.into_iter().filter(unused));
                }
                Self::RUNS => found.extend(children(&path)?.into_iter().filter(|run| !may_be_going_on(run, now))),
                _ => found.push(path),
            }
        }
        found.sort();
        Ok(found.into_iter().map(Clearable::at).collect())
    }
}

impl CacheFolder {
    /// What nobody will use any more.
    ///
    /// That is staged files of no deployment that `is_live`, and packages that are too old to be used: far less than
    /// [`clearable`](Self::clearable), as nothing has to be made anew without it.
    ///
    /// # Errors
    ///
    /// When a folder can't be listed.
    pub fn stale(&self, is_live: impl Fn(&str) -> bool, now: SystemTime) -> io::Result<Vec<Clearable>> {
        let mut found = self.entries_older_than(Self::STAGE, Self::MAX_AGE, now)?;
        found.retain(|path| !is_live(name(path)));
        found.extend(self.entries_older_than(Self::PACKAGES, Self::MAX_AGE, now)?);
        Ok(found.into_iter().map(Clearable::at).collect())
    }
}

/// Whether a recorded run was written to lately.
pub(crate) fn may_be_going_on(run: &Path, now: SystemTime) -> bool {
    children(run).is_ok_and(|files| files.iter().any(|file| is_fresh(file, MAY_BE_GOING_ON, now)))
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_goes_but_ledgers_and_what_is_in_use() {
        let home = tempfile::tempdir().unwrap();
        let cache = CacheFolder::at(home.path());
        let paths = [
            "packages/x",
            "runs/1/log",
            "prices.json",
            "ledger/1.jsonl",
            "stage/live/x",
            "stage/dead/x",
            "logs/live/x",
        ];
        for path in paths {
            cache.write(path, b"xyz").unwrap();
        }
        let names = |now| -> Vec<_> {
            let found = cache.clearable(|deployment| deployment == "live", now).unwrap();
            assert!(found.iter().all(|entry| entry.bytes == 3), "{found:?}");
            found.iter().map(|entry| entry.path.strip_prefix(home.path()).unwrap().display().to_string()).collect()
        };
        assert_eq!(names(SystemTime::now()), ["packages", "prices.json"]);
        let later = SystemTime::now() + Duration::from_hours(2);
        assert_eq!(names(later), ["packages", "prices.json", "runs/1"]);
        let tomorrow = SystemTime::now() + Duration::from_hours(25);
        assert_eq!(names(tomorrow), ["packages", "prices.json", "runs/1", "stage/dead"]);
        for entry in cache.clearable(|_| false, tomorrow).unwrap() {
            entry.delete().unwrap();
            entry.delete().unwrap();
        }
        assert!(names(tomorrow).is_empty());
        assert!(["ledger/1.jsonl", "logs/live/x"].iter().all(|path| home.path().join(path).exists()));
    }
}
