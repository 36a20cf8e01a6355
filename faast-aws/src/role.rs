//! The workers' role: finding the one that the user names, or making one.
//!
//! A named role is never changed and never deleted. If there is none of that name, the deployment gets a role of its
//! own that is narrow, never the administrator's: a typo must not escalate.

use std::time::{Duration, SystemTime};

use aws_sdk_iam::types::Tag;
use faast_core::log::Channel;
use faast_core::{Error, ErrorKind};
use serde_json::{Value, json};

use crate::backoff::while_passing;
use crate::classify::control::{Cause, Meaning as _, Refusal};
use crate::clients::Clients;
use crate::config::{Grant, RoleChoice};
use crate::estate::{Estate, Stop};
use crate::queue;
use crate::resource::{Kind, ROLE_PATH};

/// How long it can take until Lambda knows a new role and its policies. Usually some seconds.
const KNOWN_AFTER: Duration = Duration::from_mins(5);

/// The name of the inline policy.
const INLINE: &str = "faast";

/// A role that a function can be given.
#[derive(Debug)]
pub(crate) struct Role {
    pub(crate) arn: String,
    pub(crate) account: Account,
    /// What faast has to give it; `None` for a role of the user's.
    grant: Option<Policies>,
    /// How long to wait until Lambda knows it.
    pub(crate) wait: Duration,
}

/// The account that a role belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    /// `aws`, `aws-cn`, `aws-us-gov`.
    pub(crate) partition: String,
    pub(crate) id: String,
}

impl Account {
    /// The account in an ARN; roles are the first thing of a deployment that has one.
    pub(crate) fn of(arn: &str) -> Option<Self> {
        let mut parts = arn.split(':');
        let (Some("arn"), Some(partition), Some(_), Some(_), Some(id)) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return None;
        };
        Some(Self { partition: partition.into(), id: id.into() })
    }
}

/// What a role of faast's own is given.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Policies {
    Administrator,
    Chosen(Grant),
}

/// Finds or makes the role; its policies come by [`give`], beside the function.
pub(crate) async fn find_or_make(estate: &Estate, choice: &RoleChoice) -> Result<Role, Stop> {
    if let Some(name) = &choice.name {
        if let Some(role) = find(estate, name).await? {
            return Ok(role);
        }
        let grant = choice.grant.clone().unwrap_or(Grant::LeastPrivilege);
        let instead = match &grant {
            Grant::Policy(arn) => format!("the policy `{arn}`"),
            Grant::LeastPrivilege => "nothing but the rights that faast needs".into(),
        };
        faast_core::log!(
            Channel::Warning,
            "there is no role `{name}`; the deployment gets a role of its own with {instead}"
        );
        return make(estate, Policies::Chosen(grant)).await;
    }
    let policies = choice.grant.clone().map_or(Policies::Administrator, Policies::Chosen);
    if policies == Policies::Administrator {
        faast_core::log!(
            Channel::Warning,
            "the workers' role `{}` may do everything in the account (AdministratorAccess); narrow it with \
             `.policy_arn(..)` or `.least_privilege()`",
            estate.name
        );
    }
    make(estate, policies).await
}

async fn find(estate: &Estate, name: &str) -> Result<Option<Role>, Stop> {
    let found = match estate.clients.iam.get_role().role_name(name).send().await.meaning("iam:GetRole") {
        Ok(found) => found.role,
        Err(refusal) if refusal.cause() == Cause::Gone => None,
        Err(refusal) => return Err(refusal.into()),
    };
    let Some(role) = found else { return Ok(None) };
    let created = SystemTime::try_from(*role.create_date()).ok();
    Ok(Some(Role { wait: still_unknown(created, SystemTime::now()), ..described(role.arn(), None)? }))
}

/// How long a role that somebody has made may still be unknown to Lambda.
fn still_unknown(created: Option<SystemTime>, now: SystemTime) -> Duration {
    let age = created.and_then(|created| now.duration_since(created).ok()).unwrap_or_default();
    KNOWN_AFTER.saturating_sub(age)
}

