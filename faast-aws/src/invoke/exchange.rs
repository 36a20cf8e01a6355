//! One signed request and the head of its answer, on a pooled connection.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_config::SdkConfig;
use bytes::Bytes;
use faast_core::cost::Usage;
use faast_core::provider::{ExecutionId, InvokeError, Metering};
use faast_core::{Error, ErrorKind, Result};
use faast_http::{ATTEMPTS, Lease, Pool, Reply, Unanswered, read_to_end};
use http::StatusCode;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue};
use http::response::Parts;
use http_body_util::Full;
use hyper::body::Incoming;

use super::clock::Clock;
use super::credentials::CredentialCache;
use super::sign::{Post, Signed, Signer};
use super::{Plan, check_name, endpoint};
use crate::classify::invoke::{self as classify, Refusal};
use crate::cost::Meter;

const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const LOG_TYPE: HeaderName = HeaderName::from_static("x-amz-log-type");
const INVOCATION_TYPE: HeaderName = HeaderName::from_static("x-amz-invocation-type");
const SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const AGENT: HeaderValue = HeaderValue::from_static(concat!("faast/", env!("CARGO_PKG_VERSION")));

/// What an error's body may have.
const MAX_ERROR: usize = 64 * 1024;

/// How long an event waits for the word that it was accepted, once it has a connection. The service takes milliseconds,
/// and a network that has gone away takes for ever.
const ACCEPTED_WITHIN: Duration = Duration::from_secs(30);

/// The ways of the Lambda API to run a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    /// `Invoke`: one JSON value comes back.
    Invoke,
    /// `InvokeWithResponseStream`: an event stream comes back.
    Stream,
    /// `Invoke` for later: nothing comes back but that it was accepted.
    Event,
}

impl Operation {
    /// What is asked for: with an answer the end of the log comes, which has the bill.
    fn header(self) -> (HeaderName, &'static str) {
        match self {
            Self::Invoke | Self::Stream => (LOG_TYPE, "Tail"),
            Self::Event => (INVOCATION_TYPE, "Event"),
        }
    }

    fn success(self) -> StatusCode {
        if self == Self::Event { StatusCode::ACCEPTED } else { StatusCode::OK }
    }

    /// An answer that has to be waited for may take as long as the function.
    fn patience(self) -> Option<Duration> {
        (self == Self::Event).then_some(ACCEPTED_WITHIN)
    }
}

/// What all requests to one function share.
#[derive(Debug)]
pub(super) struct Client {
    function_name: String,
    invoke_path: String,
    stream_path: String,
    host: HeaderValue,
    signer: Signer,
    clock: Clock,
    credentials: CredentialCache,
    pool: Arc<Pool>,
    plan: Plan,
    pub(super) meter: Meter,
    /// What requests cost that were dropped before their end. Written by whoever drops one.
    dropped: Mutex<Usage>,
}

/// A request that is waited for. Dropped before its answer has come, it has cost as much as the time until then: Lambda
/// runs it to its end.
pub(super) struct Pending<'c> {
    client: &'c Client,
    sent: Instant,
    answered: bool,
}

impl Pending<'_> {
    pub(super) fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.client.note_dropped(self.client.meter.estimate(self.sent.elapsed()));
        }
    }
}

/// The head of an answer that is no refusal, and its body, which is still to be read.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) headers: HeaderMap,
    pub(super) body: Incoming,
    pub(super) sent: Instant,
    /// Has to be given back when the body was read to its end.
    pub(super) lease: Lease,
}

impl Client {
    pub(super) fn new(sdk: &SdkConfig, function_name: String, plan: Plan) -> Result<Self> {
        check_name(&function_name)?;
        let endpoint = endpoint::of_lambda(sdk)?;
        let no_host = || Error::new(ErrorKind::Config, format!("the endpoint `{endpoint}` has no host"));
        let authority = endpoint.authority().ok_or_else(no_host)?;
        let base = endpoint.path().trim_end_matches('/');
        let region = sdk.region().map_or("us-east-1", |region| region.as_ref());
        Ok(Self {
            invoke_path: format!("{base}/2015-03-31/functions/{function_name}/invocations"),
            stream_path: format!("{base}/2021-11-15/functions/{function_name}/response-streaming-invocations"),
            host: HeaderValue::from_str(authority.as_str()).map_err(|_| no_host())?,
            signer: Signer::new(region),
            clock: Clock::default(),
            credentials: CredentialCache::new(sdk.credentials_provider(), plan.runtime.clone()),
            pool: Pool::new(&endpoint, plan.runtime.clone(), plan.concurrency)?,
            meter: Meter::new(&plan),
            dropped: Mutex::default(),
            function_name,
            plan,
        })
    }

    pub(super) fn function_name(&self) -> &str {
        &self.function_name
    }

    pub(super) fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(super) fn concurrency(&self) -> usize {
        self.pool.size()
    }

    pub(super) fn warm_up(&self) {
        self.pool.warm_up();
    }

