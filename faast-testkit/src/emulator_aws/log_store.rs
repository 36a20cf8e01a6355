//! What CloudWatch Logs keeps: groups, their streams and events. It knows neither protocols nor permissions.
//!
//! The Lambda part appends; the Logs service makes, lists, reads and deletes. The invariant: an event belongs to a group
//! that was made, so late lines of a deleted group go nowhere.

use std::collections::BTreeMap;

/// All log groups of the account.
#[derive(Debug, Default)]
pub(super) struct LogStore {
    pub(super) groups: BTreeMap<String, LogGroup>,
}

/// A group, with what its owner set on it.
#[derive(Debug, Clone, Default)]
pub(super) struct LogGroup {
    pub(super) created_ms: u64,
    pub(super) region: String,
    pub(super) retention_days: Option<u32>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) streams: BTreeMap<String, LogStream>,
}

/// The lines of one environment, oldest first.
#[derive(Debug, Clone, Default)]
pub(super) struct LogStream {
    pub(super) created_ms: u64,
    pub(super) events: Vec<LogEvent>,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LogEvent {
    pub(super) at_ms: u64,
    pub(super) message: String,
}

impl LogStore {
    /// Makes a group; false if there is one.
    pub(super) fn create(&mut self, name: &str, region: &str, now_ms: u64) -> bool {
        let free = !self.groups.contains_key(name);
        if free {
            let group = LogGroup { created_ms: now_ms, region: region.into(), ..LogGroup::default() };
            self.groups.insert(name.into(), group);
        }
        free
    }

    /// Appends lines to a stream, which is made if it has to be; false if there is no such group.
    pub(super) fn append(&mut self, group: &str, stream: &str, events: impl IntoIterator<Item = LogEvent>) -> bool {
        let Some(group) = self.groups.get_mut(group) else { return false };
        let mut events = events.into_iter().peekable();
        let created_ms = events.peek().map_or(0, |event| event.at_ms);
        let new = || LogStream { created_ms, events: Vec::new() };
        group.streams.entry(stream.into()).or_insert_with(new).events.extend(events);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_lines_do_not_bring_a_deleted_group_back() {
        let mut store = LogStore::default();
        let line = || [LogEvent { at_ms: 1, message: "hello".into() }];
        assert!(store.create("/aws/lambda/f", "us-west-2", 1));
        assert!(!store.create("/aws/lambda/f", "us-west-2", 2));
        assert!(store.append("/aws/lambda/f", "s", line()));
        store.groups.remove("/aws/lambda/f");
        assert!(!store.append("/aws/lambda/f", "s", line()));
        assert!(store.groups.is_empty());
    }
}
