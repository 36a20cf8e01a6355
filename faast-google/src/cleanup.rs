//! Removing what a deployment made, and single resources of deployments that nobody cleaned up.
//!
//! Deleting what is gone already is a success. The order of a deployment's cleanup:
//!
//! | step | calls |
//! |---|---|
//! | side by side | `DELETE` of both subscriptions, then of both topics · of the repository, with its operation · of the bucket, and before it of its objects if it has any |
//! | then | `DELETE` of the service, with its operation: it is what others find the deployment by |
//! | last | `DELETE` of the bucket once more: a worker could make it until its service was gone |

use std::collections::VecDeque;
use std::fmt::Write as _;

use faast_core::CancelToken;
use faast_core::provider::{CleanupReport, Deleted, Resource};
use faast_core::{Error, ErrorKind, Result};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::Method;
use serde_json::Value;

use crate::classify::control::{Cause, Refusal};
use crate::clients::Clients;
use crate::endpoint::Service;
use crate::estate::Estate;
use crate::resource::Kind;
use crate::{operation, registry, service, topic};

/// Objects that are deleted at once.
const AT_ONCE: usize = 16;

/// Attempts to empty a bucket: a request that still ran may have written meanwhile.
const ATTEMPTS: usize = 3;

/// Removes everything that the deployment has. Whether it has a bucket is looked for, unless this side has seen it.
pub(crate) async fn remove(estate: &Estate, bucket_is_there: bool) -> CleanupReport {
    let mut report = CleanupReport::default();
    let bucket = async {
        if estate.has(Kind::Bucket) {
            Some(delete_kind(&estate.clients, Kind::Bucket, &estate.name).await)
        } else {
            None
        }
    };
    let (queues, bucket, repository) =
        tokio::join!(remove_queues(estate), bucket, remove_one(estate, Kind::Repository));
    report.append(queues);
    report.append(repository);
    if report.is_clean() {
        let service = remove_one(estate, Kind::Service).await;
        report.append(service);
    } else if estate.has(Kind::Service) {
        let why = "it is the last to go, and something else is left".to_owned();
        report.left.push((estate.resource(Kind::Service), why));
    }
    if let Some(bucket) = bucket {
        let looked_again = match bucket {
            Ok(first) => delete_kind(&estate.clients, Kind::Bucket, &estate.name).await.map(|again| (first, again)),
            Err(refusal) => Err(refusal),
        };
        note_bucket(&mut report, estate, bucket_is_there, looked_again);
    }
    estate.close();
    report
}

/// The bucket was looked for in any case; most deployments have none.
fn note_bucket(
    report: &mut CleanupReport,
    estate: &Estate,
    is_there: bool,
    deleted: Result<(Deleted, Deleted), Refusal>,
) {
    match deleted {
        Ok((Deleted::Before, Deleted::Before)) => estate.gone(Kind::Bucket),
        Ok(_) => {
            estate.gone(Kind::Bucket);
            report.deleted.push(estate.resource(Kind::Bucket));
        }
        // Where Storage is not enabled, nobody has made one.
        Err(refusal) if refusal.cause() == Cause::ApiDisabled => estate.gone(Kind::Bucket),
        // A client that may not use buckets has made none, and no worker said that it had.
        Err(refusal) if refusal.cause() == Cause::Denied && !is_there => {
            estate.gone(Kind::Bucket);
            report.notes.push(format!("whether there is a bucket `{}` can't be told: {refusal}", estate.name));
        }
        Err(refusal) => report.left.push((estate.resource(Kind::Bucket), refusal.to_string())),
    }
}

/// Subscriptions first: a topic that is gone leaves its subscriptions behind.
async fn remove_queues(estate: &Estate) -> CleanupReport {
    let mut report = CleanupReport::default();
    for [one, other] in
        [[Kind::RequestSubscription, Kind::ResponseSubscription], [Kind::RequestTopic, Kind::ResponseTopic]]
    {
        let (first, second) = tokio::join!(remove_one(estate, one), remove_one(estate, other));
        report.append(first);
        report.append(second);
    }
    report
}

