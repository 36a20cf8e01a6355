//! Capabilities: how providers differ, as data that core checks before anything is sent.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How requests reach the workers and answers come back.
///
/// ```
/// # use faast_core::{Builder, provider::{CloudProvider, Mode}};
/// # fn example<P: CloudProvider>(builder: Builder<P>) -> Builder<P> {
/// // For long calls: while this machine has no network, they go on, and their answers wait in a queue.
/// builder.mode(Mode::Queue)
/// # }
/// # assert_eq!(Mode::default(), Mode::Https);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Mode {
    /// A direct request for each invocation; the answer comes on the same connection.
    #[default]
    Https,
    /// Requests and answers go through the provider's queues.
    Queue,
}

/// What happens to a running call when its request is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CancelSupport {
    /// Nothing: it runs, and costs, to its end.
    None,
    /// It runs until its deadline at the latest.
    Deadline,
    /// It is told, and ended.
    Kills,
}

/// What `memory_mb` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MemoryLimit {
    /// Not limited.
    None,
    /// Measured, and reported.
    Measured,
    /// A call above it fails as out of memory.
    Enforced,
}

/// What a provider can do in one [`Mode`]. Start from [`Capabilities::new`] and set what differs.
///
/// ```
/// # use faast_core::provider::{CancelSupport, Capabilities, MemoryLimit};
/// let mut can = Capabilities::new();
/// assert_eq!((can.streams, can.cancel, can.max_batch), (false, CancelSupport::None, 1));
/// assert_eq!(can.memory_limit, MemoryLimit::None); // every `memory_mb` is refused, as `Unsupported`
///
/// can.memory_limit = MemoryLimit::Enforced;
/// can.memory_mb = Some((128, 10_240)); // now those from here to there are taken
/// can.max_request_bytes = Some(6 << 20);
/// can.spill = true; // larger arguments go through the store
///
/// assert!(!Capabilities::unsupported().supported);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Capabilities {
    /// The mode exists at all.
    pub supported: bool,
    /// Generator functions: items arrive as they are made.
    pub streams: bool,
    /// What dropping a request does.
    pub cancel: CancelSupport,
    /// The platform itself may run a request twice; functions with `idempotent = false` are refused.
    pub duplicates: bool,
    /// What `memory_mb` means.
    pub memory_limit: MemoryLimit,
    /// Bytes of one encoded request at most; larger arguments spill. `None`: no limit.
    pub max_request_bytes: Option<u64>,
    /// Bytes of one encoded answer at most; larger results spill. `None`: no limit.
    pub max_response_bytes: Option<u64>,
    /// Payloads above the limits can go through a [`BlobStore`](super::BlobStore).
    pub spill: bool,
    /// Calls in one request at most. 1: no batching.
    pub max_batch: usize,
    /// Core fills requests with short calls by itself, up to `max_batch`.
    pub auto_batch: bool,
    /// How long a worker has, after a call's time-out, to say so itself, before core gives the request up.
    pub timeout_grace: Duration,
    /// How long a request may take to start (cold starts) where no [`Event::Started`](super::Event) tells.
    pub start_grace: Duration,
    /// A request may wait in the platform's queue, and nothing but an [`Event::Started`](super::Event) says that it runs:
    /// before that, no call is taken for a slow one and sent again.
    pub queued: bool,
    /// The longest `timeout` that can be asked for.
    pub max_timeout: Option<Duration>,
    /// The smallest and largest `memory_mb`.
    pub memory_mb: Option<(u32, u32)>,
    /// The options that the user did not set.
    pub defaults: Defaults,
}

/// Defaults of the options that differ between providers; the one table that the docs are made from.
///
/// ```
/// # use std::time::Duration;
/// # use faast_core::provider::Capabilities;
/// let mut can = Capabilities::new();
/// let defaults = &can.defaults;
/// assert_eq!((defaults.timeout, defaults.retries, defaults.concurrency), (Duration::from_mins(1), 2, 100));
///
/// // Where workers are processes of this machine, a slow call is no reason for a second one.
/// can.defaults.hedge = false;
/// can.defaults.concurrency = faast_core::provider::cores();
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Defaults {
    /// Memory of one worker in MiB; `None`: no limit.
    pub memory_mb: Option<u32>,
    /// Start to reply of one attempt.
    pub timeout: Duration,
    /// Requests in flight at most.
    pub concurrency: usize,
    /// Attempts after the first for failures that are retried.
    pub retries: u32,
    /// Whether slow calls are sent a second time.
    pub hedge: bool,
    /// Calls in a request, where the user batches.
    pub batch: usize,
    /// Days after the client's last sign of life until what was never cleaned up expires.
    pub retention_days: u32,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            memory_mb: None,
            timeout: Duration::from_mins(1),
            concurrency: 100,
            retries: 2,
            hedge: true,
            batch: 1,
            retention_days: 1,
        }
    }
}

impl Capabilities {
    /// The least that a provider can do: unary calls, one in a request, no limits.
    pub fn new() -> Self {
        Self {
            supported: true,
            streams: false,
            cancel: CancelSupport::None,
            duplicates: false,
            memory_limit: MemoryLimit::None,
            max_request_bytes: None,
            max_response_bytes: None,
            spill: false,
            max_batch: 1,
            auto_batch: false,
            timeout_grace: Duration::from_secs(2),
            start_grace: Duration::from_secs(15),
            queued: false,
            max_timeout: None,
            memory_mb: None,
            defaults: Defaults::default(),
        }
    }

    /// A mode that the provider does not have.
    pub fn unsupported() -> Self {
        Self { supported: false, ..Self::new() }
    }
}

impl Default for Capabilities {
    fn default() -> Self {
        Self::new()
    }
}

/// Limits that are known only after deploying.
///
/// ```
/// # use faast_core::provider::{Limits, Ramp};
/// assert_eq!(Limits::default().concurrency, None); // what was asked for
///
/// let mut limits = Limits::concurrency(10_000);
/// let ramp = Ramp { at_once: 1_000, per_second: 500.0 };
/// limits.ramp = Some(ramp);
/// let seconds_until_all_run = (10_000 - ramp.at_once) as f64 / ramp.per_second;
/// assert_eq!(seconds_until_all_run, 18.0);
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Limits {
    /// Requests that the account or the service lets run at once; `None`: what was asked for.
    pub concurrency: Option<usize>,
    /// How fast the service lets concurrency grow; `None`: at once. For quotes; it does not slow anything down.
    pub ramp: Option<Ramp>,
}

/// How fast a service lets concurrency grow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ramp {
    /// Requests that may run at once from the first moment on.
    pub at_once: usize,
    /// Requests more in each second.
    pub per_second: f64,
}

impl Limits {
    /// At most `concurrency` requests at once.
    pub fn concurrency(concurrency: usize) -> Self {
        Self { concurrency: Some(concurrency), ramp: None }
    }
}
