//! Resources that a deployment leaves in an account: what strays are, and what cleaning up reports.

use std::fmt;
use std::time::SystemTime;

use super::DeploymentId;

/// Something in an account that faast made.
///
/// ```
/// # use faast_core::provider::Resource;
/// let mut role = Resource::new("role", "faast-d1");
/// role.rank = 50; // the rest is found by it: it goes last
/// let mut queue = Resource::new("queue", "faast-d1-answers");
/// queue.region = "eu-north-1".into();
///
/// let mut all = [role, queue];
/// all.sort_by_key(|resource| resource.rank);
/// assert_eq!(all.map(|resource| resource.to_string()), ["queue `faast-d1-answers` in eu-north-1", "role `faast-d1`"]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resource {
    /// What it is, as the provider calls it: `function`, `role`, `queue`.
    pub kind: String,
    /// Its id, as the provider's delete call takes it.
    pub id: String,
    /// Where it is; empty for global resources.
    pub region: String,
    /// The deployment that made it, where the provider can tell.
    pub deployment: Option<DeploymentId>,
    /// When it was made, where the provider can tell.
    pub created: Option<SystemTime>,
    /// From when on nobody needs it; `None` if the tag can't be read, which keeps it.
    pub expires: Option<SystemTime>,
    /// Lower ranks are deleted first; the discoverable root has the highest.
    pub rank: u32,
}

impl Resource {
    /// A resource of a kind.
    pub fn new(kind: impl Into<String>, id: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            id: id.into(),
            region: String::new(),
            deployment: None,
            created: None,
            expires: None,
            rank: 0,
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`", self.kind, self.id)?;
        if !self.region.is_empty() {
            write!(f, " in {}", self.region)?;
        }
        Ok(())
    }
}

/// Which strays are looked for.
///
/// ```
/// # use std::time::{Duration, SystemTime};
/// # use faast_core::provider::{Resource, StrayScope};
/// fn is_within(scope: &StrayScope, resource: &Resource, now: SystemTime) -> bool {
///     let is_there = scope.regions.is_empty() || scope.regions.contains(&resource.region);
///     is_there && (scope.include_live || resource.expires.is_some_and(|expires| expires <= now))
/// }
///
/// let (mut scope, now) = (StrayScope::default(), SystemTime::now());
/// let mut queue = Resource::new("queue", "faast-d1");
/// queue.expires = Some(now + Duration::from_hours(1));
/// assert!(!is_within(&scope, &queue, now));
/// scope.include_live = true;
/// assert!(is_within(&scope, &queue, now));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct StrayScope {
    /// Regions to look at; empty: the configured one.
    pub regions: Vec<String>,
    /// Live resources too, not only the expired.
    pub include_live: bool,
}

/// What deleting a resource did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// It was there and is gone now.
    Now,
    /// It was gone already.
    Before,
}

/// What a cleanup did, and what it could not do.
///
/// ```
/// # use faast_core::provider::{CleanupReport, Resource};
/// let mut report = CleanupReport::default();
/// report.deleted.push(Resource::new("queue", "faast-d1"));
/// let mut roles = CleanupReport::default();
/// roles.left.push((Resource::new("role", "faast-d1"), "it is in use".into()));
/// report.append(roles);
///
/// assert!(!report.is_clean());
/// let left: Vec<_> = report.left.iter().map(|(resource, why)| format!("{resource}: {why}")).collect();
/// assert_eq!(left, ["role `faast-d1`: it is in use"]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CleanupReport {
    /// What is gone.
    pub deleted: Vec<Resource>,
    /// What is left, with the reason.
    pub left: Vec<(Resource, String)>,
    /// What stays by the provider's rules, in words for people.
    pub notes: Vec<String>,
}

impl CleanupReport {
    /// Whether nothing is left that should be gone.
    pub fn is_clean(&self) -> bool {
        self.left.is_empty()
    }

    /// Adds what another part of the cleanup did.
    pub fn append(&mut self, part: Self) {
        self.deleted.extend(part.deleted);
        self.left.extend(part.left);
        self.notes.extend(part.notes);
    }
}
