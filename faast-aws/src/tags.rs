//! Tags: how faast knows its own resources in an account, whoever looks and from wherever.
//!
//! A resource is faast's only if it has all four of faast's tags, each well formed, and is called `faast-<the id in
//! them>`. One of them missing, or another name, and it belongs to somebody else.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use faast_core::provider::{DeploymentId, Resource};

/// The deployment's id.
pub(crate) const DEPLOYMENT: &str = "faast:deployment";
/// When the deployment was made, in Unix seconds.
pub(crate) const CREATED: &str = "faast:created";
/// From when on nobody needs the resource, in Unix seconds; moved forward while the client lives.
pub(crate) const EXPIRES: &str = "faast:expires";
/// The version of faast that made it.
pub(crate) const VERSION: &str = "faast:version";

/// All of them.
pub(crate) const ALL: [&str; 4] = [DEPLOYMENT, CREATED, EXPIRES, VERSION];

/// The tags of a deployment's resources: faast's, then the user's.
#[derive(Debug, Clone)]
pub(crate) struct Tags(Vec<(String, String)>);

impl Tags {
    pub(crate) fn new(id: &DeploymentId, created: SystemTime, expires: SystemTime, users: &[(String, String)]) -> Self {
        let mut tags = vec![
            (DEPLOYMENT.into(), id.to_string()),
            (CREATED.into(), seconds(created)),
            (EXPIRES.into(), seconds(expires)),
            (VERSION.into(), env!("CARGO_PKG_VERSION").into()),
        ];
        tags.extend_from_slice(users);
        Self(tags)
    }

    /// The same tags with another time of expiry.
    pub(crate) fn expiring(&self, expires: SystemTime) -> Self {
        let mut tags = self.clone();
        for (_, value) in tags.0.iter_mut().filter(|(key, _)| key == EXPIRES) {
            *value = seconds(expires);
        }
        tags
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    pub(crate) fn to_map(&self) -> std::collections::HashMap<String, String> {
        self.0.iter().cloned().collect()
    }
}

/// A time as the tags have it.
pub(crate) fn seconds(time: SystemTime) -> String {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().to_string()
}

/// What the tags of a resource of faast say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owned<'t> {
    pub(crate) deployment: &'t str,
    pub(crate) created: SystemTime,
    pub(crate) expires: SystemTime,
}

impl Owned<'_> {
    /// The resource with what its tags say of it.
    pub(crate) fn describe(&self, mut resource: Resource) -> Resource {
        resource.deployment = Some(self.deployment.into());
        resource.created = Some(self.created);
        resource.expires = Some(self.expires);
        resource
    }
}

/// What the tags of the resource called `name` say; `None` if it is not faast's.
pub(crate) fn owned<'a>(name: &str, tags: impl IntoIterator<Item = (&'a str, &'a str)>) -> Option<Owned<'a>> {
    let mut found = [None; ALL.len()];
    for (key, value) in tags {
        if let Some(slot) = ALL.iter().position(|known| *known == key) {
            found[slot] = Some(value);
        }
    }
    let [Some(id), Some(created), Some(expires), Some(version)] = found else { return None };
    let (created, expires) = (time(created)?, time(expires)?);
    let named = crate::resource::deployment_of(name) == Some(id);
    (named && is_version(version)).then_some(Owned { deployment: id, created, expires })
}

/// Whether a resource with these tags belongs to this deployment.
pub(crate) fn belongs_to<'a>(id: &DeploymentId, tags: impl IntoIterator<Item = (&'a str, &'a str)>) -> bool {
    tags.into_iter().any(|(key, value)| key == DEPLOYMENT && value == id.as_str())
}

fn time(seconds: &str) -> Option<SystemTime> {
    let digits = !seconds.is_empty() && seconds.len() <= 11 && seconds.bytes().all(|byte| byte.is_ascii_digit());
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds.parse().ok().filter(|_| digits)?))
}

fn is_version(text: &str) -> bool {
    let core = text.split(['-', '+']).next().unwrap_or_default();
    let numbers: Vec<_> = core.split('.').collect();
    numbers.len() == 3 && numbers.iter().all(|number| number.parse::<u64>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "6a1f0d1e-8a0e-4c5e-9a53-0d4b7f3a2c11";

    fn name() -> String {
        format!("faast-{ID}")
    }

    fn tags() -> Vec<(&'static str, &'static str)> {
        vec![(DEPLOYMENT, ID), (CREATED, "1700000000"), (EXPIRES, "1700086400"), (VERSION, "0.1.0"), ("team", "ml")]
    }

    #[test]
    fn what_a_deployment_writes_is_recognised_as_faasts() {
        let expires = UNIX_EPOCH + Duration::from_secs(1_700_086_400);
        let written = Tags::new(&ID.into(), UNIX_EPOCH, expires, &[("team".into(), "ml".into())]);
        let expected = Owned { deployment: ID, created: UNIX_EPOCH, expires };
        assert_eq!(owned(&name(), written.iter()), Some(expected));
        let later = expires + Duration::from_hours(1);
        assert_eq!(owned(&name(), written.expiring(later).iter()), Some(Owned { expires: later, ..expected }));
    }

    #[test]
    fn a_resource_with_only_some_of_the_tags_is_somebody_elses() {
        for (missing, tag) in ALL.iter().enumerate() {
            let mut tags = tags();
            tags.remove(missing);
            assert_eq!(owned(&name(), tags), None, "without {tag}");
        }
    }

    #[test]
    fn tags_that_are_not_well_formed_make_it_somebody_elses() {
        for (slot, value) in [(0, "batch"), (1, "yesterday"), (2, "-1"), (2, ""), (2, "+1700086400"), (3, "one")] {
            let mut tags = tags();
            tags[slot].1 = value;
            assert_eq!(owned(&name(), tags), None, "{value}");
        }
    }

    #[test]
    fn another_name_makes_it_somebody_elses() {
        let other = "faast-6a1f0d1e-8a0e-4c5e-9a53-0d4b7f3a2c12";
        for name in [other, "faast-batch", ID, "my-faast-6a1f0d1e-8a0e-4c5e-9a53-0d4b7f3a2c11"] {
            assert_eq!(owned(name, tags()), None, "{name}");
        }
    }
}
