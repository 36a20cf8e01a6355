//! A deployed function: the client's end of every invocation, its expiry, its logs and its cleanup.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use faast_core::cost::Usage;
use faast_core::provider::{
    BlobStore, CleanupReport, CloudFunction, Event, ExecutionId, InvokeError, Limits, Mode, Request,
};
use faast_core::{Error, Result};
use futures_core::stream::BoxStream;

use crate::classify::control::{Meaning as _, Refusal};
use crate::cost::Meter;
use crate::estate::Estate;
use crate::invoke::{Invoker, Plan};
use crate::queue::Queue;
use crate::resource::Kind;
use crate::role::Account;
use crate::{cleanup, lambda, log_group, queue, role, tags};

/// One deployment on Lambda.
#[derive(Debug)]
pub(crate) struct AwsFunction {
    pub(crate) estate: Arc<Estate>,
    pub(crate) way: Way,
    pub(crate) plan: Plan,
    pub(crate) account: Account,
    /// The function's ARN.
    pub(crate) arn: String,
    /// Executions that the account lets run at once, as far as it says.
    pub(crate) concurrency: Option<usize>,
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
}

#[async_trait]
impl CloudFunction for AwsFunction {
    fn invoke(&self, request: Request) -> BoxStream<'static, Result<Event, InvokeError>> {
        match &self.way {
            Way::Direct(invoker) => invoker.invoke(request),
            Way::Queued(queue) => queue.invoke(request),
        }
    }

    fn limits(&self) -> Limits {
        self.concurrency.map_or_else(Limits::default, Limits::concurrency)
    }

    fn store(&self) -> Option<Arc<dyn BlobStore>> {
        Some(Arc::clone(&self.estate.store) as _)
    }

    async fn renew(&self, until: SystemTime) -> Result<()> {
        let (queue, function, role, group, bucket) = tokio::join!(
            queue::renew(&self.estate, until),
            lambda::renew(&self.estate, &self.arn, until),
            role::renew(&self.estate, until),
            self.renew_logs(until),
            self.renew_bucket(until)
        );
        queue.and(function).and(role).and(group).and(bucket).map_err(Error::from)
    }

    fn account(&self) -> String {
        format!("{}-{}", self.account.id, self.estate.clients.region)
    }

    fn log_url(&self, execution: Option<&ExecutionId>) -> String {
        log_url(&self.account.partition, &self.estate.clients.region, &self.estate.name, execution)
    }

    async fn usage(&self) -> Usage {
        // Everything else that is billed comes with a call.
        let mut usage: Usage = self.estate.store.bill().of_client().into_iter().collect();
        usage.extend(&match &self.way {
            Way::Direct(invoker) => invoker.usage(),
            Way::Queued(queue) => queue.usage(),
        });
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
        Box::pin(cleanup::remove(&self.estate, Some(&self.account))).await
    }
}

impl AwsFunction {
    async fn renew_logs(&self, until: SystemTime) -> Result<(), Refusal> {
        let arn = log_group::arn(&self.estate, &self.account);
        let request =
            self.estate.clients.logs.tag_resource().resource_arn(arn).tags(tags::EXPIRES, tags::seconds(until));
        request.send().await.meaning("logs:TagResource").map(drop)
    }

    async fn renew_bucket(&self, until: SystemTime) -> Result<(), Refusal> {
        if !self.estate.has(Kind::Bucket) {
            return Ok(());
        }
        self.estate.store.renew(until).await
    }
}

/// The console's page with the lines of the function, or of one execution of it.
fn log_url(partition: &str, region: &str, name: &str, execution: Option<&ExecutionId>) -> String {
    let console = match partition {
        "aws-cn" => "console.amazonaws.cn",
        "aws-us-gov" => "console.amazonaws-us-gov.com",
        _ => "console.aws.amazon.com",
    };
    // The part behind `#` is encoded twice, with `$` for the second `%`; of what is in names, only `/` is touched.
    let group = Kind::LogGroup.id(name).replace('/', "$252F");
    let filter = execution.map(|id| format!("/log-events$3FfilterPattern$3D$2522{id}$2522")).unwrap_or_default();
    format!("https://{region}.{console}/cloudwatch/home?region={region}#logsV2:log-groups/log-group/{group}{filter}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_url_leads_to_the_lines_of_one_execution() {
        let id = ExecutionId("8f5a1c2e-0000-4000-8000-000000000001".into());
        assert_eq!(
            log_url("aws", "us-west-2", "faast-x", Some(&id)),
            "https://us-west-2.console.aws.amazon.com/cloudwatch/home?region=us-west-2#logsV2:log-groups/log-group/\
             $252Faws$252Flambda$252Ffaast-x/log-events$3FfilterPattern$3D$2522\
             8f5a1c2e-0000-4000-8000-000000000001$2522"
        );
    }

    #[test]
    fn without_an_execution_it_leads_to_the_group() {
        assert!(
            log_url("aws-cn", "cn-north-1", "faast-x", None).ends_with("log-group/$252Faws$252Flambda$252Ffaast-x")
        );
        assert!(
            log_url("aws-cn", "cn-north-1", "faast-x", None).starts_with("https://cn-north-1.console.amazonaws.cn/")
        );
    }
}
