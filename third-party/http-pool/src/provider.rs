//! The provider: capabilities, deploying, and what a deployment leaves behind.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use faast_core::cache::CacheFolder;
use faast_core::cost::{PriceTable, Usage};
use faast_core::ledger::Ledger;
use faast_core::provider::{
    CancelSupport, Capabilities, CleanupReport, CloudFunction, CloudProvider, Deleted, DeployContext, DeploySpec,
    Event, ExecutionId, InvokeError, Limits, Mode, Request, Resource, Runtime, StrayScope,
};
use faast_core::{Error, ErrorKind, Result};
use futures_core::stream::BoxStream;
use futures_util::{StreamExt as _, stream};

use crate::NAME;
use crate::invoke;
use crate::pool::{Launch, Pool};

/// The folder of the cache that holds a folder of logs for each deployment.
const LOGS: &str = "logs";

/// Logs of a client that died are collected after so long.
const LOGS_EXPIRE: Duration = Duration::from_hours(24);

/// Worker processes on this machine that are called by HTTP.
///
/// ```no_run
/// # async fn deploy() -> faast_core::Result<()> {
/// let cloud = faast_core::Builder::new(http_pool::HttpPool::new()).concurrency(4).deploy().await?;
/// cloud.cleanup().await
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct HttpPool {}

impl HttpPool {
    /// The provider with its defaults: a worker for each core.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl CloudProvider for HttpPool {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self, mode: Mode) -> Capabilities {
        if mode != Mode::Https {
            return Capabilities::unsupported();
        }
        let mut capabilities = Capabilities::new();
        capabilities.streams = true;
        capabilities.cancel = CancelSupport::Kills;
        capabilities.max_batch = 16;
        capabilities.defaults.concurrency = thread::available_parallelism().map_or(1, usize::from);
        capabilities.defaults.hedge = false;
        capabilities
    }

    async fn deploy(&self, spec: &DeploySpec, cx: &DeployContext) -> Result<Arc<dyn CloudFunction>> {
        if cx.abort.is_canceled() {
            return Err(Error::new(ErrorKind::Canceled, "the deployment was given up"));
        }
        let folder = cx.cache.root().join(LOGS).join(spec.deployment.as_str());
        let logs = log_resource(&folder);
        // The intent comes before the act: a client that is killed in between leaves a trace.
        cx.ledger.intent(&logs);
        let failed = |error: io::Error| Error::new(ErrorKind::Deploy, "there is no room for logs").with_source(error);
        cx.cache.folder(LOGS).and_then(|_| fs::create_dir_all(&folder)).map_err(failed)?;
        let launch = Launch { env: spec.env.clone(), folder: spec.staged.clone(), logs: folder.clone() };
        Ok(Arc::new(PoolFunction {
            pool: Pool::new(launch),
            runtime: cx.runtime.clone(),
            ledger: Arc::clone(&cx.ledger),
            folder,
            keep_logs: spec.keep_logs,
        }))
    }

    fn stray(&self, scope: &StrayScope) -> BoxStream<'static, Result<Resource>> {
        // Workers end with their client; only the logs of a client that was killed can be left.
        let age = if scope.include_live { Duration::ZERO } else { LOGS_EXPIRE };
        let found = CacheFolder::open(NAME).entries_older_than(LOGS, age, SystemTime::now());
        let found = found.map(|folders| folders.iter().map(|folder| Ok(log_resource(folder))).collect::<Vec<_>>());
        let failed = |error| Error::new(ErrorKind::Io, "the folder of logs can't be read").with_source(error);
        stream::iter(found.unwrap_or_else(|error| vec![Err(failed(error))])).boxed()
    }

    async fn delete(&self, resource: &Resource) -> Result<Deleted> {
        match fs::remove_dir_all(&resource.id) {
            Ok(()) => Ok(Deleted::Now),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Deleted::Before),
            Err(error) => {
                Err(Error::new(ErrorKind::Cleanup, format!("{resource} can't be removed")).with_source(error))
            }
        }
    }

    async fn prices(&self, _: &str) -> Result<PriceTable> {
        // This machine is paid for already.
        Ok(PriceTable::default())
    }
}

fn log_resource(folder: &Path) -> Resource {
    let mut resource = Resource::new("logs", folder.to_string_lossy());
    resource.expires = SystemTime::now().checked_add(LOGS_EXPIRE);
    resource
}

/// One deployment.
struct PoolFunction {
    pool: Arc<Pool>,
    runtime: Runtime,
    ledger: Arc<Ledger>,
    folder: PathBuf,
    keep_logs: bool,
}

#[async_trait]
impl CloudFunction for PoolFunction {
    fn invoke(&self, request: Request) -> BoxStream<'static, Result<Event, InvokeError>> {
        invoke::invoke(Arc::clone(&self.pool), self.runtime.clone(), request)
    }

    fn limits(&self) -> Limits {
        Limits::default()
    }

    async fn renew(&self, _: SystemTime) -> Result<()> {
        // Nothing here expires while its client lives.
        Ok(())
    }

    fn log_url(&self, execution: Option<&ExecutionId>) -> String {
        let folder = self.folder.display();
        execution.map_or_else(|| format!("file://{folder}"), |worker| format!("file://{folder}/{worker}.log"))
    }

    async fn usage(&self) -> Usage {
        Usage::default()
    }

    async fn cleanup(&self) -> CleanupReport {
        self.pool.close();
        let mut report = CleanupReport::default();
        let logs = log_resource(&self.folder);
        if self.keep_logs {
            self.ledger.deleted(&logs);
            report.notes.push(format!("the logs are kept in {}", self.folder.display()));
            return report;
        }
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => report.left.push((logs, error.to_string())),
            _ => {
                self.ledger.deleted(&logs);
                report.deleted.push(logs);
            }
        }
        report
    }
}
