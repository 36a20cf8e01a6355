//! The side with faast: the part of the AWS provider that invokes.

use faast_aws::private::{Invoker, Plan};
use faast_core::provider::{DeployContext, DeploySpec, Event, InvokeError, Request};
use faast_core::{Arch, Result};
use futures_util::stream::BoxStream;

use super::super::cloud::client::Invoke;
use super::{AT_ONCE, FUNCTION, bare};

impl Invoke for Invoker {
    const AT_ONCE: usize = AT_ONCE;

    fn connect(endpoint: &str, spec: &DeploySpec, cx: &DeployContext) -> Result<Self> {
        let plan = Plan {
            concurrency: spec.concurrency,
            timeout: spec.timeout,
            memory_mb: 1728,
            ephemeral_mb: 512,
            arch: Arch::X86_64,
            runtime: cx.runtime.clone(),
        };
        Self::new(&bare::config(endpoint), FUNCTION.into(), plan)
    }

    fn send(&self, request: Request) -> BoxStream<'static, Result<Event, InvokeError>> {
        self.invoke(request)
    }

    fn concurrency(&self) -> usize {
        Self::concurrency(self)
    }
}
