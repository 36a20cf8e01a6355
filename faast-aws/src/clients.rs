//! The SDK's clients of the control plane: one HTTP client for all, retries on, and time limits on every call.
//!
//! Invocations have a client of their own (`invoke/`), because nothing here fits them: these retry by themselves, and
//! give a call up after half a minute.

mod narration;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_lambda::config::Credentials;
use aws_smithy_http_client::pool::{self, ConnectionPool};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use faast_core::control::Pace;
use faast_core::{Error, ErrorKind, Result};

use self::narration::Narration;
use crate::config::{Keys, Settings};

/// One attempt of a call without a large body.
const ATTEMPT: Duration = Duration::from_secs(30);

/// How slow an uplink may be for an archive to get through in time, in bytes a second.
const SLOW_UPLINK: u64 = 100_000;

/// Time between two of Lambda's management calls, and how many may go out at once after a pause: they share 15 a second for
/// the whole account and region, which can't be raised. 10 a second leave a third for others in the account, and one
/// deployment needs 5 at most. `GetFunction` and the invocations have limits of their own and take no turns.
const BETWEEN: Duration = Duration::from_millis(100);
const BURST: u32 = 5;

/// Written by whoever first needs a region; ends with the clients.
type Paces = Arc<Mutex<HashMap<String, Arc<Pace>>>>;

/// A service's client. Each service has types of its own for the same things.
macro_rules! client {
    ($service:ident, $sdk:ident) => {
        $service::Client::from_conf($service::config::Builder::from(&$sdk).interceptor(Narration).build())
    };
}

/// The clients for one region. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Clients {
    pub(crate) sdk: SdkConfig,
    pub(crate) region: String,
    pub(crate) lambda: aws_sdk_lambda::Client,
    pub(crate) iam: aws_sdk_iam::Client,
    pub(crate) logs: aws_sdk_cloudwatchlogs::Client,
    pub(crate) s3: aws_sdk_s3::Client,
    pub(crate) sqs: aws_sdk_sqs::Client,
    pub(crate) tagging: aws_sdk_resourcegroupstagging::Client,
    /// Turns for Lambda's management calls, which are counted for the account and region as a whole.
    pub(crate) pace: Arc<Pace>,
    /// The turns of all regions, so that many things that go in another one keep to its limit too.
    paces: Paces,
    /// Deployments whose function was in a network and was deleted as a stray: their roles stay for some time. Written and
    /// read by deletions, which do the function first.
    networked: Arc<Mutex<BTreeSet<String>>>,
}

impl Clients {
    /// Reads the environment and the shared configuration files, as far as the options leave things open.
    pub(crate) async fn load(settings: &Settings) -> Result<Self> {
        let sdk = config(settings, DEPLOYING).await?;
        let region = region_of(&sdk)?;
        check_endpoint(sdk.endpoint_url())?;
        Ok(Self::new(sdk, region))
    }

    pub(crate) fn new(sdk: SdkConfig, region: String) -> Self {
        Self::paced(sdk, region, Paces::default())
    }

    fn paced(sdk: SdkConfig, region: String, paces: Paces) -> Self {
        let pace = {
            let mut paces = paces.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(paces.entry(region.clone()).or_insert_with(|| Arc::new(Pace::new(BETWEEN, BURST))))
        };
        // Another endpoint's host name has no sub-domain for each bucket.
        let s3 = aws_sdk_s3::config::Builder::from(&sdk).force_path_style(sdk.endpoint_url().is_some());
        Self {
            region,
            lambda: client!(aws_sdk_lambda, sdk),
            iam: client!(aws_sdk_iam, sdk),
            logs: client!(aws_sdk_cloudwatchlogs, sdk),
            s3: aws_sdk_s3::Client::from_conf(s3.interceptor(Narration).build()),
            sqs: client!(aws_sdk_sqs, sdk),
            tagging: client!(aws_sdk_resourcegroupstagging, sdk),
            pace,
            paces,
            networked: Arc::default(),
            sdk,
        }
    }

    /// The same account in another region.
    pub(crate) fn in_region(&self, region: &str) -> Self {
        if region.is_empty() || region == self.region {
            return self.clone();
        }
        let sdk = self.sdk.to_builder().region(Region::new(region.to_owned())).build();
        let networked = Arc::clone(&self.networked);
        Self { networked, ..Self::paced(sdk, region.to_owned(), Arc::clone(&self.paces)) }
    }

    pub(crate) fn note_networked(&self, name: &str) {
        self.networked.lock().unwrap_or_else(PoisonError::into_inner).insert(name.into());
    }

    pub(crate) fn is_networked(&self, name: &str) -> bool {
        self.networked.lock().unwrap_or_else(PoisonError::into_inner).contains(name)
    }
}

