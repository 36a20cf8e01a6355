//! An emulator of the part of AWS that faast uses, on one port of this machine, which runs the uploaded archive.
//!
//! [`AwsEmulator`] speaks the wire protocols of Lambda, IAM, STS, SQS, S3, CloudWatch Logs, the tagging API and Pricing,
//! so that unmodified SDKs talk to it through `AWS_ENDPOINT_URL`. An uploaded archive is unpacked, and its `bootstrap` runs
//! in real processes against a Runtime API, in another directory and with a clean environment.
//!
//! It refuses what AWS refuses, with AWS's own texts, and shares no code, price or rounding with what it tests. Every
//! service is a module with one `handle`; what all of them share is `server` (recognising and recording), `protocol`
//! (requests and replies of the four protocols) and `state` (one lock over everything that exists). Nothing survives
//! it: dropping the emulator ends every process that it started.

mod bill;
mod builder;
mod fault;
mod fields;
mod iam;
mod lambda;
mod log_store;
mod logs;
mod pricing;
mod protocol;
mod report;
mod s3;
mod sandbox;
mod server;
mod signature;
mod sns;
mod someone;
mod sqs;
mod state;
mod sts;
mod tagging;
mod xml;

use std::time::Duration;

pub use self::bill::Bill;
pub use self::builder::AwsEmulatorBuilder;
pub use self::fault::Faults;
pub use self::someone::{Credentials, ResourceKind};
use self::state::Shared;
pub use crate::emulator::call::{ApiCall, Moment, Permission, Then};
pub use crate::emulator::dice::FaultScope;
use crate::emulator::host::Host;
pub use crate::emulator::latency::Latency;
use crate::emulator::{clock, hex, limit, md5, output, process};

/// The account that everything belongs to.
pub const ACCOUNT: &str = "123456789012";

/// The region of requests that name none.
pub const REGION: &str = "us-west-2";

/// A running emulator. Dropping it ends it, and every process that it started.
///
/// ```
/// use faast_testkit::emulator_aws::AwsEmulator;
///
/// let aws = AwsEmulator::builder().account_concurrency(100).start();
/// assert!(aws.endpoint().starts_with("http://127.0.0.1:"));
/// assert!(aws.leftovers().is_empty());
/// ```
#[derive(Debug)]
pub struct AwsEmulator {
    shared: Shared,
    host: Host,
}

impl AwsEmulator {
    /// An emulator with the limits of an ordinary account, no delays and no faults.
    pub fn builder() -> AwsEmulatorBuilder {
        AwsEmulatorBuilder::default()
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

    /// Every permission that a request has needed so far, enforced or not.
    pub fn permissions(&self) -> Vec<Permission> {
        self.shared.calls.permissions()
    }

    /// Calls `hook` before and after each request is carried out.
    ///
    /// It may end the client, or have the connection dropped.
    pub fn on_call(&self, hook: impl Fn(&ApiCall, Moment) -> Then + Send + Sync + 'static) {
        self.shared.calls.add_hook(hook);
    }

    /// Names or ARNs of everything that exists.
    pub fn leftovers(&self) -> Vec<String> {
        self.shared.state().leftovers()
    }

    /// What AWS would charge for so far, by the emulator's own metering.
    pub fn bill(&self) -> Bill {
        self.shared.state().bill.clone()
    }

    /// Moves the emulator's clock ahead. Deadlines of running invocations stay in real time.
    pub fn advance(&self, by: Duration) {
        self.shared.clock.advance(by);
    }
}
