//! Roles: made, read, listed by path and deleted, with their tags, as IAM does it.

use std::collections::{BTreeMap, BTreeSet};

use super::condition::hold;
use super::document::{Document, trust_policy};
use super::{State, check, page};
use crate::emulator::clock::iso;
use crate::emulator_aws::ACCOUNT;
use crate::emulator_aws::protocol::{ApiError, ApiRequest};
use crate::emulator_aws::xml::{Xml, encode};

/// Roles an account may have.
const ROLES_PER_ACCOUNT: usize = 1000;
/// Characters of a trust policy, white space not counted.
const TRUST_POLICY_SIZE: usize = 2048;

/// A role with everything that belongs to it.
#[derive(Clone, Debug)]
pub(super) struct Role {
    pub(super) name: String,
    pub(super) path: String,
    pub(super) id: String,
    pub(super) arn: String,
    pub(super) created_ms: u64,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) attached: BTreeSet<String>,
    pub(super) inline: BTreeMap<String, Inline>,
    trust: Document,
    trust_text: String,
    description: String,
    max_session: u32,
}

/// A policy that is part of its role.
#[derive(Clone, Debug)]
pub(super) struct Inline {
    pub(super) text: String,
    pub(super) document: Document,
}

impl Role {
    /// A role that lets Lambda assume it and that no request made.
    pub(super) fn of_somebody(name: &str, path: &str, id: String, tags: BTreeMap<String, String>, now_ms: u64) -> Self {
        let trust_text = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
        Self {
            name: name.to_owned(),
            path: path.to_owned(),
            id,
            arn: format!("arn:aws:iam::{ACCOUNT}:role{path}{name}"),
            created_ms: now_ms,
            tags,
            attached: BTreeSet::new(),
            inline: BTreeMap::new(),
            trust: trust_policy(trust_text).unwrap_or_default(),
            trust_text: trust_text.to_owned(),
            description: String::new(),
            max_session: 3600,
        }
    }

    /// Whether the trust policy lets `service` (such as `lambda.amazonaws.com`) assume the role.
    pub(super) fn trusts(&self, service: &str) -> bool {
        // Against another account that has itself served by the same service.
        let ask = |key: &str| (key == "aws:sourceaccount").then(|| vec![ACCOUNT.to_owned()]);
        self.trust.statements.iter().any(|statement| {
            statement.allow
                && statement.actions.mean("sts:AssumeRole", true)
                && hold(&statement.conditions, &ask) == Some(true)
                && statement.principals.iter().any(|(kind, name)| kind == "Service" && name == service)
        })
    }

    /// Whether the trust policy lets an identity of the account assume the role.
    pub(super) fn trusts_identity(&self, arn: &str) -> bool {
        let root = format!("arn:aws:iam::{ACCOUNT}:root");
        self.trust.statements.iter().any(|statement| {
            statement.allow
                && statement.actions.mean("sts:AssumeRole", true)
                && hold(&statement.conditions, &|_| None) == Some(true)
                && statement.principals.iter().any(|(kind, name)| {
                    kind == "AWS" && (name == "*" || name == arn || name == ACCOUNT || *name == root)
                })
        })
    }

    fn write(&self, xml: &mut Xml, with_tags: bool) {
        xml.text("Path", &self.path)
            .text("RoleName", &self.name)
            .text("RoleId", &self.id)
            .text("Arn", &self.arn)
            .text("CreateDate", format!("{}Z", iso(self.created_ms)))
            .text("AssumeRolePolicyDocument", encode(&self.trust_text));
        if !self.description.is_empty() {
            xml.text("Description", &self.description);
        }
        xml.text("MaxSessionDuration", self.max_session);
        if with_tags && !self.tags.is_empty() {
            write_tags(xml, &self.tags);
        }
    }
}

impl State {
    pub(super) fn create_role(&mut self, request: &ApiRequest, now_ms: u64) -> Result<String, ApiError> {
        let name = check::name(request, "RoleName", 64)?;
        let path = check::path(request)?;
        let trust_text = check::document(request, "AssumeRolePolicyDocument")?;
        let tags = check::tags(request)?;
        let description = request.form("Description").unwrap_or_default();
        if description.chars().count() > 1000 {
            return Err(check::too_long(description, "description", 1000));
        }
        let max_session = check::number(request, "MaxSessionDuration", 3600, 43_200)?.unwrap_or(3600);
        let trust = trust_policy(trust_text).map_err(malformed)?;
        if size(trust_text) > TRUST_POLICY_SIZE {
            return Err(limit(format!("Cannot exceed quota for ACLSizePerRole: {TRUST_POLICY_SIZE}")));
        }
        if self.roles.contains_key(&name.to_lowercase()) {
            return Err(exists(format!("Role with name {name} already exists.")));
        }
        if self.roles.len() >= ROLES_PER_ACCOUNT {
            return Err(limit(format!("Cannot exceed quota for RolesPerAccount: {ROLES_PER_ACCOUNT}")));
        }
        let role = Role {
            name: name.to_owned(),
            id: self.next_id("AROA"),
            arn: format!("arn:aws:iam::{ACCOUNT}:role{path}{name}"),
            path,
            created_ms: now_ms,
            tags,
            attached: BTreeSet::new(),
            inline: BTreeMap::new(),
            trust,
            trust_text: trust_text.to_owned(),
            description: description.to_owned(),
            max_session,
        };
        let mut xml = Xml::default();
        xml.element("Role", |xml| role.write(xml, true));
        self.roles.insert(name.to_lowercase(), role);
        Ok(xml.finish())
    }

