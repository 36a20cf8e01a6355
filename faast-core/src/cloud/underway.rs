//! A deployment on its way: when whoever waits for it goes away, what it has made goes away too.
//!
//! The provider's work is a task of faast's runtime, so that it ends in order even if the future of
//! [`deploy`](crate::Builder::deploy) is dropped in the middle, by a time-out, a `select!` or Ctrl-C.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::cleanup::wait;
use super::deploy::remove_staged;
use crate::cancel::CancelToken;
use crate::cost::{PriceTable, Tariff};
use crate::error::{Error, ErrorKind, Result};
use crate::log::Channel;
use crate::provider::{CleanupReport, CloudFunction, CloudProvider, DeployContext, DeploySpec};
use crate::runtime::Runtime;

/// What a provider has deployed, and what it costs.
pub(super) struct Deployed {
    pub(super) function: Arc<dyn CloudFunction>,
    pub(super) prices: PriceTable,
    /// One call's worst case in US dollars.
    pub(super) worst_case_usd: f64,
}

/// A provider at work. Dropped before its end, it gives the deployment up and waits until it is removed, for a while.
pub(super) struct Underway {
    task: Option<JoinHandle<Result<Deployed>>>,
    abort: CancelToken,
    runtime: Runtime,
    staged: Option<PathBuf>,
}

impl Underway {
    /// Starts the provider's work.
    ///
    /// A budget that is below one call's worst case ends it before anything is made, where the provider knows that before;
    /// so do prices of another provider that can't be had.
    pub(super) fn start<P: CloudProvider>(
        provider: &Arc<P>,
        spec: &DeploySpec,
        tariff: Option<Tariff>,
        budget_usd: Option<f64>,
        cx: &DeployContext,
    ) -> Result<Self> {
        let handle = cx.runtime.handle().ok_or_else(|| failed("the runtime thread has ended"))?;
        let (abort, runtime, staged) = (cx.abort.clone(), cx.runtime.clone(), spec.staged.clone());
        let (provider, spec, cx) = (Arc::clone(provider), spec.clone(), cx.clone());
        let task = handle.spawn(async move {
            let name = provider.name();
            crate::log!(Channel::Provider, "deploying {} on `{name}`", spec.deployment);
            let known = match (&tariff, budget_usd) {
                (None, None) => None,
                (tariff, _) => Some(prices(&*provider, tariff.as_ref()).await?),
            };
            let worst = tariff.as_ref().map(Tariff::worst_case);
            if let (Some(budget), Some(prices)) = (budget_usd, &known)
                && let Some(worst) = worst.clone().or_else(|| provider.worst_case(&spec))
            {
                check_budget(budget, prices.total_usd(&worst))?;
            }
            let function = provider.deploy(&spec, &cx).await?;
            crate::log!(Channel::Provider, "deployed {}: {:?}", spec.deployment, function.limits());
            let prices = match known {
                Some(prices) => prices,
                None => provider.prices("").await.unwrap_or_default(),
            };
            let worst = worst.unwrap_or_else(|| function.worst_case(spec.timeout));
            let worst_case_usd = prices.total_usd(&worst);
            Ok(Deployed { function, prices, worst_case_usd })
        });
        Ok(Self { task: Some(task), abort, runtime, staged })
    }

    /// Waits for its end.
    pub(super) async fn deployed(mut self) -> Result<Deployed> {
        let Some(task) = &mut self.task else { return Err(failed("the deployment has ended")) };
        let ended = task.await;
        self.task = None;
        ended.unwrap_or_else(|error| Err(failed("the provider panicked").with_source(error)))
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        let Some(task) = self.task.take() else { return };
        self.abort.cancel();
        let (removed, done) = watch::channel(None);
        self.runtime.spawn(async move {
            let report = match task.await {
                Ok(Ok(deployed)) => deployed.function.cleanup().await,
                // The provider has removed what it made.
                _ => CleanupReport::default(),
            };
            removed.send_replace(Some(report));
        });
        match wait(done) {
            Some(report) if report.is_clean() => {}
            _ => crate::log!(Channel::Warning, "a deployment was given up, and not all of it may be removed yet"),
        }
        self.runtime.stop();
        remove_staged(self.staged.as_ref());
    }
}

/// The provider's own prices, or those of another one in their place.
async fn prices<P: CloudProvider>(provider: &P, tariff: Option<&Tariff>) -> Result<PriceTable> {
    let own = provider.prices("").await.unwrap_or_default();
    match tariff {
        None => Ok(own),
        Some(tariff) if own.prices.is_empty() => tariff.prices().await,
        Some(_) => {
            let message = format!("provider `{}` has prices of its own", provider.name());
            Err(Error::new(ErrorKind::Config, message).with_hint("leave `priced_as` out"))
        }
    }
}

/// A budget has to be enough for one call, whatever that does.
pub(super) fn check_budget(budget: f64, worst_case_usd: f64) -> Result<()> {
    if budget >= worst_case_usd {
        return Ok(());
    }
    let message = format!("the budget of ${budget} is below one call's worst case of ${worst_case_usd:.6}");
    Err(Error::new(ErrorKind::Budget, message).with_hint("raise `budget_usd`, or lower `timeout` or `memory_mb`"))
}

fn failed(message: &str) -> Error {
    Error::new(ErrorKind::Deploy, message)
}
