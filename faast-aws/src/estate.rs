//! What one deployment has, or may have, in the account: the one place that writes the ledger.
//!
//! Invariant: a resource is in [`Estate`] and in the ledger from before the call that creates it until after the call
//! that deletes it, or until the service has refused to create it. Cleaning up is: delete what is in here.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use faast_core::ledger::Ledger;
use faast_core::provider::{DeployContext, DeploySpec, DeploymentId, Resource};
use faast_core::{CancelToken, Error};

use crate::classify::control::Refusal;
use crate::clients::Clients;
use crate::resource::{self, Kind};
use crate::store::Store;
use crate::tags::Tags;

/// The resources of a deployment, and what is needed to make and delete them.
#[derive(Debug)]
pub(crate) struct Estate {
    pub(crate) clients: Clients,
    pub(crate) id: DeploymentId,
    /// What every resource is called.
    pub(crate) name: String,
    pub(crate) tags: Tags,
    /// The bucket, if one is needed.
    pub(crate) store: Arc<Store>,
    pub(crate) keep_logs: bool,
    /// Fires when the deployment is given up, by the user or because a step failed.
    pub(crate) halt: CancelToken,
    expires: SystemTime,
    ledger: Arc<Ledger>,
    /// What may exist. Steps that run side by side write to it.
    made: Mutex<BTreeSet<Kind>>,
}

/// Why a step of a deployment ended without a result.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Another step failed, or the user gave up.
    Halted,
    Failed(Error),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Failed(refusal.into())
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Estate {
    pub(crate) fn new(
        clients: Clients,
        spec: &DeploySpec,
        cx: &DeployContext,
        users_tags: &[(String, String)],
    ) -> Self {
        let name = resource::name(&spec.deployment);
        let tags = Tags::new(&spec.deployment, SystemTime::now(), spec.expires, users_tags);
        let store = Store::new(clients.s3.clone(), name.clone(), clients.region.clone(), tags.clone());
        Self {
            clients,
            id: spec.deployment.clone(),
            name,
            tags,
            store: Arc::new(store),
            keep_logs: spec.keep_logs,
            halt: CancelToken::new(),
            expires: spec.expires,
            ledger: Arc::clone(&cx.ledger),
            made: Mutex::default(),
        }
    }

    /// The resource of a kind, as reports and the ledger have it.
    pub(crate) fn resource(&self, kind: Kind) -> Resource {
        kind.resource(&self.name, &self.clients.region, Some(self.expires))
    }

    /// Records that a resource is about to be made.
    pub(crate) fn intend(&self, kind: Kind) {
        self.ledger.intent(&self.resource(kind));
        self.made().insert(kind);
    }

    /// Records that a resource is gone, or was never made.
    pub(crate) fn gone(&self, kind: Kind) {
        self.made().remove(&kind);
        self.ledger.deleted(&self.resource(kind));
    }

    /// Records a refusal to make a resource, which it passes on.
    pub(crate) fn refused(&self, kind: Kind, refusal: Refusal) -> Refusal {
        if !refusal.maybe_done() {
            self.gone(kind);
        }
        refusal
    }

    /// Whether it may exist.
    pub(crate) fn has(&self, kind: Kind) -> bool {
        self.made().contains(&kind)
    }

    /// Removes the ledger's file if nothing is left.
    pub(crate) fn close(&self) {
        self.ledger.close();
    }

    /// Between two calls of a step: whether to go on.
    pub(crate) fn go_on(&self) -> Result<(), Stop> {
        if self.halt.is_canceled() { Err(Stop::Halted) } else { Ok(()) }
    }

    /// A panic while it was locked leaves the set as it is: each change is a single step.
    fn made(&self) -> MutexGuard<'_, BTreeSet<Kind>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
