//! The deployment's repository in Artifact Registry, and the image in it.
//!
//! One repository for each deployment: deleting it deletes the image. A blob is sent in one piece, because Artifact
//! Registry takes no others: a client that sends parts fails there, and nowhere else.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use faast_core::control::{Backoff, Ended, Pauses, RealTime, Step, wait};
use faast_core::{Error, ErrorKind};
use faast_packer::Image;
use fastrand::Rng;
use http::header::LOCATION;
use reqwest::Method;
use serde_json::json;

use crate::classify::control::{Cause, Refusal};
use crate::clients::Clients;
use crate::endpoint::Service;
use crate::estate::{Estate, Stop};
use crate::label;
use crate::operation;
use crate::resource::Kind;

/// The image's name in the repository, and its tag.
const IMAGE: &str = "worker";
const TAG: &str = "faast";

const BLOB: &str = "application/octet-stream";

const CREATE: &str = "artifactregistry.repositories.create";
const PUSH: &str = "artifactregistry.repositories.uploadArtifacts";

/// Pauses before a push is tried again that broke off, or before a new repository is known to the registry.
const AGAIN: Backoff = Backoff {
    first: Duration::from_millis(300),
    factor: 2.0,
    most: Duration::from_secs(5),
    total: Duration::from_secs(90),
};

/// Makes the repository, and waits until it is there.
pub(crate) async fn make(estate: &Estate) -> Result<(), Stop> {
    estate.go_on()?;
    estate.intend(Kind::Repository);
    let clients = &estate.clients;
    let body = json!({ "format": "DOCKER", "labels": label::json(&estate.labels) });
    let call = clients.rest.call(CREATE, Method::POST, Service::ArtifactRegistry, &collection(clients));
    let begun = match call.query("repositoryId", &estate.name).json(&body).send_json().await {
        Ok(begun) => begun,
        Err(refusal) if refusal.cause() == Cause::Exists => return own(estate, refusal).await,
        Err(refusal) => return Err(estate.refused(Kind::Repository, refusal).into()),
    };
    match operation::of_rest(clients, &estate.halt, CREATE, Service::ArtifactRegistry, begun).await {
        Ok(_) => Ok(()),
        Err(Ended::Halted) => Err(Stop::Halted),
        Err(Ended::Failed(refusal)) if refusal.cause() == Cause::Exists => own(estate, refusal).await,
        Err(Ended::Failed(refusal) | Ended::TimeUp(refusal)) => Err(refusal.into()),
    }
}

/// The name is taken: by an attempt of ours whose answer was lost, or by somebody else.
async fn own(estate: &Estate, taken: Refusal) -> Result<(), Stop> {
    let path = path(&estate.clients, &estate.name);
    let call =
        estate.clients.rest.call("artifactregistry.repositories.get", Method::GET, Service::ArtifactRegistry, &path);
    let found = call.send_json().await?;
    if label::belongs_to(&estate.id, label::pairs(&found)) {
        return Ok(());
    }
    estate.gone(Kind::Repository);
    Err(taken.into())
}

/// Moves the repository's time of expiry.
pub(crate) async fn renew(estate: &Estate, until: SystemTime) -> Result<(), Refusal> {
    let path = path(&estate.clients, &estate.name);
    let action = "artifactregistry.repositories.update";
    let call = estate.clients.rest.call(action, Method::PATCH, Service::ArtifactRegistry, &path);
    let labels = label::json(&estate.labels.expiring(until));
    call.query("updateMask", "labels").json(&json!({ "labels": labels })).send().await.map(drop)
}

fn collection(clients: &Clients) -> String {
    format!("/v1/{}/repositories", clients.location())
}

/// The repository called `name`, as Artifact Registry has it in URLs.
pub(crate) fn path(clients: &Clients, name: &str) -> String {
    format!("{}/{name}", collection(clients))
}

