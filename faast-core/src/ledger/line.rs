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
    /// Everything in this file expires then, and not before.
    Renewed {
        /// Since 1970.
        expires: Duration,
    },
}

#[derive(Serialize, Deserialize)]
pub(super) struct Entry {
    kind: String,
    id: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    region: String,
    /// Since 1970, as all times here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created: Option<Duration>,
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
            created: resource.created.and_then(since_1970),
            expires: resource.expires.and_then(since_1970),
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
            deployment: None,
            created: entry.created.and_then(time),
            expires: entry.expires.and_then(time),
            rank: entry.rank,
        }
    }
}

pub(super) fn since_1970(at: SystemTime) -> Option<Duration> {
    at.duration_since(SystemTime::UNIX_EPOCH).ok()
}

/// A damaged line may name a time that no clock shows.
pub(super) fn time(since_1970: Duration) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(since_1970)
}
