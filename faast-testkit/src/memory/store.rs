//! The in-memory blob store of one deployment, shared by client and workers.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use faast_core::provider::{BlobKey, BlobRef, BlobStore};
use faast_core::{Error, ErrorKind, Result};

#[derive(Debug, Default)]
pub(super) struct MemoryStore {
    blobs: Mutex<HashMap<BlobKey, Bytes>>,
}

impl MemoryStore {
    fn lock(&self) -> MutexGuard<'_, HashMap<BlobKey, Bytes>> {
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Deletes everything.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }
}

#[async_trait]
impl BlobStore for MemoryStore {
    async fn put(&self, key: &BlobKey, bytes: Bytes) -> Result<()> {
        self.lock().insert(key.clone(), bytes);
        Ok(())
    }

    async fn get(&self, blob: &BlobRef) -> Result<Bytes> {
        let missing = || Error::new(ErrorKind::Io, format!("there is no blob `{}`", blob.key.0));
        self.lock().get(&blob.key).cloned().ok_or_else(missing)
    }

    async fn delete(&self, key: &BlobKey) -> Result<()> {
        self.lock().remove(key);
        Ok(())
    }
}
