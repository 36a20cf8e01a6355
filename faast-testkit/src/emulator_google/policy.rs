//! IAM policies of single resources: set, got and tested the same way everywhere.

use serde_json::{Map, Value, json};

use super::builder::Settings;
use super::protocol::ApiError;

/// Who has which role on a resource.
#[derive(Debug, Clone)]
pub(super) struct Policy {
    bindings: Value,
    version: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self { bindings: json!([]), version: 0 }
    }
}

impl Policy {
    /// Takes the place of the one before, with the etag of which it has to come, if it has one.
    pub(super) fn set(&mut self, policy: &Value) -> Result<(), ApiError> {
        let given = policy["etag"].as_str().unwrap_or("");
        if !given.is_empty() && given != self.etag() {
            let text = "There were concurrent policy changes. Please retry the whole read-modify-write with \
                        exponential backoff.";
            return Err(ApiError::new(409, "ABORTED", text));
        }
        let bindings = policy.get("bindings").cloned().unwrap_or_else(|| json!([]));
        for member in members(&bindings) {
            let is_known = ["allUsers", "allAuthenticatedUsers"].contains(&member)
                || ["user:", "serviceAccount:", "group:", "domain:", "principal"]
                    .iter()
                    .any(|it| member.starts_with(it))
                || ["projectOwner:", "projectEditor:", "projectViewer:"].iter().any(|it| member.starts_with(it));
            if !is_known {
                return Err(ApiError::invalid(format!("The member {member} is of an unknown type.")));
            }
        }
        self.bindings = bindings;
        self.version += 1;
        Ok(())
    }

    pub(super) fn json(&self) -> Value {
        let mut policy = json!({ "etag": self.etag() });
        if self.bindings.as_array().is_some_and(|it| !it.is_empty()) {
            policy["version"] = json!(1);
            policy["bindings"] = self.bindings.clone();
        }
        policy
    }

    /// Whether a principal has a role; `allUsers` is everyone.
    pub(super) fn grants(&self, role: &str, email: &str) -> bool {
        let roles = self.bindings.as_array().into_iter().flatten().filter(|it| it["role"] == role);
        let mut members = roles.flat_map(|it| it["members"].as_array().into_iter().flatten()).filter_map(Value::as_str);
        members.any(|it| {
            it == "allUsers" || it == "allAuthenticatedUsers" || it.split_once(':').is_some_and(|(_, it)| it == email)
        })
    }

    fn etag(&self) -> String {
        format!("BwY{:08x}=", self.version)
    }
}

fn members(bindings: &Value) -> impl Iterator<Item = &str> {
    let members =
        bindings.as_array().into_iter().flatten().flat_map(|it| it["members"].as_array().into_iter().flatten());
    members.filter_map(Value::as_str)
}

/// The permissions of those asked for that callers have.
pub(super) fn test(settings: &Settings, input: &Map<String, Value>) -> Value {
    let asked = input.get("permissions").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let granted: Vec<&str> = asked.filter(|it| settings.may(it)).collect();
    if granted.is_empty() { json!({}) } else { json!({ "permissions": granted }) }
}