async fn make(estate: &Estate, policies: Policies) -> Result<Role, Stop> {
    let iam = &estate.clients.iam;
    estate.go_on()?;
    estate.intend(Kind::Role);
    let request = iam
        .create_role()
        .path(ROLE_PATH)
        .role_name(&estate.name)
        .description("Workers of a faast deployment; removed with it")
        .assume_role_policy_document(trust().to_string())
        .set_tags(Some(tags(estate)));
    match request.send().await.meaning("iam:CreateRole") {
        Ok(made) => {
            estate.confirm(Kind::Role);
            Ok(described(made.role().map_or("", |role| role.arn()), Some(policies))?)
        }
        Err(refusal) if refusal.cause() == Cause::Exists => own(estate, refusal, policies).await,
        Err(refusal) => Err(estate.refused(Kind::Role, refusal).into()),
    }
}

/// The name is taken: by an attempt of ours whose answer was lost, or by somebody else.
async fn own(estate: &Estate, taken: Refusal, policies: Policies) -> Result<Role, Stop> {
    let request = estate.clients.iam.get_role().role_name(&estate.name);
    let found = request.send().await.meaning("iam:GetRole")?;
    match found.role {
        Some(role) if crate::tags::belongs_to(&estate.id, role.tags().iter().map(|tag| (tag.key(), tag.value()))) => {
            Ok(described(role.arn(), Some(policies))?)
        }
        _ => {
            estate.gone(Kind::Role);
            Err(taken.into())
        }
    }
}

fn described(arn: &str, grant: Option<Policies>) -> Result<Role, Error> {
    let account = Account::of(arn)
        .ok_or_else(|| Error::new(ErrorKind::Internal, format!("IAM gave a role that has no account: `{arn}`")))?;
    Ok(Role { arn: arn.into(), account, grant, wait: KNOWN_AFTER })
}

/// What a deployment uses for which its role has to have rights of its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Needs {
    pub(crate) vpc: bool,
    pub(crate) queue: bool,
}

/// Gives a new role its policies. The refusal comes first, so that the role never has one without the other.
pub(crate) async fn give(estate: &Estate, role: &Role, needs: Needs) -> Result<(), Stop> {
    let Some(policies) = &role.grant else { return Ok(()) };
    let iam = &estate.clients.iam;
    let document = inline(estate, role, policies, needs).to_string();
    estate.go_on()?;
    // IAM tells its own parts late too: a role may be unknown to the next call.
    while_passing(&[Cause::Gone, Cause::Busy], &estate.halt, || async {
        let request = iam.put_role_policy().role_name(&estate.name).policy_name(INLINE).policy_document(&document);
        request.send().await.meaning("iam:PutRolePolicy")
    })
    .await?;
    let arn = match policies {
        Policies::Administrator => format!("arn:{}:iam::aws:policy/AdministratorAccess", role.account.partition),
        Policies::Chosen(Grant::Policy(arn)) => arn.clone(),
        Policies::Chosen(Grant::LeastPrivilege) => return Ok(()),
    };
    estate.go_on()?;
    let attached = while_passing(&[Cause::Busy], &estate.halt, || async {
        let request = iam.attach_role_policy().role_name(&estate.name).policy_arn(&arn);
        request.send().await.meaning("iam:AttachRolePolicy")
    });
    match attached.await {
        Ok(_) => Ok(()),
        Err(refusal) if refusal.cause() == Cause::Gone => {
            Err(Error::new(ErrorKind::Config, format!("there is no policy `{arn}`"))
                .with_hint(
                    "check the ARN of `.policy_arn(..)`: the policy has to exist in this account or be AWS's own",
                )
                .into())
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// Moves the role's time of expiry, if it is faast's own.
pub(crate) async fn renew(estate: &Estate, until: SystemTime) -> Result<(), Refusal> {
    if estate.has(Kind::Role) { tag(&estate.clients, &estate.name, until).await } else { Ok(()) }
}

/// Moves the time of expiry of the role of that name.
pub(crate) async fn tag(clients: &Clients, name: &str, until: SystemTime) -> Result<(), Refusal> {
    let Ok(tag) = Tag::builder().key(crate::tags::EXPIRES).value(crate::tags::seconds(until)).build() else {
        return Ok(());
    };
    let request = clients.iam.tag_role().role_name(name).tags(tag);
    request.send().await.meaning("iam:TagRole").map(drop)
}

fn tags(estate: &Estate) -> Vec<Tag> {
    estate.tags.iter().filter_map(|(key, value)| Tag::builder().key(key).value(value).build().ok()).collect()
}

fn trust() -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": "lambda.amazonaws.com" },
            "Action": "sts:AssumeRole",
        }],
    })
}

