//! Packages that were made before, in the cache folder.
//!
//! Responsible for finding, keeping and removing them. Two kinds of files are in the folder: a *memo* tells the hash of
//! an executable by what the file system says of it, so that it need not be read; a *package* is an archive and a record
//! with its hash, found by the hash of all that went into it. Invariant: what is found is what was kept: an archive with
//! another hash than its record tells is not used. Nothing here is needed: what can't be kept is a warning.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;
use faast_core::cache::{CacheFolder, is_fresh};
use faast_core::log;
use faast_core::log::Channel;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::Package;
use crate::source::Stamp;

/// A hash, as file names and records have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hash(pub(crate) [u8; 32]);

impl Hash {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 64 || !text.is_ascii() {
            return None;
        }
        let mut hash = [0; 32];
        for (byte, at) in hash.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
        }
        Some(Self(hash))
    }
}

impl std::fmt::Display for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What is known of an archive without reading it.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    archive: String,
    executable: String,
    unpacked: u64,
}

/// The folder of packages at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Store<'a> {
    cache: &'a CacheFolder,
    now: SystemTime,
}

impl<'a> Store<'a> {
    pub(crate) fn new(cache: &'a CacheFolder, now: SystemTime) -> Self {
        Self { cache, now }
    }

    /// The hash of an executable that was read before and has not changed since.
    pub(crate) fn memo(&self, stamp: Stamp) -> Option<Hash> {
        Hash::parse(std::str::from_utf8(&self.fresh(&memo_name(stamp))?).ok()?)
    }

    /// Remembers the hash of an executable. Not if it changed just now: it may change again within the same tick of the
    /// file system's clock, and would look the same.
    pub(crate) fn remember(&self, stamp: Stamp, hash: Hash) {
        if stamp.is_settled(self.now) {
            self.write(&memo_name(stamp), hash.to_string().as_bytes());
        }
    }

    /// The package with that key, if it is there, whole and not too old.
    pub(crate) fn package(&self, key: Hash) -> Option<Package> {
        let record: Record = serde_json::from_slice(&self.fresh(&format!("{key}.json"))?).ok()?;
        let bytes = Bytes::from(self.fresh(&format!("{key}.zip"))?);
        let sha256 = Hash::of(&bytes);
        if Hash::parse(&record.archive) != Some(sha256) {
            log!(Channel::Warning, "the package {key} in the cache is damaged; it is made again");
            return None;
        }
        let executable_sha256 = Hash::parse(&record.executable)?.0;
        Some(Package { bytes, sha256: sha256.0, executable_sha256, unpacked: record.unpacked })
    }

    /// Keeps a package, and removes what is too old. The record goes last: without it there is no package.
    pub(crate) fn keep(&self, key: Hash, package: &Package) {
        self.remove_old();
        let record = Record {
            archive: Hash(package.sha256).to_string(),
            executable: Hash(package.executable_sha256).to_string(),
            unpacked: package.unpacked,
        };
        if self.write(&format!("{key}.zip"), &package.bytes)
            && let Ok(record) = serde_json::to_vec(&record)
        {
            self.write(&format!("{key}.json"), &record);
        }
    }

    fn remove_old(&self) {
        let old = self.cache.entries_older_than(CacheFolder::PACKAGES, CacheFolder::MAX_AGE, self.now);
        for path in old.unwrap_or_default() {
            // Another process may be removing it too.
            let _ = fs::remove_file(path);
        }
    }

    fn fresh(&self, name: &str) -> Option<Vec<u8>> {
        let path = self.path(name);
        is_fresh(&path, CacheFolder::MAX_AGE, self.now).then(|| fs::read(path).ok())?
    }

    fn write(&self, name: &str, bytes: &[u8]) -> bool {
        let written = self.cache.write(Path::new(CacheFolder::PACKAGES).join(name), bytes);
        if let Err(error) = &written {
            log!(Channel::Warning, "the package is not kept for the next time: {error}");
        }
        written.is_ok()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.cache.root().join(CacheFolder::PACKAGES).join(name)
    }
}

fn memo_name(stamp: Stamp) -> String {
    format!("{}.memo", Hash::of(&stamp.to_bytes()))
}

#[cfg(test)]
mod tests;
