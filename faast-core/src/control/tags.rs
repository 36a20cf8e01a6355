//! Tags: how faast knows its own resources in an account, whoever looks and from wherever.
//!
//! A resource is faast's only if it has all four of faast's tags, each well formed, and is called `faast-<the id in
//! them>`. One of them missing, or another name, and it belongs to somebody else.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::provider::{DeploymentId, Resource};

/// The keys of faast's tags on one platform.
#[derive(Debug)]
pub struct TagKeys {
    /// The deployment's id.
    pub deployment: &'static str,
    /// When the deployment was made, in Unix seconds.
    pub created: &'static str,
    /// From when on nobody needs the resource, in Unix seconds; moved forward while the client lives.
    pub expires: &'static str,
    /// The version of faast that made it.
    pub version: &'static str,
    /// What stands between the numbers of a version, where not every character is taken.
    pub dot: char,
}

impl TagKeys {
    /// All of them.
    pub fn all(&self) -> [&'static str; 4] {
        [self.deployment, self.created, self.expires, self.version]
    }

    /// What the tags of the resources called `name` say; `None` if they are not faast's.
    pub fn owned<'a>(&self, name: &str, tags: impl IntoIterator<Item = (&'a str, &'a str)>) -> Option<Owned<'a>> {
        let keys = self.all();
        let mut found = [None; 4];
        for (key, value) in tags {
            if let Some(slot) = keys.iter().position(|known| *known == key) {
                found[slot] = Some(value);
            }
        }
        let [Some(id), Some(created), Some(expires), Some(version)] = found else { return None };
        let (created, expires) = (time(created)?, time(expires)?);
        let named = deployment_of(name) == Some(id);
        (named && self.is_version(version)).then_some(Owned { deployment: id, created, expires })
    }

    /// Whether a resource with these tags belongs to this deployment.
    pub fn belongs_to<'a>(&self, id: &DeploymentId, tags: impl IntoIterator<Item = (&'a str, &'a str)>) -> bool {
        tags.into_iter().any(|(key, value)| key == self.deployment && value == id.as_str())
    }

    fn is_version(&self, text: &str) -> bool {
        let core = text.split(['-', '+']).next().unwrap_or_default();
        let core = if self.dot == '-' { text } else { core };
        let mut parts = core.split(self.dot);
        let numbers = parts.by_ref().take(3).filter(|part| part.parse::<u64>().is_ok()).count();
        // Where the dot is a dash, what comes behind the numbers looks like more of them.
        numbers == 3 && (self.dot == '-' || parts.next().is_none())
    }
}

/// The tags of a deployment's resources: faast's, then the user's.
///
/// ```
/// # use std::time::{Duration, SystemTime};
/// # use faast_core::{control::{TagKeys, Tags, resource_name}, provider::DeploymentId};
/// const KEYS: TagKeys = TagKeys {
///     deployment: "faast:deployment",
///     created: "faast:created",
///     expires: "faast:expires",
///     version: "faast:version",
///     dot: '.',
/// };
///
/// let id = DeploymentId::random();
/// let (made, hour) = (SystemTime::UNIX_EPOCH + Duration::from_hours(500_000), Duration::from_hours(1));
/// let tags = Tags::new(&KEYS, &id, made, made + hour, &[("team".into(), "ml".into())]);
///
/// let renewed = tags.expiring(made + 2 * hour);
/// let owned = KEYS.owned(&resource_name(&id), renewed.iter()).unwrap();
/// assert_eq!((owned.deployment, owned.expires), (id.as_str(), made + 2 * hour));
/// assert_eq!(KEYS.owned("batch", renewed.iter()), None); // copied tags make nothing faast's
/// ```
#[derive(Debug, Clone)]
pub struct Tags {
    tags: Vec<(String, String)>,
    expires: &'static str,
}

impl Tags {
    /// The tags of a deployment.
    pub fn new(
        keys: &TagKeys,
        id: &DeploymentId,
        created: SystemTime,
        expires: SystemTime,
        users: &[(String, String)],
    ) -> Self {
        let version = env!("CARGO_PKG_VERSION").replace('.', keys.dot.encode_utf8(&mut [0; 4]));
        let mut tags = vec![
            (keys.deployment.into(), id.to_string()),
            (keys.created.into(), seconds(created)),
            (keys.expires.into(), seconds(expires)),
            (keys.version.into(), version),
        ];
        tags.extend_from_slice(users);
        Self { tags, expires: keys.expires }
    }

    /// The same tags with another time of expiry.
    #[must_use]
    pub fn expiring(&self, expires: SystemTime) -> Self {
        let mut other = self.clone();
        for (_, value) in other.tags.iter_mut().filter(|(key, _)| key == self.expires) {
            *value = seconds(expires);
        }
        other
    }

    /// Keys and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Keys and values.
    pub fn to_map(&self) -> HashMap<String, String> {
        self.tags.iter().cloned().collect()
    }
}

/// What every resource of a deployment is called.
pub fn resource_name(id: &DeploymentId) -> String {
    format!("faast-{id}")
}