    pub(super) fn get_role(&self, request: &ApiRequest) -> Result<String, ApiError> {
        let role = self.role_of(request)?;
        let mut xml = Xml::default();
        xml.element("Role", |xml| {
            role.write(xml, true);
            xml.element("RoleLastUsed", |_| {});
        });
        Ok(xml.finish())
    }

    pub(super) fn list_roles(&self, request: &ApiRequest) -> Result<String, ApiError> {
        let prefix = request.form("PathPrefix").unwrap_or("/");
        if !prefix.starts_with('/') || prefix.len() > 512 {
            return Err(check::wrong_pattern(prefix, "pathPrefix", "\\u002F[\\u0021-\\u007F]*"));
        }
        let found = self.roles.values().filter(|role| role.path.starts_with(prefix));
        page::write(request, "Roles", found, |role| role.name.to_lowercase(), |xml, role| role.write(xml, false))
    }

    pub(super) fn delete_role(&mut self, request: &ApiRequest) -> Result<String, ApiError> {
        let role = self.role_of(request)?;
        if !role.attached.is_empty() {
            return Err(conflict("Cannot delete entity, must detach all policies first."));
        }
        if !role.inline.is_empty() {
            return Err(conflict("Cannot delete entity, must delete policies first."));
        }
        let key = role.name.to_lowercase();
        self.roles.remove(&key);
        Ok(String::new())
    }

    pub(super) fn list_role_tags(&self, request: &ApiRequest) -> Result<String, ApiError> {
        let role = self.role_of(request)?;
        page::write(
            request,
            "Tags",
            role.tags.iter(),
            |(key, _)| (*key).clone(),
            |xml, (key, value)| {
                xml.text("Key", key).text("Value", value);
            },
        )
    }

    pub(super) fn tag_role(&mut self, request: &ApiRequest) -> Result<String, ApiError> {
        let added = check::tags(request)?;
        let role = self.role_of_mut(request)?;
        let mut tags = role.tags.clone();
        tags.extend(added);
        if tags.len() > check::TAGS {
            return Err(limit("The number of tags has reached the maximum limit."));
        }
        role.tags = tags;
        Ok(String::new())
    }

    pub(super) fn untag_role(&mut self, request: &ApiRequest) -> Result<String, ApiError> {
        let keys: Vec<String> = list(request, "TagKeys").into_iter().map(str::to_lowercase).collect();
        self.role_of_mut(request)?.tags.retain(|key, _| !keys.contains(&key.to_lowercase()));
        Ok(String::new())
    }

    pub(super) fn role_of(&self, request: &ApiRequest) -> Result<&Role, ApiError> {
        let name = check::name(request, "RoleName", 64)?;
        self.roles.get(&name.to_lowercase()).ok_or_else(|| no_role(name))
    }

    pub(super) fn role_of_mut(&mut self, request: &ApiRequest) -> Result<&mut Role, ApiError> {
        let name = check::name(request, "RoleName", 64)?;
        self.roles.get_mut(&name.to_lowercase()).ok_or_else(|| no_role(name))
    }
}

fn no_role(name: &str) -> ApiError {
    no_entity(format!("The role with name {name} cannot be found."))
}

pub(super) fn write_tags(xml: &mut Xml, tags: &BTreeMap<String, String>) {
    xml.members("Tags", tags, |xml, (key, value)| {
        xml.text("Key", key).text("Value", value);
    });
}

/// The values of `field.member.1`, `field.member.2`..
pub(super) fn list<'a>(request: &'a ApiRequest, field: &str) -> Vec<&'a str> {
    (1..).map_while(|at| request.form(&format!("{field}.member.{at}"))).collect()
}

pub(super) fn malformed(message: String) -> ApiError {
    ApiError::new(400, "MalformedPolicyDocument", message)
}

pub(super) fn limit(message: impl Into<String>) -> ApiError {
    ApiError::new(409, "LimitExceeded", message)
}

pub(super) fn exists(message: impl Into<String>) -> ApiError {
    ApiError::new(409, "EntityAlreadyExists", message)
}

pub(super) fn conflict(message: impl Into<String>) -> ApiError {
    ApiError::new(409, "DeleteConflict", message)
}

pub(super) fn no_entity(message: impl Into<String>) -> ApiError {
    ApiError::new(404, "NoSuchEntity", message)
}

/// The size of a policy as IAM counts it: without white space.
pub(super) fn size(document: &str) -> usize {
    document.chars().filter(|c| !c.is_whitespace()).count()
}