    /// Begins to wait for a request that has been sent.
    pub(super) fn pending(&self, sent: Instant) -> Pending<'_> {
        Pending { client: self, sent, answered: false }
    }

    /// Puts what a request cost on the deployment's bill of which no call will tell.
    pub(super) fn note_dropped(&self, metering: Metering) {
        let mut dropped = self.dropped.lock().unwrap_or_else(PoisonError::into_inner);
        metering.quantities.into_iter().for_each(|quantity| dropped.add(quantity));
    }

    /// What such requests have cost so far.
    pub(super) fn dropped(&self) -> Usage {
        self.dropped.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends a body and waits for the head of the answer, which is an error unless it says that all is well. One whose
    /// signature was of the wrong time is sent once more, by the service's clock: nothing has run.
    pub(super) async fn send(&self, operation: Operation, body: Bytes) -> Result<Answer, InvokeError> {
        let mut by_their_clock = false;
        loop {
            let Reply { head, body: answer, sent, lease } = self.transmit(operation, body.clone()).await?;
            if head.status == operation.success() {
                return Ok(Answer { headers: head.headers, body: answer, sent, lease });
            }
            let refusal = self.refusal(&head, answer, lease).await;
            if !by_their_clock && refusal.about_time() && self.clock.follow(&head.headers) {
                by_their_clock = true;
                continue;
            }
            let error = classify::refused(&refusal, &self.function_name);
            return Err(match execution(&head.headers) {
                Some(execution) => error.execution(execution),
                None => error,
            });
        }
    }

    /// Hands an event over, which runs later.
    pub(super) async fn hand_over(&self, body: Bytes) -> Result<(), InvokeError> {
        let answer = self.send(Operation::Event, body).await?;
        // The connection serves again once its answer is read; the event is accepted in any case.
        if read_to_end(answer.body, MAX_ERROR).await.is_ok() {
            answer.lease.give_back();
        }
        Ok(())
    }

    /// Sends a body and waits for the head of whatever the service says.
    async fn transmit(&self, operation: Operation, body: Bytes) -> Result<Reply, InvokeError> {
        let reply = self.try_to_transmit(operation, body).await;
        if operation == Operation::Event { reply.map_err(classify::out_of_reach) } else { reply }
    }

    async fn try_to_transmit(&self, operation: Operation, body: Bytes) -> Result<Reply, InvokeError> {
        let mut unsent = None;
        for _ in 0..ATTEMPTS {
            // Before anything is signed: the signature has a date, and here is where a request waits.
            let lease = self.pool.take().await.map_err(classify::not_connected)?;
            let request = self.request(operation, body.clone()).await?;
            let sending = lease.send(request);
            let reply = if let Some(patience) = operation.patience() {
                // What an event costs is said by its record.
                tokio::time::timeout(patience, sending)
                    .await
                    .map_err(|_| classify::broken(std::io::Error::from(std::io::ErrorKind::TimedOut)))?
            } else {
                let pending = self.pending(Instant::now());
                let reply = sending.await;
                pending.answered();
                reply
            };
            match reply {
                Ok(reply) => return Ok(reply),
                // The other side had closed it.
                Err(Unanswered::Unwritten(error)) => unsent = Some(error),
                Err(Unanswered::Broken { error, sent }) => {
                    return Err(classify::broken(error).metering(self.meter.estimate(sent.elapsed())));
                }
            }
        }
        let error = unsent.map_or_else(|| std::io::ErrorKind::ConnectionReset.into(), std::io::Error::other);
        Err(classify::not_connected(error))
    }

    async fn request(&self, operation: Operation, body: Bytes) -> Result<http::Request<Full<Bytes>>, InvokeError> {
        let now = self.clock.now();
        let credentials = self.credentials.get(now).await?;
        let path = match operation {
            Operation::Invoke | Operation::Event => &self.invoke_path,
            Operation::Stream => &self.stream_path,
        };
        let host = self.host.to_str().unwrap_or_default();
        let (name, value) = operation.header();
        let post = Post { host, path, header: (name.as_str(), value), body: &body };
        let Signed { date, authorization } = self.signer.sign(post, &credentials, now);
        let mut request = http::Request::post(path.as_str())
            .header(HOST, self.host.clone())
            .header(DATE, date)
            .header(name, HeaderValue::from_static(value))
            .header(AUTHORIZATION, authorization)
            .header(CONTENT_TYPE, JSON)
            .header(http::header::USER_AGENT, AGENT);
        if let Some(token) = credentials.session_token() {
            request = request.header(SECURITY_TOKEN, token);
        }
        request.body(Full::new(body)).map_err(classify::unsendable)
    }

    /// Reads why the service did not run the function.
    async fn refusal(&self, head: &Parts, body: Incoming, lease: Lease) -> Refusal {
        // Without a body the status and the headers have to do.
        let body = read_to_end(body, MAX_ERROR).await.unwrap_or_default();
        lease.give_back();
        let refusal = Refusal::of(head.status, &head.headers, &body);
        if refusal.credentials_expired() {
            self.credentials.forget();
        }
        refusal
    }
}

/// The execution's id, as logs have it.
pub(super) fn execution(headers: &HeaderMap) -> Option<ExecutionId> {
    Some(ExecutionId(headers.get("x-amzn-requestid")?.to_str().ok()?.into()))
}

/// A header as text.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
