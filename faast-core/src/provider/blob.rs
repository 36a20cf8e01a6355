//! Blobs: arguments and results that are too large for a transport go through object storage by reference.
//!
//! Core decides when (never the provider) and checks the hash when it reads; the store only moves bytes.
//!
//! A key is used once: each time that something is stored gets a key of its own. So attempts and hedges of one call, and
//! a request that the platform runs twice, can neither overwrite nor delete what another of them reads.

use async_trait::async_trait;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::CallId;
use crate::cost::Quantity;
use crate::error::{Error, ErrorKind, Result};

/// The name of a blob within a deployment's store.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BlobKey(pub String);

impl BlobKey {
    /// A key that nothing else has: `what` it is, of which call.
    pub(crate) fn fresh(what: &str, call: CallId) -> Self {
        Self(format!("{what}/{call}-{}", Uuid::new_v4()))
    }
}

/// A reference to a blob: its key, its length in bytes and the sha256 of its content.
///
/// ```
/// # use faast_core::provider::{BlobKey, BlobRef};
/// let blob = BlobRef::new(BlobKey("results/7".into()), b"large");
/// assert_eq!(blob.len, 5);
/// assert!(blob.verify(b"large").is_ok());
/// assert!(blob.verify(b"other").is_err()); // as long, and not the same
/// ```
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
///
/// A transfer that breaks off is tried again in here, so that a lost connection does not run a function again; an error is
/// what stays after that. Methods are called within a tokio runtime: the deployment's, or the worker's. They may be
/// dropped before they end.
///
/// ```
/// # use std::{collections::HashMap, sync::Mutex};
/// # use bytes::Bytes;
/// # use faast_core::{Error, ErrorKind, Result, provider::{BlobKey, BlobRef, BlobStore}};
/// #[derive(Default)]
/// struct Shelf(Mutex<HashMap<BlobKey, Bytes>>);
///
/// #[async_trait::async_trait]
/// impl BlobStore for Shelf {
///     async fn put(&self, key: &BlobKey, bytes: Bytes) -> Result<()> {
///         self.0.lock().unwrap().insert(key.clone(), bytes);
///         Ok(())
///     }
///     async fn get(&self, blob: &BlobRef) -> Result<Bytes> {
///         let missing = || Error::new(ErrorKind::Io, format!("there is no blob `{}`", blob.key.0));
///         self.0.lock().unwrap().get(&blob.key).cloned().ok_or_else(missing)
///     }
///     async fn delete(&self, key: &BlobKey) -> Result<()> {
///         self.0.lock().unwrap().remove(key);
///         Ok(())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// let (shelf, blob) = (Shelf::default(), BlobRef::new(BlobKey("arguments/7".into()), b"large"));
/// shelf.put(&blob.key, Bytes::from_static(b"large")).await?;
/// blob.verify(&shelf.get(&blob).await?)?;
/// shelf.delete(&blob.key).await?;
/// shelf.delete(&blob.key).await?; // what is gone already is no error
/// assert!(shelf.get(&blob).await.is_err());
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait BlobStore: Send + Sync + 'static {
    /// Stores `bytes` under `key`, replacing what is there.
    ///
    /// # Errors
    ///
    /// When the bytes are not stored, with what permission is missing if that is why.
    async fn put(&self, key: &BlobKey, bytes: Bytes) -> Result<()>;

    /// Reads what is stored under a reference's key. Core compares the hash.
    ///
    /// # Errors
    ///
    /// When there is nothing, or it can't be read.
    async fn get(&self, blob: &BlobRef) -> Result<Bytes>;

    /// Deletes `key`. Deleting what is gone already is a success.
    ///
    /// # Errors
    ///
    /// When it is still there afterwards, or may be.
    async fn delete(&self, key: &BlobKey) -> Result<()>;

    /// What was used since this was asked last, in the units of the provider's price table. Core asks in the worker, and
    /// puts it on the bill of the call.
    fn used(&self) -> Vec<Quantity> {
        Vec::new()
    }
}
