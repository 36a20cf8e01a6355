//! What is needed to make and delete the resources of one deployment, and which of them there may be ([`Held`]).

use std::ops::Deref;
use std::sync::Arc;
use std::time::SystemTime;

use faast_core::control::Held;
pub(crate) use faast_core::control::Stop;
use faast_core::provider::{DeployContext, DeploySpec, DeploymentId};

use crate::classify::control::Refusal;
use crate::clients::Clients;
use crate::label::{self, Labels};
use crate::resource::{self, Kind};

/// The resources of a deployment, and what is needed to make and delete them.
#[derive(Debug)]
pub(crate) struct Estate {
    pub(crate) clients: Clients,
    pub(crate) id: DeploymentId,
    /// What every resource is called, or begins with.
    pub(crate) name: String,
    pub(crate) labels: Labels,
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
        users_labels: &[(String, String)],
    ) -> Self {
        let name = resource::name(&spec.deployment);
        let labels = label::new(&spec.deployment, SystemTime::now(), spec.expires, users_labels);
        let (called, region, expires) = (name.clone(), clients.region.clone(), spec.expires);
        let held = Held::new(Arc::clone(&cx.ledger), move |kind: Kind| kind.resource(&called, &region, Some(expires)));
        Self { clients, id: spec.deployment.clone(), name, labels, held }
    }

    /// Records a refusal to make a resource, which it passes on.
    pub(crate) fn refused(&self, kind: Kind, refusal: Refusal) -> Refusal {
        if !refusal.maybe_done() {
            self.gone(kind);
        }
        refusal
    }
}
