//! Tags, under the keys that they have on AWS: how faast knows its own resources in an account.

use std::time::SystemTime;

use faast_core::control::TagKeys;
pub(crate) use faast_core::control::{Owned, Tags, seconds};
use faast_core::provider::DeploymentId;

/// The deployment's id.
pub(crate) const DEPLOYMENT: &str = "faast:deployment";
/// From when on nobody needs the resource, in Unix seconds; moved forward while the client lives.
pub(crate) const EXPIRES: &str = "faast:expires";

const KEYS: TagKeys =
    TagKeys { deployment: DEPLOYMENT, created: "faast:created", expires: EXPIRES, version: "faast:version", dot: '.' };

/// All of them.
pub(crate) const ALL: [&str; 4] = [KEYS.deployment, KEYS.created, KEYS.expires, KEYS.version];

/// The tags of a deployment's resources: faast's, then the user's.
pub(crate) fn new(id: &DeploymentId, created: SystemTime, expires: SystemTime, users: &[(String, String)]) -> Tags {
    Tags::new(&KEYS, id, created, expires, users)
}

/// What the tags of the resource called `name` say; `None` if it is not faast's.
pub(crate) fn owned<'a>(name: &str, tags: impl IntoIterator<Item = (&'a str, &'a str)>) -> Option<Owned<'a>> {
    KEYS.owned(name, tags)
}

/// Whether a resource with these tags belongs to this deployment.
pub(crate) fn belongs_to<'a>(id: &DeploymentId, tags: impl IntoIterator<Item = (&'a str, &'a str)>) -> bool {
    KEYS.belongs_to(id, tags)
}
