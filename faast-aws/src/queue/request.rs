//! Requests in queue mode: an event is handed over, and its record waited for.

use std::sync::Arc;
use std::time::Instant;

use aws_config::SdkConfig;
use faast_core::cost::Usage;
use faast_core::provider::{Event, InvokeError, Request};
use faast_core::queue::Desk;
use faast_http::descriptors;
use futures_core::stream::BoxStream;
use futures_util::{FutureExt as _, StreamExt as _, stream};

use super::answers::Records;
use super::settle::Settler;
use crate::body::{self, EVENTS_OWN, MAX_EVENT};
use crate::invoke::{Invoker, Plan, seal};
use crate::lambda::TO_SAY_SO;

/// Connections for sending: each event takes milliseconds, however long it then runs.
const SENDERS: usize = 64;

/// The way of requests through Lambda's queue, and of answers through ours. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Queue {
    invoker: Invoker,
    desk: Arc<Desk<Records>>,
}

impl Queue {
    /// For a function whose records go to the queue at `url`.
    ///
    /// # Errors
    ///
    /// [`Config`](faast_core::ErrorKind::Config) when there is no endpoint to send to.
    pub fn new(sdk: &SdkConfig, function_name: String, plan: Plan, url: String) -> faast_core::Result<Self> {
        let concurrency = plan.concurrency.min(SENDERS);
        let invoker = Invoker::new(sdk, function_name, Plan { concurrency, ..plan })?;
        // Half of what is left, because the program has connections too.
        let most = descriptors().map_or(usize::MAX, |all| all.saturating_sub(concurrency) / 2);
        let settler = Settler { meter: invoker.meter().clone(), longest: invoker.plan().timeout + TO_SAY_SO };
        let desk = Desk::new(Records::new(sdk, url, settler), most);
        Ok(Self { invoker, desk })
    }

    /// Sends a request when the stream is first polled.
    pub fn invoke(&self, request: Request) -> BoxStream<'static, Result<Event, InvokeError>> {
        let queue = self.clone();
        let asked = async move {
            match queue.ask(&request).await {
                Ok(events) => events.into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error)],
            }
        };
        asked.map(stream::iter).flatten_stream().boxed()
    }

    async fn ask(&self, request: &Request) -> Result<Vec<Event>, InvokeError> {
        let Self { invoker, desk } = self;
        invoker.check(request)?;
        let Some(call) = request.calls.first().map(|frame| frame.id) else { return Ok(Vec::new()) };
        let sealed = seal(request, MAX_EVENT - EVENTS_OWN)?;
        let sent = Instant::now();
        let mut asked = desk.ask(&invoker.plan().runtime, |id| {
            let (invoker, event) = (invoker.clone(), body::to_event(id, &sealed).into());
            async move { invoker.hand_over(event).await }
        })?;
        let record = asked.next().await?;
        desk.answers().settler.settle(&record, call, sent.elapsed())
    }

    /// Records that came for nobody.
    pub fn late(&self) -> u64 {
        self.desk.late()
    }

    /// What was used beyond requests that somebody waited for.
    pub fn usage(&self) -> Usage {
        self.desk.usage()
    }

    /// Ends listening, and every request.
    pub fn close(&self) {
        self.desk.close();
    }
}
