//! Finding what deployments left behind: by labels alone, from any machine.
//!
//! Services are found in all regions at once, by the older version of Cloud Run's API: the newer one lists one region and
//! takes no selector. Everything else is listed as a whole, repositories by region, and judged by [`label::owned`]: a
//! topic's list knows no labels to ask for.

use std::collections::BTreeSet;
use std::time::SystemTime;

use faast_core::provider::{Resource, StrayScope};
use faast_core::{Error, ErrorKind, Result};
use reqwest::Method;
use serde_json::Value;

use crate::classify::control::{Cause, Refusal};
use crate::clients::Clients;
use crate::endpoint::Service;
use crate::label;
use crate::resource::Kind;

/// Where the older API says the region of a service.
const LOCATION: &str = "cloud.googleapis.com/location";

/// Everything of faast's within the scope, in the order in which it is to be deleted. Without a region that was asked for,
/// services and buckets are found wherever they are, and repositories where there are such services, or in the configured
/// region.
pub(crate) async fn find(clients: &Clients, scope: &StrayScope, now: SystemTime) -> Vec<Result<Resource>> {
    let (services, buckets, topics, subscriptions) = tokio::join!(
        services(clients),
        buckets(clients),
        queues(clients, "topics", [Kind::RequestTopic, Kind::ResponseTopic]),
        queues(clients, "subscriptions", [Kind::RequestSubscription, Kind::ResponseSubscription])
    );
    let mut found = Vec::new();
    let unreachable = collect_services(&mut found, services);
    let mut regions: BTreeSet<_> = scope.regions.iter().cloned().collect();
    if regions.is_empty() {
        regions = found.iter().flatten().map(|service: &Resource| service.region.clone()).collect();
        regions.insert(clients.region.clone());
        found.extend(unreachable.iter().map(|region| Err(silent(region))));
    } else {
        found.extend(unreachable.iter().filter(|region| regions.contains(*region)).map(|region| Err(silent(region))));
    }
    for part in [buckets, topics, subscriptions] {
        collect(&mut found, part);
    }
    for region in &regions {
        collect(&mut found, repositories(&clients.in_region(region)).await);
    }
    let here = |resource: &Resource| {
        scope.regions.is_empty() || resource.region.is_empty() || scope.regions.contains(&resource.region)
    };
    let due = |resource: &Resource| scope.include_live || resource.expires.is_some_and(|expires| expires <= now);
    found.retain(|entry| entry.as_ref().map_or(true, |resource| here(resource) && due(resource)));
    found.sort_by_key(|entry| entry.as_ref().map_or(0, |resource| resource.rank));
    found
}

fn collect(found: &mut Vec<Result<Resource>>, part: Result<Vec<Resource>, Refusal>) {
    match part {
        Ok(resources) => found.extend(resources.into_iter().map(Ok)),
        // Where a service is not enabled, there is nothing of it.
        Err(refusal) if refusal.cause() == Cause::ApiDisabled => {}
        Err(refusal) => found.push(Err(refusal.into())),
    }
}

fn collect_services(found: &mut Vec<Result<Resource>>, services: Result<Services, Refusal>) -> BTreeSet<String> {
    let (services, unreachable) =
        services.map_or_else(|refusal| (Err(refusal), BTreeSet::new()), |(it, silent)| (Ok(it), silent));
    collect(found, services);
    unreachable
}

fn silent(region: &str) -> Error {
    Error::new(ErrorKind::Unavailable, format!("Cloud Run did not answer for {region}")).with_hint("try again later")
}

/// Services, and the regions that did not answer.
type Services = (Vec<Resource>, BTreeSet<String>);

