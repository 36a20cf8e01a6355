//! What is needed to make and delete the resources of one deployment, and which of them there may be ([`Held`]).

use std::ops::Deref;
use std::sync::Arc;
use std::time::SystemTime;

use faast_core::control::Held;
pub(crate) use faast_core::control::Stop;
use faast_core::provider::{DeployContext, DeploySpec, DeploymentId};

use crate::classify::control::Refusal;
use crate::clients::Clients;
use crate::resource::{self, Kind};
use crate::store::Store;
use crate::tags::{self, Tags};

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
    held: Held<Kind>,
}

impl Deref for Estate {
    type Target = Held<Kind>;

    fn deref(&self) -> &Held<Kind> {
        &self.held
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Failed(refusal.into())
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
        let tags = tags::new(&spec.deployment, SystemTime::now(), spec.expires, users_tags);
        let store = Store::new(clients.s3.clone(), name.clone(), clients.region.clone(), tags.clone());
        let (called, region, expires) = (name.clone(), clients.region.clone(), spec.expires);
        let held = Held::new(Arc::clone(&cx.ledger), move |kind: Kind| kind.resource(&called, &region, Some(expires)));
        Self {
            clients,
            id: spec.deployment.clone(),
            name,
            tags,
            store: Arc::new(store),
            keep_logs: spec.keep_logs,
            held,
        }
    }

    /// Records a refusal to make a resource, which it passes on.
    pub(crate) fn refused(&self, kind: Kind, refusal: Refusal) -> Refusal {
        if !refusal.maybe_done() {
            self.gone(kind);
        }
        refusal
    }
}