/// The region, if one is set. The SDK takes any text, and fails at the first call.
pub(crate) fn region_of(sdk: &SdkConfig) -> Result<String> {
    let Some(region) = sdk.region().map(ToString::to_string).filter(|region| !region.is_empty()) else {
        return Err(Error::new(ErrorKind::Config, "no AWS region is set").with_hint(
            "call `.region(\"us-west-2\")`, or set `AWS_REGION`, or `region` in the profile in `~/.aws/config`",
        ));
    };
    check_region(&region)?;
    Ok(region)
}

fn check_region(region: &str) -> Result<()> {
    if region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Config, format!("`{region}` is no AWS region"))
        .with_hint("a region is written like `us-west-2`; look at `.region(..)`, `AWS_REGION` and `~/.aws/config`"))
}

/// The SDK takes any text, and shows the whole request in the error of the first call.
pub(crate) fn check_endpoint(url: Option<&str>) -> Result<()> {
    let Some(url) = url.filter(|url| !["http://", "https://"].iter().any(|scheme| url.starts_with(scheme))) else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::Config, format!("`{url}` is no endpoint"))
        .with_hint("an endpoint begins with `https://` or `http://`; look at `.endpoint_url(..)`, `AWS_ENDPOINT_URL` and `~/.aws/config`"))
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").field("region", &self.region).finish_non_exhaustive()
    }
}

/// How long a service is asked before it counts as silent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// The SDK's own retries of throttling, server faults and broken connections, with the first.
    attempts: u32,
    /// One attempt of a call without a large body.
    attempt: Duration,
}

/// A healthy service answers within a second, but a deployment is worth waiting for.
const DEPLOYING: Patience = Patience { attempts: 6, attempt: ATTEMPT };

/// Somebody sits in front of it, and wants to know what does not answer.
pub(crate) const ASKING: Patience = Patience { attempts: 2, attempt: Duration::from_secs(8) };

/// Everything that the options, the environment and the shared configuration files say.
pub(crate) async fn config(settings: &Settings, patience: Patience) -> Result<SdkConfig> {
    let mut retries = RetryConfig::standard().with_max_attempts(patience.attempts);
    if let Some(pause) = settings.first_pause {
        retries = retries.with_initial_backoff(pause);
    }
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client()?)
        .retry_config(retries)
        .timeout_config(timeouts(patience.attempt));
    if let Some(region) = &settings.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(url) = &settings.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    if let Some(keys) = settings.credentials.clone() {
        let Keys { id, secret, session_token } = keys;
        loader = loader.credentials_provider(Credentials::new(id, secret, session_token, None, "given in code"));
    }
    Ok(loader.load().await)
}

/// Retries by the SDK.
pub(crate) fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(DEPLOYING.attempts)
}

/// Time limits for a call without a large body.
pub(crate) fn usual_timeouts() -> TimeoutConfig {
    timeouts(ATTEMPT)
}

fn timeouts(attempt: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(attempt.min(Duration::from_secs(10)))
        .operation_attempt_timeout(attempt)
        .operation_timeout(attempt * 4)
        .build()
}

/// Time limits for a call that carries `bytes`.
pub(crate) fn upload_timeouts(bytes: usize) -> TimeoutConfig {
    timeouts(ATTEMPT + Duration::from_secs(bytes as u64 / SLOW_UPLINK))
}

/// One pool for all services. It belongs to the runtime that first uses it, which is the deployment's or the worker's.
pub(crate) fn http_client() -> Result<pool::Client> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
        Error::new(ErrorKind::Config, "the HTTPS client can't be made").with_source(error).with_hint(
            "check the system's certificates (`SSL_CERT_FILE`) and the proxy variables (`HTTPS_PROXY`, `NO_PROXY`)",
        )
    };
    let pool = ConnectionPool::builder()
        .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
        .proxy_config(ProxyConfig::from_env())
        .tcp_keepalive(Duration::from_mins(1))
        .idle_timeout(Duration::from_secs(20))
        .build_https()
        .map_err(|error| failed(error.into()))?;
    pool::Client::new(&pool).map_err(|error| failed(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_region_is_said_before_the_first_call() {
        check_region("us-west-2").unwrap();
        let error = check_region("us west").unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::Config, "`us west` is no AWS region"));
    }

    #[test]
    fn an_endpoint_without_a_scheme_is_said_before_the_first_call() {
        for url in [None, Some("http://127.0.0.1:4566"), Some("https://vpce-1.lambda.us-west-2.vpce.amazonaws.com")] {
            check_endpoint(url).unwrap();
        }
        let error = check_endpoint(Some("localhost:4566")).unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::Config, "`localhost:4566` is no endpoint"));
    }
}