async fn services(clients: &Clients) -> Result<Services, Refusal> {
    let path = format!("/v1/projects/{}/locations/-/services", clients.project);
    let (mut found, mut silent) = (Vec::new(), BTreeSet::new());
    let mut next = None;
    loop {
        let mut call = clients.rest.call("run.services.list", Method::GET, Service::Run, &path);
        call = call.query("labelSelector", label::DEPLOYMENT).query("limit", "500");
        if let Some(token) = next {
            call = call.query("continue", token);
        }
        let page = call.send_json().await?;
        for item in list(&page, "items") {
            let Some(metadata) = item.get("metadata") else { continue };
            let Some(name) = metadata.get("name").and_then(Value::as_str) else { continue };
            let region = label::pairs(metadata).find(|(key, _)| *key == LOCATION).map_or("", |(_, region)| region);
            let resource = Kind::Service.resource(name, region, None);
            found.extend(label::owned(name, label::pairs(metadata)).map(|owned| owned.describe(resource)));
        }
        silent.extend(list(&page, "unreachable").filter_map(Value::as_str).map(region_in));
        next = token(page.pointer("/metadata/continue"));
        if next.is_none() {
            return Ok((found, silent));
        }
    }
}

/// A region, with or without the project in front.
fn region_in(location: &str) -> String {
    location.rsplit('/').next().unwrap_or_default().into()
}

async fn buckets(clients: &Clients) -> Result<Vec<Resource>, Refusal> {
    let query = [("project", clients.project.as_str()), ("prefix", "faast-")];
    let buckets = pages(clients, "storage.buckets.list", Service::Storage, "/storage/v1/b", &query).await?;
    let found = buckets.iter().flat_map(|page| list(page, "items")).filter_map(|bucket| {
        let name = bucket.get("name")?.as_str()?;
        let region = bucket.get("location").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
        let owned = label::owned(name, label::pairs(bucket))?;
        Some(owned.describe(Kind::Bucket.resource(name, &region, None)))
    });
    Ok(found.collect())
}

async fn repositories(clients: &Clients) -> Result<Vec<Resource>, Refusal> {
    let path = format!("/v1/{}/repositories", clients.location());
    let action = "artifactregistry.repositories.list";
    let pages = pages(clients, action, Service::ArtifactRegistry, &path, &[("pageSize", "1000")]).await?;
    let found = pages.iter().flat_map(|page| list(page, "repositories")).filter_map(|repository| {
        let name = repository.get("name")?.as_str()?.rsplit('/').next()?;
        let owned = label::owned(name, label::pairs(repository))?;
        Some(owned.describe(Kind::Repository.resource(name, &clients.region, None)))
    });
    Ok(found.collect())
}

async fn queues(clients: &Clients, collection: &str, kinds: [Kind; 2]) -> Result<Vec<Resource>, Refusal> {
    let path = format!("/v1/projects/{}/{collection}", clients.project);
    let action = if collection == "topics" { "pubsub.topics.list" } else { "pubsub.subscriptions.list" };
    let pages = pages(clients, action, Service::PubSub, &path, &[("pageSize", "1000")]).await?;
    let found = pages.iter().flat_map(|page| list(page, collection)).filter_map(|queue| {
        let id = queue.get("name")?.as_str()?.rsplit('/').next()?;
        let resource = Resource::new(kinds[0].name(), id);
        let (kind, name) = Kind::parse(&resource)?;
        let owned = label::owned(name, label::pairs(queue))?;
        Some(owned.describe(kind.resource(name, "", None)))
    });
    Ok(found.collect())
}

/// All pages of a list.
async fn pages(
    clients: &Clients,
    action: &'static str,
    service: Service,
    path: &str,
    query: &[(&'static str, &str)],
) -> Result<Vec<Value>, Refusal> {
    let mut pages = Vec::new();
    let mut next: Option<String> = None;
    loop {
        let mut call = clients.rest.call(action, Method::GET, service, path);
        for (name, value) in query {
            call = call.query(name, *value);
        }
        if let Some(token) = next {
            call = call.query("pageToken", token);
        }
        let page = call.send_json().await?;
        next = token(page.get("nextPageToken"));
        pages.push(page);
        if next.is_none() {
            return Ok(pages);
        }
    }
}

fn token(value: Option<&Value>) -> Option<String> {
    value.and_then(Value::as_str).filter(|token| !token.is_empty()).map(ToOwned::to_owned)
}

fn list<'v>(page: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> + use<'v> {
    page.get(name).and_then(Value::as_array).into_iter().flatten()
}
