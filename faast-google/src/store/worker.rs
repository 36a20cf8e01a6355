//! The worker's end of the store. Nothing of it exists before it is first needed.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use faast_core::Result;
use faast_core::cost::Quantity;
use faast_core::provider::{BlobKey, BlobRef, BlobStore, DeploymentId};
use tokio::sync::OnceCell;

use super::Store;
use crate::credentials::MetadataServer;
use crate::label;
use crate::resource;
use crate::rest::Rest;

/// How long a bucket that a worker made is kept by its own labels. A deployment expires as a whole, and its client moves
/// them forward with the others; so this counts only where nobody is left.
const KEPT: Duration = Duration::from_hours(24);

/// A store that is made when it is first used.
#[derive(Debug)]
pub(crate) struct WorkerStore {
    /// The deployment's name, which is the bucket's too.
    name: String,
    project: String,
    rest: fn() -> Result<Rest>,
    store: OnceCell<Store>,
}

impl WorkerStore {
    pub(crate) fn new(name: String, project: String, rest: fn() -> Result<Rest>) -> Self {
        Self { name, project, rest, store: OnceCell::new() }
    }

    async fn store(&self) -> Result<&Store> {
        self.store.get_or_try_init(|| self.make()).await
    }

    async fn make(&self) -> Result<Store> {
        let region = MetadataServer::of_machine().region().await?;
        let now = SystemTime::now();
        let id = DeploymentId::from(resource::deployment_of(&self.name).unwrap_or_default());
        let labels = label::new(&id, now, now + KEPT, &[]);
        Ok(Store::new((self.rest)()?, &self.project, self.name.clone(), &region, labels))
    }
}

#[async_trait]
impl BlobStore for WorkerStore {
    async fn put(&self, key: &BlobKey, bytes: Bytes) -> Result<()> {
        self.store().await?.put(key, bytes).await
    }

    async fn get(&self, blob: &BlobRef) -> Result<Bytes> {
        self.store().await?.get(blob).await
    }

    async fn delete(&self, key: &BlobKey) -> Result<()> {
        self.store().await?.delete(key).await
    }

    fn used(&self) -> Vec<Quantity> {
        self.store.get().map(BlobStore::used).unwrap_or_default()
    }
}
