//! What whoever deploys has to be allowed, and for what: the one table behind `faast policy aws`, `faast doctor aws` and
//! ARCHITECTURE.md.
//!
//! It is about the caller; what workers may do is `role.rs`. Two tests keep it true: each call in this crate names its
//! action, and each name is in here; and runs of every use, against an emulator that enforces permissions, ask for
//! exactly what is in here.

use std::collections::{BTreeMap, BTreeSet};

use faast_core::provider::Checkup;
use faast_core::{Error, ErrorKind, Result};
use serde_json::{Value, json};

use crate::config::{Grant, Settings};
use crate::resource::{LOG_GROUPS, ROLE_PATH};

/// What a permission is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Use {
    /// every deployment
    Deploy,
    /// a role of its own
    OwnRole,
    /// a policy for it: the administrator's, or that of `policy_arn`
    Attach,
    /// `role_name`
    RoleName,
    /// an archive above 50 MB
    Archive,
    /// queue mode
    Queue,
    /// arguments and results that go through a bucket
    Spill,
    /// `vpc`
    Vpc,
    /// `layer`
    Layer,
    /// `keep_logs`
    KeepLogs,
    /// prices of the day; without it the built-in table serves
    Prices,
    /// `faast cleanup`, `faast list`, garbage collection
    Collect,
    /// `faast doctor`, for all that can't be tried out
    Doctor,
}

/// What an action is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum On {
    Function,
    LogGroup,
    Role,
    /// A role that is given to a function.
    PassedRole,
    NamedRole,
    Bucket,
    Object,
    Queue,
    Layer,
    Principal,
    /// Actions that can't be limited to a resource.
    Anything,
}

/// One permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) by: Use,
    pub(crate) on: On,
    pub(crate) action: &'static str,
    /// Without it a deployment works too, and something beside it does not.
    pub(crate) spare: bool,
}

const fn need(by: Use, on: On, action: &'static str) -> Need {
    Need { by, on, action, spare: false }
}

const fn nice(by: Use, on: On, action: &'static str) -> Need {
    Need { by, on, action, spare: true }
}

