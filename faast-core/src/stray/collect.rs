//! Garbage collection: beside a deployment, what has expired goes, once a day for each account.
//!
//! It is `faast cleanup -x` without anybody who looks: the same finding, the same decision, the same deletions, and what
//! happens is said on the channel `faast:gc` alone. Of the cache only what nobody can use any more goes. Nothing here
//! fails the deployment beside which it runs, and it may be broken off, or killed, between any two steps.

use std::sync::Arc;
use std::time::SystemTime;

use super::turn::{Turn, Wait};
use super::{Found, Query, Reach, delete, find};
use crate::cache::CacheFolder;
use crate::log::Channel;
use crate::provider::{CleanupReport, CloudProvider};

/// What became of a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Collection {
    /// It is not time for it: the last one is less than a day ago.
    NotDue,
    /// Another process, or another deployment of this one, collects now.
    Elsewhere,
    /// It came to its end.
    Done(CleanupReport),
}

/// Takes away what has expired at `now`, once a day for each `account`.
///
/// It looks in the configured region, and wherever the ledger of this home says that something is.
///
/// Cancel safe: what it has not done, the next one does.
pub(crate) async fn collect(
    provider: &dyn CloudProvider,
    cache: &Arc<CacheFolder>,
    account: &str,
    now: SystemTime,
) -> Collection {
    let turn = match Turn::take(cache, account, now) {
        Ok(Ok(turn)) => turn,
        Ok(Err(Wait::Done)) => return Collection::NotDue,
        Ok(Err(Wait::Busy)) => {
            crate::log!(Channel::Gc, "another deployment collects already");
            return Collection::Elsewhere;
        }
        Err(error) => {
            crate::log!(Channel::Gc, "nothing is collected, because it can't be written down: {error}");
            return Collection::NotDue;
        }
    };
    let place = if account.is_empty() { provider.name() } else { account };
    crate::log!(Channel::Gc, "looking for what has expired in {place}");
    let found = find(provider, cache, &Query::default(), now).await;
    for failure in &found.failures {
        crate::log!(Channel::Gc, "not everything could be looked at: {failure}");
    }
    let report = delete(provider, cache, &found, Reach::Expired).await;
    clear(cache, &found);
    for deleted in &report.deleted {
        crate::log!(Channel::Gc, "deleted {deleted}");
    }
    for (left, why) in &report.left {
        crate::log!(Channel::Gc, "could not delete {left}: {why}");
    }
    let (deleted, left) = (report.deleted.len(), report.left.len());
    crate::log!(Channel::Gc, "collected in {place}: {deleted} deleted, {left} left");
    if let Err(error) = turn.end(now) {
        crate::log!(Channel::Gc, "the next deployment collects again, because this can't be written down: {error}");
    }
    Collection::Done(report)
}

fn clear(cache: &CacheFolder, found: &Found) {
    let stale = cache.stale(|deployment| found.is_live(deployment), found.at).unwrap_or_else(|error| {
        crate::log!(Channel::Gc, "the cache can't be listed: {error}");
        Vec::new()
    });
    for entry in stale {
        let path = entry.path.display();
        match entry.delete() {
            Ok(()) => crate::log!(Channel::Gc, "deleted `{path}`, {} bytes", entry.bytes),
            Err(error) => crate::log!(Channel::Gc, "could not delete `{path}`: {error}"),
        }
    }
}
