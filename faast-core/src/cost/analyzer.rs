//! The analyzer: one workload over several configurations, to see which of them is worth its money.
//!
//! Configurations are deployed one after the other, so that none disturbs the others' times, and each is cleaned up
//! before the next. One that fails is a row that says why. What the numbers mean is in `analysis.rs`.

use std::fmt;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::analysis::{Analysis, Measured, Row};
use crate::builder::Builder;
use crate::cloud::Cloud;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::CloudProvider;

/// Runs a workload over configurations, and compares what they take.
///
/// ```
/// # use faast_core::{Builder, Cloud, Result, cost::{Analysis, Analyzer}, provider::CloudProvider};
/// # async fn doc<P: CloudProvider>(provider: impl Fn() -> Builder<P>) -> Result<()> {
/// async fn workload(cloud: Cloud) -> Result<()> {
///     // cloud.map(..).try_collect().await?;
///     Ok(())
/// }
/// let mut analyzer = Analyzer::new().repetitions(3);
/// for memory in [1024, 2048, 4096] {
///     analyzer = analyzer.configuration(format!("{memory} MiB"), provider().memory_mb(memory));
/// }
/// let analysis: Analysis = analyzer.analyze(workload).await?;
/// println!("{analysis}");
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing runs until `.analyze(..)`"]
pub struct Analyzer {
    configurations: Vec<(String, BoxFuture<'static, Result<Cloud>>)>,
    repetitions: u32,
}

impl Analyzer {
    /// Without configurations yet; each will run the workload once.
    pub fn new() -> Self {
        Self { configurations: Vec::new(), repetitions: 1 }
    }

    /// Adds a configuration by a name of its own.
    pub fn configuration<P: CloudProvider>(mut self, name: impl Into<String>, builder: Builder<P>) -> Self {
        self.configurations.push((name.into(), builder.deploy().boxed()));
        self
    }

    /// How often each configuration runs the workload.
    ///
    /// Its numbers are means, and the spread of the times is shown.
    pub fn repetitions(mut self, repetitions: u32) -> Self {
        self.repetitions = repetitions;
        self
    }

    /// Runs it.
    ///
    /// A configuration that can't be deployed, or whose workload fails, is reported and left out of the comparison; the
    /// others go on.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] without configurations or repetitions.
    pub async fn analyze(self, workload: impl AsyncFn(Cloud) -> Result<()>) -> Result<Analysis> {
        if self.configurations.is_empty() || self.repetitions == 0 {
            return Err(Error::new(ErrorKind::Config, "there is nothing to analyze")
                .with_hint("add a `.configuration(name, builder)`, and at least one repetition"));
        }
        let mut rows = Vec::new();
        for (name, deploying) in self.configurations {
            let measured = match deploying.await {
                Ok(cloud) => measure(&cloud, self.repetitions, &workload).await,
                Err(error) => Err(error),
            };
            rows.push(Row { name, measured: measured.map_err(|error| error.to_string()) });
        }
        Ok(Analysis::new(rows))
    }
}

impl Default for Analyzer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Analyzer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.configurations.iter().map(|(name, _)| name).collect();
        f.debug_struct("Analyzer").field("configurations", &names).field("repetitions", &self.repetitions).finish()
    }
}

/// Runs the workload on one configuration; cleaned up afterwards whatever came of it.
async fn measure(cloud: &Cloud, repetitions: u32, workload: &impl AsyncFn(Cloud) -> Result<()>) -> Result<Measured> {
    let mut times = Vec::new();
    let mut outcome = Ok(());
    for _ in 0..repetitions {
        let since = Instant::now();
        outcome = workload(cloud.clone()).await;
        times.push(since.elapsed());
        if outcome.is_err() {
            break;
        }
    }
    let (cost, stats) = (cloud.cost().await, cloud.stats());
    let cleaned = cloud.cleanup().await;
    outcome?;
    cleaned?;
    Ok(Measured {
        time: times.iter().sum::<Duration>() / repetitions,
        fastest: times.iter().min().copied().unwrap_or_default(),
        slowest: times.iter().max().copied().unwrap_or_default(),
        usd: cost.total_usd() / f64::from(repetitions),
        is_measured: cost.lines.iter().all(|line| line.measured),
        calls: stats.completed + stats.failed,
        retried: stats.retried,
        median: stats.functions.iter().max_by_key(|function| function.calls()).map(|function| function.quantile(0.5)),
        peak_memory: stats.functions.iter().filter_map(crate::FunctionStats::peak_memory).max(),
    })
}
