//! S3: buckets and objects, addressed by path or by host.
//!
//! [`bucket`] and [`object`] are the operations, [`listing`] shows what is in a bucket, [`body`] undoes what newer clients
//! put around a body.

mod body;
mod bucket;
mod listing;
mod object;

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::http::Method;

use self::bucket::Bucket;
use super::iam::authorize;
use super::protocol::{ApiError, ApiRequest, Reply, decode};
use super::state::Shared;
use crate::emulator::clock::as_ms;

/// Everything of this service.
#[derive(Debug, Default)]
pub(super) struct State {
    buckets: BTreeMap<String, Bucket>,
}

impl State {
    pub(super) fn leftovers(&self) -> Vec<String> {
        self.buckets.keys().map(|name| arn(name)).collect()
    }

    /// Name, region and tags of every bucket.
    pub(super) fn tagged(&self) -> impl Iterator<Item = (&str, &str, &BTreeMap<String, String>)> {
        self.buckets.iter().map(|(name, bucket)| (name.as_str(), bucket.region.as_str(), &bucket.tags))
    }

    /// Makes a bucket that somebody else might have made, with one object in it.
    pub(super) fn add(&mut self, name: &str, region: &str, tags: BTreeMap<String, String>, now_ms: u64) {
        self.buckets.insert(name.to_owned(), Bucket::of_somebody(region, tags, now_ms));
    }

    fn bucket(&mut self, place: &Place, region: &str) -> Result<&mut Bucket, ApiError> {
        let name = &place.bucket;
        let Some(bucket) = self.buckets.get_mut(name) else { return Err(no_bucket(name)) };
        if bucket.region == region {
            return Ok(bucket);
        }
        let message = "The bucket you are attempting to access must be addressed using the specified endpoint. Please \
                       send all future requests to this endpoint.";
        Err(ApiError::new(301, "PermanentRedirect", message)
            .field("Bucket", name.as_str())
            .field("Endpoint", format!("{name}.s3.{}.amazonaws.com", bucket.region))
            .header("x-amz-bucket-region", bucket.region.clone()))
    }
}

/// The ARN of a bucket.
pub(super) fn arn(bucket: &str) -> String {
    format!("arn:aws:s3:::{bucket}")
}

/// Which bucket and key a request is about; empty ones are not named.
struct Place {
    bucket: String,
    key: String,
}

impl Place {
    fn of(request: &ApiRequest) -> Self {
        let path = request.path.trim_start_matches('/');
        if let Some(bucket) = bucket_of_host(request.header("host").unwrap_or_default()) {
            return Self { bucket, key: decode(path, false) };
        }
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        Self { bucket: decode(bucket, false), key: decode(key, false) }
    }
}

/// `bucket.s3.us-west-2.amazonaws.com` or `bucket.localhost`; nothing for an endpoint without a bucket in it.
fn bucket_of_host(host: &str) -> Option<String> {
    let host = host.split(':').next().unwrap_or(host);
    let before = |mark: &str| host.find(mark).map(|at| &host[..at]);
    let bucket = if host.ends_with(".amazonaws.com") {
        before(".s3.").or_else(|| before(".s3-"))
    } else {
        host.strip_suffix(".localhost")
    };
    bucket.filter(|bucket| !bucket.is_empty() && *bucket != "s3").map(str::to_owned)
}

