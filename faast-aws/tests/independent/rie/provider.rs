//! A provider that is AWS's own but for the control plane: functions are environments of RIE on this machine.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use faast_aws::Aws;
use faast_aws::private::{Invoker, Plan};
use faast_core::cost::{PriceTable, Usage};
use faast_core::provider::{
    Capabilities, CleanupReport, CloudFunction, CloudProvider, Deleted, DeployContext, DeploySpec, Event, ExecutionId,
    InvokeError, Limits, Mode, Request, Resource, StrayScope, no_strays,
};
use faast_core::{Arch, Error, ErrorKind, Result};
use futures_core::stream::BoxStream;
use tempfile::TempDir;

use super::environment::Function;
use super::front::Front;

/// So much later than the call's own time-out is the function's.
const TO_SAY_SO: Duration = Duration::from_secs(2);

pub(super) struct Rie;

#[async_trait]
impl CloudProvider for Rie {
    fn name(&self) -> &'static str {
        "aws"
    }

    fn capabilities(&self, mode: Mode) -> Capabilities {
        let mut capabilities = Aws::new().capabilities(mode);
        // Answers are not streamed: neither generators nor batches.
        capabilities.streams = false;
        capabilities.max_batch = 1;
        // There is no S3 beside it.
        capabilities.spill = false;
        capabilities.defaults.concurrency = 4;
        capabilities
    }

    async fn deploy(&self, spec: &DeploySpec, cx: &DeployContext) -> Result<Arc<dyn CloudFunction>> {
        let failed = |error| Error::new(ErrorKind::Deploy, "RIE can't be started").with_source(error);
        let folder = tempfile::tempdir().map_err(failed)?;
        let memory_mb = spec.memory_mb.unwrap_or(1769);
        let function = Function {
            name: format!("faast-{}", spec.deployment),
            timeout: spec.timeout + TO_SAY_SO,
            memory_mb,
            env: spec.env.clone(),
            task: spec.staged.clone().unwrap_or_else(|| folder.path().to_owned()),
        };
        let name = function.name.clone();
        let front = Arc::new(Front::new(function, folder.path()).map_err(failed)?);
        let endpoint = front.serve(&cx.runtime).map_err(failed)?;
        let plan = Plan {
            concurrency: spec.concurrency,
            timeout: spec.timeout,
            memory_mb,
            ephemeral_mb: 512,
            arch: Arch::of_this_machine().unwrap_or(Arch::X86_64),
            runtime: cx.runtime.clone(),
        };
        let invoker = Invoker::new(&config(&endpoint), name, plan)?;
        Ok(Arc::new(RieFunction { front, invoker, _folder: folder }))
    }

    fn stray(&self, _: &StrayScope) -> BoxStream<'static, Result<Resource>> {
        no_strays()
    }

    async fn delete(&self, _: &Resource) -> Result<Deleted> {
        Ok(Deleted::Before)
    }

    async fn prices(&self, _: &str) -> Result<PriceTable> {
        Ok(PriceTable::default())
    }
}

fn config(endpoint: &str) -> SdkConfig {
    let credentials = aws_credential_types::Credentials::new("test", "test", None, None, "tests");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-west-2"))
        .endpoint_url(endpoint)
        .credentials_provider(aws_credential_types::provider::SharedCredentialsProvider::new(credentials))
        .build()
}

struct RieFunction {
    front: Arc<Front>,
    invoker: Invoker,
    /// The bootstrap and the logs.
    _folder: TempDir,
}

#[async_trait]
impl CloudFunction for RieFunction {
    fn invoke(&self, request: Request) -> BoxStream<'static, Result<Event, InvokeError>> {
        self.invoker.invoke(request)
    }

    fn limits(&self) -> Limits {
        Limits::default()
    }

    async fn renew(&self, _: SystemTime) -> Result<()> {
        Ok(())
    }

    fn log_url(&self, _: Option<&ExecutionId>) -> String {
        "https://console.aws.amazon.com/cloudwatch".to_owned()
    }

    async fn usage(&self) -> Usage {
        Usage::default()
    }

    async fn cleanup(&self) -> CleanupReport {
        self.front.end();
        CleanupReport::default()
    }
}
