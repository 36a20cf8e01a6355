//! Blobs: arguments and results that are too large for a transport go through object storage by reference.
//!
//! Core decides when (never the provider) and checks the hash when it reads; the store only moves bytes.

use async_trait::async_trait;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::error::{Error, ErrorKind, Result};

/// The name of a blob within a deployment's store.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BlobKey(pub String);

/// A reference to a blob: its key, its length in bytes and the sha256 of its content.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BlobRef {
    /// Where it lies.
    pub key: BlobKey,
    /// Length in bytes.
    pub len: u64,
    /// sha256 of the content.
    pub sha256: [u8; 32],
}

impl BlobRef {
    /// The reference to `bytes` when they are stored under `key`.
    pub fn new(key: BlobKey, bytes: &[u8]) -> Self {
        Self { key, len: bytes.len() as u64, sha256: Sha256::digest(bytes).into() }
    }

    /// Checks that `bytes` are what was stored.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Decode`] when length or hash differ.
    pub fn verify(&self, bytes: &[u8]) -> Result<()> {
        let got: [u8; 32] = Sha256::digest(bytes).into();
        if bytes.len() as u64 == self.len && got == self.sha256 {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Decode,
            format!("blob `{}` has {} bytes that are not the {} bytes stored", self.key.0, bytes.len(), self.len),
        ))
    }
}

/// Object storage of one deployment, as both sides see it.
#[async_trait]
pub trait BlobStore: Send + Sync + 'static {
    /// Stores `bytes` under `key`, replacing what is there.
    ///
    /// # Errors
    ///
    /// When the bytes are not stored, with what permission is missing if that is why.
    async fn put(&self, key: &BlobKey, bytes: Bytes) -> Result<()>;

    /// Reads what is stored under `key`.
    ///
    /// # Errors
    ///
    /// When there is nothing, or it can't be read.
    async fn get(&self, key: &BlobKey) -> Result<Bytes>;

    /// Deletes `key`. Deleting what is gone already is a success.
    ///
    /// # Errors
    ///
    /// When it is still there afterwards, or may be.
    async fn delete(&self, key: &BlobKey) -> Result<()>;
}
