//! Labels: how faast knows its own resources in a project, whoever looks and from wherever.
//!
//! Google takes lower-case letters, digits, `-` and `_` in labels, which is why keys have no colon, and a version is written
//! `0-1-0`.

use std::time::SystemTime;

use faast_core::control::TagKeys;
pub(crate) use faast_core::control::{Owned, Tags as Labels};
use faast_core::provider::DeploymentId;
use serde_json::Value;

/// The deployment's id. A selector finds what has it.
pub(crate) const DEPLOYMENT: &str = "faast-deployment";

const KEYS: TagKeys = TagKeys {
    deployment: DEPLOYMENT,
    created: "faast-created",
    expires: "faast-expires",
    version: "faast-version",
    dot: '-',
};

/// All of them.
pub(crate) const ALL: [&str; 4] = [KEYS.deployment, KEYS.created, KEYS.expires, KEYS.version];

/// The labels of a deployment's resources: faast's, then the user's.
pub(crate) fn new(id: &DeploymentId, created: SystemTime, expires: SystemTime, users: &[(String, String)]) -> Labels {
    Labels::new(&KEYS, id, created, expires, users)
}

/// What the labels of a resource of the deployment called `name` say; `None` if it is not faast's.
pub(crate) fn owned<'a>(name: &str, labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> Option<Owned<'a>> {
    KEYS.owned(name, labels)
}

/// Whether a resource with these labels belongs to this deployment.
pub(crate) fn belongs_to<'a>(id: &DeploymentId, labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> bool {
    KEYS.belongs_to(id, labels)
}

/// The labels of a resource as JSON, in the order of their keys.
pub(crate) fn json(labels: &Labels) -> Value {
    labels.iter().map(|(key, value)| (key.to_owned(), Value::from(value))).collect()
}

/// The labels in a resource that came as JSON.
pub(crate) fn pairs(resource: &Value) -> impl Iterator<Item = (&str, &str)> {
    let labels = resource.get("labels").and_then(Value::as_object).into_iter().flatten();
    labels.filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
}
