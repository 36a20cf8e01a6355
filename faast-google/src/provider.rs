//! The provider: what Cloud Run can do, and who does it here.

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

use crate::check::{Size, USUAL_MEMORY_MB};
use crate::clients::Clients;
use crate::config::Google;
use crate::cost::Meter;
use crate::service::{LONGEST, TO_SAY_SO};
use crate::{NAME, cleanup, cost, deploy, look_up, stray, worker};

/// Bytes of a request: Cloud Run's 32 MiB, and some room for what is around the payload.
const MOST_REQUEST: u64 = (32 << 20) - (64 << 10);

/// Bytes of an encoded request or answer in queue mode: a message has 10 MB, in base64, beside its attributes.
const MOST_MESSAGE: u64 = 10_000_000 / 4 * 3 - (64 << 10);

/// Calls in one request at most: with more, one that fails late costs too much.
const MOST_CALLS: usize = 100;

/// Pub/Sub waits 600 s for the service's answer, which has to be published before.
const MOST_QUEUED: Duration = Duration::from_secs(570);

faast_core::inventory::submit! {
    ProviderEntry {
        name: NAME,
        provider: || Box::new(Google::new()),
        worker: worker::worker_transport,
    }
}

/// A new instance: it may take some seconds until there is one, and requests wait for it.
const NEW_INSTANCE: Duration = Duration::from_secs(30);

/// What only direct requests can do.
fn https() -> Capabilities {
    let mut capabilities = Capabilities::new();
    capabilities.streams = true;
    // The worker sees that the connection is gone.
    capabilities.cancel = CancelSupport::Kills;
    capabilities.max_request_bytes = Some(MOST_REQUEST);
    // Answers are sent in chunks, which have no limit.
    capabilities.max_response_bytes = None;
    capabilities.max_batch = MOST_CALLS;
    capabilities.max_timeout = Some(LONGEST.saturating_sub(TO_SAY_SO));
    capabilities.start_grace = NEW_INSTANCE;
    capabilities
}

/// What differs where Pub/Sub brings the requests: an answer comes as a whole, and a request has to end while Pub/Sub waits.
fn queue() -> Capabilities {
    let mut capabilities = Capabilities::new();
    capabilities.cancel = CancelSupport::Deadline;
    capabilities.duplicates = true;
    capabilities.max_request_bytes = Some(MOST_MESSAGE);
    capabilities.max_response_bytes = Some(MOST_MESSAGE);
    capabilities.max_timeout = Some(MOST_QUEUED);
    capabilities.queued = true;
    capabilities.defaults.hedge = false;
    // As long as Pub/Sub keeps trying to bring a request to instances that are busy.
    capabilities.start_grace = Duration::from_hours(6) + NEW_INSTANCE;
    capabilities
}

#[async_trait]
impl CloudProvider for Google {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self, mode: Mode) -> Capabilities {
        let mut capabilities = match mode {
            Mode::Https => https(),
            Mode::Queue => queue(),
            _ => return Capabilities::unsupported(),
        };
        capabilities.memory_limit = MemoryLimit::Enforced;
        capabilities.memory_mb = Some((128, 32 * 1024));
        capabilities.spill = true;
        // The worker has 2 s, then the answer comes over the network. In queue mode nobody says that a worker has ended: what
        // is heard is the start of the next one, which may be a new instance.
        let until_next = if capabilities.queued { NEW_INSTANCE } else { Duration::ZERO };
        capabilities.timeout_grace = Duration::from_secs(5) + until_next;
        capabilities.defaults.memory_mb = Some(USUAL_MEMORY_MB);
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
        Some(Meter::of(Size::of(&self.settings, spec)).worst_case(spec.mode, spec.timeout))
    }

    fn usage_of(&self, spec: &DeploySpec, ran: Duration) -> Usage {
        Meter::of(Size::of(&self.settings, spec)).elsewhere(spec.mode, ran)
    }

    async fn prices(&self, region: &str) -> Result<PriceTable> {
        let clients = self.clients().await?;
        let cache = CacheFolder::open(NAME);
        if !region.is_empty() && region != clients.region {
            return Ok(cost::prices(&clients.in_region(region), &cache).await);
        }
        // The deployment has looked them up already, beside its other steps.
        Ok(self.prices.get_or_init(|| cost::prices(clients, &cache)).await.clone())
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
    fn the_largest_payload_of_queue_mode_fits_into_a_message() {
        let encoded = STANDARD.encode(vec![0; usize::try_from(MOST_MESSAGE).unwrap()]).len();
        assert!(encoded + (64 << 10) <= 10_000_000, "{encoded}");
    }

    #[test]
    fn what_a_queue_can_not_do_is_said() {
        let (https, queue) = (Google::new().capabilities(Mode::Https), Google::new().capabilities(Mode::Queue));
        assert!(https.streams && !https.duplicates && https.max_batch > 1 && https.defaults.hedge);
        assert!(queue.supported && queue.duplicates && queue.queued && !queue.streams && !queue.defaults.hedge);
        assert_eq!(queue.max_batch, 1);
    }

    #[test]
    fn a_call_in_queue_mode_ends_while_pub_sub_waits_for_it() {
        let queue = Google::new().capabilities(Mode::Queue);
        assert!(queue.max_timeout.unwrap() + TO_SAY_SO < Duration::from_mins(10));
        let https = Google::new().capabilities(Mode::Https);
        assert_eq!(https.max_timeout.unwrap() + TO_SAY_SO, Duration::from_hours(1));
    }
}
