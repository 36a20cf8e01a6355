//! Cloud Storage's JSON API: buckets and objects, as far as spilled arguments and results need them.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::http::Method;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::policy::{self, Policy};
use super::protocol::{ApiError, ApiRequest, Reply};
use super::state::Shared;
use super::{PROJECT_NUMBER, run};
use crate::emulator::clock::iso;
use crate::emulator::md5;

/// Everything of this service. Names of buckets are those of the whole world.
#[derive(Debug, Default)]
pub(super) struct State {
    buckets: BTreeMap<String, Bucket>,
    generation: u64,
}

#[derive(Debug, Default)]
struct Bucket {
    project: String,
    /// As its owner wants it.
    spec: Value,
    created_ms: u64,
    /// How often it was changed.
    changes: u64,
    policy: Policy,
    objects: BTreeMap<String, Object>,
}

#[derive(Debug)]
struct Object {
    content: Bytes,
    content_type: String,
    generation: u64,
    created_ms: u64,
}

impl State {
    pub(super) fn leftovers(&self) -> Vec<String> {
        let objects = |(name, bucket): (&String, &Bucket)| {
            let own = format!("projects/_/buckets/{name}");
            let objects: Vec<String> = bucket.objects.keys().map(|it| format!("{own}/objects/{it}")).collect();
            std::iter::once(own).chain(objects).collect::<Vec<_>>()
        };
        self.buckets.iter().flat_map(objects).collect()
    }

    pub(super) fn add(&mut self, project: &str, name: &str, labels: &Value, now_ms: u64) -> String {
        let spec = json!({ "labels": labels, "location": "US-CENTRAL1" });
        let bucket = Bucket { project: project.into(), spec, created_ms: now_ms, ..Bucket::default() };
        self.buckets.insert(name.to_owned(), bucket);
        format!("projects/_/buckets/{name}")
    }

    pub(super) fn policy(&self, bucket: &str) -> Option<&Policy> {
        self.buckets.get(bucket).map(|it| &it.policy)
    }

    fn bucket(&mut self, name: &str) -> Result<&mut Bucket, ApiError> {
        self.buckets.get_mut(name).ok_or_else(|| refused(404, "notFound", "The specified bucket does not exist."))
    }
}

fn refused(status: u16, reason: &str, text: impl Into<String>) -> ApiError {
    ApiError::storage(status, reason, text)
}

fn no_object(bucket: &str, name: &str) -> ApiError {
    refused(404, "notFound", format!("No such object: {bucket}/{name}"))
}

pub(super) fn handle(emulator: &Shared, request: &ApiRequest) -> Result<Reply, ApiError> {
    let route = &request.route;
    let now_ms = emulator.clock.now_ms();
    let mut all = emulator.state();
    match route.action {
        "InsertBucket" | "PatchBucket" | "InsertObject" | "ListBuckets" | "ListObjects" => all.bill.storage_writes += 1,
        "GetBucket" | "GetObject" | "GetBucketPolicy" => all.bill.storage_reads += 1,
        _ => {}
    }
    if let ("GetObject", Some("media")) = (route.action, media(request)) {
        let object = all.storage.bucket(&route.name)?.objects.get(&route.rest);
        let (content, kind) = object.map(|it| (it.content.clone(), it.content_type.clone())).ok_or_else(|| {
            // The answer to a request for media is no JSON.
            ApiError::text(404, format!("No such object: {}/{}", route.name, route.rest))
        })?;
        all.bill.storage_bytes_read += content.len() as u64;
        return Ok(Reply::bytes(200, content).header("content-type", kind));
    }
    let storage = &mut all.storage;
    match route.action {
        "InsertBucket" => insert_bucket(storage, request, now_ms),
        "ListBuckets" => list_buckets(storage, request),
        "GetBucket" => Ok(Reply::json(&shown(&route.name, storage.bucket(&route.name)?))),
        "PatchBucket" => patch_bucket(storage, request),
        "DeleteBucket" => {
            if !storage.bucket(&route.name)?.objects.is_empty() {
                return Err(refused(409, "conflict", "The bucket you tried to delete is not empty."));
            }
            storage.buckets.remove(&route.name);
            Ok(Reply::empty(204))
        }
        "GetBucketPolicy" => Ok(Reply::json(&storage.bucket(&route.name)?.policy.json())),
        "SetBucketPolicy" => {
            let policy = &mut storage.bucket(&route.name)?.policy;
            policy.set(&Value::Object(request.json()?))?;
            Ok(Reply::json(&policy.json()))
        }
        "TestBucketPermissions" => {
            storage.bucket(&route.name)?;
            let asked = request.query.iter().filter(|(name, _)| name == "permissions").map(|(_, it)| it.clone());
            let asked = json!({ "permissions": asked.collect::<Vec<_>>() });
            let fields = asked.as_object().cloned().unwrap_or_default();
            Ok(Reply::json(&policy::test(&emulator.settings, &fields)))
        }
        "InsertObject" => insert_object(storage, request, now_ms),
        "GetObject" => {
            let object = storage.bucket(&route.name)?.objects.get(&route.rest);
            let object = object.ok_or_else(|| no_object(&route.name, &route.rest))?;
            Ok(Reply::json(&resource(&route.name, &route.rest, object)))
        }
        "DeleteObject" => {
            let gone = storage.bucket(&route.name)?.objects.remove(&route.rest);
            gone.map(|_| Reply::empty(204)).ok_or_else(|| no_object(&route.name, &route.rest))
        }
        "ListObjects" => list_objects(storage, request),
        _ => Err(ApiError::unknown()),
    }
}

