//! The deployment's bucket: for payloads above the transport's limit, and for archives above Lambda's.
//!
//! One implementation for both sides. The bucket is made when it is first needed, by whichever side needs it first, with
//! faast's tags from the start; a deployment that needs none has none. Broken transfers are tried again in here: by the
//! SDK up to the headers of an answer, and by [`download`](Store::download) within its body.

mod worker;

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder as Config;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration, Tag, Tagging};
use bytes::{Bytes, BytesMut};
use faast_core::control::{Backoff, Ended, Pauses, RealTime, Step, wait};
use faast_core::cost::{Quantity, StoreBill};
use faast_core::provider::{BlobKey, BlobRef, BlobStore};
use faast_core::{CancelToken, Error, ErrorKind, Result};
use fastrand::Rng;
use tokio::sync::Mutex;
use tokio::time::Instant;

pub(crate) use self::worker::{Sandbox, WorkerStore};
use crate::classify::control::{Cause, Meaning as _, Refusal};
use crate::clients::upload_timeouts;
use crate::tags::Tags;

/// Bytes of one object that S3 takes in one request: 5 GiB.
const MOST_OBJECT: u64 = 5 << 30;

/// A key that nothing has: reading it says whether there is a bucket, without the right to list buckets.
const NOBODYS: &str = "faast";

/// What S3 says where there is no bucket of a name; a missing object has another code.
const NO_BUCKET: &str = "NoSuchBucket";

/// Pauses before a transfer goes on that broke off, or before a new bucket is known everywhere.
const AGAIN: Backoff = Backoff {
    first: Duration::from_millis(100),
    factor: 2.0,
    most: Duration::from_secs(4),
    total: Duration::from_secs(20),
};

/// The bucket of a deployment, as one side sees it.
#[derive(Debug)]
pub(crate) struct Store {
    s3: Client,
    name: String,
    region: String,
    tags: Tags,
    /// The bucket has been seen. Written by whoever sees it, never taken back: one that was there and is gone was cleaned
    /// up, and is not made once more.
    there: AtomicBool,
    /// Held by the one who makes it.
    making: Mutex<()>,
    /// Until when a denial may be that of a role whose policy is not known everywhere yet.
    rights_known: Instant,
    bill: StoreBill,
}

impl Store {
    pub(crate) fn new(s3: Client, name: String, region: String, tags: Tags) -> Self {
        Self {
            s3,
            name,
            region,
            tags,
            there: AtomicBool::new(false),
            making: Mutex::default(),
            rights_known: Instant::now(),
            bill: StoreBill::default(),
        }
    }

    /// Gives the rights of this side some time to become known.
    pub(crate) fn waiting_for_rights(self, time: Duration) -> Self {
        Self { rights_known: self.rights_known + time, ..self }
    }

    /// Whether this side has seen the bucket.
    pub(crate) fn is_there(&self) -> bool {
        self.there.load(Ordering::Acquire)
    }

    /// What was used through this side.
    pub(crate) fn bill(&self) -> &StoreBill {
        &self.bill
    }

    /// Makes the bucket; that the other side was faster is a success.
    pub(crate) async fn make(&self) -> Result<(), Refusal> {
        // S3 knows its oldest region by saying nothing.
        let place = (self.region != "us-east-1").then(|| BucketLocationConstraint::from(self.region.as_str()));
        let made_so =
            CreateBucketConfiguration::builder().set_location_constraint(place).set_tags(Some(set(&self.tags)));
        self.bill.write();
        let request = self.s3.create_bucket().bucket(&self.name).create_bucket_configuration(made_so.build());
        match request.send().await.meaning("s3:CreateBucket") {
            // Its name has the deployment's id, which nobody else can know.
            Err(refusal) if refusal.code() != "BucketAlreadyOwnedByYou" => Err(refusal),
            _ => {
                self.there.store(true, Ordering::Release);
                Ok(())
            }
        }
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
        let looked = self.s3.get_object().bucket(&self.name).key(NOBODYS).send().await.meaning("s3:GetObject");
        match looked {
            Err(refusal) if refusal.code() == NO_BUCKET => self.make().await,
            Err(refusal) if refusal.maybe_done() => Err(refusal),
            // Writing will say more.
            Err(refusal) if refusal.cause() == Cause::Denied => Ok(()),
            _ => {
                self.there.store(true, Ordering::Release);
                Ok(())
            }
        }
    }

    /// Stores an object in the bucket, which is there.
    pub(crate) async fn upload(&self, key: &str, bytes: Bytes) -> Result<(), Refusal> {
        let config = Config::default().timeout_config(upload_timeouts(bytes.len()));
        self.bill.write();
        let request = self.s3.put_object().bucket(&self.name).key(key).body(ByteStream::from(bytes));
        request.customize().config_override(config).send().await.meaning("s3:PutObject").map(drop)
    }

