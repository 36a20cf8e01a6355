//! One deployment: its pool, queues and store, and the client's end of every invocation.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use faast_core::cost::Usage;
use faast_core::ledger::Ledger;
use faast_core::provider::{
    BlobStore, Capabilities, CleanupReport, CloudFunction, DeploymentId, Event, ExecutionId, InvokeError, Limits,
    Request,
};
use faast_core::{Error, ErrorKind, Result};
use futures_core::stream::BoxStream;

use super::account::Account;
use super::invocation::Invocation;
use super::pool::Pool;
use super::queue::Queues;
use super::store::MemoryStore;

/// How long cleanup waits for functions that have been told to end.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it looks whether they have.
const LOOK: Duration = Duration::from_millis(2);

/// What the invocations of a deployment share.
pub(super) struct Deployed {
    pub(super) deployment: DeploymentId,
    pub(super) capabilities: Capabilities,
    pub(super) price_per_call: Option<f64>,
    pub(super) pool: Arc<Pool>,
    pub(super) queues: Option<Queues>,
    pub(super) store: Option<Arc<MemoryStore>>,
}

pub(super) struct MemoryFunction {
    pub(super) deployed: Arc<Deployed>,
    pub(super) account: Arc<Account>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) limits: Limits,
    pub(super) executions: AtomicU64,
}

#[async_trait]
impl CloudFunction for MemoryFunction {
    fn invoke(&self, request: Request) -> BoxStream<'static, Result<Event, InvokeError>> {
        let execution = self.executions.fetch_add(1, Ordering::Relaxed) + 1;
        Box::pin(Invocation::new(Arc::clone(&self.deployed), execution, request))
    }

    fn limits(&self) -> Limits {
        self.limits.clone()
    }

    fn store(&self) -> Option<Arc<dyn BlobStore>> {
        let store = self.deployed.store.clone()?;
        Some(store)
    }

    async fn renew(&self, until: SystemTime) -> Result<()> {
        let deployment = &self.deployed.deployment;
        if self.account.of(deployment).is_empty() {
            return Err(Error::new(ErrorKind::Cleanup, format!("there is no deployment `{deployment}` to renew")));
        }
        self.account.renew(deployment, until);
        Ok(())
    }

    fn log_url(&self, execution: Option<&ExecutionId>) -> String {
        let deployment = &self.deployed.deployment;
        execution.map_or_else(|| format!("memory://{deployment}"), |id| format!("memory://{deployment}/{id}"))
    }

    async fn usage(&self) -> Usage {
        // Calls meter themselves, and nothing else costs here.
        Usage::default()
    }

    fn worst_case(&self, _: Duration) -> Usage {
        super::worst_case(self.deployed.price_per_call)
    }

    async fn cleanup(&self) -> CleanupReport {
        let Deployed { deployment, pool, queues, store, .. } = &*self.deployed;
        pool.close();
        if let Some(queues) = queues {
            queues.close();
        }
        if let Some(store) = store {
            store.clear();
        }
        let mut report = CleanupReport::default();
        for resource in self.account.of(deployment) {
            self.account.delete(&resource);
            self.ledger.deleted(&resource);
            report.deleted.push(resource);
        }
        let gone = async {
            while pool.threads() > 0 {
                tokio::time::sleep(LOOK).await;
            }
        };
        if tokio::time::timeout(PATIENCE, gone).await.is_err() {
            let threads = pool.threads();
            report.notes.push(format!("{threads} functions run on, because a thread can't be killed"));
        }
        report
    }
}

impl Drop for MemoryFunction {
    fn drop(&mut self) {
        self.deployed.pool.close();
        if let Some(queues) = &self.deployed.queues {
            queues.close();
        }
    }
}
