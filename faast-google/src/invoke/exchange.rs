//! One request and the head of its answer, on a pooled connection.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use faast_core::cost::Usage;
use faast_core::provider::{ExecutionId, InvokeError, Metering};
use faast_core::{Error, ErrorKind, Result};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Response, StatusCode, Url};

use super::resolve::Resolver;
use super::{Entry, Plan, SECRET_HEADER};
use crate::classify::invoke::{self as classify, Refusal};
use crate::cost::Meter;

const OF_WORKER: HeaderName = HeaderName::from_static("faast");
const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");
const TRACE: HeaderName = HeaderName::from_static("x-cloud-trace-context");
const AGENT: &str = concat!("faast/", env!("CARGO_PKG_VERSION"));

/// What an error's body may have.
const MAX_ERROR: usize = 64 * 1024;

/// How long a new service, and who may call it, may not be known everywhere.
const KNOWN_AFTER: Duration = Duration::from_mins(1);

/// How long a connection is kept that nobody uses; the front end keeps them longer.
const KEPT: Duration = Duration::from_secs(90);

/// What all requests to one service share.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    call: Url,
    /// The service's URL, as tokens are made for it.
    uri: String,
    entry: Way,
    known: Instant,
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
struct Unanswered<'c> {
    client: &'c Client,
    sent: Instant,
    answered: bool,
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.client.note_dropped(self.client.meter.request().failed(self.sent.elapsed(), 0));
        }
    }
}

/// An answer of a worker, whose body is still to be read.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) response: Response,
    pub(super) sent: Instant,
}

impl Client {
    pub(super) fn new(plan: Plan, service_uri: &str, entry: Entry) -> Result<Self> {
        let uri = service_uri.trim_end_matches('/').to_owned();
        let call = Url::parse(&format!("{uri}/call")).map_err(|error| {
            Error::new(ErrorKind::Config, format!("`{service_uri}` is no URI of a service")).with_source(error)
        })?;
        let http = reqwest::Client::builder()
            .http1_only()
            .user_agent(AGENT)
            .pool_max_idle_per_host(plan.concurrency)
            .pool_idle_timeout(KEPT)
            .tcp_keepalive(Duration::from_secs(30))
            .tcp_nodelay(true)
            .connect_timeout(Duration::from_secs(30))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .dns_resolver(Arc::new(Resolver::default()))
            .build()
            .map_err(|error| Error::new(ErrorKind::Config, "the HTTPS client can't be made").with_source(error))?;
        let entry = match entry {
            Entry::Identity(credentials) => Way::Identity(credentials),
            Entry::Secret(secret) => Way::Secret(sensitive(secret.expose())?),
        };
        let meter = Meter::new(&plan);
        let (known, dropped) = (Instant::now() + KNOWN_AFTER, Mutex::default());
        Ok(Self { http, call, uri, entry, known, plan, meter, dropped })
    }

    /// The service is not new.
    pub(super) fn known_everywhere(self) -> Self {
        Self { known: Instant::now(), ..self }
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
        let (name, value) = self.identity().await?;
        let request = self.http.post(self.call.clone()).header(CONTENT_TYPE, OCTETS).header(name, value).body(body);
        let sent = Instant::now();
        let mut unanswered = Unanswered { client: self, sent, answered: false };
        let response = request.send().await;
        unanswered.answered = true;
        let response = response.map_err(|error| {
            let sent_out = !error.is_connect() && !error.is_builder();
            let failed = classify::unanswered_request(error);
            if sent_out { failed.metering(self.meter.request().failed(sent.elapsed(), 0)) } else { failed }
        })?;
        let of_worker = response.headers().contains_key(OF_WORKER);
        if response.status() == StatusCode::OK && of_worker {
            return Ok(Answer { response, sent });
        }
        Err(self.refused(response, of_worker, sent).await)
    }

    async fn identity(&self) -> Result<(HeaderName, HeaderValue), InvokeError> {
        match &self.entry {
            Way::Secret(secret) => Ok((HeaderName::from_static(SECRET_HEADER), secret.clone())),
            Way::Identity(credentials) => {
                let token = credentials.identity_token(&self.uri).await.map_err(classify::no_token)?;
                let value = sensitive(&format!("Bearer {}", token.expose())).map_err(classify::no_token)?;
                Ok((AUTHORIZATION, value))
            }
        }
    }

    /// Reads why no worker answers.
    async fn refused(&self, mut response: Response, of_worker: bool, sent: Instant) -> InvokeError {
        let (status, execution) = (response.status().as_u16(), execution(response.headers()));
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|after| after.to_str().ok()?.parse().ok());
        let mut body = Vec::new();
        // Without a body the status has to do.
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_ERROR {
                break;
            }
        }
        let retry_after = retry_after.map(Duration::from_secs);
        let refusal = Refusal { status, of_worker, text: Refusal::words(&body), retry_after };
        let mut error = classify::refused(&refusal, &self.uri, Instant::now() >= self.known);
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
