//! Removing what a deployment made, and single resources of deployments that nobody cleaned up.
//!
//! Deleting what is gone already is a success; what was made a moment ago is not believed to be gone at once. The order of a deployment's cleanup:
//!
//! | step | calls |
//! |---|---|
//! | side by side | `DeleteFunction` · `GetQueueUrl`, `DeleteQueue` · `DeleteBucket`, and before it `ListObjectsV2`, `DeleteObjects` if it is not empty |
//! | then | `DeleteLogGroup`, once nothing writes to it |
//! | then | `DetachRolePolicy`, `DeleteRolePolicy`, `DeleteRole`: its Deny stands until nothing else does |
//! | last | `DeleteBucket` once more: an execution that outlives its function could write until its role was gone |
//!
//! In a network of the user's a role of faast's own stays, to expire in two hours: with its rights Lambda removes the
//! function's network interfaces, 20 to 45 minutes after the function. Later collections take the role.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use faast_core::control::{Backoff, Pauses, RealTime, Step, wait};
use faast_core::provider::{CleanupReport, Deleted, Resource};
use faast_core::{CancelToken, Error, ErrorKind, Result};
use fastrand::Rng;

use crate::backoff::while_passing;
use crate::classify::control::{Cause, Meaning as _, Refusal};
use crate::clients::Clients;
use crate::estate::Estate;
use crate::resource::{self, Kind};
use crate::role::Account;
use crate::{log_group, queue, role};

/// How long a role stays whose function was in a network: several times what Lambda takes to remove the interfaces.
const ROLE_STAYS: Duration = Duration::from_hours(2);

/// Pauses before something new that is said to be gone is deleted again.
const KNOWN: Backoff = Backoff {
    first: Duration::from_millis(250),
    factor: 2.0,
    most: Duration::from_secs(1),
    total: Duration::from_secs(5),
};

/// Removes everything that the deployment has.
pub(crate) async fn remove(estate: &Estate, account: Option<&Account>) -> CleanupReport {
    let mut report = CleanupReport::default();
    let role_stays = estate.role_stays();
    let bucket = async {
        if estate.has(Kind::Bucket) {
            Some(delete_kind(&estate.clients, Kind::Bucket, &estate.name).await)
        } else {
            None
        }
    };
    let (queue, function, bucket) =
        tokio::join!(remove_one(estate, Kind::Queue), remove_one(estate, Kind::Function), bucket);
    report.append(queue);
    report.append(function);
    if !keep_logs(estate, account, &mut report).await {
        let group = remove_one(estate, Kind::LogGroup).await;
        report.append(group);
    }
    if role_stays {
        leave_role(estate, &mut report).await;
    } else {
        let role = remove_one(estate, Kind::Role).await;
        report.append(role);
    }
    if let Some(bucket) = bucket {
        let looked_again = match bucket {
            Ok(first) => delete_kind(&estate.clients, Kind::Bucket, &estate.name).await.map(|again| (first, again)),
            Err(refusal) => Err(refusal),
        };
        note_bucket(&mut report, estate, looked_again);
    }
    estate.close();
    report
}

/// The bucket was looked for in any case; most deployments have none.
fn note_bucket(report: &mut CleanupReport, estate: &Estate, deleted: Result<(Deleted, Deleted), Refusal>) {
    match deleted {
        Ok((Deleted::Before, Deleted::Before)) => estate.gone(Kind::Bucket),
        Ok(_) => {
            estate.gone(Kind::Bucket);
            report.deleted.push(estate.resource(Kind::Bucket));
        }
        // A client that may not use buckets has made none, and no worker said that it had.
        Err(refusal) if refusal.cause() == Cause::Denied && !estate.store.is_there() => {
            estate.gone(Kind::Bucket);
            report.notes.push(format!("whether there is a bucket `{}` can't be told: {refusal}", estate.name));
        }
        Err(refusal) => report.left.push((estate.resource(Kind::Bucket), refusal.to_string())),
    }
}

