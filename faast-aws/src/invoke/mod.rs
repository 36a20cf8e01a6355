//! Invoking: one request of core becomes one `Invoke`, or one `InvokeWithResponseStream`.
//!
//! The requests are made, signed and sent here, not by the SDK's client: its machinery for retries, interceptors and
//! endpoints costs four times what a call costs without, and faast wants none of it. What the configuration says about
//! region, endpoint and credentials is the SDK's own answer. Nothing is retried; `classify/invoke.rs` says what a failure
//! means.
//!
//! Connections are those of `faast-http`; there is no task for a request.

mod clock;
mod credentials;
mod endpoint;
mod exchange;
mod sign;
mod streamed;
mod unary;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use bytes::Bytes;
use faast_core::cost::Usage;
use faast_core::provider::{Event, InvokeError, Request, Runtime};
use faast_core::{Arch, Error, ErrorKind, Result};
use futures_core::stream::BoxStream;
use futures_util::{FutureExt as _, StreamExt as _, stream};

use self::exchange::Client;
pub(crate) use self::unary::seal;
use crate::classify::invoke as classify;
use crate::cost::Meter;

/// What was deployed, as far as invoking has to know.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Requests in flight at most.
    pub concurrency: usize,
    /// The time-out of one call.
    pub timeout: Duration,
    /// Memory of one worker.
    pub memory_mb: u32,
    /// Size of `/tmp`.
    pub ephemeral_mb: u32,
    /// The processor, which the price depends on.
    pub arch: Arch,
    /// Where connections live.
    pub runtime: Runtime,
}

/// Invokes one deployed function. Cheap to clone.
#[derive(Clone)]
pub struct Invoker(Arc<Client>);

impl Invoker {
    /// An invoker for a function that is active, or soon will be. It opens a first connection at once.
    ///
    /// # Errors
    ///
    /// [`Config`](ErrorKind::Config) when there is no endpoint to send to.
    pub fn new(sdk: &SdkConfig, function_name: String, plan: Plan) -> Result<Self> {
        let client = Client::new(sdk, function_name, plan)?;
        client.warm_up();
        Ok(Self(Arc::new(client)))
    }

    /// Requests that can be in flight at once, as this process may open connections.
    pub fn concurrency(&self) -> usize {
        self.0.concurrency()
    }

    /// What requests have cost that were dropped before their end, as far as anybody can tell.
    pub fn usage(&self) -> Usage {
        self.0.dropped()
    }

    /// Sends a request when the stream is first polled.
    pub fn invoke(&self, request: Request) -> BoxStream<'static, Result<Event, InvokeError>> {
        if let Err(refused) = self.check(&request) {
            return stream::iter([Err(refused)]).boxed();
        }
        let client = Arc::clone(&self.0);
        if request.calls.len() == 1 && !request.streams() {
            unary::invoke(client, request).map(stream::iter).flatten_stream().boxed()
        } else {
            streamed::invoke(client, request).boxed()
        }
    }
}

impl Invoker {
    /// Refuses a call that may take longer than its function.
    #[expect(clippy::result_large_err, reason = "the error of the contract, made once for a failed request")]
    pub(crate) fn check(&self, request: &Request) -> std::result::Result<(), InvokeError> {
        let timeout = self.0.plan().timeout;
        match request.calls.iter().find(|frame| frame.timeout > timeout) {
            Some(frame) => Err(classify::timeout_not_deployed(frame.timeout, timeout)),
            None => Ok(()),
        }
    }

    /// Hands an event over, which runs later; where its result goes was settled when the function was deployed.
    pub(crate) async fn hand_over(&self, event: Bytes) -> std::result::Result<(), InvokeError> {
        self.0.hand_over(event).await
    }

    pub(crate) fn plan(&self) -> &Plan {
        self.0.plan()
    }

    pub(crate) fn meter(&self) -> &Meter {
        &self.0.meter
    }
}

impl fmt::Debug for Invoker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Invoker").field(&self.0.function_name()).finish()
    }
}

/// A function name that needs no escapes in a path, as all that faast makes are.
fn check_name(name: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if !name.is_empty() && name.bytes().all(plain) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Config, format!("`{name}` can't be the name of a function")))
}
