//! Managed policies: the account's own, and the few of AWS's that deployments use.

use std::collections::BTreeMap;

use super::document::{Document, identity_policy};
use super::role::{conflict, exists, limit, malformed, no_entity, size, write_tags};
use super::{State, check, page};
use crate::emulator::clock::iso;
use crate::emulator_aws::ACCOUNT;
use crate::emulator_aws::protocol::{ApiError, ApiRequest};
use crate::emulator_aws::xml::Xml;

/// Characters of a managed policy, white space not counted.
const POLICY_SIZE: usize = 6144;

/// AWS's own policies: name with path, actions allowed on everything. The actions are those of the published documents,
/// as far as services are emulated.
const OF_AWS: [(&str, &[&str]); 9] = [
    ("AdministratorAccess", &["*"]),
    ("AmazonS3FullAccess", &["s3:*"]),
    ("AmazonSQSFullAccess", &["sqs:*"]),
    (
        "AWSLambda_FullAccess",
        &["lambda:*", "logs:DescribeLogStreams", "logs:GetLogEvents", "logs:FilterLogEvents", "tag:GetResources"],
    ),
    ("CloudWatchLogsFullAccess", &["logs:*"]),
    ("IAMFullAccess", &["iam:*"]),
    (
        "ReadOnlyAccess",
        &[
            "lambda:Get*",
            "lambda:List*",
            "iam:Get*",
            "iam:List*",
            "s3:Get*",
            "s3:List*",
            "sqs:Get*",
            "sqs:List*",
            "logs:Describe*",
            "logs:Get*",
            "logs:FilterLogEvents",
            "logs:ListTags*",
            "tag:Get*",
        ],
    ),
    ("service-role/AWSLambdaBasicExecutionRole", &["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]),
    (
        "service-role/AWSLambdaVPCAccessExecutionRole",
        &[
            "logs:CreateLogGroup",
            "logs:CreateLogStream",
            "logs:PutLogEvents",
            "ec2:CreateNetworkInterface",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSubnets",
            "ec2:DeleteNetworkInterface",
            "ec2:AssignPrivateIpAddresses",
            "ec2:UnassignPrivateIpAddresses",
        ],
    ),
];

/// A policy of the account.
#[derive(Clone, Debug)]
pub(super) struct ManagedPolicy {
    pub(super) document: Document,
    name: String,
    path: String,
    arn: String,
    id: String,
    description: String,
    created_ms: u64,
    tags: BTreeMap<String, String>,
}

/// The document of one of AWS's policies.
pub(super) fn of_aws(arn: &str) -> Option<Document> {
    let name = arn.strip_prefix("arn:aws:iam::aws:policy/")?;
    let (_, actions) = OF_AWS.iter().find(|(known, _)| *known == name)?;
    let text = serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Action": actions, "Resource": "*" }],
    });
    identity_policy(&text.to_string()).ok()
}

impl ManagedPolicy {
    fn write(&self, xml: &mut Xml, attachments: usize) {
        let time = format!("{}Z", iso(self.created_ms));
        xml.text("PolicyName", &self.name)
            .text("PolicyId", &self.id)
            .text("Arn", &self.arn)
            .text("Path", &self.path)
            .text("DefaultVersionId", "v1")
            .text("AttachmentCount", attachments)
            .text("PermissionsBoundaryUsageCount", 0)
            .text("IsAttachable", true)
            .text("CreateDate", &time)
            .text("UpdateDate", &time);
        if !self.description.is_empty() {
            xml.text("Description", &self.description);
        }
        if !self.tags.is_empty() {
            write_tags(xml, &self.tags);
        }
    }
}

impl State {
    /// The document of a policy, be it the account's or AWS's.
    pub(super) fn managed_policy(&self, arn: &str) -> Option<Document> {
        self.policies.get(arn).map(|policy| policy.document.clone()).or_else(|| of_aws(arn))
    }

    pub(super) fn create_policy(&mut self, request: &ApiRequest, now_ms: u64) -> Result<String, ApiError> {
        let name = check::name(request, "PolicyName", 128)?;
        let path = check::path(request)?;
        let text = check::document(request, "PolicyDocument")?;
        let tags = check::tags(request)?;
        let document = identity_policy(text).map_err(malformed)?;
        if size(text) > POLICY_SIZE {
            return Err(limit(format!("Cannot exceed quota for PolicySize: {POLICY_SIZE}")));
        }
        if self.policies.values().any(|policy| policy.name.eq_ignore_ascii_case(name)) {
            return Err(exists(format!("A policy called {name} already exists. Duplicate names are not allowed.")));
        }
        let policy = ManagedPolicy {
            document,
            name: name.to_owned(),
            arn: format!("arn:aws:iam::{ACCOUNT}:policy{path}{name}"),
            path,
            id: self.next_id("ANPA"),
            description: request.form("Description").unwrap_or_default().to_owned(),
            created_ms: now_ms,
            tags,
        };
        let mut xml = Xml::default();
        xml.element("Policy", |xml| policy.write(xml, 0));
        self.policies.insert(policy.arn.clone(), policy);
        Ok(xml.finish())
    }

    pub(super) fn get_policy(&self, request: &ApiRequest) -> Result<String, ApiError> {
        let arn = check::arn(request, "PolicyArn")?;
        let built_in = || {
            let name = arn.rsplit('/').next().unwrap_or(arn);
            of_aws(arn).map(|document| ManagedPolicy {
                document,
                name: name.to_owned(),
                path: arn.trim_start_matches("arn:aws:iam::aws:policy").trim_end_matches(name).to_owned(),
                arn: arn.to_owned(),
                id: format!("ANPA{:X<17}", name.to_ascii_uppercase().chars().take(17).collect::<String>()),
                description: String::new(),
                created_ms: 1_423_166_000_000,
                tags: BTreeMap::new(),
            })
        };
        let policy = self.policies.get(arn).cloned().or_else(built_in).ok_or_else(|| no_policy(arn))?;
        let mut xml = Xml::default();
        xml.element("Policy", |xml| policy.write(xml, self.attachments(arn)));
        Ok(xml.finish())
    }

    /// The account's own policies only: whoever lists wants those, and AWS has more than a thousand.
    pub(super) fn list_policies(&self, request: &ApiRequest) -> Result<String, ApiError> {
        let prefix = request.form("PathPrefix").unwrap_or("/");
        let wanted = request.form("Scope").unwrap_or("All") != "AWS";
        let found = self.policies.values().filter(|policy| wanted && policy.path.starts_with(prefix));
        page::write(
            request,
            "Policies",
            found,
            |policy| policy.arn.clone(),
            |xml, policy| {
                policy.write(xml, self.attachments(&policy.arn));
            },
        )
    }

    pub(super) fn delete_policy(&mut self, request: &ApiRequest) -> Result<String, ApiError> {
        let arn = check::arn(request, "PolicyArn")?;
        if !self.policies.contains_key(arn) {
            return Err(no_policy(arn));
        }
        if self.attachments(arn) > 0 {
            return Err(conflict("Cannot delete a policy attached to entities."));
        }
        self.policies.remove(arn);
        Ok(String::new())
    }

    fn attachments(&self, arn: &str) -> usize {
        self.roles.values().filter(|role| role.attached.contains(arn)).count()
    }
}

fn no_policy(arn: &str) -> ApiError {
    no_entity(format!("Policy {arn} was not found."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_of_aws_can_be_read() {
        for (name, _) in OF_AWS {
            assert!(of_aws(&format!("arn:aws:iam::aws:policy/{name}")).is_some(), "{name}");
        }
    }
}
