//! What one deployment has, or may have, in an account: the one place that writes the ledger.
//!
//! Invariant: a resource is in [`Held`] and in the ledger from before the call that creates it until after the call that
//! deletes it, or until the service has refused to create it. Cleaning up is: delete what is in here.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::cancel::CancelToken;
use crate::error::Error;
use crate::ledger::Ledger;
use crate::provider::{CleanupReport, Deleted, Resource};

/// The resources of a deployment, by their kinds.
///
/// ```
/// # use std::sync::Arc;
/// # use faast_core::{Error, cache::CacheFolder, control::Held, ledger::Ledger, provider::{Deleted, Resource}};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let home = tempfile::tempdir().unwrap();
/// # let ledger = Arc::new(Ledger::new(Arc::new(CacheFolder::at(home.path().join("lab"))), "d1".into()));
/// #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
/// enum Kind {
///     Queue,
///     Role,
/// }
///
/// let held = Held::new(Arc::clone(&ledger), |kind| match kind {
///     Kind::Queue => Resource::new("queue", "faast-d1"),
///     Kind::Role => Resource::new("role", "faast-d1"),
/// });
/// held.intend(Kind::Queue); // then create it
/// assert!(held.has(Kind::Queue) && !held.has(Kind::Role));
/// assert_eq!(ledger.open(), [held.resource(Kind::Queue)]);
///
/// // At the cleanup: the future is the call that deletes it, and is polled only if there is something to delete.
/// let report = held.remove(Kind::Queue, async { Ok::<_, Error>(Deleted::Now) }).await;
/// assert!(report.is_clean() && !held.has(Kind::Queue) && ledger.open().is_empty());
/// # }
/// ```
pub struct Held<K> {
    /// Fires when the deployment is given up, by the user or because a step failed.
    pub halt: CancelToken,
    ledger: Arc<Ledger>,
    describe: Box<dyn Fn(K) -> Resource + Send + Sync>,
    /// What may exist. Steps that run side by side write to it.
    made: Mutex<BTreeSet<K>>,
}

/// Why a step of a deployment ended without a result.
#[derive(Debug)]
pub enum Stop {
    /// Another step failed, or the user gave up.
    Halted,
    /// This one failed.
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl<K: Copy + Ord> Held<K> {
    /// Nothing yet; `describe` says what reports and the ledger have of a kind.
    pub fn new(ledger: Arc<Ledger>, describe: impl Fn(K) -> Resource + Send + Sync + 'static) -> Self {
        Self { halt: CancelToken::new(), ledger, describe: Box::new(describe), made: Mutex::default() }
    }

    /// The resource of a kind, as reports and the ledger have it.
    pub fn resource(&self, kind: K) -> Resource {
        (self.describe)(kind)
    }

    /// Records that a resource is about to be made.
    pub fn intend(&self, kind: K) {
        self.ledger.intent(&self.resource(kind));
        self.made().insert(kind);
    }

    /// Records that a resource is gone, or was never made.
    pub fn gone(&self, kind: K) {
        self.made().remove(&kind);
        self.ledger.deleted(&self.resource(kind));
    }

    /// Deletes a resource if it may exist; gives what that adds to the report.
    pub async fn remove<E: fmt::Display>(
        &self,
        kind: K,
        delete: impl Future<Output = Result<Deleted, E>>,
    ) -> CleanupReport {
        let mut report = CleanupReport::default();
        if !self.has(kind) {
            return report;
        }
        match delete.await {
            Ok(_) => {
                self.gone(kind);
                report.deleted.push(self.resource(kind));
            }
            Err(refusal) => report.left.push((self.resource(kind), refusal.to_string())),
        }
        report
    }

    /// Whether it may exist.
    pub fn has(&self, kind: K) -> bool {
        self.made().contains(&kind)
    }

    /// Removes the ledger's file if nothing is left.
    pub fn close(&self) {
        self.ledger.close();
    }

    /// Between two calls of a step: whether to go on.
    ///
    /// # Errors
    ///
    /// [`Stop::Halted`] when the deployment is given up.
    pub fn go_on(&self) -> Result<(), Stop> {
        if self.halt.is_canceled() { Err(Stop::Halted) } else { Ok(()) }
    }

    /// A panic while it was locked leaves the set as it is: each change is a single step.
    fn made(&self) -> MutexGuard<'_, BTreeSet<K>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: fmt::Debug> fmt::Debug for Held<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("made", &self.made).finish_non_exhaustive()
    }
}
