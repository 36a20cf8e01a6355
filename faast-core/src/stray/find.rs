//! Finding: the ledgers of this home and the provider's tags, merged by deployment.
//!
//! Tags say what there is and when it expires. A ledger adds what tags can't tell: a resource whose client was killed
//! between making and tagging it, or one in a region that nobody asked for. Such a resource is looked up one by one.

use std::collections::BTreeMap;
use std::time::SystemTime;

use futures_util::StreamExt as _;

use super::{Found, Remains};
use crate::cache::CacheFolder;
use crate::error::Error;
use crate::ledger::{Ledger, Unfinished};
use crate::provider::{CloudProvider, DeploymentId, Resource, StrayScope};

/// Look-ups at once: each is a call of the control plane, which is easily throttled.
const LOOK_UPS: usize = 4;

/// What is looked for.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Query {
    /// Regions to look at. Empty: the configured one, and wherever a ledger of this home says that something is.
    pub regions: Vec<String>,
    /// Only these deployments; empty: all.
    pub deployments: Vec<DeploymentId>,
}

impl Query {
    /// Adds a region to look at.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.regions.push(region.into());
        self
    }

    /// Adds a deployment to look for.
    #[must_use]
    pub fn deployment(mut self, deployment: DeploymentId) -> Self {
        self.deployments.push(deployment);
        self
    }

    fn wants(&self, deployment: &DeploymentId) -> bool {
        self.deployments.is_empty() || self.deployments.contains(deployment)
    }

    fn covers(&self, resource: &Resource) -> bool {
        self.regions.is_empty() || resource.region.is_empty() || self.regions.contains(&resource.region)
    }
}

/// Looks for everything that faast made and that is still there, live or expired at `now`.
///
/// Changes nothing.
///
/// What can't be looked at is among [`Found::failures`], and does not keep the rest from being found.
///
/// ```
/// # use std::{sync::Arc, time::Duration};
/// # use faast_core::{cache::CacheFolder, provider::*, stray::{Query, State, find}};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let home = tempfile::tempdir()?;
/// # let cache = Arc::new(CacheFolder::at(home.path().join("memory")));
/// # let (provider, id) = (faast_testkit::memory::Memory::new(), DeploymentId::random());
/// # let spec = DeploySpec::new(id.clone());
/// # let cx = DeployContext::new(Arc::clone(&cache), id.clone(), Runtime::start()?);
/// # let function = provider.deploy(&spec, &cx).await?;
/// # let expires = spec.expires;
/// // A client has deployed `id`, and was killed.
/// let query = Query::default().deployment(id);
/// let found = find(&provider, &cache, &query, expires).await;
/// assert!(found.failures.is_empty()); // it could look everywhere
/// let remains = &found.deployments[0];
/// assert_eq!(remains.state(expires), State::Expired(expires));
/// assert_eq!(remains.state(expires - Duration::from_secs(1)), State::Live(expires));
/// # Ok(())
/// # }
/// ```
pub async fn find(provider: &dyn CloudProvider, cache: &CacheFolder, query: &Query, now: SystemTime) -> Found {
    let mut search = Search { query, by_deployment: BTreeMap::new(), failures: Vec::new() };
    search.by_tags(provider).await;
    match Ledger::all(cache) {
        Ok(ledgers) => search.by_ledgers(provider, ledgers).await,
        Err(error) => search.failures.push(error),
    }
    let mut deployments: Vec<_> = search.by_deployment.into_values().collect();
    for remains in &mut deployments {
        remains.resources.sort_by_key(|resource| resource.rank);
    }
    deployments.sort_by_key(|remains| (remains.created, remains.expires));
    Found { deployments, failures: search.failures, at: now }
}

struct Search<'q> {
    query: &'q Query,
    by_deployment: BTreeMap<DeploymentId, Remains>,
    failures: Vec<Error>,
}

