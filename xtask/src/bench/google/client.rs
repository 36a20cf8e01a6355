//! The side with faast: the part of the Google provider that invokes.

use faast_core::Result;
use faast_core::provider::{DeployContext, DeploySpec, Event, InvokeError, Request};
use faast_google::private::{Invoker, Plan};
use futures_util::stream::BoxStream;

use super::super::cloud::client::Invoke;
use super::{AT_ONCE, SECRET};

impl Invoke for Invoker {
    const AT_ONCE: usize = AT_ONCE;

    fn connect(endpoint: &str, spec: &DeploySpec, cx: &DeployContext) -> Result<Self> {
        let plan = Plan {
            concurrency: spec.concurrency,
            timeout: spec.timeout,
            memory_mb: 1024,
            cpu: 1.0,
            runtime: cx.runtime.clone(),
        };
        Self::with_secret(plan, endpoint, SECRET)
    }

    fn send(&self, request: Request) -> BoxStream<'static, Result<Event, InvokeError>> {
        self.invoke(request)
    }

    fn concurrency(&self) -> usize {
        AT_ONCE
    }
}
