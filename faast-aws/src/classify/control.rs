//! Refusals of the control plane: Lambda's management calls, IAM, S3, CloudWatch Logs and the tagging service.
//!
//! Responsible for telling by an error's code and text what it means ([`Cause`]), and for the words and the advice that
//! a user reads; not for retrying, which the SDK does (throttling, server faults) and `deploy.rs` (roles that are not
//! known everywhere yet). Invariant: what a user reads holds nothing secret. A service's text about a signature repeats
//! the signed headers, the session token among them; such texts are left out, and no error of the SDK is kept as a
//! source, because its `Debug` form shows whole requests.

use std::error::Error as StdError;
use std::fmt;

use aws_sdk_lambda::error::ProvideErrorMetadata;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use faast_core::control::chain;
use faast_core::{Error, ErrorKind};

use super::advice;

/// What a refusal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// No credentials were found, or their source failed.
    NoCredentials,
    /// The session has ended.
    ExpiredToken,
    /// The keys are unknown, or the signature does not match.
    BadCredentials,
    /// This machine's clock is too far off for a signature to count.
    Clock,
    /// The principal may not do that.
    Denied,
    /// The principal may not give the role to Lambda.
    PassRole,
    /// What was asked for is not there.
    Gone,
    /// The name is taken.
    Exists,
    /// Something else happens to the resource now.
    Busy,
    /// Lambda can't assume the role (yet), or the role has no permission (yet): IAM tells its changes slowly.
    RoleNotReady,
    /// A quota of the account is used up.
    Quota,
    /// The archive is larger than Lambda takes.
    TooLarge,
    /// A value is wrong.
    Invalid,
    /// Too many calls, and waiting did not help.
    Throttled,
    /// The service failed, and retries did not help.
    Unavailable,
    /// The service could not be reached, or did not answer.
    Unreachable,
}

/// A call that a service refused, or that did not get through.
#[derive(Debug)]
pub(crate) struct Refusal(Box<Inner>);

#[derive(Debug)]
struct Inner {
    action: &'static str,
    cause: Cause,
    code: String,
    /// The service's own words, if they may be shown.
    text: String,
    /// Nothing left this machine.
    unsent: bool,
}

/// Gives a result of the SDK its meaning.
pub(crate) trait Meaning<T> {
    /// The value, or what the refusal of this action means. Actions are named as in IAM policies.
    fn meaning(self, action: &'static str) -> Result<T, Refusal>;
}

impl<T, E> Meaning<T> for Result<T, SdkError<E, HttpResponse>>
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    fn meaning(self, action: &'static str) -> Result<T, Refusal> {
        self.map_err(|error| Refusal::of(action, &error))
    }
}

impl Refusal {
    /// One refusal of many in an answer that is none itself.
    pub(crate) fn listed(action: &'static str, code: &str, text: &str) -> Self {
        let (cause, text) = (cause_of(code, text, 200), text.into());
        Self(Box::new(Inner { action, cause, code: code.into(), text, unsent: false }))
    }