/// Deletes a resource if the deployment has it.
async fn remove_one(estate: &Estate, kind: Kind) -> CleanupReport {
    estate.remove(kind, delete_kind(&estate.clients, kind, &estate.name)).await
}

/// Deletes one resource that was found by its labels or in the ledger.
pub(crate) async fn delete(clients: &Clients, resource: &Resource) -> Result<Deleted> {
    let Some((kind, name)) = Kind::parse(resource) else {
        return Err(Error::new(ErrorKind::Config, format!("{resource} is not one that faast makes"))
            .with_hint("faast deletes only what it made; delete it by other means"));
    };
    delete_kind(&clients.in_region(&resource.region), kind, name).await.map_err(Error::from)
}

async fn delete_kind(clients: &Clients, kind: Kind, name: &str) -> Result<Deleted, Refusal> {
    let deleted = match kind {
        Kind::RequestSubscription | Kind::ResponseSubscription | Kind::RequestTopic | Kind::ResponseTopic => {
            topic::delete(clients, kind, name).await
        }
        Kind::Bucket => delete_bucket(clients, name).await,
        Kind::Repository => delete_repository(clients, name).await,
        Kind::Service => service::delete(clients, name).await,
    };
    match deleted {
        Ok(()) => Ok(Deleted::Now),
        Err(refusal) if refusal.cause() == Cause::Gone => Ok(Deleted::Before),
        Err(refusal) => Err(refusal),
    }
}

async fn delete_repository(clients: &Clients, name: &str) -> Result<(), Refusal> {
    const ACTION: &str = "artifactregistry.repositories.delete";
    let path = registry::path(clients, name);
    let begun = clients.rest.call(ACTION, Method::DELETE, Service::ArtifactRegistry, &path).send_json().await?;
    let never = CancelToken::new();
    let done = operation::of_rest(clients, &never, ACTION, Service::ArtifactRegistry, begun).await;
    done.map(drop).map_err(|ended| operation::refusal(ended, ACTION))
}

/// Deletes a bucket. Asked first without looking into it: mostly it is empty.
async fn delete_bucket(clients: &Clients, name: &str) -> Result<(), Refusal> {
    let path = format!("/storage/v1/b/{name}");
    let mut last = None;
    for _ in 0..ATTEMPTS {
        match clients.rest.call("storage.buckets.delete", Method::DELETE, Service::Storage, &path).send().await {
            Err(refusal) if refusal.cause() == Cause::NotEmpty => {
                last = Some(refusal);
                empty_bucket(clients, &path).await?;
            }
            deleted => return deleted.map(drop),
        }
    }
    last.map_or(Ok(()), Err)
}

/// Deletes all objects, page by page.
async fn empty_bucket(clients: &Clients, path: &str) -> Result<(), Refusal> {
    let mut pages = VecDeque::from([None::<String>]);
    while let Some(token) = pages.pop_front() {
        let mut call = clients.rest.call("storage.objects.list", Method::GET, Service::Storage, &format!("{path}/o"));
        call = call.query("fields", "items(name),nextPageToken");
        if let Some(token) = token {
            call = call.query("pageToken", token);
        }
        let page = call.send_json().await?;
        let items = page.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
        let names = items.iter().filter_map(|item| item.get("name").and_then(Value::as_str).map(ToOwned::to_owned));
        let deletions = stream::iter(names.collect::<Vec<_>>()).map(|name| delete_object(clients, path, name));
        deletions.buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        let next = page.get("nextPageToken").and_then(Value::as_str).map(ToOwned::to_owned);
        pages.extend(next.map(Some));
    }
    Ok(())
}

async fn delete_object(clients: &Clients, path: &str, name: String) -> Result<(), Refusal> {
    let path = format!("{path}/o/{}", encoded(&name));
    let call = clients.rest.call("storage.objects.delete", Method::DELETE, Service::Storage, &path);
    match call.send().await {
        Err(refusal) if refusal.cause() != Cause::Gone => Err(refusal),
        _ => Ok(()),
    }
}

/// A name as one segment of a path.
pub(crate) fn encoded(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        if plain(byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a string can't fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_objects_name_is_one_segment_of_a_path() {
        assert_eq!(encoded("args/7-ä b"), "args%2F7-%C3%A4%20b");
    }
}
