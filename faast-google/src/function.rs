//! A deployed function: the client's end of every invocation, its expiry, its logs and its cleanup.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use faast_core::cost::Usage;
use faast_core::provider::{
    BlobStore, CleanupReport, CloudFunction, Event, ExecutionId, InvokeError, Limits, Mode, Request,
};
use faast_core::{Error, Result};
use futures_core::stream::BoxStream;

use crate::classify::control::Refusal;
use crate::cleanup::{self, encoded};
use crate::cost::Meter;
use crate::estate::Estate;
use crate::invoke::{Invoker, Plan};
use crate::queue::Queue;
use crate::resource::Kind;
use crate::store::Store;
use crate::{registry, service, topic};

/// One deployment on Cloud Run.
#[derive(Debug)]
pub(crate) struct GoogleFunction {
    pub(crate) estate: Arc<Estate>,
    pub(crate) way: Way,
    pub(crate) plan: Plan,
    pub(crate) store: Arc<Store>,
    /// Instances that there may be.
    pub(crate) instances: u32,
}

/// How requests go and answers come.
#[derive(Debug)]
pub(crate) enum Way {
    Direct(Invoker),
    Queued(Queue),
}

impl Way {
    fn queue(&self) -> Option<&Queue> {
        match self {
            Self::Direct(_) => None,
            Self::Queued(queue) => Some(queue),
        }
    }

    /// Requests that there are connections for.
    fn connections(&self) -> usize {
        match self {
            Self::Direct(invoker) => invoker.connections(),
            Self::Queued(_) => usize::MAX,
        }
    }

    /// What was used for requests that no call tells of: they were given up, or somebody else was faster.
    fn usage(&self) -> Usage {
        match self {
            Self::Direct(invoker) => invoker.usage(),
            Self::Queued(queue) => queue.usage(),
        }
    }
}

#[async_trait]
impl CloudFunction for GoogleFunction {
    fn invoke(&self, request: Request) -> BoxStream<'static, Result<Event, InvokeError>> {
        match &self.way {
            Way::Direct(invoker) => invoker.invoke(request),
            Way::Queued(queue) => queue.invoke(request),
        }
    }

    fn store(&self) -> Option<Arc<dyn BlobStore>> {
        Some(Arc::clone(&self.store) as _)
    }

    fn limits(&self) -> Limits {
        // An instance has one request at a time.
        let instances = usize::try_from(self.instances).unwrap_or(usize::MAX);
        Limits::concurrency(instances.min(self.way.connections()))
    }

    async fn renew(&self, until: SystemTime) -> Result<()> {
        let (service, repository, topics, bucket) = tokio::join!(
            service::renew(&self.estate, until),
            registry::renew(&self.estate, until),
            topic::renew(&self.estate, until),
            self.renew_bucket(until),
        );
        service.and(repository).and(topics).and(bucket).map_err(Error::from)
    }

    fn account(&self) -> String {
        format!("{}-{}", self.estate.clients.project, self.estate.clients.region)
    }

    fn log_url(&self, execution: Option<&ExecutionId>) -> String {
        let clients = &self.estate.clients;
        log_url(&clients.project, &clients.region, &self.estate.name, execution)
    }

    async fn usage(&self) -> Usage {
        // Everything else that is billed comes with a call.
        let mut usage: Usage = self.store.bill().of_client().into_iter().collect();
        usage.extend(&self.way.usage());
        usage
    }

    fn duplicates(&self) -> u64 {
        self.way.queue().map_or(0, Queue::late)
    }

    fn worst_case(&self, timeout: Duration) -> Usage {
        let mode = if self.way.queue().is_some() { Mode::Queue } else { Mode::Https };
        Meter::new(&self.plan).worst_case(mode, timeout)
    }

    async fn cleanup(&self) -> CleanupReport {
        if let Some(queue) = self.way.queue() {
            queue.close();
        }
        Box::pin(cleanup::remove(&self.estate, self.store.is_there())).await
    }
}

impl GoogleFunction {
    async fn renew_bucket(&self, until: SystemTime) -> Result<(), Refusal> {
        if self.estate.has(Kind::Bucket) { self.store.renew(until).await } else { Ok(()) }
    }
}

/// The console's page with the lines of the service, or of one execution of it, which is its trace.
pub(crate) fn log_url(project: &str, region: &str, name: &str, execution: Option<&ExecutionId>) -> String {
    let mut query = format!(
        "resource.type=\"cloud_run_revision\"\nresource.labels.service_name=\"{name}\"\n\
         resource.labels.location=\"{region}\""
    );
    if let Some(id) = execution {
        // Writing to a string can't fail.
        let _ = write!(query, "\ntrace=\"projects/{project}/traces/{id}\"");
    }
    format!("https://console.cloud.google.com/logs/query;query={}?project={project}", encoded(&query))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_url_leads_to_the_lines_of_one_execution() {
        let id = ExecutionId("0af7651916cd43dd8448eb211c80319c".into());
        assert_eq!(
            log_url("p1", "us-central1", "faast-x", Some(&id)),
            "https://console.cloud.google.com/logs/query;query=resource.type%3D%22cloud_run_revision%22%0A\
             resource.labels.service_name%3D%22faast-x%22%0Aresource.labels.location%3D%22us-central1%22%0A\
             trace%3D%22projects%2Fp1%2Ftraces%2F0af7651916cd43dd8448eb211c80319c%22?project=p1"
        );
        assert!(!log_url("p1", "us-central1", "faast-x", None).contains("trace"));
    }
}