/// Deletes a resource if the deployment has it.
async fn remove_one(estate: &Estate, kind: Kind) -> CleanupReport {
    let delete = || delete_kind(&estate.clients, kind, &estate.name);
    let deleted = async {
        match delete().await {
            Ok(Deleted::Before) if estate.is_new(kind) => Box::pin(once_known(delete)).await,
            deleted => deleted,
        }
    };
    estate.remove(kind, Box::pin(deleted)).await
}

/// Deletes something new of which its service does not know everywhere, until it does, and for some seconds only.
async fn once_known<F: Future<Output = Result<Deleted, Refusal>>>(
    mut delete: impl FnMut() -> F,
) -> Result<Deleted, Refusal> {
    let (clock, never) = (RealTime::start(), CancelToken::new());
    let deleted = wait(&clock, Pauses::new(KNOWN, Rng::new()), &never, || {
        let deleted = delete();
        async {
            match deleted.await {
                Ok(Deleted::Before) => Step::NotYet(()),
                deleted => Step::Done(deleted),
            }
        }
    });
    deleted.await.unwrap_or(Ok(Deleted::Before))
}

/// Leaves the role for some time, for Lambda to use its rights; the ledger and its tags have it.
async fn leave_role(estate: &Estate, report: &mut CleanupReport) {
    if !estate.has(Kind::Role) {
        return;
    }
    let until = SystemTime::now() + ROLE_STAYS;
    match role::renew(estate, until).await {
        Ok(()) => {
            estate.ledger.renewed(until);
            report.notes.push(stays(&estate.name));
        }
        Err(refusal) if refusal.cause() == Cause::Gone && !estate.is_new(Kind::Role) => estate.gone(Kind::Role),
        Err(refusal) => report.left.push((estate.resource(Kind::Role), refusal.to_string())),
    }
}

/// Leaves the logs where they are, if that was asked for: without faast's tags they are nobody's to collect.
async fn keep_logs(estate: &Estate, account: Option<&Account>, report: &mut CleanupReport) -> bool {
    let Some(account) = account.filter(|_| estate.keep_logs && estate.has(Kind::LogGroup)) else { return false };
    let group = Kind::LogGroup.id(&estate.name);
    match log_group::release(estate, account).await {
        Ok(()) => {
            estate.gone(Kind::LogGroup);
            report.notes.push(format!("the logs are kept in `{group}` in {}", estate.clients.region));
        }
        Err(refusal) => report.left.push((
            estate.resource(Kind::LogGroup),
            format!("its logs were to be kept, and its tags could not be removed: {refusal}"),
        )),
    }
    true
}

/// Deletes one resource that was found by its tags or in the ledger.
pub(crate) async fn delete(clients: &Clients, resource: &Resource) -> Result<Deleted> {
    let kind = Kind::of(resource);
    let named = kind.and_then(|kind| Some((kind, kind.name_in(&resource.id)?)));
    let Some((kind, name)) = named.filter(|(_, name)| resource::deployment_of(name).is_some()) else {
        return Err(Error::new(ErrorKind::Config, format!("{resource} is not one that faast makes"))
            .with_hint("faast deletes only what it made; delete it by other means"));
    };
    let clients = clients.in_region(&resource.region);
    match kind {
        Kind::Function => note_network(&clients, name).await,
        Kind::Role if clients.is_networked(name) => {
            let until = SystemTime::now() + ROLE_STAYS;
            match role::tag(&clients, name, until).await {
                Ok(()) => return Err(Error::new(ErrorKind::Cleanup, stays(name))),
                Err(refusal) if refusal.cause() == Cause::Gone => return Ok(Deleted::Before),
                Err(refusal) => return Err(refusal.into()),
            }
        }
        _ => {}
    }
    delete_kind(&clients, kind, name).await.map_err(Error::from)
}

/// Remembers that a function is in a network, for its role, which is deleted after it. One that can't be looked at is taken
/// for any other.
async fn note_network(clients: &Clients, name: &str) {
    let found = clients.lambda.get_function().function_name(name).send().await;
    let Ok(found) = found.meaning("lambda:GetFunction") else { return };
    let network = found.configuration.and_then(|configuration| configuration.vpc_config);
    if network.is_some_and(|network| !network.subnet_ids().is_empty()) {
        clients.note_networked(name);
    }
}

