//! Requests in queue mode: an event is handed over, and its record waited for.
//!
//! The record can be faster than the word that the event was accepted, and it can come though that word was lost. So a
//! request is expected from before it is sent, under a number of faast's own.

use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use aws_config::SdkConfig;
use faast_core::cost::Usage;
use faast_core::provider::{Event, InvokeError, Request};
use futures_core::stream::BoxStream;
use futures_util::{FutureExt as _, StreamExt as _, stream};

use super::desk::Desk;
use super::listen::Listener;
use super::settle::Settler;
use crate::body::{self, EVENTS_OWN, MAX_EVENT};
use crate::classify::invoke as classify;
use crate::invoke::{Invoker, Plan, descriptors, seal};
use crate::lambda::TO_SAY_SO;

/// Connections for sending: each event takes milliseconds, however long it then runs.
const SENDERS: usize = 64;

/// The way of requests through Lambda's queue, and of answers through ours. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Queue(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    invoker: Invoker,
    desk: Arc<Desk>,
    listener: Arc<Listener>,
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
        let desk = Desk::new(most);
        let settler = Settler { meter: invoker.meter().clone(), longest: invoker.plan().timeout + TO_SAY_SO };
        let listener = Arc::new(Listener::new(sdk, url, Arc::clone(&desk), settler));
        Ok(Self(Arc::new(Inner { invoker, desk, listener })))
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
        let Inner { invoker, desk, listener } = &*self.0;
        invoker.check(request)?;
        let Some(call) = request.calls.first().map(|frame| frame.id) else { return Ok(Vec::new()) };
        let sealed = seal(request, MAX_EVENT - EVENTS_OWN)?;
        let Some((mut expected, starts)) = desk.expect() else { return Err(classify::runtime_ended()) };
        for _ in 0..starts {
            // If the runtime has ended, so has the deployment.
            let _ = invoker.plan().runtime.spawn(Arc::clone(listener).run());
        }
        let sent = Instant::now();
        let sending = pin!(invoker.hand_over(body::to_event(expected.id, &sealed).into()));
        let heard = tokio::select! {
            biased;
            heard = &mut expected.record => heard,
            accepted = sending => {
                accepted?;
                (&mut expected.record).await
            }
        };
        let record = heard.map_err(|_| classify::runtime_ended())??;
        listener.settler.settle(&record, call, sent.elapsed())
    }

    /// Records that came for nobody.
    pub fn late(&self) -> u64 {
        self.0.desk.counted_late()
    }

    /// What was used beyond requests that somebody waited for.
    pub fn usage(&self) -> Usage {
        self.0.desk.usage()
    }

    /// Ends listening, and every request.
    pub fn close(&self) {
        self.0.desk.close();
        self.0.listener.closed.cancel();
    }
}
