//! What a provider is given to deploy: the specification and the services of core.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{DeploymentId, Mode};
use crate::cache::CacheFolder;
use crate::cancel::CancelToken;
use crate::ledger::Ledger;
use crate::options::Arch;
use crate::runtime::Runtime;

/// What to deploy. Every option has been checked against the capabilities.
///
/// ```
/// # use std::time::Duration;
/// # use faast_core::provider::{DeploySpec, DeploymentId};
/// let mut spec = DeploySpec::new(DeploymentId::random());
/// spec.timeout = Duration::from_mins(5);
/// spec.batch = 10;
/// // What the platform has to allow a request.
/// let longest = spec.timeout * u32::try_from(spec.batch)?;
/// assert_eq!(longest, Duration::from_mins(50));
/// # Ok::<(), std::num::TryFromIntError>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DeploySpec {
    /// The deployment's id; resources are named and tagged by it.
    pub deployment: DeploymentId,
    /// How requests reach the workers.
    pub mode: Mode,
    /// Memory of one worker in MiB; `None`: no limit.
    pub memory_mb: Option<u32>,
    /// Start to reply of one attempt.
    pub timeout: Duration,
    /// Requests in flight at most.
    pub concurrency: usize,
    /// Calls in one request at most: a request may take so many times [`timeout`](Self::timeout).
    pub batch: usize,
    /// The processor that workers run on; `None`: this machine's, where the provider has it.
    pub arch: Option<Arch>,
    /// Environment of the workers, in addition to what the provider sets.
    pub env: Vec<(String, String)>,
    /// The folder with the included files, if there are any; workers start in a copy of it or in it.
    pub staged: Option<PathBuf>,
    /// A description for people.
    pub description: Option<String>,
    /// When the deployment's resources may be collected; moved forward by `renew` while the client lives.
    pub expires: SystemTime,
    /// Logs are kept after cleanup.
    pub keep_logs: bool,
    /// Fingerprint of the client's build; workers of another build refuse.
    pub build: u64,
}

impl DeploySpec {
    /// A specification with defaults, for tests of providers.
    pub fn new(deployment: DeploymentId) -> Self {
        Self {
            deployment,
            mode: Mode::Https,
            memory_mb: None,
            timeout: Duration::from_mins(1),
            concurrency: 1,
            batch: 1,
            arch: None,
            env: Vec::new(),
            staged: None,
            description: None,
            expires: SystemTime::now() + Duration::from_hours(24),
            keep_logs: false,
            build: crate::function::build_fingerprint(),
        }
    }
}

/// The services of core that a deployment uses.
///
/// ```
/// # use std::sync::Arc;
/// # use faast_core::{cache::CacheFolder, provider::{DeployContext, DeploymentId, Resource, Runtime}};
/// # let home = tempfile::tempdir()?;
/// # let (cache, id) = (Arc::new(CacheFolder::at(home.path().join("lab"))), DeploymentId::from("d1"));
/// let cx = DeployContext::new(cache, id, Runtime::start()?);
/// let queue = Resource::new("queue", "faast-d1");
/// if !cx.abort.is_canceled() {
///     cx.ledger.intent(&queue);
///     // .. the call that creates it
/// }
/// assert_eq!(cx.ledger.open(), [queue]); // what `faast cleanup` deletes should this process die now
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DeployContext {
    /// Records intents before create calls, and deletions.
    pub ledger: Arc<Ledger>,
    /// `~/.faast/<provider>`.
    pub cache: Arc<CacheFolder>,
    /// Fires when the deployment is given up.
    pub abort: CancelToken,
    /// The runtime that faast owns; futures of the provider run on it.
    pub runtime: Runtime,
}

impl DeployContext {
    /// The services of a deployment, as core makes them and as tests of providers need them.
    pub fn new(cache: Arc<CacheFolder>, deployment: DeploymentId, runtime: Runtime) -> Self {
        let ledger = Arc::new(Ledger::new(Arc::clone(&cache), deployment));
        Self { ledger, cache, abort: CancelToken::new(), runtime }
    }
}
