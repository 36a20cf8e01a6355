//! IAM: roles and their policies, and who may do what.
//!
//! [`role`], [`role_policy`] and [`managed`] are the operations, [`check`] refuses what IAM refuses, [`document`] and
//! [`condition`] read policies, [`evaluate`] applies them to what [`facts`] knows of a request, and [`identity`] knows who a
//! caller is. Everybody else uses the few functions that
//! are re-exported here. IAM is global: nothing in it depends on the region of a request.

mod check;
mod condition;
mod document;
mod evaluate;
mod facts;
mod identity;
mod managed;
mod page;
mod role;
mod role_policy;
mod simulate;

use std::collections::BTreeMap;

pub(super) use self::identity::{
    Session, assume, authenticate, authorize, caller_arn, pass_role, role_session, session,
};
use self::managed::ManagedPolicy;
use self::role::Role;
use super::ACCOUNT;
use super::protocol::{ApiError, ApiRequest, Reply};
use super::state::Shared;

/// Everything of this service.
#[derive(Debug, Default)]
pub(super) struct State {
    /// By name in lower case: names differ by more than case.
    roles: BTreeMap<String, Role>,
    /// The account's own policies, by ARN.
    policies: BTreeMap<String, ManagedPolicy>,
    identities: identity::Identities,
    ids: u64,
}

impl State {
    pub(super) fn leftovers(&self) -> Vec<String> {
        self.roles.values().map(|role| role.arn.clone()).chain(self.policies.keys().cloned()).collect()
    }

    /// Makes a role that somebody else might have made, whatever exists already.
    pub(super) fn add_role(&mut self, name: &str, path: &str, tags: BTreeMap<String, String>, now_ms: u64) {
        let id = self.next_id("AROA");
        self.roles.insert(name.to_lowercase(), Role::of_somebody(name, path, id, tags, now_ms));
    }

    /// Makes a user with one policy and one access key; the error is IAM's word on the policy.
    pub(super) fn add_user(&mut self, policy: &str) -> Result<Session, String> {
        Ok(self.identities.add_user(document::identity_policy(policy)?))
    }

    /// Lets an access key expire.
    pub(super) fn expire(&mut self, access_key: &str) {
        self.identities.expire(access_key);
    }

    fn role_by_arn(&self, arn: &str) -> Option<&Role> {
        self.roles.get(&arn.rsplit('/').next()?.to_lowercase()).filter(|role| role.arn == arn)
    }

    /// An id as IAM's look: a prefix for the kind and 17 letters and digits.
    fn next_id(&mut self, prefix: &str) -> String {
        const DIGITS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        self.ids += 1;
        let mut rest = self.ids.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut id = prefix.to_owned();
        for _ in 0..17 {
            id.push(char::from(DIGITS[usize::from(rest.to_le_bytes()[0] % 32)]));
            rest = rest.rotate_right(5) ^ self.ids;
        }
        id
    }
}

pub(super) fn handle(emulator: &Shared, request: &ApiRequest) -> Result<Reply, ApiError> {
    authorize(emulator, request, &format!("iam:{}", request.action), &resource(request))?;
    // Tags that come with a creation need the permission to tag.
    if request.action == "CreateRole" && request.form("Tags.member.1.Key").is_some() {
        authorize(emulator, request, "iam:TagRole", &resource(request))?;
    }
    let now_ms = emulator.clock.now_ms();
    let mut state = emulator.state();
    let iam = &mut state.iam;
    let answer = match request.action.as_str() {
        "CreateRole" => iam.create_role(request, now_ms),
        "GetRole" => iam.get_role(request),
        "ListRoles" => iam.list_roles(request),
        "DeleteRole" => iam.delete_role(request),
        "ListRoleTags" => iam.list_role_tags(request),
        "TagRole" => iam.tag_role(request),
        "UntagRole" => iam.untag_role(request),
        "AttachRolePolicy" => iam.attach_role_policy(request),
        "DetachRolePolicy" => iam.detach_role_policy(request),
        "ListAttachedRolePolicies" => iam.list_attached_role_policies(request),
        "PutRolePolicy" => iam.put_role_policy(request),
        "GetRolePolicy" => iam.get_role_policy(request),
        "ListRolePolicies" => iam.list_role_policies(request),
        "DeleteRolePolicy" => iam.delete_role_policy(request),
        "CreatePolicy" => iam.create_policy(request, now_ms),
        "GetPolicy" => iam.get_policy(request),
        "ListPolicies" => iam.list_policies(request),
        "DeletePolicy" => iam.delete_policy(request),
        "SimulatePrincipalPolicy" => iam.simulate_principal_policy(request),
        other => Err(invalid_action(other, "2010-05-08")),
    };
    answer.map(|inner| Reply::query(request, &inner))
}

/// What a service of the query protocol says to an operation that it does not have.
pub(super) fn invalid_action(action: &str, version: &str) -> ApiError {
    ApiError::new(400, "InvalidAction", format!("Could not find operation {action} for version {version}"))
}

/// What a request is about, as the resource of a permission.
fn resource(request: &ApiRequest) -> String {
    let named = |kind: &str, name: &str, path: &str| format!("arn:aws:iam::{ACCOUNT}:{kind}{path}{name}");
    if request.action == "ListRoles" {
        return named("role", "", request.form("PathPrefix").unwrap_or("/"));
    }
    if let Some(name) = request.form("RoleName") {
        // The path is part of the ARN; requests other than CreateRole do not have it, and `authorize` looks it up.
        return named("role", name, request.form("Path").unwrap_or("/"));
    }
    match (request.form("PolicyArn").or_else(|| request.form("PolicySourceArn")), request.form("PolicyName")) {
        (Some(arn), _) => arn.to_owned(),
        (None, Some(name)) => named("policy", name, request.form("Path").unwrap_or("/")),
        (None, None) => "*".to_owned(),
    }
}

/// What Lambda has to know of a role.
#[derive(Debug, Clone)]
pub(super) struct ExecutionRole {
    pub(super) created_ms: u64,
    /// Whether its trust policy lets `lambda.amazonaws.com` assume it.
    pub(super) trusts_lambda: bool,
}

/// A role by its ARN.
pub(super) fn execution_role(state: &State, arn: &str) -> Option<ExecutionRole> {
    let role = state.role_by_arn(arn)?;
    Some(ExecutionRole { created_ms: role.created_ms, trusts_lambda: role.trusts("lambda.amazonaws.com") })
}

/// Whether the policies of a role allow an action, whether or not permissions are enforced for callers. Nothing is known
/// that a condition could ask for.
pub(super) fn role_allows(state: &State, role_arn: &str, action: &str, resource: &str) -> bool {
    let Some(role) = state.role_by_arn(role_arn) else { return false };
    evaluate::decide(&state.documents_of(role), action, resource, &|_| None) == evaluate::Decision::Allowed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_look_like_those_of_iam_and_differ() {
        let mut state = State::default();
        let ids: std::collections::BTreeSet<_> = (0..1000).map(|_| state.next_id("AROA")).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.iter().all(|id| id.len() == 21 && id.starts_with("AROA")));
    }
}