    fn of<E>(action: &'static str, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        let inner = match error {
            SdkError::ServiceError(refused) => {
                let meta = refused.err().meta();
                let status = refused.raw().status().as_u16();
                let (code, text) = (meta.code().unwrap_or_default(), meta.message().unwrap_or_default());
                let cause = cause_of(code, text, status);
                Inner {
                    action,
                    cause,
                    code: if code.is_empty() { format!("HTTP {status}") } else { code.into() },
                    text: if shows_signature(cause) { String::new() } else { text.into() },
                    unsent: false,
                }
            }
            SdkError::ResponseError(broken) => Inner {
                action,
                cause: Cause::Unavailable,
                code: format!("HTTP {}", broken.raw().status().as_u16()),
                text: "the answer can't be read".into(),
                unsent: false,
            },
            SdkError::TimeoutError(_) => Inner {
                action,
                cause: Cause::Unreachable,
                code: "timeout".into(),
                text: "no answer in time".into(),
                unsent: false,
            },
            unsent => Self::unsent(action, unsent),
        };
        Self(Box::new(inner))
    }

    /// A call that failed on this side: while its credentials were looked for, while connecting, or while sending.
    fn unsent<E: StdError + 'static>(action: &'static str, error: &SdkError<E, HttpResponse>) -> Inner {
        let text = chain(error);
        let connecting =
            matches!(error, SdkError::DispatchFailure(failure) if !failure.is_user() && !failure.is_other());
        if !connecting && (text.contains("credential") || text.contains("identity")) {
            let expired = ["expired", "ExpiredToken", "refresh"].iter().any(|word| text.contains(word));
            let cause = if expired { Cause::ExpiredToken } else { Cause::NoCredentials };
            return Inner { action, cause, code: "credentials".into(), text, unsent: true };
        }
        let unsent = matches!(error, SdkError::ConstructionFailure(_))
            || matches!(error, SdkError::DispatchFailure(failure) if failure.is_user());
        // What is no failure of the network repeats the request, with all that is in it; its innermost cause does not.
        let text = if connecting { text } else { innermost(error).to_string() };
        Inner { action, cause: Cause::Unreachable, code: "connection".into(), text, unsent }
    }

    /// What it means.
    pub(crate) fn cause(&self) -> Cause {
        self.0.cause
    }

    /// The service that it is about.
    pub(crate) fn service(&self) -> &'static str {
        self.0.action.split(':').next().unwrap_or_default()
    }

    /// What to do about it.
    pub(crate) fn advice(&self) -> String {
        advice::what_to_do(self.0.action, self.0.cause, &self.0.text)
    }

    /// The service's code.
    pub(crate) fn code(&self) -> &str {
        &self.0.code
    }

    /// Whether the call may have had its effect all the same: its last attempt, or one that the SDK retried.
    pub(crate) fn maybe_done(&self) -> bool {
        !self.0.unsent
            && matches!(self.0.cause, Cause::Throttled | Cause::Unavailable | Cause::Unreachable | Cause::Busy)
    }

    /// Takes texts out of what is shown: services repeat values that they refuse, and those may be secret.
    #[must_use]
    pub(crate) fn without<'a>(mut self, secrets: impl IntoIterator<Item = &'a str>) -> Self {
        for secret in secrets.into_iter().filter(|secret| secret.len() >= 4) {
            if self.0.text.contains(secret) {
                self.0.text = self.0.text.replace(secret, "***");
            }
        }
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { action, code, text, cause, .. } = &*self.0;
        match cause {
            Cause::NoCredentials => write!(f, "there are no credentials for `{action}`"),
            Cause::ExpiredToken => write!(f, "`{action}`: the credentials have expired"),
            Cause::Unreachable => write!(f, "`{action}` did not get through: {text}"),
            _ if text.is_empty() => write!(f, "`{action}` was refused ({code})"),
            _ => write!(f, "`{action}` was refused: {} ({code})", text.trim_end_matches('.')),
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let kind = match refusal.cause() {
            Cause::NoCredentials
            | Cause::ExpiredToken
            | Cause::BadCredentials
            | Cause::Clock
            | Cause::Denied
            | Cause::PassRole => ErrorKind::Denied,
            Cause::Invalid => ErrorKind::Config,
            Cause::Throttled => ErrorKind::Throttled,
            Cause::Unavailable | Cause::Unreachable => ErrorKind::Unavailable,
            Cause::Gone | Cause::Exists | Cause::Busy | Cause::RoleNotReady | Cause::Quota | Cause::TooLarge => {
                ErrorKind::Deploy
            }
        };
        Error::new(kind, refusal.to_string()).with_hint(refusal.advice())
    }
}

fn shows_signature(cause: Cause) -> bool {
    matches!(cause, Cause::ExpiredToken | Cause::BadCredentials | Cause::Clock)
}

