//! The provider: what Lambda can do, and who does it here.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use faast_core::Result;
use faast_core::cache::CacheFolder;
use faast_core::cost::{PriceTable, Usage};
use faast_core::provider::{
    CancelSupport, Capabilities, CloudFunction, CloudProvider, Deleted, DeployContext, DeploySpec, MemoryLimit, Mode,
    ProviderEntry, ProviderTools, Resource, StrayScope,
};
use futures_core::stream::BoxStream;
use futures_util::{StreamExt as _, stream};

use crate::body::{EVENTS_OWN, MAX_EVENT, MAX_RECORD, RECORDS_OWN};
use crate::clients::Clients;
use crate::config::Aws;
use crate::cost::Meter;
use crate::lambda::{LONGEST, ONE_VCPU_MB, TO_SAY_SO};
use crate::queue::MAX_AGE;
use crate::{NAME, cleanup, cost, deploy, look_up, stray, worker};

/// Bytes of a body, each way: 6 MiB. Lambda's own text says 6,291,556, which leaves a hundred for its envelope.
const MOST_BODY: u64 = 6_291_456;

/// Bytes of an encoded request or answer that fit: in base64, in quotes, behind the byte that says how it is packed.
const MOST_PAYLOAD: u64 = (MOST_BODY - 2) / 4 * 3 - 1;

/// The same for an event, behind some room for the request's own head.
const MOST_EVENT_PAYLOAD: u64 = ((MAX_EVENT - EVENTS_OWN) / 4 * 3 - 1024) as u64;

/// The same for the answer to an event, at the very most: the request takes of it.
const MOST_RECORD_PAYLOAD: u64 = ((MAX_RECORD - RECORDS_OWN) / 4 * 3) as u64;

/// Calls in one request at most: with more, one that fails late costs too much.
const MOST_CALLS: usize = 100;

faast_core::inventory::submit! {
    ProviderEntry {
        name: NAME,
        provider: || Box::new(Aws::new()),
        worker: worker::worker_transport,
    }
}

/// A new sandbox: fetching the archive, up to 10 s of init, and once more where that was too short.
const NEW_SANDBOX: Duration = Duration::from_secs(30);

/// What only direct requests can do.
fn https() -> Capabilities {
    let mut capabilities = Capabilities::new();
    capabilities.streams = true;
    capabilities.max_request_bytes = Some(MOST_PAYLOAD);
    // Of one answer, or of one event where they are streamed.
    capabilities.max_response_bytes = Some(MOST_PAYLOAD);
    capabilities.max_batch = MOST_CALLS;
    capabilities.start_grace = NEW_SANDBOX;
    capabilities
}

/// What differs where Lambda queues the requests: an answer comes as a whole, when everything is over, so that there are
/// neither streams nor batches, and nothing says when a call starts.
fn queue() -> Capabilities {
    let mut capabilities = Capabilities::new();
    capabilities.duplicates = true;
    capabilities.max_request_bytes = Some(MOST_EVENT_PAYLOAD);
    capabilities.max_response_bytes = Some(MOST_RECORD_PAYLOAD);
    capabilities.queued = true;
    capabilities.defaults.hedge = false;
    // As long as Lambda keeps a request that finds no place, and its answer may wait while the network is gone.
    capabilities.start_grace = MAX_AGE + NEW_SANDBOX + Duration::from_mins(1);
    capabilities
}

#[async_trait]
impl CloudProvider for Aws {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self, mode: Mode) -> Capabilities {
        let mut capabilities = match mode {
            Mode::Https => https(),
            Mode::Queue => queue(),
            _ => return Capabilities::unsupported(),
        };
        // A dropped request runs on until the function's own time-out.
        capabilities.cancel = CancelSupport::Deadline;
        capabilities.memory_limit = MemoryLimit::Enforced;
        capabilities.memory_mb = Some((128, 10_240));
        capabilities.max_timeout = Some(LONGEST.saturating_sub(TO_SAY_SO));
        capabilities.spill = true;
        // The worker has 2 s, then the answer comes over the network.
        capabilities.timeout_grace = Duration::from_secs(5);
        capabilities.defaults.memory_mb = Some(ONE_VCPU_MB);
        capabilities
    }

    async fn deploy(&self, spec: &DeploySpec, cx: &DeployContext) -> Result<Arc<dyn CloudFunction>> {
        Box::pin(deploy::deploy(self, spec, cx)).await
    }

    fn stray(&self, scope: &StrayScope) -> BoxStream<'static, Result<Resource>> {
        let (settings, scope) = (self.settings.clone(), scope.clone());
        let found = async move {
            match Clients::load(&settings).await {
                Ok(clients) => stray::find(&clients, &scope, SystemTime::now()).await,
                Err(error) => vec![Err(error)],
            }
        };
        stream::once(found).flat_map(stream::iter).boxed()
    }

    async fn look_up(&self, resource: &Resource) -> Result<Option<Resource>> {
        look_up::look_up(self.clients().await?, resource).await
    }

    async fn delete(&self, resource: &Resource) -> Result<Deleted> {
        cleanup::delete(self.clients().await?, resource).await
    }

    fn worst_case(&self, spec: &DeploySpec) -> Option<Usage> {
        Some(Meter::planned(&self.settings, spec).worst_case(spec.mode, spec.timeout))
    }

    fn usage_of(&self, spec: &DeploySpec, ran: Duration) -> Usage {
        Meter::planned(&self.settings, spec).elsewhere(spec.mode, ran)
    }

    async fn prices(&self, region: &str) -> Result<PriceTable> {
        let clients = self.clients().await?;
        let cache = CacheFolder::open(NAME);
        if !region.is_empty() && region != clients.region {
            return Ok(cost::prices(&clients.sdk, region, &cache).await);
        }
        // The deployment has looked them up already, beside its other steps.
        Ok(self.prices.get_or_init(|| cost::prices(&clients.sdk, &clients.region, &cache)).await.clone())
    }

    fn tools(&self) -> Option<&dyn ProviderTools> {
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn the_largest_payload_fills_the_body_and_one_byte_more_does_not_fit() {
        let body = |payload: u64| 2 + STANDARD.encode(vec![0; usize::try_from(payload + 1).unwrap()]).len() as u64;
        assert!(body(MOST_PAYLOAD) <= MOST_BODY);
        assert!(body(MOST_PAYLOAD + 1) > MOST_BODY);
    }

    #[test]
    fn a_queued_request_and_its_answer_fit_into_one_record() {
        let json = |payload: u64| 2 + STANDARD.encode(vec![0; usize::try_from(payload).unwrap()]).len();
        let event = json(MOST_EVENT_PAYLOAD + 1024) + EVENTS_OWN;
        assert!(event <= MAX_EVENT + 2, "{event}");
        assert!(json(MOST_RECORD_PAYLOAD) + RECORDS_OWN >= MAX_RECORD, "the largest answer is no larger than that");
    }

    #[test]
    fn what_a_queue_can_not_do_is_said() {
        let (https, queue) = (Aws::new().capabilities(Mode::Https), Aws::new().capabilities(Mode::Queue));
        assert!(https.streams && !https.duplicates && https.max_batch > 1 && https.defaults.hedge);
        assert!(queue.supported && queue.duplicates && queue.queued && !queue.streams && !queue.defaults.hedge);
        assert_eq!(queue.max_batch, 1);
        assert!(queue.start_grace > MAX_AGE, "Lambda gives a request up before core does");
    }
}
