//! Packages that were made before, in the cache folder.
//!
//! Responsible for finding, keeping and removing them. Two kinds of files are in the folder: a *memo* tells the hash of
//! an executable by what the file system says of it, so that it need not be read; a *package* is an archive and a record
//! with its hash, found by the hash of all that the user put into it; the record also names the files of this machine that
//! are in it. Invariant: what is found is what was kept: an archive with another hash than its record tells is not used. Nothing here is needed: what can't be kept is a warning.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;
use faast_core::cache::{CacheFolder, is_fresh};
use faast_core::log;
use faast_core::log::Channel;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::source::Stamp;

/// A hash, as file names and records have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
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

impl From<Hash> for String {
    fn from(hash: Hash) -> Self {
        hash.to_string()
    }
}

impl TryFrom<String> for Hash {
    type Error = &'static str;

    fn try_from(text: String) -> std::result::Result<Self, Self::Error> {
        Self::parse(&text).ok_or("no hash")
    }
}

/// In which form files are archived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Zip,
    Layer,
}

impl Form {
    /// How the names of such archives end.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Zip => "zip",
            Self::Layer => "tar.gz",
        }
    }
}

/// An archive, and as its record what is known of it besides.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Archive {
    #[serde(skip)]
    pub(crate) bytes: Bytes,
    pub(crate) sha256: Hash,
    /// Of the program in it.
    pub(crate) executable: Hash,
    /// The size of all files together.
    pub(crate) unpacked: u64,
    /// Of a layer before it is compressed.
    pub(crate) tar: Option<Hash>,
    /// Files of this machine that are in it, as they were.
    pub(crate) here: Vec<(PathBuf, Stamp)>,
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

    /// The archive with that key, if it is there, whole, not too old, and made of what this machine still has.
    pub(crate) fn archive(&self, key: Hash, form: Form) -> Option<Archive> {
        let record: Archive = serde_json::from_slice(&self.fresh(&format!("{key}.json"))?).ok()?;
        let bytes = Bytes::from(self.fresh(&format!("{key}.{}", form.extension()))?);
        if Hash::of(&bytes) != record.sha256 {
            log!(Channel::Warning, "the package {key} in the cache is damaged; it is made again");
            return None;
        }
        let is_same = record.here.iter().all(|(path, stamp)| Stamp::of_path(path) == Some(*stamp));
        is_same.then_some(Archive { bytes, ..record })
    }

    /// Keeps an archive, and removes what is too old. The record goes last: without it there is no archive.
    pub(crate) fn keep(&self, key: Hash, form: Form, archive: &Archive) {
        self.remove_old();
        if self.write(&format!("{key}.{}", form.extension()), &archive.bytes)
            && let Ok(record) = serde_json::to_vec(archive)
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
