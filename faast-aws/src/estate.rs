//! What is needed to make and delete the resources of one deployment, and which of them there may be ([`Held`]).

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use faast_core::control::Held;
pub(crate) use faast_core::control::Stop;
use faast_core::ledger::Ledger;
use faast_core::provider::{DeployContext, DeploySpec, DeploymentId};
use tokio::time::Instant;

use crate::classify::control::Refusal;
use crate::clients::Clients;
use crate::config::Settings;
use crate::resource::{self, Kind};
use crate::store::Store;
use crate::tags::{self, Tags};

/// How long a service may not know everywhere what it has made.
const NEW: Duration = Duration::from_secs(10);

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
    /// Whether workers are in a network of the user's.
    in_vpc: bool,
    /// Whether the role has to outlive the deployment. Written by the first cleanup, read by all.
    networked: OnceLock<bool>,
    pub(crate) ledger: Arc<Ledger>,
    held: Held<Kind>,
    /// When a service has said that it made something. Written by the step that made it, read by the cleanup.
    confirmed: Mutex<BTreeMap<Kind, Instant>>,
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
    pub(crate) fn new(clients: Clients, spec: &DeploySpec, cx: &DeployContext, settings: &Settings) -> Self {
        let name = resource::name(&spec.deployment);
        let tags = tags::new(&spec.deployment, SystemTime::now(), spec.expires, &settings.tags);
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
            in_vpc: settings.vpc.is_some(),
            networked: OnceLock::new(),
            ledger: Arc::clone(&cx.ledger),
            held,
            confirmed: Mutex::default(),
        }
    }

    /// Whether there may be network interfaces, which Lambda removes with the role's rights after the function is gone.
    pub(crate) fn role_stays(&self) -> bool {
        *self.networked.get_or_init(|| self.in_vpc && self.has(Kind::Function))
    }

    /// Records that a resource is there.
    pub(crate) fn confirm(&self, kind: Kind) {
        self.confirmed.lock().unwrap_or_else(PoisonError::into_inner).insert(kind, Instant::now());
    }

    /// Whether a resource was made so short a time ago that its service may say that there is none.
    pub(crate) fn is_new(&self, kind: Kind) -> bool {
        let confirmed = self.confirmed.lock().unwrap_or_else(PoisonError::into_inner);
        confirmed.get(&kind).is_some_and(|at| at.elapsed() < NEW)
    }

    /// Records a refusal to make a resource, which it passes on.
    pub(crate) fn refused(&self, kind: Kind, refusal: Refusal) -> Refusal {
        if !refusal.maybe_done() {
            self.gone(kind);
        }
        refusal
    }
}