/// The policy that every role of faast's own has. The log group is made by the client: were workers allowed to make it,
/// a late line would bring it back after the cleanup, without tags and for ever.
fn inline(estate: &Estate, role: &Role, policies: &Policies, needs: Needs) -> Value {
    let Account { partition, id } = &role.account;
    let narrow = policies == &Policies::Chosen(Grant::LeastPrivilege);
    let (region, group) = (&estate.clients.region, Kind::LogGroup.id(&estate.name));
    let mut statements = vec![json!({ "Effect": "Deny", "Action": "logs:CreateLogGroup", "Resource": "*" })];
    if narrow {
        statements.push(json!({
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": format!("arn:{partition}:logs:{region}:{id}:log-group:{group}:*"),
        }));
    }
    if narrow && needs.vpc {
        // What Lambda itself does with the role; these actions can't be limited to a resource.
        statements.push(json!({
            "Effect": "Allow",
            "Action": [
                "ec2:AssignPrivateIpAddresses",
                "ec2:CreateNetworkInterface",
                "ec2:DeleteNetworkInterface",
                "ec2:DescribeNetworkInterfaces",
                "ec2:DescribeSubnets",
                "ec2:UnassignPrivateIpAddresses",
            ],
            "Resource": "*",
        }));
    }
    if needs.queue {
        // Lambda writes what becomes of events with the role's rights.
        let arn = queue::arn(estate, &role.account);
        statements.push(json!({ "Effect": "Allow", "Action": "sqs:SendMessage", "Resource": arn }));
    }
    if policies != &Policies::Administrator {
        statements.extend(spill(partition, &estate.name));
    }
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// What a worker does with payloads above the limit: the deployment's bucket, and nothing else in S3. Tags that come with
/// a bucket need the right to tag.
fn spill(partition: &str, bucket: &str) -> [Value; 2] {
    let bucket = format!("arn:{partition}:s3:::{bucket}");
    [
        json!({ "Effect": "Allow", "Action": ["s3:CreateBucket", "s3:TagResource"], "Resource": bucket }),
        json!({
            "Effect": "Allow",
            "Action": ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"],
            "Resource": format!("{bucket}/*"),
        }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_is_read_from_the_roles_arn() {
        let account = Account::of("arn:aws-cn:iam::123456789012:role/faast/faast-x").unwrap();
        assert_eq!((account.partition.as_str(), account.id.as_str()), ("aws-cn", "123456789012"));
        assert_eq!(Account::of("faast-x"), None);
    }

    #[test]
    fn an_old_role_is_not_waited_for() {
        let now = SystemTime::now();
        assert_eq!(still_unknown(now.checked_sub(Duration::from_hours(1)), now), Duration::ZERO);
        assert_eq!(still_unknown(now.checked_sub(Duration::from_mins(2)), now), Duration::from_mins(3));
        // A clock that is behind, or a service that does not say: as if it were new.
        assert_eq!(still_unknown(now.checked_add(Duration::from_mins(2)), now), KNOWN_AFTER);
        assert_eq!(still_unknown(None, now), KNOWN_AFTER);
    }
}