fn innermost<'e>(error: &'e (dyn StdError + 'static)) -> &'e (dyn StdError + 'static) {
    error.source().map_or(error, innermost)
}

/// The whole table. Codes come as the services send them; IAM's and S3's have no `Exception` at the end.
fn cause_of(code: &str, text: &str, status: u16) -> Cause {
    match code.strip_suffix("Exception").unwrap_or(code) {
        "ExpiredToken" | "RequestExpired" | "TokenRefreshRequired" => Cause::ExpiredToken,
        "RequestTimeTooSkewed" => Cause::Clock,
        "InvalidSignature" | "SignatureDoesNotMatch" if about_time(text) => Cause::Clock,
        "InvalidClientTokenId"
        | "UnrecognizedClient"
        | "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "InvalidSignature"
        | "IncompleteSignature"
        | "MissingAuthenticationToken"
        | "InvalidToken"
        | "AuthFailure" => Cause::BadCredentials,
        "AccessDenied" | "UnauthorizedOperation" | "NotAuthorized" | "AllAccessDisabled" | "OptInRequired" => {
            if text.contains("iam:PassRole") { Cause::PassRole } else { Cause::Denied }
        }
        "NoSuchEntity"
        | "ResourceNotFound"
        | "NoSuchBucket"
        | "NoSuchKey"
        | "NotFound"
        | "QueueDoesNotExist"
        | "AWS.SimpleQueueService.NonExistentQueue" => Cause::Gone,
        "EntityAlreadyExists"
        | "ResourceAlreadyExists"
        | "BucketAlreadyExists"
        | "BucketAlreadyOwnedByYou"
        | "QueueNameExists"
        | "QueueAlreadyExists" => Cause::Exists,
        "ResourceConflict" if text.contains("already exist") => Cause::Exists,
        "ResourceConflict"
        | "ResourceInUse"
        | "ResourceNotReady"
        | "OperationAborted"
        | "ConcurrentModification"
        | "DeleteConflict"
        | "BucketNotEmpty" => Cause::Busy,
        "InvalidParameterValue" if role_not_ready(text) => Cause::RoleNotReady,
        "InvalidParameterValue" if text.contains("nzipped size") => Cause::TooLarge,
        "RequestEntityTooLarge" | "RequestTooLarge" | "EntityTooLarge" | "SerializedRequestEntityTooLarge" => {
            Cause::TooLarge
        }
        "LimitExceeded" | "CodeStorageExceeded" | "ServiceQuotaExceeded" | "TooManyBuckets" | "ENILimitReached" => {
            Cause::Quota
        }
        "Throttling"
        | "Throttled"
        | "TooManyRequests"
        | "RequestLimitExceeded"
        | "SlowDown"
        | "RequestThrottled"
        | "EC2Throttled" => Cause::Throttled,
        "Service" | "ServiceFailure" | "ServiceUnavailable" | "InternalError" | "InternalFailure"
        | "InternalService" => Cause::Unavailable,
        _ => match status {
            401 | 403 => Cause::Denied,
            404 => Cause::Gone,
            413 => Cause::TooLarge,
            429 => Cause::Throttled,
            400..=499 => Cause::Invalid,
            _ => Cause::Unavailable,
        },
    }
}

/// What services say of a signature whose time is not theirs.
pub(crate) fn about_time(text: &str) -> bool {
    text.contains("Signature expired") || text.contains("Signature not yet current")
}

/// What Lambda says while a new role, a new policy of it, or a new queue is not known to it yet.
fn role_not_ready(text: &str) -> bool {
    const TEXTS: [&str; 5] = [
        "cannot be assumed by Lambda",
        "execution role does not have permissions",
        "destination ARN",
        "throttled by EC2",
        "KMS key is invalid for CreateGrant",
    ];
    TEXTS.iter().any(|known| text.contains(known))
}

#[cfg(test)]
mod tests {
    use aws_sdk_lambda::operation::create_function::CreateFunctionError;
    use aws_smithy_runtime_api::client::result::ConnectorError;

    use super::*;

    #[test]
    fn a_request_that_an_error_repeats_is_not_shown() {
        // As the SDK has it: a text with the whole request, and what is the matter behind it.
        let dump = Error::new(ErrorKind::Config, "failed to apply endpoint to request `planted-secret`");
        let failure = ConnectorError::other(Box::new(dump.with_source(fmt::Error)), None);
        let error: SdkError<CreateFunctionError, HttpResponse> = SdkError::dispatch_failure(failure);
        let shown = Refusal::of("lambda:CreateFunction", &error).to_string();
        assert!(!shown.contains("planted-secret"), "{shown}");
        assert!(shown.ends_with(&fmt::Error.to_string()), "{shown}");
    }
}
