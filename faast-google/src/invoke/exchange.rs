//! One request and the head of its answer, on a pooled connection.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use faast_core::cost::Usage;
use faast_core::provider::{ExecutionId, InvokeError, Metering};
use faast_core::{Error, ErrorKind, Result};
use faast_http::{ATTEMPTS, Lease, Pool, Reply, Unanswered, read_to_end};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::response::Parts;
use http::{StatusCode, Uri};
use http_body_util::Full;
use hyper::body::Incoming;

use super::settling::Settling;
use super::{Entry, Plan, SECRET_HEADER};
use crate::classify::invoke::{self as classify, Refusal};
use crate::cost::Meter;
use crate::credentials::Token;

const OF_WORKER: HeaderName = HeaderName::from_static("faast");
const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");
const TRACE: HeaderName = HeaderName::from_static("x-cloud-trace-context");
const AGENT: HeaderValue = HeaderValue::from_static(concat!("faast/", env!("CARGO_PKG_VERSION")));

/// What an error's body may have.
const MAX_ERROR: usize = 64 * 1024;

/// What all requests to one service share.
#[derive(Debug)]
pub(super) struct Client {
    pool: Arc<Pool>,
    /// Where calls go on the service.
    path: String,
    host: HeaderValue,
    /// The service's URL, as tokens are made for it.
    uri: String,
    entry: Way,
    settling: Settling,
    plan: Plan,
    pub(super) meter: Meter,
    /// What requests cost that were dropped before their end. Written by whoever drops one.
    dropped: Mutex<Usage>,
}

/// How a request is let in, as it is sent.
#[derive(Debug)]
enum Way {
    Identity(crate::credentials::Credentials),
    Secret(HeaderValue),
}

/// A request without an answer. Dropped before that comes, it has cost as much as the time that it was waited for.
struct Pending<'c> {
    client: &'c Client,
    sent: Instant,
    answered: bool,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.client.note_dropped(self.client.meter.request().failed(self.sent.elapsed(), 0));
        }
    }
}

/// An answer of a worker, whose body is still to be read.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) body: Incoming,
    pub(super) sent: Instant,
    /// Has to be given back when the body was read to its end.
    pub(super) lease: Lease,
}

