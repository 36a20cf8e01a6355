//! Faults by seed: a provider that wraps any other and loses, delays, repeats and refuses what passes through it.
//!
//! What happens to a request depends on the seed, on its first call, on the attempt, and on how often that attempt was
//! seen before, and on nothing else: a run can be repeated, whatever order the requests go in. No fault makes a call
//! give another value; every one of them is something that real platforms do.

mod plan;
mod stream;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use faast_core::Result;
use faast_core::cost::{PriceTable, Usage};
use faast_core::provider::{
    Capabilities, CloudFunction, CloudProvider, Deleted, DeployContext, DeploySpec, Mode, Resource, StrayScope,
};
use futures_core::stream::BoxStream;

use self::plan::Script;
pub use self::plan::{Faults, Injected};
use crate::intercept::Intercepted;

/// Wraps a provider and makes faults. Clones share the count of what was injected.
///
/// ```
/// use faast_testkit::fault::{Faults, Faulty};
/// use faast_testkit::memory::Memory;
///
/// let flaky = Faulty::new(Memory::new(), Faults::seed(7).throttling(0.1).worker_death(0.05));
/// assert_eq!(flaky.injected().total(), 0);
/// ```
#[derive(Debug, Clone)]
pub struct Faulty<P> {
    inner: P,
    faults: Faults,
    injected: Arc<Mutex<Injected>>,
}

impl<P> Faulty<P> {
    /// Makes these faults in front of `inner`.
    pub fn new(inner: P, faults: Faults) -> Self {
        Self { inner, faults, injected: Arc::default() }
    }

    /// What has been injected so far, over all deployments.
    pub fn injected(&self) -> Injected {
        lock(&self.injected).clone()
    }

    /// The provider behind it.
    pub fn inner(&self) -> &P {
        &self.inner
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl<P: CloudProvider> CloudProvider for Faulty<P> {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn capabilities(&self, mode: Mode) -> Capabilities {
        self.inner.capabilities(mode)
    }

    async fn deploy(&self, spec: &DeploySpec, cx: &DeployContext) -> Result<Arc<dyn CloudFunction>> {
        let inner = self.inner.deploy(spec, cx).await?;
        let script = Arc::new(Script::new(self.faults.clone(), Arc::clone(&self.injected)));
        // Streams are polled on any thread, but time passes on this runtime.
        let runtime = cx.runtime.clone();
        Ok(Intercepted::in_front_of(inner, move |inner, request| stream::invoke(inner, &script, &runtime, request)))
    }

    fn stray(&self, scope: &StrayScope) -> BoxStream<'static, Result<Resource>> {
        self.inner.stray(scope)
    }

    async fn look_up(&self, resource: &Resource) -> Result<Option<Resource>> {
        self.inner.look_up(resource).await
    }

    async fn delete(&self, resource: &Resource) -> Result<Deleted> {
        self.inner.delete(resource).await
    }

    fn worst_case(&self, spec: &DeploySpec) -> Option<Usage> {
        self.inner.worst_case(spec)
    }

    async fn prices(&self, region: &str) -> Result<PriceTable> {
        self.inner.prices(region).await
    }
}
