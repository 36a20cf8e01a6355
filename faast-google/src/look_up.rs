//! Looking one resource up that only the ledger of a dead client knows: whether it was made at all, and what its labels say.

use faast_core::Result;
use faast_core::provider::Resource;
use reqwest::Method;
use serde_json::Value;

use crate::classify::control::{Cause, Refusal};
use crate::clients::Clients;
use crate::endpoint::Service;
use crate::resource::Kind;
use crate::{label, registry, service, topic};

/// The resource as it is now; `None` if it is not there, or is none that faast makes.
pub(crate) async fn look_up(clients: &Clients, recorded: &Resource) -> Result<Option<Resource>> {
    let Some((kind, name)) = Kind::parse(recorded) else { return Ok(None) };
    let clients = clients.in_region(&recorded.region);
    let labels = match labels(&clients, kind, name).await {
        Ok(labels) => labels,
        // Where a service is not enabled, there is nothing of it.
        Err(refusal) if matches!(refusal.cause(), Cause::Gone | Cause::ApiDisabled) => return Ok(None),
        Err(refusal) => return Err(refusal.into()),
    };
    let owned = label::owned(name, labels.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    let found = kind.resource(name, &clients.region, None);
    Ok(Some(owned.map_or(found.clone(), |owned| owned.describe(found))))
}

async fn labels(clients: &Clients, kind: Kind, name: &str) -> Result<Vec<(String, String)>, Refusal> {
    let found: Value = match kind {
        Kind::RequestSubscription | Kind::ResponseSubscription | Kind::RequestTopic | Kind::ResponseTopic => {
            topic::get(clients, kind, name).await?
        }
        Kind::Bucket => {
            let path = format!("/storage/v1/b/{name}");
            clients.rest.call("storage.buckets.get", Method::GET, Service::Storage, &path).send_json().await?
        }
        Kind::Repository => {
            let path = registry::path(clients, name);
            let action = "artifactregistry.repositories.get";
            clients.rest.call(action, Method::GET, Service::ArtifactRegistry, &path).send_json().await?
        }
        Kind::Service => return Ok(service::get(clients, name).await?.labels.into_iter().collect()),
    };
    Ok(label::pairs(&found).map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
}
