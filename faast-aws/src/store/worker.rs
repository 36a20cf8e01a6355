//! The worker's end of the store. Nothing of it exists before it is first needed: a client of S3 costs time and memory.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Builder, Credentials, Region};
use bytes::Bytes;
use faast_core::cost::Quantity;
use faast_core::provider::{BlobKey, BlobRef, BlobStore, DeploymentId};
use faast_core::{Error, Result};

use super::Store;
use crate::clients;
use crate::config::Keys;
use crate::{resource, tags};

/// How long a bucket that a worker made is kept by its own tags. A deployment expires as a whole, and its client moves them
/// forward with the others; so this counts only where nobody is left.
const KEPT: Duration = Duration::from_hours(24);

/// How long it takes, after the first use, until the policy of a new role is surely known: IAM tells its changes slowly,
/// and Lambda has waited for the role before.
const RIGHTS_KNOWN: Duration = Duration::from_secs(5);

/// What a sandbox says of itself.
#[derive(Debug, Clone)]
pub(crate) struct Sandbox {
    /// The function's name, which is the bucket's too.
    pub(crate) function: String,
    pub(crate) region: String,
    pub(crate) keys: Keys,
    /// Where S3 is, if it is not AWS's.
    pub(crate) endpoint: Option<String>,
}

/// A store that is made when it is first used.
#[derive(Debug)]
pub(crate) struct WorkerStore {
    sandbox: Sandbox,
    store: OnceLock<Store>,
}

impl WorkerStore {
    pub(crate) fn new(sandbox: Sandbox) -> Self {
        Self { sandbox, store: OnceLock::new() }
    }

    fn store(&self) -> Result<&Store> {
        if let Some(store) = self.store.get() {
            return Ok(store);
        }
        let made = self.sandbox.store()?;
        // Two at once make two, of which one stays.
        Ok(self.store.get_or_init(|| made))
    }
}

impl Sandbox {
    fn store(&self) -> Result<Store, Error> {
        let Self { function, region, keys, endpoint } = self;
        let credentials =
            Credentials::new(&keys.id, &keys.secret, keys.session_token.clone(), None, "the sandbox's environment");
        let mut config = Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region.clone()))
            .credentials_provider(credentials)
            .http_client(clients::http_client()?)
            .retry_config(clients::retries())
            .timeout_config(clients::usual_timeouts())
            // Another endpoint's host name has no sub-domain for each bucket.
            .force_path_style(endpoint.is_some());
        config.set_endpoint_url(endpoint.clone());
        let now = SystemTime::now();
        let id = DeploymentId::from(resource::deployment_of(function).unwrap_or_default());
        let tags = tags::new(&id, now, now + KEPT, &[]);
        let store = Store::new(Client::from_conf(config.build()), function.clone(), region.clone(), tags);
        Ok(store.waiting_for_rights(RIGHTS_KNOWN))
    }
}

#[async_trait]
impl BlobStore for WorkerStore {
    async fn put(&self, key: &BlobKey, bytes: Bytes) -> Result<()> {
        self.store()?.put(key, bytes).await
    }

    async fn get(&self, blob: &BlobRef) -> Result<Bytes> {
        self.store()?.get(blob).await
    }

    async fn delete(&self, key: &BlobKey) -> Result<()> {
        self.store()?.delete(key).await
    }

    fn used(&self) -> Vec<Quantity> {
        self.store.get().map(BlobStore::used).unwrap_or_default()
    }
}
