//! Deleting what was found: deployments side by side, each in the order of ranks, and the ledger with it.

use std::sync::Arc;
use std::time::SystemTime;

use futures_util::StreamExt as _;

use super::{Found, Remains, State};
use crate::cache::CacheFolder;
use crate::ledger::Ledger;
use crate::provider::{CleanupReport, CloudProvider, Deleted, Resource};

/// Deployments at once: control planes allow a few calls a second.
const AT_ONCE: usize = 4;

/// How far a deletion goes.
///
/// ```
/// # use std::time::SystemTime;
/// # use faast_core::stray::{Reach, State};
/// let then = SystemTime::now();
/// assert!(Reach::Expired.takes(State::Expired(then)) && !Reach::Expired.takes(State::Live(then)));
/// assert!(Reach::LiveToo.takes(State::Live(then)));
/// assert!(!Reach::LiveToo.takes(State::Unknown)); // what can't be read stays in any case
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reach {
    /// Only what has expired.
    #[default]
    Expired,
    /// What is live too: jobs that run will fail.
    LiveToo,
}

impl Reach {
    /// Whether it takes something in that state.
    pub fn takes(self, state: State) -> bool {
        match state {
            State::Expired(_) => true,
            State::Live(_) => self == Self::LiveToo,
            State::Unknown => false,
        }
    }
}

/// Deletes what was found, as far as `reach` goes, and records it in the ledgers of this home.
///
/// Within a deployment lower ranks go first; after one that can't be deleted the higher ranks stay, because the rest is
/// found through them. Idempotent, and may be broken off at any moment.
///
/// ```
/// # use std::{sync::Arc, time::SystemTime};
/// # use faast_core::{cache::CacheFolder, provider::*, stray::{Query, Reach, delete, find}};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let home = tempfile::tempdir()?;
/// # let cache = Arc::new(CacheFolder::at(home.path().join("memory")));
/// # let (provider, id) = (faast_testkit::memory::Memory::new(), DeploymentId::random());
/// # let cx = DeployContext::new(Arc::clone(&cache), id.clone(), Runtime::start()?);
/// # let function = provider.deploy(&DeploySpec::new(id), &cx).await?;
/// // A client has deployed, and lives.
/// let found = find(&provider, &cache, &Query::default(), SystemTime::now()).await;
/// assert_eq!(found.doomed(Reach::Expired).count(), 0);
/// let doomed: Vec<_> = found.doomed(Reach::LiveToo).cloned().collect(); // to be shown, and asked about
///
/// let report = delete(&provider, &cache, &found, Reach::LiveToo).await;
/// assert!(report.is_clean());
/// assert_eq!(report.deleted, doomed);
/// # Ok(())
/// # }
/// ```
pub async fn delete(
    provider: &dyn CloudProvider,
    cache: &Arc<CacheFolder>,
    found: &Found,
    reach: Reach,
) -> CleanupReport {
    let mut deletions = Vec::new();
    for remains in &found.deployments {
        deletions.push(of_one(provider, cache, remains, reach, found.at));
    }
    let mut reports = futures_util::stream::iter(deletions).buffered(AT_ONCE);
    let mut whole = CleanupReport::default();
    while let Some(report) = reports.next().await {
        whole.append(report);
    }
    whole
}

async fn of_one(
    provider: &dyn CloudProvider,
    cache: &Arc<CacheFolder>,
    remains: &Remains,
    reach: Reach,
    now: SystemTime,
) -> CleanupReport {
    let mut report = CleanupReport::default();
    if !reach.takes(remains.state(now)) {
        // Its client may live, and writes its ledger itself.
        return report;
    }
    let ledger =
        remains.in_ledger.then(|| Ledger::resume(Arc::clone(cache), remains.deployment.clone()).ok()).flatten();
    let record = |resource: &Resource| ledger.iter().for_each(|ledger| ledger.deleted(resource));
    remains.gone.iter().for_each(record);
    let mut stuck: Option<&Resource> = None;
    for resource in remains.doomed(reach, now) {
        if let Some(stuck) = stuck.filter(|stuck| stuck.rank < resource.rank) {
            report.left.push((resource.clone(), format!("{stuck} has to go first")));
            continue;
        }
        match provider.delete(resource).await {
            Ok(Deleted::Now) => {
                record(resource);
                report.deleted.push(resource.clone());
            }
            Ok(Deleted::Before) => record(resource),
            Err(error) => {
                stuck = Some(stuck.unwrap_or(resource));
                report.left.push((resource.clone(), reason(&error)));
            }
        }
    }
    if let Some(ledger) = ledger {
        ledger.close();
    }
    report
}

/// The error with its causes and hint, in one line.
fn reason(error: &crate::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    error.hint().map_or(text.clone(), |hint| format!("{text} ({hint})"))
}
