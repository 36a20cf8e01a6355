//! An emulator of the part of Google Cloud that faast uses, on one port of this machine, which runs the pushed image.
//!
//! [`GoogleEmulator`] speaks the JSON APIs of Cloud Run, Artifact Registry, Cloud Storage, Pub/Sub, Cloud Billing, Cloud
//! Logging, Service Usage and the Resource Manager, the registry protocol, OAuth's token endpoint and the metadata server;
//! paths tell them apart. A pushed image is unpacked into a folder that is the root of real processes, which have the
//! environment and limits of a container in Cloud Run.
//!
//! It refuses what Google refuses, with Google's texts as far as they are known, and shares no code, price or rounding
//! with what it tests. Every service is a module with one `handle`; `route` says which one a request means, `access` who
//! may, `state` holds everything that exists under one lock. Nothing survives it: dropping the emulator ends every
//! process that it started.

mod access;
mod app;
mod bill;
mod billing;
mod builder;
mod fault;
mod image;
mod logging;
mod metadata;
mod oauth;
mod operation;
mod policy;
mod project;
mod protocol;
mod pubsub;
mod registry;
mod repository;
mod route;
mod run;
mod server;
mod someone;
mod state;
mod storage;

use std::sync::Arc;
use std::time::Duration;

pub use self::bill::Bill;
pub use self::builder::{GoogleEmulatorBuilder, Identity, RuntimeAccount};
pub use self::fault::Faults;
pub use self::someone::ResourceKind;
use self::state::Emulator;
pub use crate::emulator::call::{ApiCall, Moment, Permission, Then};
pub use crate::emulator::dice::FaultScope;
use crate::emulator::host::Host;
pub use crate::emulator::latency::Latency;

/// The project that the credentials of the metadata server belong to. Every other project works too.
pub const PROJECT: &str = "faast-project";

/// The number of every project.
pub const PROJECT_NUMBER: &str = "123456789012";

/// The region of the metadata server.
pub const REGION: &str = "us-central1";

/// The service account that services run as unless they name another.
pub const SERVICE_ACCOUNT: &str = "123456789012-compute@developer.gserviceaccount.com";

/// A running emulator. Dropping it ends it, and every process that it started.
///
/// ```
/// use faast_testkit::emulator_google::GoogleEmulator;
///
/// let google = GoogleEmulator::builder().cpu_quota(20).start();
/// assert!(google.endpoint().starts_with("http://127.0.0.1:"));
/// assert!(google.leftovers().is_empty());
/// ```
#[derive(Debug)]
pub struct GoogleEmulator {
    shared: Arc<Emulator>,
    host: Host,
}

impl GoogleEmulator {
    /// An emulator with the limits of an ordinary project, no delays and no faults.
    pub fn builder() -> GoogleEmulatorBuilder {
        GoogleEmulatorBuilder::default()
    }

    /// Starts one with the defaults of [`builder`](Self::builder).
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// Where every service answers: `http://127.0.0.1:<port>`.
    pub fn endpoint(&self) -> String {
        self.host.endpoint()
    }

    /// Every request seen so far, in the order in which they were recognised.
    pub fn calls(&self) -> Vec<ApiCall> {
        self.shared.calls.all()
    }

    /// Every permission that a request has needed so far.
    pub fn permissions(&self) -> Vec<Permission> {
        self.shared.calls.permissions()
    }

    /// Calls `hook` before and after each request is carried out.
    ///
    /// It may end the client, or have the connection dropped.
    pub fn on_call(&self, hook: impl Fn(&ApiCall, Moment) -> Then + Send + Sync + 'static) {
        self.shared.calls.add_hook(hook);
    }

    /// Names of everything that exists, as APIs have them: `projects/p/topics/t`.
    pub fn leftovers(&self) -> Vec<String> {
        self.shared.state().leftovers()
    }

    /// What Google would charge for so far, by the emulator's own metering.
    pub fn bill(&self) -> Bill {
        self.shared.state().bill.clone()
    }

    /// Moves the emulator's clock ahead. Deadlines of running requests stay in real time.
    pub fn advance(&self, by: Duration) {
        self.shared.clock.advance(by);
    }

    /// From now on no token that was given out so far is good any more.
    pub fn expire_tokens(&self) {
        self.shared.state().tokens.expire_all();
    }
}