/// The deployment whose resources have this name; `None` if faast makes no such names.
pub fn deployment_of(name: &str) -> Option<&str> {
    name.strip_prefix("faast-").filter(|id| is_uuid(id))
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
        })
}

/// A time as the tags have it.
pub fn seconds(time: SystemTime) -> String {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().to_string()
}

fn time(seconds: &str) -> Option<SystemTime> {
    let digits = !seconds.is_empty() && seconds.len() <= 11 && seconds.bytes().all(|byte| byte.is_ascii_digit());
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds.parse().ok().filter(|_| digits)?))
}

/// What the tags of a resource of faast say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owned<'t> {
    /// The deployment that made it.
    pub deployment: &'t str,
    /// When the deployment was made.
    pub created: SystemTime,
    /// From when on nobody needs it.
    pub expires: SystemTime,
}

impl Owned<'_> {
    /// The resource with what its tags say of it.
    #[must_use]
    pub fn describe(&self, mut resource: Resource) -> Resource {
        resource.deployment = Some(self.deployment.into());
        resource.created = Some(self.created);
        resource.expires = Some(self.expires);
        resource
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "6a1f0d1e-8a0e-4c5e-9a53-0d4b7f3a2c11";

    const COLONS: TagKeys = TagKeys {
        deployment: "faast:deployment",
        created: "faast:created",
        expires: "faast:expires",
        version: "faast:version",
        dot: '.',
    };

    const DASHES: TagKeys = TagKeys {
        deployment: "faast-deployment",
        created: "faast-created",
        expires: "faast-expires",
        version: "faast-version",
        dot: '-',
    };

    fn name() -> String {
        format!("faast-{ID}")
    }

    fn tags(keys: &TagKeys) -> Vec<(&'static str, &'static str)> {
        let version = if keys.dot == '.' { "0.1.0" } else { "0-1-0" };
        let values = [ID, "1700000000", "1700086400", version];
        keys.all().into_iter().zip(values).chain([("team", "ml")]).collect()
    }

    #[test]
    fn what_a_deployment_writes_is_recognised_as_faasts() {
        for keys in [COLONS, DASHES] {
            let expires = UNIX_EPOCH + Duration::from_secs(1_700_086_400);
            let written = Tags::new(&keys, &ID.into(), UNIX_EPOCH, expires, &[("team".into(), "ml".into())]);
            let expected = Owned { deployment: ID, created: UNIX_EPOCH, expires };
            assert_eq!(keys.owned(&name(), written.iter()), Some(expected));
            let later = expires + Duration::from_hours(1);
            assert_eq!(keys.owned(&name(), written.expiring(later).iter()), Some(Owned { expires: later, ..expected }));
            assert!(keys.belongs_to(&ID.into(), written.iter()) && !keys.belongs_to(&"other".into(), written.iter()));
        }
    }

    #[test]
    fn a_resource_with_only_some_of_the_tags_is_somebody_elses() {
        for keys in [COLONS, DASHES] {
            for missing in 0..4 {
                let mut tags = tags(&keys);
                assert!(keys.owned(&name(), tags.iter().copied()).is_some());
                let (tag, _) = tags.remove(missing);
                assert_eq!(keys.owned(&name(), tags), None, "without {tag}");
            }
        }
    }

    #[test]
    fn tags_that_are_not_well_formed_make_it_somebody_elses() {
        let wrong = [(0, "batch"), (1, "yesterday"), (2, "-1"), (2, ""), (2, "+1700086400"), (3, "one"), (3, "0.1")];
        for (slot, value) in wrong {
            for keys in [COLONS, DASHES] {
                let mut tags = tags(&keys);
                tags[slot].1 = value;
                assert_eq!(keys.owned(&name(), tags), None, "{value}");
            }
        }
    }

    #[test]
    fn a_version_before_a_release_is_one_too() {
        for (keys, version) in [(COLONS, "0.2.0-rc.1"), (DASHES, "0-2-0-rc-1")] {
            let mut tags = tags(&keys);
            tags[3].1 = version;
            assert!(keys.owned(&name(), tags).is_some(), "{version}");
        }
    }

    #[test]
    fn another_name_makes_it_somebody_elses() {
        let other = "faast-6a1f0d1e-8a0e-4c5e-9a53-0d4b7f3a2c12";
        for name in [other, "faast-batch", ID, "my-faast-6a1f0d1e-8a0e-4c5e-9a53-0d4b7f3a2c11"] {
            assert_eq!(COLONS.owned(name, tags(&COLONS)), None, "{name}");
        }
    }

    #[test]
    fn only_names_with_an_id_are_faasts() {
        assert_eq!(deployment_of(&resource_name(&ID.into())), Some(ID));
        for other in ["faast-", "faast-batch", &name().to_uppercase(), "faast-6a1f0d1e8a0e4c5e9a530d4b7f3a2c11"] {
            assert_eq!(deployment_of(other), None, "{other}");
        }
    }
}
