//! Google's plain REST calls: one HTTP client for all services but Cloud Run's, which the SDK calls.
//!
//! Responsible for endpoints, tokens, time limits, retries of what passes by itself, and for the meaning of a refusal. Used
//! by the client with the SDK's credentials, and by a worker with the metadata server's: no part of the SDK is touched in
//! here. Every call may be made twice: names are fixed, so that what a lost answer made is found as already there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use faast_core::control::{Backoff, Pauses, RealTime, chain};
use faast_core::{CancelToken, Error, ErrorKind, Result};
use fastrand::Rng;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use serde_json::Value;

use crate::classify::control::{Cause, Refusal, Told};
use crate::credentials::{Credentials, Token};
use crate::endpoint::{Endpoints, Service};

/// One attempt of a call without a large body.
const ATTEMPT: Duration = Duration::from_secs(30);

/// How slow an uplink may be for a body to get through in time, in bytes a second.
const SLOW_UPLINK: u64 = 100_000;

/// How long a service is asked again, and the pauses between.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    pub(crate) pauses: Backoff,
    /// One attempt of a call without a large body.
    pub(crate) attempt: Duration,
}

/// A healthy service answers within a second, but a deployment is worth waiting for; a rate that is counted by the minute
/// has room again after one.
pub(crate) const DEPLOYING: Patience = Patience {
    pauses: Backoff {
        first: Duration::from_millis(500),
        factor: 2.0,
        most: Duration::from_secs(20),
        total: Duration::from_secs(90),
    },
    attempt: ATTEMPT,
};

/// Somebody sits in front of it, and wants to know what does not answer.
pub(crate) const ASKING: Patience = Patience {
    pauses: Backoff {
        first: Duration::from_millis(500),
        factor: 2.0,
        most: Duration::from_secs(1),
        total: Duration::from_millis(900),
    },
    attempt: Duration::from_secs(8),
};

/// Makes a call, and again while it is refused for what passes. The last refusal knows whether an attempt before it may have
/// had its effect.
pub(crate) async fn again<T, F>(
    patience: Patience,
    halt: &CancelToken,
    mut call: impl FnMut() -> F,
) -> Result<T, Refusal>
where
    F: Future<Output = Result<T, Refusal>>,
{
    let pauses = Pauses::new(patience.pauses, Rng::new());
    let maybe_done = AtomicBool::new(false);
    let attempt = || {
        let made = call();
        async { made.await.inspect_err(|refusal| _ = maybe_done.fetch_or(refusal.maybe_done(), Ordering::Relaxed)) }
    };
    let made = faast_core::control::again(&RealTime::start(), pauses, halt, Refusal::passes, attempt).await;
    made.map_err(|refusal| refusal.after(maybe_done.load(Ordering::Relaxed)))
}

/// Calls services. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Rest(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    http: reqwest::Client,
    endpoints: Endpoints,
    credentials: Credentials,
    patience: Patience,
}

impl Rest {
    pub(crate) fn new(endpoints: Endpoints, credentials: Credentials, patience: Patience) -> Result<Self> {
        // HTTP/1.1: nothing here is worth the streams of a shared connection, and emulators speak it.
        let http = reqwest::Client::builder()
            .http1_only()
            .connect_timeout(patience.attempt.min(Duration::from_secs(10)))
            .tcp_keepalive(Duration::from_mins(1))
            .pool_idle_timeout(Duration::from_secs(20))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| {
                Error::new(ErrorKind::Config, "the HTTPS client can't be made").with_source(error).with_hint(
                    "check the system's certificates (`SSL_CERT_FILE`) and the proxy variables (`HTTPS_PROXY`, `NO_PROXY`)",
                )
            })?;
        Ok(Self(Arc::new(Inner { http, endpoints, credentials, patience })))
    }

    pub(crate) fn endpoints(&self) -> &Endpoints {
        &self.0.endpoints
    }

    /// The same client with the hosts of another region.
    pub(crate) fn in_region(&self, region: &str) -> Self {
        let Inner { http, endpoints, credentials, patience } = &*self.0;
        Self(Arc::new(Inner {
            http: http.clone(),
            endpoints: endpoints.in_region(region),
            credentials: credentials.clone(),
            patience: *patience,
        }))
    }

    /// A call: `path` begins with a slash, `action` is the permission that it needs.
    pub(crate) fn call(&self, action: &'static str, method: Method, service: Service, path: &str) -> Call {
        self.call_at(action, method, format!("{}{path}", self.0.endpoints.url(service)))
    }

    /// The same at a whole URL, as services name the place of an upload.
    pub(crate) fn call_at(&self, action: &'static str, method: Method, url: String) -> Call {
        let none = (Bytes::new(), None);
        Call {
            rest: self.clone(),
            action,
            method,
            url,
            query: Vec::new(),
            body: none,
            once: false,
            newly_allowed: false,
            within: None,
        }
    }
}

