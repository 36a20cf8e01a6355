//! The side with faast: its own map, over the part of a provider that invokes. Nothing is deployed.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Result, ensure};
use async_trait::async_trait;
use bytes::Bytes;
use faast_core::cost::{PriceTable, Usage};
use faast_core::provider::{
    Capabilities, CleanupReport, CloudFunction, CloudProvider, Deleted, DeployContext, DeploySpec, Event, ExecutionId,
    InvokeError, Limits, Mode, Request, Resource, StrayScope, no_strays,
};
use futures_util::stream::BoxStream;
use serde_json::{Value, json};

use super::bare::timed;

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

/// The part of a provider that invokes.
pub(in super::super) trait Invoke: Sized + Send + Sync + 'static {
    /// Requests in flight at once.
    const AT_ONCE: usize;

    /// For the function at this address.
    fn connect(endpoint: &str, spec: &DeploySpec, cx: &DeployContext) -> faast_core::Result<Self>;

    fn send(&self, request: Request) -> BoxStream<'static, Result<Event, InvokeError>>;

    /// Requests that it can have in flight.
    fn concurrency(&self) -> usize;
}

/// Maps over `calls` numbers, and before the clock starts over some more.
pub(in super::super) async fn map<I: Invoke>(endpoint: &str, warm_up: u32, calls: u32) -> Result<Value> {
    let provider = Provider::<I>(endpoint.into(), PhantomData);
    let cloud = faast::with_provider(provider).concurrency(I::AT_ONCE).deploy().await?;
    let mut measured = timed(warm_up, calls, |calls| sum(&cloud, calls)).await?;
    measured["max_in_flight"] = json!(cloud.stats().max_in_flight);
    cloud.cleanup().await?;
    Ok(measured)
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
struct Provider<I>(String, PhantomData<I>);

struct Function<I>(I);

#[async_trait]
impl<I: Invoke> CloudProvider for Provider<I> {
    fn name(&self) -> &'static str {
        "bench"
    }

    fn capabilities(&self, _: Mode) -> Capabilities {
        Capabilities::new()
    }

    async fn deploy(&self, spec: &DeploySpec, cx: &DeployContext) -> faast_core::Result<Arc<dyn CloudFunction>> {
        Ok(Arc::new(Function(I::connect(&self.0, spec, cx)?)))
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
impl<I: Invoke> CloudFunction for Function<I> {
    fn invoke(&self, request: Request) -> BoxStream<'static, Result<Event, InvokeError>> {
        self.0.send(request)
    }

    fn limits(&self) -> Limits {
        Limits::concurrency(self.0.concurrency())
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