fn media(request: &ApiRequest) -> Option<&str> {
    let is_download = request.path.starts_with("/download") && request.method != Method::HEAD;
    if is_download { Some("media") } else { request.query("alt") }
}

fn insert_bucket(storage: &mut State, request: &ApiRequest, now_ms: u64) -> Result<Reply, ApiError> {
    let project = request.query("project").filter(|it| !it.is_empty());
    let project = project.ok_or_else(|| refused(400, "required", "Required parameter: project"))?.to_owned();
    let spec = Value::Object(request.json()?);
    let name = spec["name"].as_str().unwrap_or("").to_owned();
    let is_good = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || b"-_.".contains(&it);
    let is_end = |it: Option<u8>| it.is_some_and(|it| it.is_ascii_lowercase() || it.is_ascii_digit());
    let fits = (3..=63).contains(&name.len()) && name.bytes().all(is_good);
    if !fits || !is_end(name.bytes().next()) || !is_end(name.bytes().last()) || name.contains("google") {
        return Err(refused(400, "invalid", format!("Invalid bucket name: '{name}'")));
    }
    run::check_labels(spec.get("labels"), "bucket.labels").map_err(|_| refused(400, "invalid", "Invalid label"))?;
    let location = spec["location"].as_str().unwrap_or("US").to_uppercase();
    let is_region = run::REGIONS.iter().any(|(it, _)| it.to_uppercase() == location);
    if !is_region && !["US", "EU", "ASIA"].contains(&location.as_str()) {
        return Err(refused(400, "invalid", "The specified location constraint is not valid."));
    }
    match storage.buckets.get(&name) {
        Some(bucket) if bucket.project == project => {
            let text = "Your previous request to create the named bucket succeeded and you already own it.";
            return Err(refused(409, "conflict", text));
        }
        Some(_) => {
            let text = "The requested bucket name is not available. The bucket namespace is shared by all users of the \
                        system. Please select a different name and try again.";
            return Err(refused(409, "conflict", text));
        }
        None => {}
    }
    let bucket = Bucket { project, spec, created_ms: now_ms, ..Bucket::default() };
    let reply = Reply::json(&shown(&name, &bucket));
    storage.buckets.insert(name, bucket);
    Ok(reply)
}

/// Fields of a bucket that nobody changes.
const FIXED: [&str; 4] = ["name", "location", "projectNumber", "timeCreated"];

/// Changes what is given, and within labels what is given of them; `null` takes away.
fn patch_bucket(storage: &mut State, request: &ApiRequest) -> Result<Reply, ApiError> {
    let name = &request.route.name;
    let patch = Value::Object(request.json()?);
    let bucket = storage.bucket(name)?;
    let as_it_is = shown(name, bucket);
    if let Some(field) = FIXED.iter().find(|field| patch.get(**field).is_some_and(|it| *it != as_it_is[**field])) {
        return Err(refused(400, "invalid", format!("Cannot change immutable field: {field}")));
    }
    let mut spec = bucket.spec.clone();
    merge(&mut spec, patch);
    run::check_labels(spec.get("labels"), "bucket.labels").map_err(|_| refused(400, "invalid", "Invalid label"))?;
    bucket.spec = spec;
    bucket.changes += 1;
    Ok(Reply::json(&shown(name, bucket)))
}