impl Search<'_> {
    async fn by_tags(&mut self, provider: &dyn CloudProvider) {
        let scope = StrayScope { regions: self.query.regions.clone(), include_live: true };
        let mut strays = provider.stray(&scope);
        while let Some(found) = strays.next().await {
            match found {
                Ok(resource) => self.add(resource),
                Err(error) => self.failures.push(error),
            }
        }
    }

    async fn by_ledgers(&mut self, provider: &dyn CloudProvider, ledgers: Vec<Unfinished>) {
        let mut unseen = Vec::new();
        for ledger in ledgers.into_iter().filter(|ledger| self.query.wants(&ledger.deployment)) {
            let remains = self.remains(&ledger.deployment);
            remains.in_ledger = true;
            remains.expires = remains.expires.max(ledger.expires);
            let seen = |recorded: &Resource| remains.resources.iter().any(|found| is_same(found, recorded));
            unseen.extend(ledger.resources.into_iter().filter(|recorded| !seen(recorded)));
        }
        let unseen = unseen.into_iter().filter(|recorded| self.query.covers(recorded)).collect::<Vec<_>>();
        let look_ups = unseen.into_iter().map(|recorded| async {
            let now = provider.look_up(&recorded).await;
            (recorded, now)
        });
        let mut answers = futures_util::stream::iter(look_ups).buffered(LOOK_UPS);
        while let Some((recorded, now)) = answers.next().await {
            match now {
                Ok(Some(found)) => self.add(completed(found, recorded)),
                Ok(None) => self.is_gone(recorded),
                Err(error) => self.failures.push(error),
            }
        }
    }

    fn add(&mut self, resource: Resource) {
        let deployment = deployment_of(&resource);
        if !self.query.wants(&deployment) {
            return;
        }
        let remains = self.remains(&deployment);
        remains.expires = remains.expires.max(resource.expires);
        remains.created = [remains.created, resource.created].into_iter().flatten().min();
        // A listing that is read in pages may show one twice.
        if !remains.resources.iter().any(|known| is_same(known, &resource)) {
            remains.resources.push(resource);
        }
    }

    fn is_gone(&mut self, recorded: Resource) {
        let deployment = deployment_of(&recorded);
        self.remains(&deployment).gone.push(recorded);
    }

    fn remains(&mut self, deployment: &DeploymentId) -> &mut Remains {
        self.by_deployment.entry(deployment.clone()).or_insert_with(|| Remains {
            deployment: deployment.clone(),
            resources: Vec::new(),
            created: None,
            expires: None,
            in_ledger: false,
            gone: Vec::new(),
        })
    }
}

/// What is there, with what only the ledger knows: one without tags yet has the ledger's expiry.
fn completed(found: Resource, recorded: Resource) -> Resource {
    Resource {
        deployment: found.deployment.or(recorded.deployment),
        created: found.created.or(recorded.created),
        expires: found.expires.or(recorded.expires),
        rank: recorded.rank,
        ..found
    }
}

fn is_same(one: &Resource, other: &Resource) -> bool {
    (&one.kind, &one.id, &one.region) == (&other.kind, &other.id, &other.region)
}

/// The deployment that a resource says it is of; else the one that its id names; else it stands for itself.
fn deployment_of(resource: &Resource) -> DeploymentId {
    resource.deployment.clone().unwrap_or_else(|| DeploymentId::from(uuid_in(&resource.id).unwrap_or(&resource.id)))
}

/// The first UUID in a text.
fn uuid_in(text: &str) -> Option<&str> {
    const LEN: usize = 36;
    (0..text.len().saturating_sub(LEN - 1))
        .filter_map(|start| text.get(start..start + LEN))
        .find(|part| uuid::Uuid::try_parse(part).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_is_known_by_its_field_then_by_the_id_then_not_at_all() {
        let uuid = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
        let mut resource = Resource::new("role", format!("/faast/faast-{uuid}"));
        assert_eq!(deployment_of(&resource).as_str(), uuid);
        resource.deployment = Some("d1".into());
        assert_eq!(deployment_of(&resource).as_str(), "d1");
        assert_eq!(deployment_of(&Resource::new("role", "größer")).as_str(), "größer");
    }
}
