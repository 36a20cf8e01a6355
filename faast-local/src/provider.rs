//! The provider: what local workers can do, and where a deployment begins.

use std::sync::Arc;

use async_trait::async_trait;
use faast_core::Result;
use faast_core::cost::PriceTable;
use faast_core::provider::{
    CancelSupport, Capabilities, CloudFunction, CloudProvider, Deleted, DeployContext, DeploySpec, MemoryLimit, Mode,
    ProviderTools, Resource, StrayScope, cores,
};
use futures_core::stream::BoxStream;

use crate::config::{MAX_BATCH, NAME, Place};
use crate::{cleanup, deploy};

/// Worker processes on this machine, made from the running executable.
///
/// ```
/// use faast_core::provider::{CloudProvider, Mode};
/// let local = faast_local::Local::new();
/// assert!(local.capabilities(Mode::Https).streams);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Local {
    pub(crate) place: Place,
}

impl Local {
    /// The provider with its defaults: one worker process for each core.
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl CloudProvider for Local {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self, _: Mode) -> Capabilities {
        // Both modes are the same here: there is no queue that a request could wait in but the pool's own.
        let mut capabilities = Capabilities::new();
        capabilities.streams = true;
        capabilities.auto_batch = true;
        capabilities.max_batch = MAX_BATCH;
        capabilities.defaults.concurrency = cores();
        capabilities.defaults.hedge = false;
        if self.place == Place::Processes {
            capabilities.cancel = CancelSupport::Kills;
            capabilities.memory_limit = MemoryLimit::Enforced;
        }
        capabilities
    }

    async fn deploy(&self, spec: &DeploySpec, cx: &DeployContext) -> Result<Arc<dyn CloudFunction>> {
        deploy::deploy(self.place, spec, cx)
    }

    fn stray(&self, scope: &StrayScope) -> BoxStream<'static, Result<Resource>> {
        cleanup::stray(scope)
    }

    async fn delete(&self, resource: &Resource) -> Result<Deleted> {
        cleanup::delete(resource)
    }

    async fn prices(&self, _: &str) -> Result<PriceTable> {
        Ok(PriceTable::default())
    }

    fn tools(&self) -> Option<&dyn ProviderTools> {
        Some(self)
    }
}
