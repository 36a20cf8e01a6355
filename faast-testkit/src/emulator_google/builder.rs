//! What an emulator can be set to, and how it starts. The invariant: once started, settings do not change.

use std::path::PathBuf;
use std::time::Duration;

use super::GoogleEmulator;
use super::fault::Faults;
use super::state::Emulator;
use crate::emulator::host::Host;
use crate::emulator::latency::Latency;

/// Whether callers of APIs need tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Identity {
    /// Requests without a token are taken, and tokens that were not given out here too.
    #[default]
    Off,
    /// Requests without a good token are refused.
    Required,
}

/// What the account that services run as may do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum RuntimeAccount {
    /// What callers may, as in projects that made it an editor.
    #[default]
    Editor,
    /// What policies of single topics and buckets give it, as in projects of today.
    Nothing,
}

/// Everything that differs between emulators.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// Thousandths of a vCPU that all instances of a service may have together.
    pub(super) cpu_quota: u64,
    /// Requests per minute and region that write to Cloud Run.
    pub(super) write_quota: u32,
    /// How long long-running operations take, besides what they do.
    pub(super) operation_delay: Duration,
    /// How long new services and policies are not known to the front end.
    pub(super) propagation: Duration,
    /// How long an instance may take until it listens.
    pub(super) startup_limit: Duration,
    /// The least time that requests wait for an instance.
    pub(super) queue_limit: Duration,
    /// How long an idle instance is kept.
    pub(super) idle_limit: Duration,
    /// Between SIGTERM and SIGKILL.
    pub(super) grace: Duration,
    /// Before a message that nobody has acknowledged is pushed again.
    pub(super) push_backoff: Duration,
    /// Whether processes are stopped between requests.
    pub(super) freeze: bool,
    pub(super) identity: Identity,
    pub(super) runtime_account: RuntimeAccount,
    /// Permissions that callers do not have.
    pub(super) without: Vec<String>,
    /// APIs that are not enabled.
    pub(super) disabled_apis: Vec<String>,
    /// A folder of this machine that processes see at the same place.
    pub(super) shared_folder: Option<PathBuf>,
    pub(super) latency: Latency,
    pub(super) faults: Faults,
    pub(super) seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            cpu_quota: 1_000_000,
            write_quota: 60,
            operation_delay: Duration::ZERO,
            propagation: Duration::ZERO,
            startup_limit: Duration::from_mins(4),
            queue_limit: Duration::from_secs(10),
            idle_limit: Duration::from_mins(15),
            grace: Duration::from_secs(10),
            push_backoff: Duration::from_millis(100),
            freeze: true,
            identity: Identity::Off,
            runtime_account: RuntimeAccount::Editor,
            without: Vec::new(),
            disabled_apis: Vec::new(),
            shared_folder: None,
            latency: Latency::none(),
            faults: Faults::default(),
            seed: 0,
        }
    }
}

impl Settings {
    /// Whether callers have a permission.
    pub(super) fn may(&self, permission: &str) -> bool {
        !self.without.iter().any(|it| it == permission)
    }
}

/// Settings of a [`GoogleEmulator`] that is not started yet.
#[derive(Debug, Clone, Default)]
#[must_use = "nothing runs before `start`"]
pub struct GoogleEmulatorBuilder {
    settings: Settings,
    port: u16,
}

impl GoogleEmulatorBuilder {
    /// vCPUs that all instances of a service may have together; 1,000 by default, 20 in many real projects.
    pub fn cpu_quota(mut self, cpus: u32) -> Self {
        self.settings.cpu_quota = u64::from(cpus) * 1000;
        self
    }

    /// Requests that write to Cloud Run, per minute and region; 60 by default.
    pub fn write_quota(mut self, per_minute: u32) -> Self {
        self.settings.write_quota = per_minute;
        self
    }

    /// How long long-running operations take, besides what they really do; zero by default.
    pub fn operation_delay(mut self, delay: Duration) -> Self {
        self.settings.operation_delay = delay;
        self
    }

    /// How long the address of a new service answers 404, and a changed policy is not in force; zero by default.
    pub fn propagation(mut self, delay: Duration) -> Self {
        self.settings.propagation = delay;
        self
    }

    /// How long an instance may take until it listens; four minutes by default.
    pub fn startup_limit(mut self, limit: Duration) -> Self {
        self.settings.startup_limit = limit;
        self
    }

    /// How long requests wait for an instance before they are refused; ten seconds by default, more if instances of the
    /// service start slowly.
    pub fn queue_limit(mut self, limit: Duration) -> Self {
        self.settings.queue_limit = limit;
        self
    }

    /// How long an idle instance is kept; a quarter of an hour by default.
    pub fn idle_limit(mut self, limit: Duration) -> Self {
        self.settings.idle_limit = limit;
        self
    }

    /// The time between SIGTERM and SIGKILL; ten seconds by default.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.settings.grace = grace;
        self
    }

    /// The wait before a message is pushed again where its subscription has no retry policy, which pushes at once in
    /// Google; a tenth of a second by default. It also takes the place of shorter ones.
    pub fn push_backoff(mut self, backoff: Duration) -> Self {
        self.settings.push_backoff = backoff;
        self
    }

    /// Whether processes are stopped between requests, where `cpuIdle` is set; true by default.
    pub fn freeze(mut self, freeze: bool) -> Self {
        self.settings.freeze = freeze;
        self
    }

    /// Whether callers of APIs need tokens; off by default.
    ///
    /// Callers of deployed services need them in any case, unless the service says otherwise.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.settings.identity = identity;
        self
    }

    /// What the account that services run as may do; everything by default.
    pub fn runtime_account(mut self, account: RuntimeAccount) -> Self {
        self.settings.runtime_account = account;
        self
    }

    /// Takes a permission from all callers: `run.services.create`.
    pub fn without_permission(mut self, permission: &str) -> Self {
        self.settings.without.push(permission.into());
        self
    }

    /// An API that is not enabled: `run.googleapis.com`.
    pub fn disabled_api(mut self, api: &str) -> Self {
        self.settings.disabled_apis.push(api.into());
        self
    }

    /// A folder of this machine that instances see too, at the same place, like a volume that is mounted.
    ///
    /// Without it they see nothing but their image.
    pub fn shared_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.settings.shared_folder = Some(folder.into());
        self
    }

    /// Delays of answers; none by default.
    pub fn latency(mut self, latency: Latency) -> Self {
        self.settings.latency = latency;
        self
    }

    /// Faults to make; none by default.
    pub fn faults(mut self, faults: Faults) -> Self {
        self.settings.faults = faults;
        self
    }

    /// Chooses which requests meet a fault; the same seed and order of requests give the same faults.
    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.seed = seed;
        self
    }

    /// The port to listen on; a free one by default.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Starts it on a thread and a runtime of its own.
    ///
    /// # Panics
    ///
    /// If the port is taken or no thread can be started.
    pub fn start(self) -> GoogleEmulator {
        let new = |endpoint| Emulator::new(self.settings, endpoint);
        let (shared, host) = Host::start("google-emulator", self.port, new);
        GoogleEmulator { shared, host }
    }
}