/// All of them. `cargo xtask tidy` reads this list line by line.
#[rustfmt::skip]
pub(crate) const NEEDS: &[Need] = &[
    need(Use::Deploy, On::Function, "lambda:CreateFunction"),
    need(Use::Deploy, On::Function, "lambda:TagResource"),
    need(Use::Deploy, On::Function, "lambda:GetFunction"),
    // Without it a function that is found has no tags.
    need(Use::Deploy, On::Function, "lambda:ListTags"),
    need(Use::Deploy, On::Function, "lambda:InvokeFunction"),
    need(Use::Deploy, On::Function, "lambda:DeleteFunction"),
    nice(Use::Deploy, On::Anything, "lambda:GetAccountSettings"),
    need(Use::Deploy, On::LogGroup, "logs:CreateLogGroup"),
    need(Use::Deploy, On::LogGroup, "logs:TagResource"),
    nice(Use::Deploy, On::LogGroup, "logs:PutRetentionPolicy"),
    need(Use::Deploy, On::LogGroup, "logs:DeleteLogGroup"),
    // Where an answer was lost: is what is there already one's own?
    need(Use::Deploy, On::Anything, "logs:DescribeLogGroups"),
    need(Use::Deploy, On::LogGroup, "logs:ListTagsForResource"),
    // Workers may have made a bucket: it is kept alive, and looked for at the end.
    nice(Use::Deploy, On::Bucket, "s3:PutBucketTagging"),
    nice(Use::Deploy, On::Bucket, "s3:DeleteBucket"),
    need(Use::OwnRole, On::Role, "iam:CreateRole"),
    need(Use::OwnRole, On::Role, "iam:TagRole"),
    need(Use::OwnRole, On::Role, "iam:GetRole"),
    need(Use::OwnRole, On::PassedRole, "iam:PassRole"),
    need(Use::OwnRole, On::Role, "iam:PutRolePolicy"),
    need(Use::OwnRole, On::Role, "iam:ListRolePolicies"),
    need(Use::OwnRole, On::Role, "iam:ListAttachedRolePolicies"),
    need(Use::OwnRole, On::Role, "iam:DeleteRolePolicy"),
    need(Use::OwnRole, On::Role, "iam:DeleteRole"),
    need(Use::Attach, On::Role, "iam:AttachRolePolicy"),
    need(Use::Attach, On::Role, "iam:DetachRolePolicy"),
    need(Use::RoleName, On::NamedRole, "iam:GetRole"),
    need(Use::RoleName, On::NamedRole, "iam:PassRole"),
    need(Use::Archive, On::Bucket, "s3:CreateBucket"),
    need(Use::Archive, On::Bucket, "s3:TagResource"),
    need(Use::Archive, On::Bucket, "s3:PutBucketTagging"),
    need(Use::Archive, On::Bucket, "s3:GetBucketTagging"),
    need(Use::Archive, On::Object, "s3:PutObject"),
    need(Use::Archive, On::Object, "s3:GetObject"),
    need(Use::Archive, On::Bucket, "s3:ListBucket"),
    need(Use::Archive, On::Object, "s3:DeleteObject"),
    need(Use::Archive, On::Bucket, "s3:DeleteBucket"),
    need(Use::Queue, On::Queue, "sqs:CreateQueue"),
    need(Use::Queue, On::Queue, "sqs:TagQueue"),
    need(Use::Queue, On::Queue, "sqs:GetQueueUrl"),
    need(Use::Queue, On::Queue, "sqs:ReceiveMessage"),
    need(Use::Queue, On::Queue, "sqs:DeleteMessage"),
    need(Use::Queue, On::Queue, "sqs:DeleteQueue"),
    need(Use::Queue, On::Function, "lambda:PutFunctionEventInvokeConfig"),
    need(Use::Spill, On::Bucket, "s3:CreateBucket"),
    need(Use::Spill, On::Bucket, "s3:TagResource"),
    need(Use::Spill, On::Bucket, "s3:PutBucketTagging"),
    need(Use::Spill, On::Object, "s3:PutObject"),
    need(Use::Spill, On::Object, "s3:GetObject"),
    need(Use::Spill, On::Bucket, "s3:ListBucket"),
    need(Use::Spill, On::Object, "s3:DeleteObject"),
    need(Use::Spill, On::Bucket, "s3:DeleteBucket"),
    need(Use::Vpc, On::Anything, "ec2:DescribeSecurityGroups"),
    need(Use::Vpc, On::Anything, "ec2:DescribeSubnets"),
    need(Use::Vpc, On::Anything, "ec2:DescribeVpcs"),
    need(Use::Layer, On::Layer, "lambda:GetLayerVersion"),
    need(Use::KeepLogs, On::LogGroup, "logs:UntagResource"),
    nice(Use::Prices, On::Anything, "pricing:GetProducts"),
    nice(Use::Collect, On::Anything, "tag:GetResources"),
    nice(Use::Collect, On::Anything, "iam:ListRoles"),
    nice(Use::Collect, On::Role, "iam:ListRoleTags"),
    nice(Use::Collect, On::Function, "lambda:GetFunction"),
    nice(Use::Collect, On::Function, "lambda:ListTags"),
    nice(Use::Collect, On::Anything, "logs:DescribeLogGroups"),
    nice(Use::Collect, On::LogGroup, "logs:ListTagsForResource"),
    nice(Use::Collect, On::Bucket, "s3:ListBucket"),
    nice(Use::Collect, On::Bucket, "s3:GetBucketTagging"),
    nice(Use::Collect, On::Function, "lambda:DeleteFunction"),
    nice(Use::Collect, On::LogGroup, "logs:DeleteLogGroup"),
    nice(Use::Collect, On::Object, "s3:DeleteObject"),
    nice(Use::Collect, On::Bucket, "s3:DeleteBucket"),
    nice(Use::Collect, On::Queue, "sqs:GetQueueUrl"),
    nice(Use::Collect, On::Queue, "sqs:ListQueueTags"),
    nice(Use::Collect, On::Queue, "sqs:DeleteQueue"),
    // A role whose function was in a network stays for some time.
    nice(Use::Collect, On::Role, "iam:TagRole"),
    nice(Use::Collect, On::Role, "iam:ListRolePolicies"),
    nice(Use::Collect, On::Role, "iam:ListAttachedRolePolicies"),
    nice(Use::Collect, On::Role, "iam:DetachRolePolicy"),
    nice(Use::Collect, On::Role, "iam:DeleteRolePolicy"),
    nice(Use::Collect, On::Role, "iam:DeleteRole"),
    nice(Use::Doctor, On::Principal, "iam:SimulatePrincipalPolicy"),
];