impl Client {
    pub(super) fn new(plan: Plan, service_uri: &str, entry: Entry) -> Result<Self> {
        let uri = service_uri.trim_end_matches('/').to_owned();
        let no_uri = || Error::new(ErrorKind::Config, format!("`{service_uri}` is no URI of a service"));
        let service: Uri = uri.parse().map_err(|error| no_uri().with_source(error))?;
        let authority = service.authority().ok_or_else(no_uri)?;
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| no_uri())?;
        let path = format!("{}/call", service.path().trim_end_matches('/'));
        let pool = Pool::new(&service, plan.runtime.clone(), plan.concurrency)?;
        let entry = match entry {
            Entry::Identity(credentials) => Way::Identity(credentials),
            Entry::Secret(secret) => Way::Secret(sensitive(secret.expose())?),
        };
        let meter = Meter::new(&plan);
        let (settling, dropped) = (Settling::new(Some(Instant::now())), Mutex::default());
        Ok(Self { pool, path, host, uri, entry, settling, plan, meter, dropped })
    }

    /// The service is not new.
    pub(super) fn known_everywhere(self) -> Self {
        Self { settling: Settling::new(None), ..self }
    }

    pub(super) fn connections(&self) -> usize {
        self.pool.size()
    }

    pub(super) fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(super) fn service(&self) -> &str {
        &self.uri
    }

    /// Puts a request on the deployment's bill that nobody waits for any more, and of which no call will tell.
    pub(super) fn note_dropped(&self, metering: Metering) {
        let mut dropped = self.dropped.lock().unwrap_or_else(PoisonError::into_inner);
        metering.quantities.into_iter().for_each(|quantity| dropped.add(quantity));
    }

    /// What such requests have cost so far.
    pub(super) fn dropped(&self) -> Usage {
        self.dropped.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends a body and waits for the head of the answer, which is an error unless a worker answers.
    pub(super) async fn send(&self, body: Bytes) -> Result<Answer, InvokeError> {
        let (reply, token) = self.transmit(body).await?;
        let Reply { head, body, sent, lease } = reply;
        let of_worker = head.headers.contains_key(OF_WORKER);
        if of_worker {
            self.settling.let_in();
            token.as_ref().inspect(|token| token.taken());
        }
        if head.status == StatusCode::OK && of_worker {
            return Ok(Answer { body, sent, lease });
        }
        let is_stale = !of_worker && head.status == StatusCode::UNAUTHORIZED && token.is_some_and(|it| self.renew(&it));
        let refusal = Refusal { status: head.status.as_u16(), of_worker, is_stale, ..Refusal::default() };
        Err(self.refused(head, body, lease, refusal, sent).await)
    }

    /// Whether another token may do than one that was refused.
    fn renew(&self, refused: &Token) -> bool {
        matches!(&self.entry, Way::Identity(credentials) if credentials.renew_identity(&self.uri, refused))
    }

    /// Sends a body and waits for the head of whatever answers. Gives the token too, if it went with one.
    async fn transmit(&self, body: Bytes) -> Result<(Reply, Option<Token>), InvokeError> {
        let mut unsent = None;
        for _ in 0..ATTEMPTS {
            let lease = self.pool.take().await.map_err(classify::not_connected)?;
            let (name, value, token) = self.identity().await?;
            let request = http::Request::post(&*self.path)
                .header(HOST, self.host.clone())
                .header(USER_AGENT, AGENT)
                .header(CONTENT_TYPE, OCTETS)
                .header(name, value);
            let request = request.body(Full::new(body.clone())).map_err(classify::unsendable)?;
            let mut pending = Pending { client: self, sent: Instant::now(), answered: false };
            let reply = lease.send(request).await;
            pending.answered = true;
            match reply {
                Ok(reply) => return Ok((reply, token)),
                // The other side had closed it.
                Err(Unanswered::Unwritten(error)) => unsent = Some(error),
                Err(Unanswered::Broken { error, sent }) => {
                    return Err(classify::broken(error, false).metering(self.meter.request().failed(sent.elapsed(), 0)));
                }
            }
        }
        Err(classify::not_connected(unsent.map_or_else(|| io::ErrorKind::ConnectionReset.into(), io::Error::other)))
    }

    async fn identity(&self) -> Result<(HeaderName, HeaderValue, Option<Token>), InvokeError> {
        match &self.entry {
            Way::Secret(secret) => Ok((HeaderName::from_static(SECRET_HEADER), secret.clone(), None)),
            Way::Identity(credentials) => {
                let token = credentials.identity_token(&self.uri).await.map_err(classify::no_token)?;
                let value = sensitive(&format!("Bearer {}", token.expose())).map_err(classify::no_token)?;
                Ok((AUTHORIZATION, value, Some(token)))
            }
        }
    }

    /// Reads why no worker answers.
    async fn refused(
        &self,
        head: Parts,
        body: Incoming,
        lease: Lease,
        mut refusal: Refusal,
        sent: Instant,
    ) -> InvokeError {
        let execution = execution(&head.headers);
        let retry_after = head.headers.get(RETRY_AFTER).and_then(|after| after.to_str().ok()?.parse().ok());
        let read = read_to_end(body, MAX_ERROR).await;
        if read.is_ok() {
            lease.give_back();
        }
        // Without a body the status has to do.
        let body = read.unwrap_or_default();
        (refusal.text, refusal.retry_after) = (Refusal::words(&body), retry_after.map(Duration::from_secs));
        let mut error =
            classify::refused(&refusal, &self.uri, self.settling.is_settled(refusal.status, Instant::now()));
        error.execution = execution;
        if error.ran == faast_core::provider::Ran::No {
            return error;
        }
        error.metering(self.meter.request().failed(sent.elapsed(), 0))
    }
}

/// The trace of a request, as logs have it.
pub(super) fn execution(headers: &HeaderMap) -> Option<ExecutionId> {
    let trace = headers.get(TRACE)?.to_str().ok()?.split(['/', ';']).next()?;
    (!trace.is_empty()).then(|| ExecutionId(trace.into()))
}

fn sensitive(text: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| Error::new(ErrorKind::Config, "the token or secret has characters that no header can have"))?;
    value.set_sensitive(true);
    Ok(value)
}
