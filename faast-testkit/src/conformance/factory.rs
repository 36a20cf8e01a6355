//! What the suite is run against: how to make the provider, in which mode, and what its workers are.

use std::fmt;
use std::time::Duration;

use faast_core::provider::{Capabilities, CloudProvider, Mode};
use faast_core::{Builder, Cloud, Error, ErrorKind, Result};

use super::spy::{Seen, Spy};

/// A promise that is not kept after so long never will be. Generous: it only keeps a hanging test from hanging for ever.
const SAFETY: Duration = Duration::from_mins(3);

/// What a provider's workers are. It decides which promises there are to keep, not which are skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Workers {
    /// Threads of the client. They share its environment and folder, and a crash of one is a crash of the client.
    Threads,
    /// Processes on the client's machine.
    Processes,
    /// Processes on other machines, which share no disk with the client.
    Remote,
}

/// Makes the provider under test, afresh for every deployment.
pub struct Factory {
    make: Box<dyn Fn() -> Box<dyn CloudProvider> + Send + Sync>,
    workers: Workers,
    mode: Mode,
    defaults: Defaults,
}

/// What deployments of the suite have, unless a promise is about it: for providers that cost something.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Defaults {
    memory_mb: Option<u32>,
    timeout: Option<Duration>,
    budget_usd: Option<f64>,
}

impl Defaults {
    /// Memory of a worker in MiB.
    pub fn memory_mb(mut self, mebibytes: u32) -> Self {
        self.memory_mb = Some(mebibytes);
        self
    }

    /// Start to reply of an attempt.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// What each deployment may cost.
    pub fn budget_usd(mut self, usd: f64) -> Self {
        self.budget_usd = Some(usd);
        self
    }

    fn set<P: CloudProvider>(&self, mut builder: Builder<P>) -> Builder<P> {
        if let Some(mebibytes) = self.memory_mb {
            builder = builder.memory_mb(mebibytes);
        }
        if let Some(timeout) = self.timeout {
            builder = builder.timeout(timeout);
        }
        match self.budget_usd {
            Some(usd) => builder.budget_usd(usd),
            None => builder,
        }
    }
}

impl Factory {
    /// A factory of providers whose workers are of that sort.
    pub fn new<P: CloudProvider>(workers: Workers, make: impl Fn() -> P + Send + Sync + 'static) -> Self {
        Self { make: Box::new(move || Box::new(make())), workers, mode: Mode::default(), defaults: Defaults::default() }
    }

    /// Runs the suite in this mode.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Sets what deployments have unless a promise is about it.
    #[must_use]
    pub fn defaults(mut self, defaults: Defaults) -> Self {
        self.defaults = defaults;
        self
    }

    /// What the workers are.
    pub fn workers(&self) -> Workers {
        self.workers
    }

    /// What the provider says it can do in the mode under test.
    pub fn capabilities(&self) -> Capabilities {
        self.provider().capabilities(self.mode)
    }

    /// The provider.
    pub fn provider(&self) -> Box<dyn CloudProvider> {
        (self.make)()
    }

    /// A builder of deployments in the mode under test.
    pub fn builder(&self) -> Builder<Box<dyn CloudProvider>> {
        self.defaults.set(Builder::new(self.provider()).mode(self.mode))
    }

    /// A builder whose provider counts what core asks of it.
    pub(super) fn spied(&self) -> (Builder<Spy>, Seen) {
        let spy = Spy::new(self.provider());
        let seen = spy.seen();
        (self.defaults.set(Builder::new(spy).mode(self.mode)), seen)
    }

    /// A builder of deployments whose client is of another build than its workers.
    pub(super) fn stale(&self) -> Builder<Spy> {
        self.defaults.set(Builder::new(Spy::new(self.provider()).of_other_build()).mode(self.mode))
    }

    /// Deploys with the provider's defaults.
    pub(super) async fn deploy(&self) -> Cloud {
        deployed(self.builder()).await
    }
}

impl fmt::Debug for Factory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Factory").field("workers", &self.workers).field("mode", &self.mode).finish_non_exhaustive()
    }
}

/// Deploys, and fails the test if that fails.
pub(super) async fn deployed<P: CloudProvider>(builder: Builder<P>) -> Cloud {
    builder.deploy().await.expect("the provider deploys")
}

/// Cleans up, and fails the test if anything is left.
pub(super) async fn cleaned(cloud: Cloud) {
    cloud.cleanup().await.expect("the cleanup leaves nothing");
}

/// The error of a result that must be one, of that kind.
#[track_caller]
pub(super) fn error_of<T: fmt::Debug>(kind: ErrorKind, result: Result<T>) -> Error {
    let error = result.expect_err("this must fail");
    assert_eq!(error.kind(), kind, "{error:?}");
    error
}

/// Runs one promise to its end on a runtime of its own, as the tests of [`conformance!`](crate::conformance!) do.
///
/// # Panics
///
/// When the promise is not kept, or not within three minutes.
pub fn check(factory: &Factory, promise: impl AsyncFnOnce(&Factory)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    let kept = runtime.block_on(async { tokio::time::timeout(SAFETY, promise(factory)).await });
    assert!(kept.is_ok(), "nothing happened any more for {SAFETY:?}");
}
