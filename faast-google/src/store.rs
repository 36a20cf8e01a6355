//! The deployment's bucket: for payloads above the transport's limit.
//!
//! One implementation for both sides. The bucket is made when it is first needed, by whichever side needs it first, with
//! faast's labels from the start; a deployment that needs none has none. Broken transfers are tried again by `rest.rs`.

mod worker;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use faast_core::cost::{Quantity, StoreBill};
use faast_core::provider::{BlobKey, BlobRef, BlobStore};
use faast_core::{Error, ErrorKind, Result};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::Mutex;

pub(crate) use self::worker::WorkerStore;
use crate::classify::control::{Cause, Refusal};
use crate::endpoint::Service;
use crate::label::{self, Labels};
use crate::rest::{Call, Rest};

/// A key that nothing has: reading it says whether there is a bucket, without the right to list buckets. Two seconds have
/// to pass between two buckets of a project, so that workers had better not all try.
const NOBODYS: &str = "faast";

/// What Storage says where there is no bucket of a name; a missing object has other words.
const NO_BUCKET: &str = "bucket does not exist";

/// One attempt to read a small object; with so many bytes more in a second.
const READ_WITHIN: Duration = Duration::from_secs(30);
const SLOW_DOWNLINK: u64 = 100_000;

/// The bucket of a deployment, as one side sees it.
#[derive(Debug)]
pub(crate) struct Store {
    rest: Rest,
    project: String,
    /// The bucket.
    name: String,
    region: String,
    labels: Labels,
    /// The bucket has been seen. Written by whoever sees it, never taken back: one that was there and is gone was cleaned
    /// up, and is not made once more.
    there: AtomicBool,
    /// Held by the one who makes it.
    making: Mutex<()>,
    bill: StoreBill,
}

impl Store {
    pub(crate) fn new(rest: Rest, project: &str, name: String, region: &str, labels: Labels) -> Self {
        let (project, region) = (project.to_owned(), region.to_owned());
        let (there, making, bill) = (AtomicBool::new(false), Mutex::default(), StoreBill::default());
        Self { rest, project, name, region, labels, there, making, bill }
    }

    /// Whether this side has seen the bucket.
    pub(crate) fn is_there(&self) -> bool {
        self.there.load(Ordering::Acquire)
    }

    /// What was used through this side.
    pub(crate) fn bill(&self) -> &StoreBill {
        &self.bill
    }

    fn call(&self, action: &'static str, method: Method, path: &str) -> Call {
        self.rest.call(action, method, Service::Storage, path)
    }

    fn object(&self, key: &str) -> String {
        // What is in keys needs no other escape.
        format!("/storage/v1/b/{}/o/{}", self.name, key.replace('/', "%2F"))
    }

    /// Makes the bucket; that the other side was faster is a success. Objects are in reach of nobody outside of the project,
    /// and gone when they are deleted.
    pub(crate) async fn make(&self) -> Result<(), Refusal> {
        let body = json!({
            "name": self.name,
            "location": self.region.to_uppercase(),
            "labels": label::json(&self.labels),
            "iamConfiguration": {
                "uniformBucketLevelAccess": { "enabled": true },
                "publicAccessPrevention": "enforced",
            },
            "softDeletePolicy": { "retentionDurationSeconds": "0" },
        });
        self.bill.write();
        let call = self.call("storage.buckets.create", Method::POST, "/storage/v1/b").query("project", &*self.project);
        match call.json(&body).send().await {
            Err(refusal) if refusal.cause() == Cause::Exists => self.check_owner(refusal).await?,
            Err(refusal) => return Err(refusal),
            Ok(_) => {}
        }
        self.there.store(true, Ordering::Release);
        Ok(())
    }

    /// Names of buckets are the world's: one that is there has to be the project's own, or payloads would go to somebody
    /// else.
    async fn check_owner(&self, taken: Refusal) -> Result<(), Refusal> {
        self.bill.write();
        let call = self.call("storage.buckets.list", Method::GET, "/storage/v1/b").query("project", &*self.project);
        let listed = call.query("prefix", &*self.name).send_json().await?;
        let ours = listed.get("items").and_then(Value::as_array).into_iter().flatten().any(|bucket| {
            bucket.get("name").and_then(Value::as_str) == Some(&self.name)
                && label::owned(&self.name, label::pairs(bucket)).is_some()
        });
        if ours { Ok(()) } else { Err(taken) }
    }

