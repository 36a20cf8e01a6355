//! Refusals: error codes of the service, which did not get as far as an answer of the function.

use std::time::Duration;

use faast_core::ErrorKind;
use faast_core::provider::{InvokeError, Ran, RetryClass};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use crate::body::MAX_PAYLOAD;
use crate::classify::control::about_time;

/// When a function that is not ready yet is asked again.
const NOT_READY: Duration = Duration::from_secs(1);

/// An error of the service, as it came.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The HTTP status; 0 in the middle of a stream.
    pub(crate) status: u16,
    /// The error code, modeled or not; empty if there is none.
    pub(crate) code: String,
    /// The service's words.
    pub(crate) message: String,
    /// Which limit a throttled request met.
    pub(crate) reason: Option<String>,
    /// When to ask again.
    pub(crate) retry_after: Option<Duration>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    #[serde(alias = "Message", alias = "errorMessage")]
    message: Option<String>,
    #[serde(rename = "__type", alias = "code", alias = "Code")]
    code: Option<String>,
    #[serde(rename = "Reason")]
    reason: Option<String>,
    /// In the middle of a stream it can't be a header.
    #[serde(rename = "retryAfterSeconds")]
    retry_after: Option<String>,
}

impl Refusal {
    /// From the answer to a request.
    pub(crate) fn of(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let mut refusal = Self::of_stream(header("x-amzn-errortype").unwrap_or_default(), body);
        refusal.status = status.as_u16();
        refusal.retry_after = header("retry-after").and_then(seconds).or(refusal.retry_after);
        refusal
    }

    /// From an error in the middle of a stream.
    pub(crate) fn of_stream(code: &str, body: &[u8]) -> Self {
        let fields: Body = serde_json::from_slice(body).unwrap_or_default();
        let said = if code.is_empty() { fields.code.as_deref().unwrap_or_default() } else { code };
        // `aws.api#Code:http://internal.amazon.com/...`
        let code = said.split(':').next().unwrap_or_default();
        let code = code.rsplit('#').next().unwrap_or_default();
        // Proxies answer with pages of their own.
        let raw = || String::from_utf8_lossy(body).chars().take(200).collect();
        Self {
            status: 0,
            code: code.into(),
            message: fields.message.unwrap_or_else(raw),
            reason: fields.reason,
            retry_after: fields.retry_after.as_deref().and_then(seconds),
        }
    }

    /// The signature's time is not the service's: one of the two clocks is off.
    pub(crate) fn about_time(&self) -> bool {
        let code = self.code.as_str();
        matches!(code, "RequestExpired" | "RequestTimeTooSkewed")
            || BAD_CREDENTIALS.contains(&code) && about_time(&self.message)
    }

    /// The service's words, as far as they may be shown: about a signature it repeats what was signed, the session token
    /// included.
    fn shown(&self) -> &str {
        const SIGNED: [&str; 3] = ["anonical", "tring-to-", "ecurity-token"];
        let hidden = SIGNED.iter().any(|words| self.message.contains(words))
            || BAD_CREDENTIALS.contains(&self.code.as_str()) && !about_time(&self.message);
        if hidden { "" } else { &self.message }
    }

    /// Other credentials may be taken.
    pub(crate) fn credentials_expired(&self) -> bool {
        EXPIRED.contains(&self.code.as_str())
    }
}

fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.trim().parse().ok()?).ok()
}

const EXPIRED: [&str; 4] = ["ExpiredTokenException", "ExpiredToken", "RequestExpired", "TokenRefreshRequired"];

const THROTTLED: [&str; 7] = [
    "TooManyRequestsException",
    "EC2ThrottledException",
    "ThrottlingException",
    "Throttling",
    "ThrottledException",
    "RequestThrottledException",
    "SlowDown",
];

const NOT_ACTIVE: [&str; 3] =
    ["ResourceConflictException", "ResourceNotReadyException", "CodeArtifactUserPendingException"];

const PASSING: [&str; 5] = [
    "ServiceException",
    "InternalFailure",
    "InternalServerException",
    "ServiceUnavailable",
    "ServiceUnavailableException",
];

const TOO_LARGE: [&str; 3] =
    ["RequestTooLargeException", "SerializedRequestEntityTooLargeException", "RequestEntityTooLargeException"];

const BAD_CREDENTIALS: [&str; 8] = [
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "IncompleteSignatureException",
    "MissingAuthenticationTokenException",
    "AuthFailure",
    "OptInRequired",
];

const DENIED: [&str; 4] =
    ["AccessDeniedException", "AccessDenied", "EC2AccessDeniedException", "KMSAccessDeniedException"];

const BAD_PACKAGE: [&str; 4] = [
    "InvalidZipFileException",
    "InvalidRuntimeException",
    "CodeArtifactUserDeletedException",
    "CodeArtifactUserFailedException",
];