/// What `--with` takes, and then what `--without` takes.
pub(crate) const OPTIONS: &[(&str, &str)] = &[
    ("queue", "`mode` is `Queue`"),
    ("spill", "arguments or results above the limit of a request"),
    ("archive", "an archive above 50 MB: a large executable, or large included files"),
    ("vpc", "workers in a network of one's own"),
    ("layer", "layers; `layer=ARN` for a certain one"),
    ("keep_logs", "logs stay after the cleanup"),
    ("least_privilege", "the workers' role may write its own logs, and nothing else"),
    ("policy_arn", "the workers' role has a policy of one's own"),
    ("role_name", "an existing role for the workers: `role_name=NAME`"),
    ("gc", "without it: neither garbage collection nor `faast cleanup`"),
    ("prices", "without it: the built-in table of prices"),
    ("doctor", "without it: nothing that only `faast doctor` needs"),
];

/// The permissions that some options need.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    uses: BTreeSet<Use>,
    role_name: Option<String>,
    layers: Vec<String>,
}

impl Wanted {
    /// What is set, with what the checkup adds and leaves out.
    pub(crate) fn new(settings: &Settings, checkup: &Checkup) -> Result<Self> {
        let mut uses = BTreeSet::from([Use::Deploy, Use::OwnRole, Use::Attach, Use::Prices, Use::Collect, Use::Doctor]);
        if settings.role.grant == Some(Grant::LeastPrivilege) {
            uses.remove(&Use::Attach);
        }
        uses.extend(settings.vpc.is_some().then_some(Use::Vpc));
        let mut wanted = Self { uses, role_name: settings.role.name.clone(), layers: settings.layers.clone() };
        for option in &checkup.with {
            wanted.add(option)?;
        }
        for option in &checkup.without {
            let left_out = match option.as_str() {
                "gc" => Use::Collect,
                "prices" => Use::Prices,
                "doctor" => Use::Doctor,
                other => return Err(unknown(other)),
            };
            wanted.uses.remove(&left_out);
        }
        wanted.uses.extend((!wanted.layers.is_empty()).then_some(Use::Layer));
        if wanted.role_name.is_some() {
            wanted.uses.insert(Use::RoleName);
            wanted.uses.remove(&Use::OwnRole);
            wanted.uses.remove(&Use::Attach);
        }
        Ok(wanted)
    }

    fn add(&mut self, option: &str) -> Result<()> {
        let (name, value) = option.split_once('=').map_or((option, None), |(name, value)| (name, Some(value)));
        let added = match (name, value) {
            ("queue", None) => Use::Queue,
            ("spill", None) => Use::Spill,
            ("archive", None) => Use::Archive,
            ("vpc", None) => Use::Vpc,
            ("layer", None) => Use::Layer,
            ("layer", Some(arn)) => {
                self.layers.push(arn.to_owned());
                Use::Layer
            }
            ("keep_logs", None) => Use::KeepLogs,
            ("least_privilege", None) => {
                self.uses.remove(&Use::Attach);
                return Ok(());
            }
            ("policy_arn", _) => Use::Attach,
            ("role_name", Some(role)) => {
                self.role_name = Some(role.to_owned());
                Use::RoleName
            }
            _ => return Err(unknown(option)),
        };
        self.uses.insert(added);
        Ok(())
    }

