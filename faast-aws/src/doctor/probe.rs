//! Calls that change nothing, to see whether they are allowed: reads, and deletions and a dry run of what is not there.
//!
//! The name in all of them is one that nobody has. A refusal for lack of permission says that it is missing; any other
//! answer of the service about the resource says that it is there. S3 tells everybody that a bucket does not exist, so
//! that there only a refusal tells something.

use std::future::Future;
use std::pin::Pin;

use aws_sdk_lambda::types::InvocationType;
use futures_util::{StreamExt as _, stream};

use crate::classify::control::{Cause, Meaning as _, Refusal};
use crate::clients::Clients;
use crate::permission::{On, Place, Wanted};
use crate::resource::{Kind, ROLE_PATH};

/// Calls at once: the control plane is shared with everybody in the account.
const AT_ONCE: usize = 4;

/// What a call showed.
#[derive(Debug)]
pub(super) enum Probed {
    Granted,
    Denied,
    /// The service answered, but not in a way that tells.
    Silent,
    /// It did not get as far as the permission.
    Failed(Refusal),
}

type Call<'a> = Pin<Box<dyn Future<Output = Result<(), Refusal>> + Send + 'a>>;

/// One call that can be made, and whether a denial of it is all that it can show.
struct Probe<'a> {
    need: (On, &'static str),
    reads: bool,
    call: Call<'a>,
}

/// Makes the calls for what is wanted: all of them, or only one for each service that reads.
pub(super) async fn all(
    clients: &Clients,
    place: &Place,
    wanted: &Wanted,
    name: &str,
    only_reading: bool,
) -> Vec<((On, &'static str), Probed)> {
    let needs = wanted.needs();
    let probes = probes(clients, place, wanted, name).into_iter();
    let wanted = probes.filter(|probe| needs.contains_key(&probe.need) && (probe.reads || !only_reading));
    let calls =
        wanted.map(|probe| async move { (probe.need, judged(probe.need, probe.call.await)) }).collect::<Vec<_>>();
    stream::iter(calls).buffered(AT_ONCE).collect().await
}

fn judged((on, _): (On, &'static str), answer: Result<(), Refusal>) -> Probed {
    match answer {
        Ok(()) => Probed::Granted,
        Err(refusal) => match refusal.cause() {
            Cause::Denied | Cause::PassRole => Probed::Denied,
            Cause::Gone if matches!(on, On::Bucket | On::Object) => Probed::Silent,
            Cause::Gone | Cause::Invalid | Cause::Busy | Cause::Exists => Probed::Granted,
            Cause::Throttled => Probed::Silent,
            _ => Probed::Failed(refusal),
        },
    }
}

/// `probe!(list, reads, On::X, "action", request)`: the request is sent, and its answer read as that action's.
macro_rules! probe {
    ($list:ident, $reads:expr, $on:expr, $action:literal, $request:expr) => {{
        let request = $request;
        $list.push(Probe {
            need: ($on, $action),
            reads: $reads,
            call: Box::pin(async move { request.send().await.meaning($action).map(drop) }),
        });
    }};
}

fn probes<'a>(clients: &'a Clients, place: &Place, wanted: &Wanted, name: &str) -> Vec<Probe<'a>> {
    let mut list = Vec::new();
    of_lambda(&mut list, clients, name);
    of_logs(&mut list, clients, place, wanted, name);
    of_roles(&mut list, clients, wanted, name);
    let s3 = &clients.s3;
    probe!(list, true, On::Bucket, "s3:ListBucket", s3.head_bucket().bucket(name));
    probe!(list, false, On::Bucket, "s3:GetBucketTagging", s3.get_bucket_tagging().bucket(name));
    probe!(list, false, On::Bucket, "s3:DeleteBucket", s3.delete_bucket().bucket(name));
    probe!(list, false, On::Object, "s3:GetObject", s3.get_object().bucket(name).key("x"));
    probe!(list, false, On::Object, "s3:DeleteObject", s3.delete_object().bucket(name).key("x"));
    probe!(list, true, On::Anything, "tag:GetResources", clients.tagging.get_resources().resources_per_page(1));
    list
}

fn of_lambda<'a>(list: &mut Vec<Probe<'a>>, clients: &'a Clients, name: &str) {
    let lambda = &clients.lambda;
    probe!(list, true, On::Anything, "lambda:GetAccountSettings", lambda.get_account_settings());
    probe!(list, false, On::Function, "lambda:GetFunction", lambda.get_function().function_name(name));
    probe!(list, false, On::Function, "lambda:DeleteFunction", lambda.delete_function().function_name(name));
    let dry = lambda.invoke().function_name(name).invocation_type(InvocationType::DryRun);
    probe!(list, false, On::Function, "lambda:InvokeFunction", dry);
}

fn of_logs<'a>(list: &mut Vec<Probe<'a>>, clients: &'a Clients, place: &Place, wanted: &Wanted, name: &str) {
    let (logs, group) = (&clients.logs, Kind::LogGroup.id(name));
    let groups = logs.describe_log_groups().log_group_name_prefix(&group).limit(1);
    probe!(list, true, On::Anything, "logs:DescribeLogGroups", groups);
    probe!(list, false, On::LogGroup, "logs:DeleteLogGroup", logs.delete_log_group().log_group_name(&group));
    if let Some(arn) = wanted.arns(On::LogGroup, place, name).into_iter().next() {
        let tags = logs.list_tags_for_resource().resource_arn(arn);
        probe!(list, false, On::LogGroup, "logs:ListTagsForResource", tags);
    }
}

fn of_roles<'a>(list: &mut Vec<Probe<'a>>, clients: &'a Clients, wanted: &Wanted, name: &str) {
    let iam = &clients.iam;
    probe!(list, true, On::Anything, "iam:ListRoles", iam.list_roles().path_prefix(ROLE_PATH).max_items(1));
    probe!(list, false, On::Role, "iam:GetRole", iam.get_role().role_name(name));
    if let Some(named) = wanted.role_name() {
        probe!(list, true, On::NamedRole, "iam:GetRole", iam.get_role().role_name(named));
    }
    probe!(list, false, On::Role, "iam:ListRoleTags", iam.list_role_tags().role_name(name));
    probe!(list, false, On::Role, "iam:ListRolePolicies", iam.list_role_policies().role_name(name));
    let attached = iam.list_attached_role_policies().role_name(name);
    probe!(list, false, On::Role, "iam:ListAttachedRolePolicies", attached);
    let policy = iam.delete_role_policy().role_name(name).policy_name("faast");
    probe!(list, false, On::Role, "iam:DeleteRolePolicy", policy);
    let detached = iam.detach_role_policy().role_name(name).policy_arn("arn:aws:iam::aws:policy/AdministratorAccess");
    probe!(list, false, On::Role, "iam:DetachRolePolicy", detached);
    probe!(list, false, On::Role, "iam:DeleteRole", iam.delete_role().role_name(name));
}
