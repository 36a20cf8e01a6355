//! The registry protocol of Artifact Registry: blobs in one piece, manifests, and the digests of both.
//!
//! Blobs belong to a repository, which has to exist before and takes them along when it is deleted.

use std::collections::BTreeMap;

use axum::body::Bytes;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::image::Pushed;
use super::protocol::{ApiError, ApiRequest, Reply};
use super::repository;
use super::state::Shared;
use crate::emulator::hex::hex;
use crate::emulator::web::new_id;

/// A repository: its project and name, as there is no place in a registry's paths.
type Repository = (String, String);

/// Everything of this service.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Uploads that were begun, by id.
    uploads: BTreeMap<String, Repository>,
    blobs: BTreeMap<(Repository, String), Bytes>,
    /// By image and digest.
    manifests: BTreeMap<(Repository, String, String), Manifest>,
    /// The digest of an image's tag.
    tags: BTreeMap<(Repository, String, String), String>,
}

#[derive(Debug, Clone)]
struct Manifest {
    media_type: String,
    bytes: Bytes,
}

/// Media types of manifests of single images.
const MANIFESTS: [&str; 2] =
    ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];

impl State {
    /// A repository is gone, and all that was in it.
    pub(super) fn forget(&mut self, project: &str, name: &str) {
        let gone = (project.to_owned(), name.to_owned());
        self.uploads.retain(|_, repository| *repository != gone);
        self.blobs.retain(|(repository, _), _| *repository != gone);
        self.manifests.retain(|(repository, ..), _| *repository != gone);
        self.tags.retain(|(repository, ..), _| *repository != gone);
    }

    /// An image is gone; blobs stay until nobody needs them, which is of no interest here.
    pub(super) fn forget_image(&mut self, project: &str, name: &str, image: &str) -> bool {
        let of = (project.to_owned(), name.to_owned());
        let before = self.manifests.len();
        self.manifests.retain(|(repository, it, _), _| *repository != of || it != image);
        self.tags.retain(|(repository, it, _), _| *repository != of || it != image);
        self.manifests.len() < before
    }

    /// Images of a repository.
    pub(super) fn images(&self, project: &str, name: &str) -> Vec<String> {
        let of = (project.to_owned(), name.to_owned());
        let mut images: Vec<_> =
            self.manifests.keys().filter(|(it, ..)| *it == of).map(|(_, image, _)| image.clone()).collect();
        images.dedup();
        images
    }

    /// The image that a service names: `host/project/repository/image@digest`, or with a tag.
    pub(super) fn image(&self, named: &str) -> Option<Pushed> {
        let (_, path) = named.split_once('/')?;
        let (path, reference) = path.split_once('@').or_else(|| path.rsplit_once(':')).unwrap_or((path, "latest"));
        let mut parts = path.splitn(3, '/');
        let (project, name, image) = (parts.next()?, parts.next()?, parts.next()?);
        let repository = (project.to_owned(), name.to_owned());
        let (digest, manifest) = self.manifest(&repository, image, reference)?;
        let json: Value = serde_json::from_slice(&manifest.bytes).ok()?;
        let blob = |digest: &Value| self.blobs.get(&(repository.clone(), digest.as_str()?.to_owned())).cloned();
        let layers = json["layers"].as_array()?.iter().map(|it| blob(&it["digest"]));
        let (config, layers) = (blob(&json["config"]["digest"])?, layers.collect::<Option<Vec<_>>>()?);
        Some(Pushed { name: named.to_owned(), digest, config, layers })
    }

    fn manifest(&self, repository: &Repository, image: &str, reference: &str) -> Option<(String, &Manifest)> {
        let key = |last: &str| (repository.clone(), image.to_owned(), last.to_owned());
        let digest = self.tags.get(&key(reference)).map_or(reference, String::as_str);
        Some((digest.to_owned(), self.manifests.get(&key(digest))?))
    }
}

