//! Lines of the ledger's file: JSON objects that say what was intended and what was deleted.
//!
//! Responsible for the format; not for files. Invariant: a resource comes back as it was written, and a line of a later
//! version with more fields can be read.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::provider::Resource;

/// A line of the file. Fields that a later version adds are ignored.
#[derive(Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub(super) enum Line {
    Intent(Entry),
    Deleted(Entry),
}

#[derive(Serialize, Deserialize)]
pub(super) struct Entry {
    kind: String,
    id: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    region: String,
    /// Since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<Duration>,
    #[serde(default)]
    rank: u32,
}

impl From<&Resource> for Entry {
    fn from(resource: &Resource) -> Self {
        Self {
            kind: resource.kind.clone(),
            id: resource.id.clone(),
            region: resource.region.clone(),
            expires: resource.expires.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok()),
            rank: resource.rank,
        }
    }
}

impl From<Entry> for Resource {
    fn from(entry: Entry) -> Self {
        Self {
            kind: entry.kind,
            id: entry.id,
            region: entry.region,
            expires: entry.expires.and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since)),
            rank: entry.rank,
        }
    }
}