/// The operation that a method, path and query mean.
pub(super) fn action(request: &ApiRequest) -> Option<&'static str> {
    let place = Place::of(request);
    let has = |name: &str| request.query(name).is_some();
    let method = &request.method;
    if place.bucket.is_empty() {
        return (*method == Method::GET).then_some("ListBuckets");
    }
    if !place.key.is_empty() {
        return match *method {
            Method::PUT if has("partNumber") || has("tagging") || has("acl") => None,
            Method::PUT => Some("PutObject"),
            Method::GET if has("tagging") || has("acl") || has("uploadId") => None,
            Method::GET => Some("GetObject"),
            Method::HEAD => Some("HeadObject"),
            Method::DELETE if !has("uploadId") && !has("tagging") => Some("DeleteObject"),
            _ => None,
        };
    }
    let part = ["tagging", "lifecycle", "publicAccessBlock", "location", "delete"].into_iter().find(|part| has(part));
    let other = ["acl", "policy", "versioning", "encryption", "uploads", "versions", "cors", "website", "logging"];
    if other.iter().any(|part| has(part)) {
        return None;
    }
    match (method.as_str(), part) {
        ("PUT", None) => Some("CreateBucket"),
        ("PUT", Some("tagging")) => Some("PutBucketTagging"),
        ("PUT", Some("lifecycle")) => Some("PutBucketLifecycleConfiguration"),
        ("PUT", Some("publicAccessBlock")) => Some("PutPublicAccessBlock"),
        ("GET", None) => Some(if request.query("list-type") == Some("2") { "ListObjectsV2" } else { "ListObjects" }),
        ("GET", Some("tagging")) => Some("GetBucketTagging"),
        ("GET", Some("lifecycle")) => Some("GetBucketLifecycleConfiguration"),
        ("GET", Some("publicAccessBlock")) => Some("GetPublicAccessBlock"),
        ("GET", Some("location")) => Some("GetBucketLocation"),
        ("HEAD", None) => Some("HeadBucket"),
        ("DELETE", None) => Some("DeleteBucket"),
        ("DELETE", Some("tagging")) => Some("DeleteBucketTagging"),
        ("POST", Some("delete")) => Some("DeleteObjects"),
        _ => None,
    }
}

pub(super) fn handle(emulator: &Shared, request: &ApiRequest) -> Result<Reply, ApiError> {
    let place = Place::of(request);
    let resource = match (place.bucket.as_str(), place.key.as_str()) {
        ("", _) => "*".to_owned(),
        (bucket, "") if request.action == "DeleteObjects" => format!("{}/*", arn(bucket)),
        (bucket, "") => arn(bucket),
        (bucket, key) => format!("{}/{key}", arn(bucket)),
    };
    authorize(emulator, request, permission(&request.action), &resource)?;
    // Tags that come with a creation need the permission to tag.
    if request.action == "CreateBucket" && request.body.windows(5).any(|text| text == b"<Tag>") {
        authorize(emulator, request, "s3:TagResource", &resource)?;
    }
    let now_ms = emulator.clock.now_ms();
    let mut state = emulator.state();
    // What is allowed is charged for, whether it finds anything or not.
    match request.method.as_str() {
        "DELETE" => {}
        "GET" | "HEAD" if !request.action.starts_with("List") => state.bill.storage_reads += 1,
        _ => state.bill.storage_writes += 1,
    }
    let being_made = state
        .s3
        .buckets
        .get(&place.bucket)
        .is_some_and(|bucket| now_ms < bucket.created_ms.saturating_add(as_ms(emulator.settings.bucket_creation)));
    match request.action.as_str() {
        "CreateBucket" if being_made => return Err(conflicting(&place.bucket)),
        "PutObject" | "GetObject" if being_made => return Err(no_bucket(&place.bucket)),
        _ => {}
    }
    let reply = carry_out(&mut state.s3, request, &place, now_ms)?;
    if request.action == "GetObject" {
        let length = reply.headers.iter().find(|(name, _)| name == "content-length");
        state.bill.storage_bytes_read += length.and_then(|(_, length)| length.parse::<u64>().ok()).unwrap_or_default();
    }
    Ok(reply)
}