pub(super) fn handle(emulator: &Shared, request: &ApiRequest) -> Result<Reply, ApiError> {
    let route = &request.route;
    if route.action == "Ping" {
        return Ok(Reply::json(&json!({})).header("docker-distribution-api-version", "registry/2.0"));
    }
    let mut state = emulator.state();
    if !repository::exists(&state, &route.project, &route.name) {
        return Err(ApiError::registry(404, "NAME_UNKNOWN", format!("Repository \"{}\" not found", route.name)));
    }
    let registry = &mut state.registry;
    let repository = (route.project.clone(), route.name.clone());
    match route.action {
        "StartUpload" => Ok(start_upload(registry, repository)),
        "Patch" => {
            let text = "Artifact Registry does not support chunked uploads; upload the blob with a single PUT request.";
            Err(ApiError::registry(405, "UNSUPPORTED", text))
        }
        "EndUpload" => end_upload(registry, repository, request),
        "GetBlob" => match registry.blobs.get(&(repository, route.rest.clone())) {
            Some(blob) => Ok(content(blob, "application/octet-stream", &route.rest)),
            None => Err(ApiError::registry(404, "BLOB_UNKNOWN", "Failed to fetch blob")),
        },
        "PutManifest" => put_manifest(registry, repository, request),
        "GetManifest" => {
            let (image, reference) = route.rest.rsplit_once('@').unwrap_or_default();
            match registry.manifest(&repository, image, reference) {
                Some((digest, manifest)) => Ok(content(&manifest.bytes, &manifest.media_type, &digest)),
                None => Err(ApiError::registry(404, "MANIFEST_UNKNOWN", format!("Failed to fetch \"{reference}\""))),
            }
        }
        "ListTags" => {
            let of = registry.tags.keys().filter(|(it, image, _)| *it == repository && *image == route.rest);
            let tags: Vec<&str> = of.map(|(.., tag)| tag.as_str()).collect();
            Ok(Reply::json(&json!({ "name": route.rest, "tags": tags })))
        }
        _ => Err(ApiError::unknown()),
    }
}

fn content(bytes: &Bytes, media_type: &str, digest: &str) -> Reply {
    let reply = Reply::bytes(200, bytes.clone()).header("content-type", media_type);
    reply.header("content-length", bytes.len().to_string()).header("docker-content-digest", digest)
}

fn start_upload(registry: &mut State, repository: Repository) -> Reply {
    let id = new_id();
    // Not below the path of the request: who does not follow it goes wrong.
    let location = format!("/artifacts-uploads/namespaces/{}/repositories/{}/uploads/{id}", repository.0, repository.1);
    registry.uploads.insert(id.clone(), repository);
    Reply::empty(202).header("location", location).header("docker-upload-uuid", id).header("range", "0-0")
}

fn end_upload(registry: &mut State, repository: Repository, request: &ApiRequest) -> Result<Reply, ApiError> {
    if registry.uploads.get(&request.route.rest) != Some(&repository) {
        return Err(ApiError::registry(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry"));
    }
    let wanted = request.query("digest").unwrap_or("");
    let digest = digest(&request.body);
    if digest != wanted {
        let text = format!("Provided digest did not match uploaded content: computed {digest}, got {wanted}");
        return Err(ApiError::registry(400, "DIGEST_INVALID", text));
    }
    registry.uploads.remove(&request.route.rest);
    let location = format!("/v2/{}/{}/blobs/{digest}", repository.0, repository.1);
    registry.blobs.insert((repository, digest.clone()), request.body.clone());
    Ok(Reply::empty(201).header("location", location).header("docker-content-digest", digest))
}

fn put_manifest(registry: &mut State, repository: Repository, request: &ApiRequest) -> Result<Reply, ApiError> {
    let invalid = |text: String| ApiError::registry(400, "MANIFEST_INVALID", text);
    let (image, reference) = request.route.rest.rsplit_once('@').unwrap_or_default();
    if image.is_empty() {
        return Err(ApiError::registry(400, "NAME_INVALID", "invalid repository name"));
    }
    let json: Value = serde_json::from_slice(&request.body).map_err(|error| invalid(error.to_string()))?;
    let media_type = request.header("content-type").unwrap_or("");
    if !MANIFESTS.contains(&media_type) || json["mediaType"].as_str().is_some_and(|it| it != media_type) {
        return Err(invalid(format!("unsupported manifest media type \"{media_type}\"")));
    }
    if json["schemaVersion"] != 2 || !json["config"].is_object() || !json["layers"].is_array() {
        return Err(invalid("the manifest has no schemaVersion 2, config and layers".into()));
    }
    for part in json["layers"].as_array().into_iter().flatten().chain([&json["config"]]) {
        let digest = part["digest"].as_str().unwrap_or("");
        let Some(blob) = registry.blobs.get(&(repository.clone(), digest.to_owned())) else {
            let text = format!("blob {digest} unknown to registry");
            return Err(ApiError::registry(404, "MANIFEST_BLOB_UNKNOWN", text));
        };
        if part["size"].as_u64() != Some(blob.len() as u64) {
            return Err(invalid(format!("the size of blob {digest} is {}", blob.len())));
        }
    }
    let digest = digest(&request.body);
    if reference.starts_with("sha256:") {
        if reference != digest {
            return Err(ApiError::registry(400, "DIGEST_INVALID", "provided digest did not match uploaded content"));
        }
    } else {
        registry.tags.insert((repository.clone(), image.to_owned(), reference.to_owned()), digest.clone());
    }
    let manifest = Manifest { media_type: media_type.to_owned(), bytes: request.body.clone() };
    let location = format!("/v2/{}/{}/{image}/manifests/{digest}", repository.0, repository.1);
    registry.manifests.insert((repository, image.to_owned(), digest.clone()), manifest);
    Ok(Reply::empty(201).header("location", location).header("docker-content-digest", digest))
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(bytes)))
}
