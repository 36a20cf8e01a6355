//! What deployments left behind in an account: finding it, saying what of it may go, deleting it, and the cache files.
//!
//! Responsible for merging the ledgers of this home with what the provider finds by tags, for the decision between
//! expired and live, for the order of deletion, and for collecting once a day; not for how a resource is found or deleted, which is the
//! provider's, and not for printing. Invariants:
//! - only what faast made is ever looked at: what carries its tags, or stands in a ledger;
//! - a deployment is live until the latest expiry of anything in it, tag or ledger, has passed;
//! - what does not say when it expires stays.

mod collect;
mod delete;
mod find;
mod turn;

use std::time::SystemTime;

use crate::error::Error;
use crate::provider::{DeploymentId, Resource};

pub(crate) use self::collect::collect;
pub use self::delete::{Reach, delete};
pub use self::find::{Query, find};

/// What was found, at one moment.
#[derive(Debug)]
#[non_exhaustive]
pub struct Found {
    /// The deployments of which anything is left, the oldest first.
    pub deployments: Vec<Remains>,
    /// What could not be looked at: more may be left.
    pub failures: Vec<Error>,
    /// When it was looked for.
    pub at: SystemTime,
}

/// What is left of a deployment, or what a live one is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Remains {
    /// The deployment.
    pub deployment: DeploymentId,
    /// What there is, in the order in which it is to be deleted. Empty if only its ledger is left to be closed.
    pub resources: Vec<Resource>,
    /// When the first of it was made, where the provider can tell.
    pub created: Option<SystemTime>,
    /// From when on nobody needs it: the latest expiry of anything in it.
    pub expires: Option<SystemTime>,
    /// Whether a ledger of this home knows it.
    pub in_ledger: bool,
    /// What the ledger knows and is not there any more, or never was.
    pub(crate) gone: Vec<Resource>,
}

/// Whether anybody may still need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// Nobody needs it any more, since then.
    Expired(SystemTime),
    /// A client may live that uses it; it expires then unless that is moved.
    Live(SystemTime),
    /// It does not say when it expires, which keeps it: it is in use, or its tags can't be read.
    Unknown,
}

impl Remains {
    /// The state of one of its resources.
    pub fn state_of(&self, resource: &Resource, now: SystemTime) -> State {
        match self.expires.filter(|_| resource.expires.is_some()) {
            Some(expires) if expires <= now => State::Expired(expires),
            Some(expires) => State::Live(expires),
            None => State::Unknown,
        }
    }

    /// The state of the deployment as a whole.
    pub fn state(&self, now: SystemTime) -> State {
        match self.expires {
            Some(expires) if expires <= now => State::Expired(expires),
            Some(expires) => State::Live(expires),
            None => State::Unknown,
        }
    }
}

impl Found {
    /// What a deletion with that reach deletes, in the order in which it does.
    pub fn doomed(&self, reach: Reach) -> impl Iterator<Item = &Resource> {
        self.deployments.iter().flat_map(move |remains| remains.doomed(reach, self.at))
    }

    /// Whether a deployment of that name is live, or may be.
    pub fn is_live(&self, deployment: &str) -> bool {
        let known = self.deployments.iter().find(|remains| remains.deployment.as_str() == deployment);
        known.is_some_and(|remains| !matches!(remains.state(self.at), State::Expired(_)))
    }
}

impl Remains {
    fn doomed(&self, reach: Reach, now: SystemTime) -> impl Iterator<Item = &Resource> {
        self.resources.iter().filter(move |resource| reach.takes(self.state_of(resource, now)))
    }
}

#[cfg(test)]
mod tests;