    /// The permissions, each once, by what they are about. One that anything can't do without is not spare.
    pub(crate) fn needs(&self) -> BTreeMap<(On, &'static str), bool> {
        let mut needs = BTreeMap::new();
        for need in NEEDS.iter().filter(|need| self.uses.contains(&need.by)) {
            let spare = needs.entry((need.on, need.action)).or_insert(true);
            *spare = *spare && need.spare;
        }
        needs
    }

    /// The role that `role_name` names.
    pub(crate) fn role_name(&self) -> Option<&str> {
        self.role_name.as_deref()
    }

    /// The least policy, as IAM takes it.
    pub(crate) fn policy(&self, place: &Place) -> Value {
        let mut by_kind = BTreeMap::<On, Vec<&str>>::new();
        for (on, action) in self.needs().into_keys() {
            by_kind.entry(on).or_default().push(action);
        }
        let statement = |(on, mut actions): (On, Vec<&str>)| {
            actions.sort_unstable();
            let mut resources = self.arns(on, place, "faast-*");
            let resources = if resources.len() == 1 { json!(resources.remove(0)) } else { json!(resources) };
            json!({ "Sid": format!("Faast{on:?}"), "Effect": "Allow", "Action": actions, "Resource": resources })
        };
        let statements: Vec<_> = by_kind.into_iter().map(statement).collect();
        json!({ "Version": "2012-10-17", "Statement": statements })
    }

    /// The resources of a kind that are called `name`. A role's ARN has its path, but IAM asks about one that is not there
    /// by its name alone; the one with the path comes first.
    pub(crate) fn arns(&self, on: On, place: &Place, name: &str) -> Vec<String> {
        let Place { partition, region, account, principal } = place;
        let arn = |service: &str, rest: String| format!("arn:{partition}:{service}:{region}:{account}:{rest}");
        let role = |rest: &str| format!("arn:{partition}:iam::{account}:role{rest}");
        match on {
            On::Function => vec![arn("lambda", format!("function:{name}"))],
            On::LogGroup => vec![arn("logs", format!("log-group:{LOG_GROUPS}{name}"))],
            On::Role => vec![role(&format!("{ROLE_PATH}{name}")), role(&format!("/{name}"))],
            On::PassedRole => vec![role(&format!("{ROLE_PATH}{name}"))],
            On::NamedRole => {
                let named = self.role_name.as_deref().unwrap_or("*");
                vec![role(&format!("/{named}")), role(&format!("/*/{named}"))]
            }
            On::Bucket => vec![format!("arn:{partition}:s3:::{name}")],
            On::Object => vec![format!("arn:{partition}:s3:::{name}/*")],
            On::Queue => vec![arn("sqs", name.into())],
            On::Layer if self.layers.is_empty() => vec![format!("arn:{partition}:lambda:{region}:*:layer:*")],
            On::Layer => self.layers.clone(),
            On::Principal => match principal {
                Some(principal) => vec![principal.clone()],
                None => ["user", "role"].map(|kind| format!("arn:{partition}:iam::{account}:{kind}/*")).to_vec(),
            },
            On::Anything => vec!["*".into()],
        }
    }
}

/// Where resources are; `*` for what is not known.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) partition: String,
    pub(crate) region: String,
    pub(crate) account: String,
    /// Who asks, if that is known.
    pub(crate) principal: Option<String>,
}

impl Place {
    /// Any account; and any region unless one is given.
    pub(crate) fn any(region: Option<&str>) -> Self {
        let partition = match region {
            Some(region) if region.starts_with("cn-") => "aws-cn",
            Some(region) if region.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        };
        Self { partition: partition.into(), region: region.unwrap_or("*").into(), account: "*".into(), principal: None }
    }
}

fn unknown(option: &str) -> Error {
    let known: Vec<_> = OPTIONS.iter().map(|(name, _)| *name).collect();
    Error::new(ErrorKind::Config, format!("`aws` has no option `{option}` here"))
        .with_hint(format!("there are {}; `role_name` needs a value", known.join(", ")))
}

#[cfg(test)]
mod tests;
