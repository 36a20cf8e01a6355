//! Finding what deployments left behind: by tags alone, from any machine.
//!
//! The tagging service lists everything but roles, region by region; roles are listed by their path. Both are read
//! completely, then judged by [`tags::owned`].

use std::time::SystemTime;

use aws_sdk_resourcegroupstagging::types::TagFilter;
use faast_core::Result;
use faast_core::provider::{Resource, StrayScope};

use crate::classify::control::{Cause, Meaning as _, Refusal};
use crate::clients::Clients;
use crate::resource::{self, Kind, ROLE_PATH};
use crate::tags;

/// Everything of faast's within the scope, in the order in which it is to be deleted.
pub(crate) async fn find(clients: &Clients, scope: &StrayScope, now: SystemTime) -> Vec<Result<Resource>> {
    let regions = if scope.regions.is_empty() { vec![clients.region.clone()] } else { scope.regions.clone() };
    let mut found = Vec::new();
    for region in &regions {
        collect(&mut found, in_region(&clients.in_region(region)).await);
    }
    collect(&mut found, roles(clients).await);
    let expired = |resource: &Resource| resource.expires.is_some_and(|expires| expires <= now);
    found.retain(|entry| entry.as_ref().map_or(true, |resource| scope.include_live || expired(resource)));
    found.sort_by_key(|entry| entry.as_ref().map_or(0, |resource| resource.rank));
    found
}

fn collect(found: &mut Vec<Result<Resource>>, part: Result<Vec<Resource>, Refusal>) {
    match part {
        Ok(resources) => found.extend(resources.into_iter().map(Ok)),
        Err(refusal) => found.push(Err(refusal.into())),
    }
}

async fn in_region(clients: &Clients) -> Result<Vec<Resource>, Refusal> {
    let filter = TagFilter::builder().key(tags::DEPLOYMENT).build();
    let mut pages = clients.tagging.get_resources().tag_filters(filter).into_paginator().send();
    let mut found = Vec::new();
    while let Some(page) = pages.next().await {
        for mapping in page.meaning("tag:GetResources")?.resource_tag_mapping_list() {
            let Some((kind, name)) = mapping.resource_arn().and_then(resource::parse_arn) else { continue };
            if let Some(owned) = tags::owned(name, mapping.tags().iter().map(|tag| (tag.key(), tag.value()))) {
                found.push(owned.describe(kind.resource(name, &clients.region, None)));
            }
        }
    }
    Ok(found)
}

async fn roles(clients: &Clients) -> Result<Vec<Resource>, Refusal> {
    let mut pages = clients.iam.list_roles().path_prefix(ROLE_PATH).into_paginator().send();
    let mut found = Vec::new();
    while let Some(page) = pages.next().await {
        for role in page.meaning("iam:ListRoles")?.roles() {
            let name = role.role_name();
            if resource::deployment_of(name).is_none() {
                continue;
            }
            // The list itself has no tags. A role may go while the list is read.
            let answer = clients.iam.list_role_tags().role_name(name).send().await.meaning("iam:ListRoleTags");
            let tags = match answer {
                Ok(answer) => answer.tags,
                Err(refusal) if refusal.cause() == Cause::Gone => continue,
                Err(refusal) => return Err(refusal),
            };
            if let Some(owned) = tags::owned(name, tags.iter().map(|tag| (tag.key(), tag.value()))) {
                found.push(owned.describe(Kind::Role.resource(name, "", None)));
            }
        }
    }
    Ok(found)
}