/// As RFC 7396 has it.
fn merge(into: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *into = patch;
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    for (field, value) in patch {
        match (value, into.as_object_mut()) {
            (Value::Null, Some(fields)) => drop(fields.remove(&field)),
            (value, _) => merge(&mut into[field], value),
        }
    }
}

fn shown(name: &str, bucket: &Bucket) -> Value {
    let mut json = bucket.spec.clone();
    json["kind"] = json!("storage#bucket");
    json["id"] = json!(name);
    json["name"] = json!(name);
    json["projectNumber"] = json!(PROJECT_NUMBER);
    json["timeCreated"] = json!(format!("{}Z", iso(bucket.created_ms)));
    json["location"] = json!(bucket.spec["location"].as_str().unwrap_or("US").to_uppercase());
    json["storageClass"] = json!("STANDARD");
    json["etag"] = json!("CAE=");
    json["metageneration"] = json!((1 + bucket.changes).to_string());
    json
}

fn list_buckets(storage: &State, request: &ApiRequest) -> Result<Reply, ApiError> {
    let project = request.query("project").unwrap_or("");
    let prefix = request.query("prefix").unwrap_or("");
    let of = storage.buckets.iter().filter(|(name, it)| it.project == project && name.starts_with(prefix));
    let all: Vec<Value> = of.map(|(name, bucket)| shown(name, bucket)).collect();
    listed(request, "storage#buckets", &all)
}

fn list_objects(storage: &mut State, request: &ApiRequest) -> Result<Reply, ApiError> {
    let prefix = request.query("prefix").unwrap_or("").to_owned();
    let name = &request.route.name;
    let objects = storage.bucket(name)?.objects.iter().filter(|(it, _)| it.starts_with(&prefix));
    let all: Vec<Value> = objects.map(|(object, it)| resource(name, object, it)).collect();
    listed(request, "storage#objects", &all)
}

fn listed(request: &ApiRequest, kind: &str, all: &[Value]) -> Result<Reply, ApiError> {
    let size = request.query("maxResults").and_then(|it| it.parse().ok()).unwrap_or(1000_usize).clamp(1, 1000);
    let start = match request.query("pageToken").filter(|it| !it.is_empty()) {
        None => 0,
        Some(token) => token.parse().map_err(|_| refused(400, "invalid", "Invalid argument: pageToken"))?,
    };
    let end = usize::saturating_add(start, size).min(all.len());
    let mut json = json!({ "kind": kind });
    if start < end {
        json["items"] = json!(all[start..end]);
    }
    if end < all.len() {
        json["nextPageToken"] = json!(end.to_string());
    }
    Ok(Reply::json(&json))
}

fn insert_object(storage: &mut State, request: &ApiRequest, now_ms: u64) -> Result<Reply, ApiError> {
    let bucket_name = request.route.name.clone();
    if request.query("uploadType") != Some("media") {
        return Err(refused(400, "invalid", "Only uploadType=media is in this emulator"));
    }
    let name = request.query("name").unwrap_or("").to_owned();
    if name.is_empty() || name.len() > 1024 {
        return Err(refused(400, "required", "Required parameter: name"));
    }
    storage.generation += 1;
    let generation = now_ms * 1000 + storage.generation;
    let bucket = storage.bucket(&bucket_name)?;
    let current = bucket.objects.get(&name).map_or(0, |it| it.generation);
    if request.query("ifGenerationMatch").is_some_and(|it| it.parse() != Ok(current)) {
        let text = "At least one of the pre-conditions you specified did not hold.";
        return Err(refused(412, "conditionNotMet", text));
    }
    let object = Object {
        content: request.body.clone(),
        content_type: request.header("content-type").unwrap_or("application/octet-stream").to_owned(),
        generation,
        created_ms: now_ms,
    };
    let reply = Reply::json(&resource(&bucket_name, &name, &object));
    bucket.objects.insert(name, object);
    Ok(reply)
}

fn resource(bucket: &str, name: &str, object: &Object) -> Value {
    json!({
        "kind": "storage#object",
        "id": format!("{bucket}/{name}/{}", object.generation),
        "name": name,
        "bucket": bucket,
        "generation": object.generation.to_string(),
        "metageneration": "1",
        "contentType": object.content_type,
        "size": object.content.len().to_string(),
        "md5Hash": BASE64_STANDARD.encode(md5::digest(&object.content)),
        "timeCreated": format!("{}Z", iso(object.created_ms)),
        "updated": format!("{}Z", iso(object.created_ms)),
        "storageClass": "STANDARD",
    })
}
