//! Invoking: one request of core becomes one POST to the service, whose answer comes event by event.
//!
//! HTTP/1.1, because a connection of HTTP/2 carries a hundred requests at most, and the client keeps one to a host. No
//! time limit over a request: core has its clocks. Nothing is retried; `classify/invoke.rs` says what a failure means.
//!
//! Connections are those of `faast-http`; there is no task for a request. Dropping one closes its connection, which ends its
//! functions.

mod answer;
mod exchange;
mod settling;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use faast_core::Result;
use faast_core::cost::Usage;
use faast_core::provider::{Event, InvokeError, Request, Runtime};
use faast_core::wire::{frame, sealed};
use futures_core::stream::BoxStream;
use futures_util::{StreamExt as _, stream};

use self::exchange::Client;
use crate::classify::invoke as classify;
use crate::credentials::{Credentials, Secret};

/// The header with the secret of a deployment.
pub(crate) const SECRET_HEADER: &str = "x-faast-secret";

/// What was deployed, as far as invoking has to know.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Requests in flight at most.
    pub concurrency: usize,
    /// The time-out of one call.
    pub timeout: Duration,
    /// Memory of one worker.
    pub memory_mb: u32,
    /// Processors of one worker.
    pub cpu: f64,
    /// Where connections live.
    pub runtime: Runtime,
}

/// How a request is let in.
#[derive(Debug, Clone)]
pub(crate) enum Entry {
    /// By Google's IAM, with a token for the service's URL.
    Identity(Credentials),
    /// By the worker, which has the same secret.
    Secret(Secret),
}

/// Invokes one deployed service. Cheap to clone.
#[derive(Clone)]
pub struct Invoker(Arc<Client>);

impl Invoker {
    /// An invoker for a service that is ready.
    pub(crate) fn new(plan: Plan, service_uri: &str, entry: Entry) -> Result<Self> {
        Client::new(plan, service_uri, entry).map(|client| Self(Arc::new(client)))
    }

    /// The same for a service that everybody knows, with a secret.
    ///
    /// # Errors
    ///
    /// [`Config`](faast_core::ErrorKind::Config) when the URI is none, or the HTTPS client can't be made.
    pub fn with_secret(plan: Plan, service_uri: &str, secret: &str) -> Result<Self> {
        let client = Client::new(plan, service_uri, Entry::Secret(Secret::new(secret)))?;
        Ok(Self(Arc::new(client.known_everywhere())))
    }

    /// Sends a request when the stream is first polled.
    pub fn invoke(&self, request: Request) -> BoxStream<'static, Result<Event, InvokeError>> {
        match check(&request, self.0.plan().timeout) {
            Ok(()) => answer::invoke(Arc::clone(&self.0), request).boxed(),
            Err(refused) => stream::iter([Err(refused)]).boxed(),
        }
    }

    /// Requests that can be in flight at once: as many as there may be descriptors.
    pub fn connections(&self) -> usize {
        self.0.connections()
    }

    /// What requests have cost that were dropped before their end.
    pub fn usage(&self) -> Usage {
        self.0.dropped()
    }
}

impl fmt::Debug for Invoker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Invoker").field(&self.0.service()).finish()
    }
}

/// Refuses a call that may take longer than its service.
#[expect(clippy::result_large_err, reason = "the error of the contract, made once for a failed request")]
pub(crate) fn check(request: &Request, timeout: Duration) -> Result<(), InvokeError> {
    match request.calls.iter().find(|frame| frame.timeout > timeout) {
        Some(frame) => Err(classify::timeout_not_deployed(frame.timeout, timeout)),
        None => Ok(()),
    }
}

/// A request, sealed; it may have so many bytes.
#[expect(clippy::result_large_err, reason = "the error of the contract, made once for a failed request")]
pub(crate) fn seal(request: &Request, most: usize) -> Result<Vec<u8>, InvokeError> {
    let mut encoded = vec![0];
    frame::encode_request(request, &mut encoded);
    let sealed = sealed::seal(encoded).map_err(classify::unsendable)?;
    if sealed.len() > most {
        return Err(classify::argument_too_large(sealed.len(), most));
    }
    Ok(sealed)
}
