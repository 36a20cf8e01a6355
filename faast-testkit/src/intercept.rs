//! A deployed function whose requests go through somebody's hands; everything else is passed on as it is.
//!
//! What stands between is a closure over the function and the request, so that each wrapper says only what it changes.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use faast_core::Result;
use faast_core::cost::Usage;
use faast_core::provider::{BlobStore, CleanupReport, CloudFunction, Event, ExecutionId, InvokeError, Limits, Request};
use futures_core::stream::BoxStream;

/// Passes everything on but `invoke`.
pub(crate) struct Intercepted<F> {
    inner: Arc<dyn CloudFunction>,
    invoke: F,
}

impl<F> Intercepted<F>
where
    F: Fn(&Arc<dyn CloudFunction>, Request) -> BoxStream<'static, Result<Event, InvokeError>> + Send + Sync + 'static,
{
    /// Puts `invoke` in front of a function.
    pub(crate) fn in_front_of(inner: Arc<dyn CloudFunction>, invoke: F) -> Arc<dyn CloudFunction> {
        Arc::new(Self { inner, invoke })
    }
}

#[async_trait]
impl<F> CloudFunction for Intercepted<F>
where
    F: Fn(&Arc<dyn CloudFunction>, Request) -> BoxStream<'static, Result<Event, InvokeError>> + Send + Sync + 'static,
{
    fn invoke(&self, request: Request) -> BoxStream<'static, Result<Event, InvokeError>> {
        (self.invoke)(&self.inner, request)
    }

    fn limits(&self) -> Limits {
        self.inner.limits()
    }

    fn store(&self) -> Option<Arc<dyn BlobStore>> {
        self.inner.store()
    }

    async fn renew(&self, until: SystemTime) -> Result<()> {
        self.inner.renew(until).await
    }

    fn account(&self) -> String {
        self.inner.account()
    }

    fn log_url(&self, execution: Option<&ExecutionId>) -> String {
        self.inner.log_url(execution)
    }

    async fn usage(&self) -> Usage {
        self.inner.usage().await
    }

    fn duplicates(&self) -> u64 {
        self.inner.duplicates()
    }

    fn worst_case(&self, timeout: Duration) -> Usage {
        self.inner.worst_case(timeout)
    }

    async fn cleanup(&self) -> CleanupReport {
        self.inner.cleanup().await
    }
}