/// How the codes of what was configured wrongly begin, and what they are about.
const CONFIGURED: [(&str, &str); 13] = [
    ("KMS", "the key that encrypts the function's environment"),
    ("EFS", "the function's file system"),
    ("S3Files", "the function's mounted bucket"),
    ("ENI", "the network interfaces of the function's VPC"),
    ("SubnetIPAddressLimit", "the subnets of the function's VPC"),
    ("InvalidSubnetID", "the subnets of the function's VPC"),
    ("InvalidSecurityGroupID", "the security groups of the function's VPC"),
    ("SnapStart", "snapshots of the function"),
    ("InvalidParameterValue", "an option of the function"),
    ("ServiceQuotaExceeded", "a quota of the account"),
    ("ModeNotSupported", "the way of invoking"),
    ("NoPublishedVersion", "the function's version"),
    ("DurableExecution", "durable execution"),
];

/// What a refusal means.
pub(crate) fn refused(refusal: &Refusal, function: &str) -> InvokeError {
    let Refusal { status, code, reason, retry_after, .. } = refusal;
    let message = refusal.shown();
    let is = |codes: &[&str]| codes.contains(&code.as_str());
    let said = if code.is_empty() { format!("status {status}") } else { code.clone() };
    let why = if message.is_empty() { format!("({said})") } else { format!("({said}): {message}") };
    let permanent = |kind: ErrorKind, words: String| InvokeError::new(RetryClass::Permanent, Ran::No, words).kind(kind);
    let not_ready = |words: String| {
        let wait = retry_after.unwrap_or(NOT_READY);
        InvokeError::new(RetryClass::Throttled, Ran::No, words).kind(ErrorKind::Unavailable).retry_after(wait)
    };
    if is(&THROTTLED) || code.is_empty() && *status == 429 {
        let limit = reason.as_deref().unwrap_or(message);
        let error = InvokeError::new(RetryClass::Throttled, Ran::No, format!("throttled by AWS ({said}): {limit}"));
        return match retry_after {
            Some(after) => error.retry_after(*after),
            None => error,
        };
    }
    if role_is_unknown(message) {
        return not_ready(format!("the function's role can't be assumed yet {why}"));
    }
    if is(&NOT_ACTIVE) {
        return not_ready(format!("the function is not ready {why}"));
    }
    if is(&TOO_LARGE) || code.is_empty() && *status == 413 {
        let limit = MAX_PAYLOAD;
        return permanent(
            ErrorKind::TooLarge,
            format!("the arguments are larger than the {limit} bytes that Lambda takes {why}"),
        );
    }
    if refusal.credentials_expired() {
        let words = format!("the AWS credentials have expired ({said}): log in again, as with `aws sso login`");
        return permanent(ErrorKind::Denied, words);
    }
    if is(&BAD_CREDENTIALS) {
        let words = format!(
            "AWS does not accept the credentials {why}; check them with `aws sts get-caller-identity`, and \
             this machine's clock"
        );
        return permanent(ErrorKind::Denied, words);
    }
    if is(&DENIED) || code.is_empty() && matches!(status, 401 | 403) {
        let words = format!("AWS denied {} {why}", action(message));
        return permanent(ErrorKind::Denied, words);
    }
    match code.as_str() {
        "ResourceNotFoundException" => {
            let words = format!("the function `{function}` is gone: it was deleted while it was in use ({said})");
            return permanent(ErrorKind::Unavailable, words);
        }
        "RecursiveInvocationException" => {
            let words = format!(
                "AWS stopped a loop of functions that invoke each other {why}; call it as an ordinary \
                 function instead"
            );
            return permanent(ErrorKind::Config, words);
        }
        "EC2UnexpectedException" => {
            let words = format!("AWS failed in passing {why}");
            return InvokeError::new(RetryClass::Transient, Ran::No, words);
        }
        _ => {}
    }
    if is(&BAD_PACKAGE) {
        return permanent(ErrorKind::Deploy, format!("AWS can't run the package {why}"));
    }
    if let Some((_, what)) = CONFIGURED.iter().find(|(prefix, _)| code.starts_with(prefix)) {
        return permanent(ErrorKind::Config, format!("AWS refuses {what} {why}"));
    }
    if is(&PASSING) || *status >= 500 || *status == 408 {
        let words = format!("AWS failed in passing {why}");
        let error = InvokeError::new(RetryClass::Transient, Ran::Maybe, words);
        return match retry_after {
            Some(after) => error.retry_after(*after),
            None => error,
        };
    }
    permanent(ErrorKind::Internal, format!("AWS refused the request {why}"))
}

/// New roles are not known everywhere at once; functions may be made with them before they can run with them.
pub(crate) fn role_is_unknown(message: &str) -> bool {
    const WORDS: [&str; 3] = ["cannot be assumed by Lambda", "unable to assume", "KMS key is invalid for CreateGrant"];
    WORDS.iter().any(|words| message.contains(words))
}

/// The action that AWS names in `.. is not authorized to perform: lambda:InvokeFunction on resource: ..`.
fn action(message: &str) -> String {
    let named = message.split_once("to perform: ").and_then(|(_, rest)| rest.split([' ', ',']).next());
    named.map_or_else(|| "this call".into(), |action| format!("`{action}`"))
}