/// Why a role is not deleted with its function.
fn stays(role: &str) -> String {
    format!(
        "the role `{role}` stays for two hours: Lambda needs it to remove the network interfaces of `.vpc(..)`; the next \
         collection after that deletes it, or `faast cleanup aws -x`"
    )
}

/// Deletes, waiting while the service says that something else happens to the resource.
async fn delete_kind(clients: &Clients, kind: Kind, name: &str) -> Result<Deleted, Refusal> {
    let never = CancelToken::new();
    let deleted = while_passing(&[Cause::Busy], &never, || async {
        match kind {
            Kind::Function => {
                clients.pace.turn().await;
                let request = clients.lambda.delete_function().function_name(name);
                request.send().await.meaning("lambda:DeleteFunction").map(drop)
            }
            Kind::Queue => queue::delete(clients, name).await,
            Kind::Bucket => delete_bucket(clients, name).await,
            Kind::LogGroup => {
                let request = clients.logs.delete_log_group().log_group_name(Kind::LogGroup.id(name));
                request.send().await.meaning("logs:DeleteLogGroup").map(drop)
            }
            Kind::Role => delete_role(clients, name).await,
        }
    });
    found(deleted.await)
}

/// What is gone already is deleted.
fn found(deleted: Result<(), Refusal>) -> Result<Deleted, Refusal> {
    match deleted {
        Ok(()) => Ok(Deleted::Now),
        Err(refusal) if refusal.cause() == Cause::Gone => Ok(Deleted::Before),
        Err(refusal) => Err(refusal),
    }
}

/// Deletes a bucket. Asked first without looking into it: deleting is free, and mostly it is empty or not there.
async fn delete_bucket(clients: &Clients, name: &str) -> Result<(), Refusal> {
    let deleted = clients.s3.delete_bucket().bucket(name).send().await.meaning("s3:DeleteBucket");
    match deleted {
        Err(refusal) if refusal.code() == NOT_EMPTY => {
            empty_bucket(clients, name).await?;
            clients.s3.delete_bucket().bucket(name).send().await.meaning("s3:DeleteBucket").map(drop)
        }
        deleted => deleted.map(drop),
    }
}

const NOT_EMPTY: &str = "BucketNotEmpty";

/// Deletes all objects, page by page; a page has as many as one request may delete.
async fn empty_bucket(clients: &Clients, name: &str) -> Result<(), Refusal> {
    let mut pages = clients.s3.list_objects_v2().bucket(name).into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.meaning("s3:ListBucket")?;
        let keys = page.contents().iter().filter_map(|object| object.key());
        let objects: Vec<_> = keys.filter_map(|key| ObjectIdentifier::builder().key(key).build().ok()).collect();
        let Ok(delete) = Delete::builder().set_objects(Some(objects)).quiet(true).build() else { continue };
        if delete.objects().is_empty() {
            continue;
        }
        let request = clients.s3.delete_objects().bucket(name).delete(delete);
        let answer = request.send().await.meaning("s3:DeleteObject")?;
        if let Some(error) = answer.errors().first() {
            let (code, text) = (error.code().unwrap_or_default(), error.message().unwrap_or_default());
            return Err(Refusal::listed("s3:DeleteObject", code, text));
        }
    }
    Ok(())
}

async fn delete_role(clients: &Clients, name: &str) -> Result<(), Refusal> {
    let iam = &clients.iam;
    let (attached, inline) = tokio::join!(
        iam.list_attached_role_policies().role_name(name).send(),
        iam.list_role_policies().role_name(name).send()
    );
    for policy in attached.meaning("iam:ListAttachedRolePolicies")?.attached_policies() {
        let request = iam.detach_role_policy().role_name(name).set_policy_arn(policy.policy_arn.clone());
        found(request.send().await.meaning("iam:DetachRolePolicy").map(drop))?;
    }
    for policy in inline.meaning("iam:ListRolePolicies")?.policy_names() {
        let request = iam.delete_role_policy().role_name(name).policy_name(policy);
        found(request.send().await.meaning("iam:DeleteRolePolicy").map(drop))?;
    }
    iam.delete_role().role_name(name).send().await.meaning("iam:DeleteRole").map(drop)
}