fn carry_out(s3: &mut State, request: &ApiRequest, place: &Place, now_ms: u64) -> Result<Reply, ApiError> {
    match request.action.as_str() {
        "ListBuckets" => Ok(bucket::list(s3, request)),
        "CreateBucket" => bucket::create(s3, request, place, now_ms),
        "DeleteBucket" => bucket::delete(s3, request, place),
        "HeadBucket" => {
            let region = s3.bucket(place, &request.region)?.region.clone();
            Ok(Reply::empty(200).header("x-amz-bucket-region", region))
        }
        "GetBucketLocation" => Ok(bucket::location(s3.bucket(place, &request.region)?)),
        "PutBucketTagging" => bucket::put_tags(s3.bucket(place, &request.region)?, request),
        "GetBucketTagging" => bucket::tags(s3.bucket(place, &request.region)?, place),
        "DeleteBucketTagging" => {
            s3.bucket(place, &request.region)?.tags.clear();
            Ok(Reply::empty(204))
        }
        "PutBucketLifecycleConfiguration" => bucket::put_lifecycle(s3.bucket(place, &request.region)?, request),
        "GetBucketLifecycleConfiguration" => bucket::lifecycle(s3.bucket(place, &request.region)?, place),
        "PutPublicAccessBlock" => bucket::put_public_access(s3.bucket(place, &request.region)?, request),
        "GetPublicAccessBlock" => bucket::public_access(s3.bucket(place, &request.region)?, place),
        "ListObjectsV2" | "ListObjects" => listing::objects(s3.bucket(place, &request.region)?, request, place),
        "PutObject" => object::put(s3.bucket(place, &request.region)?, request, place, now_ms),
        "GetObject" | "HeadObject" => object::get(s3.bucket(place, &request.region)?, request, place),
        "DeleteObject" => {
            s3.bucket(place, &request.region)?.objects.remove(&place.key);
            Ok(Reply::empty(204))
        }
        "DeleteObjects" => object::delete_many(s3.bucket(place, &request.region)?, request),
        _ => {
            let message = "A header you provided implies functionality that is not implemented";
            Err(ApiError::new(501, "NotImplemented", message))
        }
    }
}

/// Some permissions have other names than the operations that need them.
fn permission(action: &str) -> &'static str {
    match action {
        "ListBuckets" => "s3:ListAllMyBuckets",
        "CreateBucket" => "s3:CreateBucket",
        "DeleteBucket" => "s3:DeleteBucket",
        "HeadBucket" | "ListObjectsV2" | "ListObjects" => "s3:ListBucket",
        "GetBucketLocation" => "s3:GetBucketLocation",
        "PutBucketTagging" | "DeleteBucketTagging" => "s3:PutBucketTagging",
        "GetBucketTagging" => "s3:GetBucketTagging",
        "PutBucketLifecycleConfiguration" => "s3:PutLifecycleConfiguration",
        "GetBucketLifecycleConfiguration" => "s3:GetLifecycleConfiguration",
        "PutPublicAccessBlock" => "s3:PutBucketPublicAccessBlock",
        "GetPublicAccessBlock" => "s3:GetBucketPublicAccessBlock",
        "PutObject" => "s3:PutObject",
        "DeleteObject" | "DeleteObjects" => "s3:DeleteObject",
        _ => "s3:GetObject",
    }
}

/// The bytes of an object, for code that Lambda fetches; the error is S3's code and text.
pub(super) fn object(state: &State, bucket: &str, key: &str) -> Result<Bytes, (&'static str, String)> {
    let bucket = state.buckets.get(bucket).ok_or_else(|| ("NoSuchBucket", NO_BUCKET.to_owned()))?;
    let object = bucket.objects.get(key).ok_or_else(|| ("NoSuchKey", NO_KEY.to_owned()))?;
    Ok(object.bytes.clone())
}

const NO_BUCKET: &str = "The specified bucket does not exist";
const NO_KEY: &str = "The specified key does not exist.";
const NAMESPACE: &str = "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";

fn no_bucket(name: &str) -> ApiError {
    ApiError::new(404, "NoSuchBucket", NO_BUCKET).field("BucketName", name)
}

fn conflicting(bucket: &str) -> ApiError {
    let message =
        "A conflicting conditional operation is currently in progress against this resource. Please try again.";
    ApiError::new(409, "OperationAborted", message).field("BucketName", bucket)
}

fn malformed_xml() -> ApiError {
    let message = "The XML you provided was not well-formed or did not validate against our published schema";
    ApiError::new(400, "MalformedXML", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_may_name_a_bucket() {
        assert_eq!(bucket_of_host("faast-1.s3.us-west-2.amazonaws.com").as_deref(), Some("faast-1"));
        assert_eq!(bucket_of_host("a.b.s3.amazonaws.com").as_deref(), Some("a.b"));
        assert_eq!(bucket_of_host("faast-1.localhost:8080").as_deref(), Some("faast-1"));
        for host in ["127.0.0.1:8080", "localhost:8080", "s3.us-west-2.amazonaws.com", ""] {
            assert_eq!(bucket_of_host(host), None, "{host}");
        }
    }
}
