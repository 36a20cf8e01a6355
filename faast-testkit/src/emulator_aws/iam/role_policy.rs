//! The policies of a role: attached ones, which exist on their own, and inline ones, which belong to it.

use super::document::{Document, identity_policy};
use super::role::{Inline, Role, limit, malformed, no_entity, size};
use super::{State, check, managed, page};
use crate::emulator_aws::protocol::{ApiError, ApiRequest};
use crate::emulator_aws::xml::{Xml, encode};

/// Managed policies that a role may have.
const ATTACHED: usize = 10;
/// Characters of all inline policies of a role, white space not counted.
const INLINE_SIZE: usize = 10_240;

impl State {
    pub(super) fn attach_role_policy(&mut self, request: &ApiRequest) -> Result<String, ApiError> {
        let arn = check::arn(request, "PolicyArn")?.to_owned();
        let role = self.role_of(request)?;
        if self.managed_policy(&arn).is_none() {
            return Err(no_entity(format!("Policy {arn} does not exist or is not attachable.")));
        }
        if role.attached.len() >= ATTACHED && !role.attached.contains(&arn) {
            return Err(limit(format!("Cannot exceed quota for PoliciesPerRole: {ATTACHED}")));
        }
        self.role_of_mut(request)?.attached.insert(arn);
        Ok(String::new())
    }

    pub(super) fn detach_role_policy(&mut self, request: &ApiRequest) -> Result<String, ApiError> {
        let arn = check::arn(request, "PolicyArn")?;
        if self.role_of_mut(request)?.attached.remove(arn) {
            Ok(String::new())
        } else {
            Err(no_entity(format!("Policy {arn} was not found.")))
        }
    }

    pub(super) fn list_attached_role_policies(&self, request: &ApiRequest) -> Result<String, ApiError> {
        let role = self.role_of(request)?;
        page::write(
            request,
            "AttachedPolicies",
            role.attached.iter(),
            |arn| (*arn).clone(),
            |xml, arn| {
                xml.text("PolicyName", arn.rsplit('/').next().unwrap_or(arn)).text("PolicyArn", arn);
            },
        )
    }

    pub(super) fn put_role_policy(&mut self, request: &ApiRequest) -> Result<String, ApiError> {
        let name = check::name(request, "PolicyName", 128)?;
        let text = check::document(request, "PolicyDocument")?;
        let role = self.role_of_mut(request)?;
        let document = identity_policy(text).map_err(malformed)?;
        let others = role.inline.iter().filter(|(other, _)| *other != name);
        if others.map(|(_, policy)| size(&policy.text)).sum::<usize>() + size(text) > INLINE_SIZE {
            let role = &role.name;
            return Err(limit(format!("Maximum policy size of {INLINE_SIZE} bytes exceeded for role {role}")));
        }
        role.inline.insert(name.to_owned(), Inline { text: text.to_owned(), document });
        Ok(String::new())
    }

    pub(super) fn get_role_policy(&self, request: &ApiRequest) -> Result<String, ApiError> {
        let name = check::name(request, "PolicyName", 128)?;
        let role = self.role_of(request)?;
        let policy = role.inline.get(name).ok_or_else(|| no_policy(name))?;
        let mut xml = Xml::default();
        xml.text("RoleName", &role.name).text("PolicyName", name).text("PolicyDocument", encode(&policy.text));
        Ok(xml.finish())
    }

    pub(super) fn list_role_policies(&self, request: &ApiRequest) -> Result<String, ApiError> {
        let role = self.role_of(request)?;
        page::write_texts(request, "PolicyNames", role.inline.keys())
    }

    pub(super) fn delete_role_policy(&mut self, request: &ApiRequest) -> Result<String, ApiError> {
        let name = check::name(request, "PolicyName", 128)?;
        self.role_of_mut(request)?.inline.remove(name).map(|_| String::new()).ok_or_else(|| no_policy(name))
    }

    /// Everything that says what the holder of a role may do.
    pub(super) fn documents_of(&self, role: &Role) -> Vec<Document> {
        let inline = role.inline.values().map(|policy| policy.document.clone());
        let attached = role.attached.iter().filter_map(|arn| {
            self.policies.get(arn).map(|policy| policy.document.clone()).or_else(|| managed::of_aws(arn))
        });
        inline.chain(attached).collect()
    }
}

fn no_policy(name: &str) -> ApiError {
    no_entity(format!("The role policy with name {name} cannot be found."))
}