/// A call that is about to be made.
#[derive(Debug, Clone)]
#[must_use = "a call does nothing until it is sent"]
pub(crate) struct Call {
    rest: Rest,
    action: &'static str,
    method: Method,
    url: String,
    query: Vec<(&'static str, String)>,
    /// The body, and its content type if there is one.
    body: (Bytes, Option<&'static str>),
    once: bool,
    newly_allowed: bool,
    within: Option<Duration>,
}

/// What a service answered that did not refuse.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) action: &'static str,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The body as JSON; an empty one is an empty object.
    pub(crate) fn json(&self) -> Result<Value, Refusal> {
        if self.body.is_empty() {
            return Ok(Value::Object(serde_json::Map::new()));
        }
        serde_json::from_slice(&self.body).map_err(|error| Refusal::unreadable(self.action, error.to_string()))
    }
}

impl Call {
    /// Adds a parameter.
    pub(crate) fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    /// Sets the body.
    pub(crate) fn json(self, body: &Value) -> Self {
        self.bytes(body.to_string(), "application/json")
    }

    /// Sets the body.
    pub(crate) fn bytes(mut self, body: impl Into<Bytes>, content_type: &'static str) -> Self {
        self.body = (body.into(), Some(content_type));
        self
    }

    /// Is not made again, whatever happens: where there is somebody above who does that, or nobody waits.
    pub(crate) fn once(mut self) -> Self {
        self.once = true;
        self
    }

    /// Is made again where it is denied: the policy that allows it is new, and not known everywhere.
    pub(crate) fn newly_allowed(mut self) -> Self {
        self.newly_allowed = true;
        self
    }

    /// Gives one attempt so much time, instead of the usual.
    pub(crate) fn within(mut self, time: Duration) -> Self {
        self.within = Some(time);
        self
    }

    /// Makes the call, and again while it is refused for what passes: for as much longer as one attempt may take longer than
    /// that of a small call, so that a transfer which breaks late is made again too.
    pub(crate) async fn send(self) -> Result<Answer, Refusal> {
        if self.once {
            return self.attempt().await;
        }
        let mut patience = self.rest.0.patience;
        patience.pauses.total += self.time().saturating_sub(patience.attempt);
        again(patience, &CancelToken::new(), || self.attempt()).await
    }

    /// How long one attempt may take.
    fn time(&self) -> Duration {
        let usual = self.rest.0.patience.attempt + Duration::from_secs(self.body.0.len() as u64 / SLOW_UPLINK);
        self.within.unwrap_or(usual)
    }

    /// Makes the call and reads the answer as JSON.
    pub(crate) async fn send_json(self) -> Result<Value, Refusal> {
        self.send().await?.json()
    }

    async fn attempt(&self) -> Result<Answer, Refusal> {
        let token = self.rest.0.credentials.access_token().await;
        let token = token.map_err(|error| Refusal::no_token(self.action, &error))?;
        let (body, content_type) = self.body.clone();
        let request = self.rest.0.http.request(self.method.clone(), &self.url);
        let mut request = request.query(&self.query).timeout(self.time());
        if let Some(content_type) = content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        if let Some(token) = &token {
            request = request.bearer_auth(token.expose());
        }
        if let Some(project) = self.rest.0.credentials.quota_project() {
            request = request.header("x-goog-user-project", project);
        }
        let answer = request.body(body).send().await.map_err(|error| self.unreachable(error))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = answer.bytes().await.map_err(|error| self.unreachable(error))?;
        if status.is_success() || status.is_redirection() {
            token.inspect(Token::taken);
            return Ok(Answer { action: self.action, headers, body });
        }
        let refusal = Refusal::told(self.action, Told::read(status.as_u16(), &body));
        let is_stale = || token.is_some_and(|token| self.rest.0.credentials.renew_access(&token));
        let passes = match refusal.cause() {
            Cause::Denied => self.newly_allowed,
            Cause::BadCredentials => is_stale(),
            _ => false,
        };
        Err(if passes { refusal.passing() } else { refusal })
    }

    /// The URL is left out of the text: it may have parameters that are nobody's business.
    fn unreachable(&self, error: reqwest::Error) -> Refusal {
        let unsent = error.is_connect() || error.is_builder();
        Refusal::unreachable(self.action, chain(&error.without_url()), unsent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREATE: &str = "pubsub.topics.create";

    /// What is known of a creation after these refusals, one after the other; the last one comes again and again.
    async fn maybe_done(refusals: &[fn() -> Refusal]) -> bool {
        let (first, total) = (Duration::from_millis(1), Duration::from_millis(20));
        let pauses = Backoff { first, factor: 1.0, most: first, total };
        let mut attempts = 0;
        let call = || {
            let refusal = refusals[attempts.min(refusals.len() - 1)]();
            attempts += 1;
            async { Err::<(), _>(refusal) }
        };
        again(Patience { pauses, attempt: ATTEMPT }, &CancelToken::new(), call).await.unwrap_err().maybe_done()
    }

    #[tokio::test]
    async fn an_answer_that_was_lost_is_remembered_whatever_comes_after_it() {
        let lost = || Refusal::told(CREATE, Told { status: 503, ..Told::default() });
        let unsent = || Refusal::unreachable(CREATE, "no route", true);
        let denied = || Refusal::told(CREATE, Told { status: 403, ..Told::default() });
        assert!(maybe_done(&[lost, unsent]).await && maybe_done(&[unsent, lost, denied]).await);
        assert!(!maybe_done(&[unsent]).await && !maybe_done(&[unsent, denied]).await);
    }
}