    /// Reads an object from byte `from` on, as far as the connection lasts: at least a byte of it, unless it is at its end.
    async fn download(&self, blob: &BlobRef, from: u64) -> Step<Bytes, Error> {
        // Somebody has written into it.
        self.there.store(true, Ordering::Release);
        let range = (from > 0).then(|| format!("bytes={from}-"));
        let found = self.s3.get_object().bucket(&self.name).key(&blob.key.0).set_range(range).send().await;
        let found = match found.meaning("s3:GetObject") {
            Ok(found) => found,
            Err(refusal) => {
                self.bill.read(0);
                return self.refused(refusal);
            }
        };
        let left = found.content_length().and_then(|left| u64::try_from(left).ok()).unwrap_or(blob.len - from);
        if from + left != blob.len {
            let message =
                format!("`{}` has {} bytes and not the {} that were stored", blob.key.0, from + left, blob.len);
            return Step::Failed(Error::new(ErrorKind::Decode, message).with_hint(NOT_OURS));
        }
        let mut bytes = BytesMut::with_capacity(usize::try_from(left).unwrap_or_default());
        let mut body = found.body;
        let broken = loop {
            match body.next().await {
                Some(Ok(chunk)) => bytes.extend_from_slice(&chunk),
                Some(Err(error)) => break Some(error),
                None => break None,
            }
        };
        self.bill.read(bytes.len());
        let what = || format!("`s3:GetObject` broke off after {} of {} bytes", from + bytes.len() as u64, blob.len);
        match broken {
            Some(error) if bytes.is_empty() => {
                Step::NotYet(Error::new(ErrorKind::Unavailable, what()).with_source(error))
            }
            None if bytes.len() as u64 != left => {
                Step::Failed(Error::new(ErrorKind::Decode, what()).with_hint(NOT_OURS))
            }
            _ => Step::Done(bytes.freeze()),
        }
    }

    fn refused<T>(&self, refusal: Refusal) -> Step<T, Error> {
        let passes = match refusal.cause() {
            Cause::Denied => Instant::now() < self.rights_known,
            // Another worker makes it at this moment.
            Cause::Busy => true,
            // It was made a moment ago, and not all of S3 knows; or nobody could look before, and the next step makes it.
            _ => refusal.code() == NO_BUCKET,
        };
        if passes { Step::NotYet(explained(refusal)) } else { Step::Failed(explained(refusal)) }
    }

    /// Moves the time of expiry; S3 knows no single tags. A bucket that is not there has none.
    pub(crate) async fn renew(&self, until: SystemTime) -> Result<(), Refusal> {
        let Ok(tagging) = Tagging::builder().set_tag_set(Some(set(&self.tags.expiring(until)))).build() else {
            return Ok(());
        };
        self.bill.write();
        let request = self.s3.put_bucket_tagging().bucket(&self.name).tagging(tagging);
        match request.send().await.meaning("s3:PutBucketTagging") {
            Err(refusal) if refusal.cause() == Cause::Gone => Ok(()),
            // Who may not use buckets has made none.
            Err(refusal) if refusal.cause() == Cause::Denied && !self.is_there() => Ok(()),
            renewed => renewed.map(drop),
        }
    }

    /// Deletes an object; deleting costs nothing.
    pub(crate) async fn remove(&self, key: &str) -> Result<(), Refusal> {
        match self.s3.delete_object().bucket(&self.name).key(key).send().await.meaning("s3:DeleteObject") {
            Err(refusal) if refusal.cause() != Cause::Gone => Err(refusal),
            _ => {
                self.bill.deleted(key);
                Ok(())
            }
        }
    }
}

const NOT_OURS: &str = "something else than faast writes into its bucket, or what was stored was damaged";

/// Takes a step until it is done, and for some time only.
async fn persist<T, F: Future<Output = Step<T, Error>>>(step: impl FnMut() -> F) -> Result<T> {
    match wait(&RealTime::start(), Pauses::new(AGAIN, Rng::new()), &CancelToken::new(), step).await {
        Ok(done) => Ok(done),
        Err(Ended::Failed(error) | Ended::TimeUp(error)) => Err(error),
        Err(Ended::Halted) => Err(Error::new(ErrorKind::Canceled, "the transfer was given up")),
    }
}

/// A refusal in the middle of a run, where the control plane's advice does not fit.
fn explained(refusal: Refusal) -> Error {
    let (kind, hint) = match refusal.cause() {
        Cause::Gone => (ErrorKind::Io, "it was deleted meanwhile, by hand or by a cleanup"),
        Cause::Throttled => (ErrorKind::Throttled, "S3 asks for fewer requests: lower `.concurrency(..)`"),
        _ => return refusal.into(),
    };
    Error::new(kind, refusal.to_string()).with_hint(hint)
}

fn set(tags: &Tags) -> Vec<Tag> {
    tags.iter().filter_map(|(key, value)| Tag::builder().key(key).value(value).build().ok()).collect()
}

#[async_trait]
impl BlobStore for Store {
    async fn put(&self, key: &BlobKey, bytes: Bytes) -> Result<()> {
        if bytes.len() as u64 > MOST_OBJECT {
            let message = format!("S3 takes {MOST_OBJECT} bytes in one request, and these are {}", bytes.len());
            return Err(Error::new(ErrorKind::TooLarge, message).with_hint("split the work into smaller calls"));
        }
        let len = bytes.len();
        persist(|| async {
            let stored = match self.ensure().await {
                Ok(()) => self.upload(&key.0, bytes.clone()).await,
                refused => refused,
            };
            stored.map_or_else(|refusal| self.refused(refusal), Step::Done)
        })
        .await?;
        self.bill.stored(&key.0, len);
        Ok(())
    }

    async fn get(&self, blob: &BlobRef) -> Result<Bytes> {
        let mut bytes = persist(|| self.download(blob, 0)).await?;
        if (bytes.len() as u64) < blob.len {
            // A connection broke off: what has arrived stays, and gives the rest all of the time again.
            let mut arrived = BytesMut::from(bytes);
            while (arrived.len() as u64) < blob.len {
                let from = arrived.len() as u64;
                arrived.extend_from_slice(&persist(|| self.download(blob, from)).await?);
            }
            bytes = arrived.freeze();
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
