//! A provider in memory: its workers are threads of the client, everything else is as in a cloud.
//!
//! Requests and events are really encoded and decoded, and what the provider can do is chosen by the test: it queues,
//! delivers twice, batches, streams, spills and cancels, or refuses to. What threads cannot have (an environment or a
//! folder of their own) it refuses; what happens to processes alone (crashes) it cannot show.

mod account;
mod channel;
mod function;
mod invocation;
mod pool;
mod queue;
mod reply;
mod store;
mod transport;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use faast_core::cost::{Price, PriceTable, Quantity, Usage};
use faast_core::provider::{
    CancelSupport, Capabilities, CloudFunction, CloudProvider, Deleted, DeployContext, DeploySpec, Limits, Mode,
    Resource, StrayScope,
};
use faast_core::{Error, ErrorKind, Result};
use futures_core::stream::BoxStream;

use self::account::Account;
use self::function::{Deployed, MemoryFunction};
use self::pool::{Pool, WorkerConfig};
use self::queue::Queues;
use self::store::MemoryStore;

/// The metric that [`Memory::price_per_call`] sets a price for.
const REQUESTS: &str = "requests";

/// Who made the prices, for the cost table.
const PRICE_SOURCE: &str = "invented for tests";

/// A provider whose workers are threads of this process. Clones share one account.
///
/// ```
/// use faast_core::provider::{CloudProvider, Mode};
/// use faast_testkit::memory::Memory;
///
/// let narrow = Memory::new().capabilities(|caps| {
///     caps.max_request_bytes = Some(1024);
///     caps.streams = false;
/// });
/// assert!(!CloudProvider::capabilities(&narrow, Mode::Https).streams);
/// ```
#[derive(Debug, Clone)]
pub struct Memory {
    https: Capabilities,
    queue: Capabilities,
    account: Arc<Account>,
    price_per_call: Option<f64>,
    concurrency_limit: Option<usize>,
}

impl Memory {
    /// One that can do everything that threads can: streams, cancellation, batches and spilling, without limits.
    pub fn new() -> Self {
        let mut https = Capabilities::new();
        https.streams = true;
        https.cancel = CancelSupport::Kills;
        https.spill = true;
        https.max_batch = 64;
        https.defaults.concurrency = 4;
        https.defaults.timeout = Duration::from_secs(20);
        https.defaults.hedge = false;
        let mut queue = https.clone();
        queue.streams = false;
        queue.cancel = CancelSupport::Deadline;
        Self { https, queue, account: Arc::default(), price_per_call: None, concurrency_limit: None }
    }

    /// Changes what it can do, in every mode.
    #[must_use]
    pub fn capabilities(mut self, change: impl Fn(&mut Capabilities)) -> Self {
        change(&mut self.https);
        change(&mut self.queue);
        self
    }

    /// Changes what it can do in one mode.
    #[must_use]
    pub fn capabilities_of(mut self, mode: Mode, change: impl FnOnce(&mut Capabilities)) -> Self {
        match mode {
            Mode::Queue => change(&mut self.queue),
            _ => change(&mut self.https),
        }
        self
    }

    /// Every attempt costs so many US dollars, failed ones too.
    #[must_use]
    pub fn price_per_call(mut self, usd: f64) -> Self {
        self.price_per_call = Some(usd);
        self
    }

    /// The pretended account lets only so many requests run at once, which is known only after deploying.
    #[must_use]
    pub fn concurrency_limit(mut self, limit: usize) -> Self {
        self.concurrency_limit = Some(limit);
        self
    }

    /// Everything in the account, live or expired.
    pub fn resources(&self) -> Vec<Resource> {
        let scope = everything();
        self.account.find(&scope, SystemTime::now())
    }

    fn check(&self, spec: &DeploySpec) -> Result<()> {
        let refused = |what: &str| {
            Err(Error::new(ErrorKind::Unsupported, format!("workers that are threads can't have {what}"))
                .with_hint("pass it as an argument, or use a provider whose workers are processes"))
        };
        if !self.of(spec.mode).supported {
            return Err(Error::new(ErrorKind::Unsupported, format!("there is no mode {:?}", spec.mode)));
        }
        match () {
            () if !spec.env.is_empty() => refused("an environment of their own"),
            () if spec.staged.is_some() => refused("a folder of included files"),
            () => Ok(()),
        }
    }

