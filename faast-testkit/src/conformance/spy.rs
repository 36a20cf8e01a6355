//! A provider that counts what core asks of it, to show that what is refused had no side effect. It can also pretend
//! that requests come from a client of another build.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use faast_core::Result;
use faast_core::cost::PriceTable;
use faast_core::provider::{
    Capabilities, CloudFunction, CloudProvider, Deleted, DeployContext, DeploySpec, Mode, Resource, StrayScope,
};
use futures_core::stream::BoxStream;

use crate::intercept::Intercepted;

/// What was asked of a provider.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    deployments: AtomicU64,
    requests: AtomicU64,
}

impl Seen {
    pub(super) fn deployments(&self) -> u64 {
        self.0.deployments.load(Ordering::Relaxed)
    }

    pub(super) fn requests(&self) -> u64 {
        self.0.requests.load(Ordering::Relaxed)
    }
}

/// Passes everything on, and counts.
pub(super) struct Spy {
    inner: Box<dyn CloudProvider>,
    seen: Seen,
    other_build: bool,
}

impl Spy {
    pub(super) fn new(inner: Box<dyn CloudProvider>) -> Self {
        Self { inner, seen: Seen::default(), other_build: false }
    }

    /// Requests say that they come from another build.
    pub(super) fn of_other_build(mut self) -> Self {
        self.other_build = true;
        self
    }

    pub(super) fn seen(&self) -> Seen {
        self.seen.clone()
    }
}

#[async_trait]
impl CloudProvider for Spy {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn capabilities(&self, mode: Mode) -> Capabilities {
        self.inner.capabilities(mode)
    }

    async fn deploy(&self, spec: &DeploySpec, cx: &DeployContext) -> Result<Arc<dyn CloudFunction>> {
        self.seen.0.deployments.fetch_add(1, Ordering::Relaxed);
        let inner = self.inner.deploy(spec, cx).await?;
        let (seen, other_build) = (self.seen.clone(), self.other_build);
        Ok(Intercepted::in_front_of(inner, move |inner, mut request| {
            seen.0.requests.fetch_add(1, Ordering::Relaxed);
            if other_build {
                request.build = !request.build;
            }
            inner.invoke(request)
        }))
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

    async fn prices(&self, region: &str) -> Result<PriceTable> {
        self.inner.prices(region).await
    }
}
