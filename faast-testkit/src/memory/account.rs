//! The pretended account: the resources of all deployments of one [`Memory`](super::Memory) and its clones.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use faast_core::provider::{Deleted, DeploymentId, Resource, StrayScope};

#[derive(Debug, Default)]
pub(super) struct Account {
    resources: Mutex<Vec<Resource>>,
}

impl Account {
    fn lock(&self) -> MutexGuard<'_, Vec<Resource>> {
        self.resources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn create(&self, resource: Resource) {
        self.lock().push(resource);
    }

    /// The resources in that scope, in the order of deletion.
    pub(super) fn find(&self, scope: &StrayScope, now: SystemTime) -> Vec<Resource> {
        let expired = |resource: &&Resource| resource.expires.is_some_and(|expires| expires <= now);
        let resources = self.lock();
        let mut found: Vec<_> =
            resources.iter().filter(|resource| scope.include_live || expired(resource)).cloned().collect();
        found.sort_by_key(|resource| resource.rank);
        found
    }

    /// The resources of one deployment, in the order of deletion.
    pub(super) fn of(&self, deployment: &DeploymentId) -> Vec<Resource> {
        let mut found: Vec<_> =
            self.lock().iter().filter(|resource| resource.id.starts_with(deployment.as_str())).cloned().collect();
        found.sort_by_key(|resource| resource.rank);
        found
    }

    pub(super) fn delete(&self, resource: &Resource) -> Deleted {
        let mut resources = self.lock();
        let before = resources.len();
        resources.retain(|other| (&other.kind, &other.id) != (&resource.kind, &resource.id));
        if resources.len() < before { Deleted::Now } else { Deleted::Before }
    }

    pub(super) fn renew(&self, deployment: &DeploymentId, until: SystemTime) {
        for resource in self.lock().iter_mut().filter(|resource| resource.id.starts_with(deployment.as_str())) {
            resource.expires = Some(until);
        }
    }
}