/// Pushes the image, and says by what reference it is deployed: its digest, so that nothing else can take its place.
pub(crate) async fn push(estate: &Estate, image: &Image) -> Result<String, Stop> {
    let (layer, config) = tokio::join!(
        blob(estate, &image.layer_digest, &image.layer),
        blob(estate, &image.config_digest, &image.config)
    );
    layer?;
    config?;
    let path = format!("{}/manifests/{TAG}", place(&estate.clients, &estate.name));
    let answer = again(estate, || async {
        let call = estate.clients.rest.call(PUSH, Method::PUT, Service::Registry, &path);
        call.bytes(image.manifest.clone(), Image::MANIFEST_TYPE).once().send().await
    })
    .await?;
    let got = answer.headers.get("docker-content-digest").and_then(|digest| digest.to_str().ok());
    if let Some(got) = got.filter(|got| *got != image.manifest_digest) {
        let text = format!("the image arrived damaged: its digest is `{got}`");
        return Err(Error::new(ErrorKind::Deploy, text)
            .with_hint("deploy again; if it stays so, look at the proxy on the way")
            .into());
    }
    Ok(reference(&estate.clients, &estate.name, &image.manifest_digest))
}

/// Sends a blob: a place for it is asked for, then it goes there in one piece.
async fn blob(estate: &Estate, digest: &str, bytes: &Bytes) -> Result<(), Stop> {
    let rest = &estate.clients.rest;
    let uploads = format!("{}/blobs/uploads/", place(&estate.clients, &estate.name));
    again(estate, || async {
        let begun = rest.call(PUSH, Method::POST, Service::Registry, &uploads).once().send().await?;
        let location = begun.headers.get(LOCATION).and_then(|location| location.to_str().ok());
        let location = location.ok_or_else(|| Refusal::unreadable(PUSH, "it names no place for the upload"))?;
        let url = absolute(&rest.endpoints().url(Service::Registry), location);
        let call = rest.call_at(PUSH, Method::PUT, url).query("digest", digest);
        call.bytes(bytes.clone(), BLOB).once().send().await
    })
    .await
    .map(drop)
}

/// A place that has its host, or that lacks it.
fn absolute(registry: &str, location: &str) -> String {
    if location.starts_with('/') { format!("{registry}{location}") } else { location.to_owned() }
}

/// A part of a push, again as a whole while it fails in passing. A repository that was made a moment ago may not be known
/// to the registry yet.
async fn again<T, F>(estate: &Estate, part: impl Fn() -> F) -> Result<T, Stop>
where
    F: Future<Output = Result<T, Refusal>>,
{
    let mut policy = AGAIN;
    policy.first = policy.first.min(estate.clients.patience.pauses.first);
    let clock = RealTime::start();
    let done = wait(&clock, Pauses::new(policy, Rng::new()), &estate.halt, || async {
        match part().await {
            Ok(done) => Step::Done(done),
            Err(refusal) if refusal.passes() || refusal.cause() == Cause::Gone => Step::NotYet(refusal),
            Err(refusal) => Step::Failed(refusal),
        }
    });
    match done.await {
        Ok(done) => Ok(done),
        Err(Ended::Halted) => Err(Stop::Halted),
        Err(Ended::Failed(refusal) | Ended::TimeUp(refusal)) => Err(refusal.into()),
    }
}

/// The image's path in the registry's own protocol; a project that has a domain is two folders there.
fn place(clients: &Clients, name: &str) -> String {
    format!("/v2/{}/{name}/{IMAGE}", clients.project.replace(':', "/"))
}

/// The image by its digest.
fn reference(clients: &Clients, name: &str, digest: &str) -> String {
    let registry = clients.rest.endpoints().url(Service::Registry);
    let host = registry.split_once("://").map_or(registry.as_str(), |(_, host)| host);
    format!("{host}/{}/{name}/{IMAGE}@{digest}", clients.project.replace(':', "/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_without_a_host_is_at_the_registry() {
        assert_eq!(absolute("https://r.pkg.dev", "/v2/p/u/1?x=y"), "https://r.pkg.dev/v2/p/u/1?x=y");
        assert_eq!(absolute("https://r.pkg.dev", "https://other/v2/u"), "https://other/v2/u");
    }
}
