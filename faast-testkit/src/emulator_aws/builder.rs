//! What an emulator can be set to, and how it starts. The invariant: once started, settings do not change.

use std::time::Duration;

use super::AwsEmulator;
use super::fault::Faults;
use super::sandbox::storage_can_be_limited;
use super::state::Emulator;
use crate::emulator::host::Host;
use crate::emulator::latency::Latency;

/// Everything that differs between emulators; a copy is in each request's reach.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// Invocations of the whole account that run at the same time.
    pub(super) account_concurrency: u32,
    /// New environments of one function in ten seconds.
    pub(super) scale_up: u32,
    /// Synchronous requests that one environment takes in a second.
    pub(super) requests_per_environment: u32,
    /// Requests per second to Lambda's control plane; unlimited if absent.
    pub(super) control_plane_rate: Option<u32>,
    /// Invocations per second by one caller; unlimited if absent.
    pub(super) caller_rate: Option<u32>,
    /// How old a role is before Lambda can assume it.
    pub(super) role_propagation: Duration,
    /// How long a new bucket is being made.
    pub(super) bucket_creation: Duration,
    /// How long a new function is `Pending`.
    pub(super) activation: Duration,
    /// The longest time for initialisation before it starts over.
    pub(super) init_limit: Duration,
    /// Before the first retry of an asynchronous event; the second waits twice as long.
    pub(super) event_retry_delay: Duration,
    /// Bytes that a record of an asynchronous event can have and still arrive.
    pub(super) record_limit: usize,
    /// Whether processes are stopped between invocations.
    pub(super) freeze: bool,
    /// Whether the folder for temporary files is full at its size.
    pub(super) limit_storage: bool,
    /// Whether callers need permissions.
    pub(super) enforce_iam: bool,
    /// How long the tagging API does not know of a change.
    pub(super) tagging_delay: Duration,
    /// Whether the tagging API shows resources that were deleted.
    pub(super) tagging_remembers: bool,
    /// Delays of answers.
    pub(super) latency: Latency,
    /// Faults to make.
    pub(super) faults: Faults,
    /// Chooses the faults.
    pub(super) seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            account_concurrency: 1000,
            scale_up: 1000,
            requests_per_environment: 10,
            control_plane_rate: None,
            caller_rate: None,
            role_propagation: Duration::ZERO,
            bucket_creation: Duration::ZERO,
            activation: Duration::ZERO,
            init_limit: Duration::from_secs(10),
            event_retry_delay: Duration::from_millis(100),
            record_limit: 256 * 1024,
            freeze: true,
            limit_storage: false,
            enforce_iam: false,
            tagging_delay: Duration::ZERO,
            tagging_remembers: false,
            latency: Latency::none(),
            faults: Faults::default(),
            seed: 0,
        }
    }
}

/// Settings of an [`AwsEmulator`] that is not started yet.
#[derive(Debug, Clone, Default)]
#[must_use = "nothing runs before `start`"]
pub struct AwsEmulatorBuilder {
    settings: Settings,
    port: u16,
}

impl AwsEmulatorBuilder {
    /// Invocations of the whole account that run at the same time; 1,000 by default.
    pub fn account_concurrency(mut self, environments: u32) -> Self {
        self.settings.account_concurrency = environments;
        self
    }

    /// New environments that one function may start in ten seconds; 1,000 by default.
    pub fn scale_up(mut self, environments_per_ten_seconds: u32) -> Self {
        self.settings.scale_up = environments_per_ten_seconds;
        self
    }

    /// Requests that one environment takes in a second; 10 by default.
    ///
    /// A function's limit is that times its concurrency.
    pub fn requests_per_environment(mut self, per_second: u32) -> Self {
        self.settings.requests_per_environment = per_second;
        self
    }

    /// Requests per second over Lambda's control plane; unlimited by default, 15 in a real account.
    pub fn control_plane_rate(mut self, per_second: u32) -> Self {
        self.settings.control_plane_rate = Some(per_second);
        self
    }

    /// Invocations per second that one caller may make; unlimited by default.
    pub fn caller_rate(mut self, per_second: u32) -> Self {
        self.settings.caller_rate = Some(per_second);
        self
    }

    /// How old a role must be before Lambda can assume it; zero by default.
    pub fn role_propagation(mut self, delay: Duration) -> Self {
        self.settings.role_propagation = delay;
        self
    }

    /// How long a new bucket is being made; zero by default.
    ///
    /// So long objects find no bucket, and whoever makes it too is refused: `OperationAborted`.
    pub fn bucket_creation(mut self, delay: Duration) -> Self {
        self.settings.bucket_creation = delay;
        self
    }

    /// How long a new function stays `Pending`; zero by default.
    pub fn activation(mut self, delay: Duration) -> Self {
        self.settings.activation = delay;
        self
    }

    /// The longest time for initialisation before it starts over within the first call; ten seconds by default.
    pub fn init_limit(mut self, limit: Duration) -> Self {
        self.settings.init_limit = limit;
        self
    }

    /// The wait before an asynchronous event is tried again, doubled for the second retry.
    ///
    /// AWS waits a minute; here it is a tenth of a second by default.
    pub fn event_retry_delay(mut self, delay: Duration) -> Self {
        self.settings.event_retry_delay = delay;
        self
    }

    /// Bytes of the longest record of an asynchronous event that its destination takes; 256 KiB by default.
    ///
    /// A longer one never arrives.
    pub fn record_limit(mut self, bytes: usize) -> Self {
        self.settings.record_limit = bytes;
        self
    }

    /// Whether processes are stopped between invocations, as real ones are; true by default.
    pub fn freeze(mut self, freeze: bool) -> Self {
        self.settings.freeze = freeze;
        self
    }

    /// Whether the folder of `TMPDIR` is full when it holds as much as the function's ephemeral storage; false by default,
    /// when it takes what the machine has.
    ///
    /// It is memory then, empty again for a process that follows one that crashed, and no more than that folder: what is
    /// written to `/tmp` by that name goes to the machine's. Starting a process takes some milliseconds more.
    pub fn limit_storage(mut self, limit: bool) -> Self {
        self.settings.limit_storage = limit;
        self
    }

    /// Whether callers and functions need permissions; false by default, when any credentials may do everything.
    pub fn enforce_iam(mut self, enforce: bool) -> Self {
        self.settings.enforce_iam = enforce;
        self
    }

    /// How long the tagging API does not know of new, changed and deleted resources; zero by default.
    pub fn tagging_delay(mut self, delay: Duration) -> Self {
        self.settings.tagging_delay = delay;
        self
    }

    /// Whether the tagging API still shows resources that were deleted, with their last tags; false by default.
    pub fn tagging_remembers(mut self, remembers: bool) -> Self {
        self.settings.tagging_remembers = remembers;
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
    /// If the port is taken or no thread can be started; with [`limit_storage`](Self::limit_storage) where this machine lets
    /// nobody mount anything, neither as root nor in a user namespace.
    pub fn start(self) -> AwsEmulator {
        assert!(
            !self.settings.limit_storage || storage_can_be_limited(),
            "storage can't be limited here: it takes root, or user namespaces for everybody \
             (`sysctl kernel.apparmor_restrict_unprivileged_userns=0` where AppArmor forbids them)"
        );
        let (shared, host) = Host::start("aws-emulator", self.port, |endpoint| Emulator::new(self.settings, endpoint));
        AwsEmulator { shared, host }
    }
}
