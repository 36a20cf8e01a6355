//! A deployment that nobody waits for any more leaves nothing behind, even if the provider does not notice in time.

use std::sync::Arc;

use async_trait::async_trait;
use faast_core::cost::PriceTable;
use faast_core::provider::{
    Capabilities, CloudFunction, CloudProvider, Deleted, DeployContext, DeploySpec, Mode, Resource, StrayScope,
};
use faast_core::{Builder, Result};
use faast_testkit::memory::Memory;
use futures_core::stream::BoxStream;
use tokio::sync::Semaphore;

faast_testkit::test_worker!();

/// A provider that has made its resources, tells so, and says that it is done just when it is too late.
#[derive(Clone)]
struct Slow {
    inner: Memory,
    made: Arc<Semaphore>,
}

#[async_trait]
impl CloudProvider for Slow {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn capabilities(&self, mode: Mode) -> Capabilities {
        CloudProvider::capabilities(&self.inner, mode)
    }

    async fn deploy(&self, spec: &DeploySpec, cx: &DeployContext) -> Result<Arc<dyn CloudFunction>> {
        let function = self.inner.deploy(spec, cx).await?;
        self.made.add_permits(1);
        cx.abort.canceled().await;
        Ok(function)
    }

    fn stray(&self, scope: &StrayScope) -> BoxStream<'static, Result<Resource>> {
        self.inner.stray(scope)
    }

    async fn delete(&self, resource: &Resource) -> Result<Deleted> {
        self.inner.delete(resource).await
    }

    async fn prices(&self, region: &str) -> Result<PriceTable> {
        self.inner.prices(region).await
    }
}

#[tokio::test]
async fn a_deployment_that_nobody_waits_for_is_removed() {
    let slow = Slow { inner: Memory::new(), made: Arc::new(Semaphore::new(0)) };
    let deploying = Builder::new(slow.clone()).deploy();
    tokio::select! {
        result = deploying => panic!("it may not end: {result:?}"),
        made = slow.made.acquire() => made.unwrap().forget(),
    }
    assert_eq!(slow.inner.resources(), []);
}
