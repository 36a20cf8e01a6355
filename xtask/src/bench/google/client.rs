//! The side with faast: its own map, over the part of the Google provider that invokes. Nothing is deployed.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use anyhow::{Result, ensure};
use async_trait::async_trait;
use bytes::Bytes;
use faast_core::cost::{PriceTable, Usage};
use faast_core::provider::{
    Capabilities, CleanupReport, CloudFunction, CloudProvider, Deleted, DeployContext, DeploySpec, Event, ExecutionId,
    InvokeError, Limits, Mode, Request, Resource, StrayScope, no_strays,
};
use faast_google::private::{Invoker, Plan};
use futures_util::stream::BoxStream;
use serde_json::{Value, json};

use super::super::machine::processor_time;
use super::{AT_ONCE, SECRET};

#[faast::function]
fn nothing(value: u64) -> u64 {
    value
}

/// The name, the signature and the encoded arguments of a call.
pub(super) fn nothing_id(value: u64) -> (&'static str, u64, Bytes) {
    let name = concat!(module_path!(), "::nothing");
    let signature = faast_core::function::lookup(name).map_or(0, |entry| entry.signature);
    let mut args = Vec::new();
    // A number can be encoded.
    let _ = faast_core::wire::encode(&value, &mut args);
    (name, signature, args.into())
}

/// Maps over `calls` numbers.
pub(in super::super) async fn map(endpoint: &str, calls: u32) -> Result<Value> {
    let cloud = faast::with_provider(Provider(endpoint.into())).concurrency(AT_ONCE).deploy().await?;
    sum(&cloud, 2000).await?;
    let (start, used) = (Instant::now(), processor_time());
    sum(&cloud, calls).await?;
    let (time, used) = (start.elapsed(), processor_time().saturating_sub(used));
    let in_flight = cloud.stats().max_in_flight;
    cloud.cleanup().await?;
    let count = f64::from(calls);
    Ok(json!({
        "per_second": count / time.as_secs_f64(),
        "client_cpu_per_10k": used.as_secs_f64() / count * 1e4,
        "max_in_flight": in_flight,
    }))
}

async fn sum(cloud: &faast::Cloud, calls: u32) -> Result<()> {
    let calls = u64::from(calls);
    let mut results = cloud.map((0..calls).map(nothing::call));
    let mut sum = 0;
    while let Some(result) = results.next().await {
        sum += result?;
    }
    ensure!(sum == calls * (calls - 1) / 2, "the sum is {sum}");
    Ok(())
}

/// A function that is there already.
struct Provider(String);

struct Function(Invoker);

#[async_trait]
impl CloudProvider for Provider {
    fn name(&self) -> &'static str {
        "google-bench"
    }

    fn capabilities(&self, _: Mode) -> Capabilities {
        Capabilities::new()
    }

    async fn deploy(&self, spec: &DeploySpec, cx: &DeployContext) -> faast_core::Result<Arc<dyn CloudFunction>> {
        let plan = Plan {
            concurrency: spec.concurrency,
            timeout: spec.timeout,
            memory_mb: 1024,
            cpu: 1.0,
            runtime: cx.runtime.clone(),
        };
        Ok(Arc::new(Function(Invoker::with_secret(plan, &self.0, SECRET)?)))
    }

    fn stray(&self, _: &StrayScope) -> BoxStream<'static, faast_core::Result<Resource>> {
        no_strays()
    }

    async fn delete(&self, _: &Resource) -> faast_core::Result<Deleted> {
        Ok(Deleted::Before)
    }

    async fn prices(&self, _: &str) -> faast_core::Result<PriceTable> {
        Ok(PriceTable::default())
    }
}

#[async_trait]
impl CloudFunction for Function {
    fn invoke(&self, request: Request) -> BoxStream<'static, Result<Event, InvokeError>> {
        self.0.invoke(request)
    }

    fn limits(&self) -> Limits {
        Limits::concurrency(AT_ONCE)
    }

    async fn renew(&self, _: SystemTime) -> faast_core::Result<()> {
        Ok(())
    }

    fn log_url(&self, _: Option<&ExecutionId>) -> String {
        String::new()
    }

    async fn usage(&self) -> Usage {
        Usage::default()
    }

    async fn cleanup(&self) -> CleanupReport {
        CleanupReport::default()
    }
}