    /// Makes the bucket unless it is there.
    async fn ensure(&self) -> Result<(), Refusal> {
        if self.is_there() {
            return Ok(());
        }
        let _first = self.making.lock().await;
        if self.is_there() {
            return Ok(());
        }
        self.bill.read(0);
        match self.call("storage.objects.get", Method::GET, &self.object(NOBODYS)).send().await {
            Err(refusal) if refusal.text().contains(NO_BUCKET) => self.make().await,
            Err(refusal) if refusal.passes() => Err(refusal),
            // Writing will say more.
            Err(refusal) if refusal.cause() == Cause::Denied => Ok(()),
            _ => {
                self.there.store(true, Ordering::Release);
                Ok(())
            }
        }
    }

    async fn store(&self, key: &str, bytes: Bytes) -> Result<(), Refusal> {
        self.ensure().await?;
        self.bill.write();
        let path = format!("/upload/storage/v1/b/{}/o", self.name);
        let call = self.call("storage.objects.create", Method::POST, &path).query("uploadType", "media");
        // Keys are used once: what is there was written by an attempt of ours whose answer was lost.
        let call = call.query("name", key).query("ifGenerationMatch", "0").bytes(bytes, "application/octet-stream");
        match call.send().await {
            Err(refusal) if refusal.status() == PRECONDITION_FAILED => Ok(()),
            stored => stored.map(drop),
        }
    }

    async fn read(&self, blob: &BlobRef) -> Result<Bytes, Refusal> {
        // Somebody has written into it.
        self.there.store(true, Ordering::Release);
        let call = self.call("storage.objects.get", Method::GET, &self.object(&blob.key.0)).query("alt", "media");
        let read = call.within(READ_WITHIN + Duration::from_secs(blob.len / SLOW_DOWNLINK)).send().await;
        self.bill.read(read.as_ref().map_or(0, |read| read.body.len()));
        read.map(|read| read.body)
    }

    /// Moves the time of expiry. A bucket that is not there has none.
    pub(crate) async fn renew(&self, until: SystemTime) -> Result<(), Refusal> {
        let body = json!({ "labels": label::json(&self.labels.expiring(until)) });
        self.bill.write();
        let path = format!("/storage/v1/b/{}", self.name);
        match self.call("storage.buckets.update", Method::PATCH, &path).json(&body).send().await {
            Err(refusal) if refusal.cause() == Cause::Gone => Ok(()),
            // Who may not use buckets has made none.
            Err(refusal) if refusal.cause() == Cause::Denied && !self.is_there() => Ok(()),
            renewed => renewed.map(drop),
        }
    }

    /// Deletes an object; deleting costs nothing.
    pub(crate) async fn remove(&self, key: &str) -> Result<(), Refusal> {
        match self.call("storage.objects.delete", Method::DELETE, &self.object(key)).send().await {
            Err(refusal) if refusal.cause() != Cause::Gone => Err(refusal),
            _ => {
                self.bill.deleted(key);
                Ok(())
            }
        }
    }
}

/// The status where an object was not to be there, and is.
const PRECONDITION_FAILED: u16 = 412;

const NOT_OURS: &str = "something else than faast writes into its bucket, or what was stored was damaged";

/// A refusal in the middle of a run, where the control plane's advice does not fit.
fn explained(refusal: Refusal) -> Error {
    let (kind, hint) = match refusal.cause() {
        Cause::Gone => (ErrorKind::Io, "it was deleted meanwhile, by hand or by a cleanup"),
        Cause::Throttled => (ErrorKind::Throttled, "Storage asks for fewer requests: lower `.concurrency(..)`"),
        Cause::Exists => (ErrorKind::Io, "a bucket of this name is not the project's: clean up, and deploy again"),
        _ => return refusal.into(),
    };
    Error::new(kind, refusal.to_string()).with_hint(hint)
}

#[async_trait]
impl BlobStore for Store {
    async fn put(&self, key: &BlobKey, bytes: Bytes) -> Result<()> {
        let len = bytes.len();
        self.store(&key.0, bytes).await.map_err(explained)?;
        self.bill.stored(&key.0, len);
        Ok(())
    }

    async fn get(&self, blob: &BlobRef) -> Result<Bytes> {
        let bytes = self.read(blob).await.map_err(explained)?;
        if bytes.len() as u64 != blob.len {
            let (key, len) = (&blob.key.0, bytes.len());
            let message = format!("`{key}` has {len} bytes and not the {} that were stored", blob.len);
            return Err(Error::new(ErrorKind::Decode, message).with_hint(NOT_OURS));
        }
        self.bill.stored(&blob.key.0, bytes.len());
        Ok(bytes)
    }

    async fn delete(&self, key: &BlobKey) -> Result<()> {
        self.remove(&key.0).await.map_err(explained)
    }

    fn used(&self) -> Vec<Quantity> {
        self.bill.of_worker()
    }
}