    fn of(&self, mode: Mode) -> &Capabilities {
        if mode == Mode::Queue { &self.queue } else { &self.https }
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

/// One request, if requests cost anything.
fn worst_case(price_per_call: Option<f64>) -> Usage {
    let request = Quantity { metric: REQUESTS.into(), amount: 1.0, measured: false };
    price_per_call.map(|_| request).into_iter().collect()
}

fn everything() -> StrayScope {
    let mut scope = StrayScope::default();
    scope.include_live = true;
    scope
}

/// What a deployment makes, the root last.
fn resources(spec: &DeploySpec, capabilities: &Capabilities) -> Vec<Resource> {
    let mut kinds = Vec::new();
    if capabilities.spill {
        kinds.push("store");
    }
    if spec.mode == Mode::Queue {
        kinds.extend(["requests", "answers"]);
    }
    kinds.push("function");
    let make = |(rank, kind): (u32, &str)| {
        let mut resource = Resource::new(kind, format!("{}/{kind}", spec.deployment));
        resource.region = "memory".into();
        resource.deployment = Some(spec.deployment.clone());
        resource.expires = Some(spec.expires);
        resource.rank = rank;
        resource
    };
    (0..).zip(kinds).map(make).collect()
}

#[async_trait]
impl CloudProvider for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn capabilities(&self, mode: Mode) -> Capabilities {
        self.of(mode).clone()
    }

    async fn deploy(&self, spec: &DeploySpec, cx: &DeployContext) -> Result<Arc<dyn CloudFunction>> {
        self.check(spec)?;
        if cx.abort.is_canceled() {
            return Err(Error::new(ErrorKind::Canceled, "the deployment was given up"));
        }
        let capabilities = self.of(spec.mode).clone();
        let store = capabilities.spill.then(Arc::<MemoryStore>::default);
        let max_threads = self.concurrency_limit.unwrap_or(spec.concurrency).min(spec.concurrency);
        let pool = Pool::new(WorkerConfig {
            deployment: spec.deployment.to_string(),
            max_threads,
            max_response_bytes: capabilities.max_response_bytes,
            store: store.clone(),
        });
        // The root goes first, so that whatever comes after it can be found.
        let queues = match spec.mode {
            Mode::Queue => Some(Queues::new(Arc::clone(&pool), capabilities.duplicates).map_err(|error| {
                Error::new(ErrorKind::Deploy, "the threads that pump the queues can't start").with_source(error)
            })?),
            _ => None,
        };
        for resource in resources(spec, &capabilities).into_iter().rev() {
            cx.ledger.intent(&resource);
            self.account.create(resource);
        }
        let deployed = Deployed {
            deployment: spec.deployment.clone(),
            capabilities,
            price_per_call: self.price_per_call,
            pool,
            queues,
            store,
        };
        Ok(Arc::new(MemoryFunction {
            deployed: Arc::new(deployed),
            account: Arc::clone(&self.account),
            ledger: Arc::clone(&cx.ledger),
            limits: self.concurrency_limit.map_or_else(Limits::default, Limits::concurrency),
            executions: AtomicU64::new(0),
        }))
    }

    fn stray(&self, scope: &StrayScope) -> BoxStream<'static, Result<Resource>> {
        let found = self.account.find(scope, SystemTime::now());
        Box::pin(futures_util::stream::iter(found.into_iter().map(Ok)))
    }

    async fn look_up(&self, resource: &Resource) -> Result<Option<Resource>> {
        let found = self.resources();
        Ok(found.into_iter().find(|other| (&other.kind, &other.id) == (&resource.kind, &resource.id)))
    }

    async fn delete(&self, resource: &Resource) -> Result<Deleted> {
        Ok(self.account.delete(resource))
    }

    fn worst_case(&self, _: &DeploySpec) -> Option<Usage> {
        Some(worst_case(self.price_per_call))
    }

    fn usage_of(&self, _: &DeploySpec, _: Duration) -> Usage {
        worst_case(self.price_per_call)
    }

    async fn prices(&self, _: &str) -> Result<PriceTable> {
        let mut table = PriceTable::default();
        if let Some(usd) = self.price_per_call {
            let price = Price { usd, unit: "request".into(), source: PRICE_SOURCE.into() };
            table.prices.insert(REQUESTS.into(), price);
        }
        Ok(table)
    }
}
