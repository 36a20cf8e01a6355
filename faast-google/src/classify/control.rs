//! Refusals of the control plane: Cloud Run's admin calls, Artifact Registry, the registry, Pub/Sub, Storage and Billing.
//!
//! Responsible for telling by an error's code, reason and text what it means ([`Cause`]), and for the words and the advice
//! that a user reads; not for retrying, which `rest.rs` and `service.rs` do. Google's services write their errors in four
//! ways, and [`Told::read`] reads them all. Invariant: what a user reads holds nothing secret.

use std::error::Error as _;
use std::fmt;

use faast_core::control::chain;
use faast_core::{Error, ErrorKind};
use google_cloud_gax::error::CredentialsError;
use google_cloud_gax::error::rpc::StatusDetails;
use serde_json::Value;

use super::advice;

/// What a refusal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// No credentials were found, or their source failed.
    NoCredentials,
    /// The session has ended: a refresh token that does not count any more.
    ExpiredToken,
    /// The token was not accepted.
    BadCredentials,
    /// The principal may not do that.
    Denied,
    /// The principal may not run things as the service account.
    ActAs,
    /// The service is not enabled in the project.
    ApiDisabled,
    /// The project has no billing account.
    NoBilling,
    /// A policy of the organisation forbids it.
    OrgPolicy,
    /// What was asked for is not there.
    Gone,
    /// The name is taken.
    Exists,
    /// Something else happens to the resource now.
    Busy,
    /// A bucket has objects.
    NotEmpty,
    /// The region's processors or memory allow for so many instances at most.
    Instances(u32),
    /// A quota of the project is used up.
    Quota,
    /// The container did not start, or did not listen.
    Container,
    /// A value is wrong.
    Invalid,
    /// Too many calls, and waiting did not help.
    Throttled,
    /// The service failed, and retries did not help.
    Unavailable,
    /// The service could not be reached, or did not answer.
    Unreachable,
}

/// What a service said, in whatever form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// The HTTP status; 0 where there is none.
    pub(crate) status: u16,
    /// The canonical name (`PERMISSION_DENIED`), if it was given.
    pub(crate) code: String,
    /// The reason for machines (`SERVICE_DISABLED`), if it was given.
    pub(crate) reason: String,
    pub(crate) text: String,
    /// The permission that is missing, if it was named.
    pub(crate) permission: Option<String>,
    /// The service that is not enabled, if it was named.
    pub(crate) api: Option<String>,
}

impl Told {
    /// Reads the body of an answer that is a refusal.
    pub(crate) fn read(status: u16, body: &[u8]) -> Self {
        let mut told = Self { status, ..Self::default() };
        let Ok(json) = serde_json::from_slice::<Value>(body) else {
            told.text = plain(body);
            return told;
        };
        // An operation's error is the object itself.
        let error = json.get("error").unwrap_or(&json);
        let text_of =
            |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        if let Some(word) = error.as_str() {
            // OAuth: `{"error":"invalid_grant","error_description":".."}`.
            told.reason = word.into();
            told.text = text_of(&json, "error_description");
            return told;
        }
        told.code = text_of(error, "status");
        told.text = text_of(error, "message");
        if told.code.is_empty() {
            let number = error.get("code").and_then(Value::as_u64).filter(|_| status == 0).unwrap_or_default();
            told.code = canonical(number).into();
        }
        for detail in error.get("details").and_then(Value::as_array).into_iter().flatten() {
            told.add_detail(detail);
        }
        // Storage and the registry have a list; the first says what the matter is.
        let listed = error.get("errors").or_else(|| json.get("errors")).and_then(Value::as_array);
        if let Some(first) = listed.and_then(|list| list.first()) {
            let (reason, code) = (text_of(first, "reason"), text_of(first, "code"));
            if told.reason.is_empty() {
                told.reason = if reason.is_empty() { code } else { reason };
            }
            if told.text.is_empty() {
                told.text = text_of(first, "message");
            }
        }
        told
    }

    fn add_detail(&mut self, detail: &Value) {
        let kind = detail.get("@type").and_then(Value::as_str).unwrap_or_default();
        if kind.ends_with("google.rpc.ErrorInfo") {
            let fact =
                |name: &str| detail.pointer(&format!("/metadata/{name}")).and_then(Value::as_str).map(str::to_owned);
            self.reason = detail.get("reason").and_then(Value::as_str).unwrap_or_default().into();
            self.add_facts(fact("permission"), fact("service"));
        }
    }

    fn add_facts(&mut self, permission: Option<String>, service: Option<String>) {
        self.permission = permission;
        if self.reason == "SERVICE_DISABLED" {
            self.api = service;
        }
    }

    /// The error of the SDK, if the service gave one.
    fn of_sdk(error: &google_cloud_gax::error::Error) -> Option<Self> {
        let status = error.http_status_code().unwrap_or_default();
        let Some(told) = error.status() else {
            return error.http_payload().map(|body| Self::read(status, body));
        };
        let mut read = Self { status, code: told.code.name().into(), text: told.message.clone(), ..Self::default() };
        for detail in &told.details {
            if let StatusDetails::ErrorInfo(info) = detail {
                read.reason.clone_from(&info.reason);
                read.add_facts(info.metadata.get("permission").cloned(), info.metadata.get("service").cloned());
            }
        }
        Some(read)
    }
}

/// A call that a service refused, or that did not get through.
#[derive(Debug)]
pub(crate) struct Refusal(Box<Inner>);

#[derive(Debug)]
struct Inner {
    /// The permission that the call needs: `run.services.create`.
    action: &'static str,
    cause: Cause,
    told: Told,
    /// Nothing left this machine, or nobody acted on it.
    undone: bool,
    /// An attempt before this one may have had its effect.
    maybe_before: bool,
}

/// Gives a result of the SDK its meaning.
pub(crate) trait Meaning<T> {
    /// The value, or what the refusal of this action means. Actions are named by the permission that they need.
    fn meaning(self, action: &'static str) -> Result<T, Refusal>;
}

impl<T> Meaning<T> for Result<T, google_cloud_gax::error::Error> {
    fn meaning(self, action: &'static str) -> Result<T, Refusal> {
        self.map_err(|error| Refusal::of_sdk(action, &error))
    }
}

impl Refusal {
    /// What a service refused.
    pub(crate) fn told(action: &'static str, told: Told) -> Self {
        let cause = cause_of(&told);
        Self(Box::new(Inner { action, cause, told, undone: false, maybe_before: false }))
    }

    /// A call that did not get through.
    pub(crate) fn unreachable(action: &'static str, text: impl Into<String>, unsent: bool) -> Self {
        let told = Told { text: text.into(), ..Told::default() };
        Self(Box::new(Inner { action, cause: Cause::Unreachable, told, undone: unsent, maybe_before: false }))
    }

    /// An answer that can't be read.
    pub(crate) fn unreadable(action: &'static str, text: impl Into<String>) -> Self {
        let told = Told { text: format!("the answer can't be read: {}", text.into()), ..Told::default() };
        Self(Box::new(Inner { action, cause: Cause::Unavailable, told, undone: false, maybe_before: false }))
    }

    /// A call for which there was no token. Where it comes from may be out of reach for a moment.
    pub(crate) fn no_token(action: &'static str, error: &Error) -> Self {
        let text = chain(error);
        if error.kind() == ErrorKind::Unavailable {
            return Self::unreachable(action, text, true);
        }
        let ended = ["invalid_grant", "expired", "invalid_rapt"].iter().any(|word| text.contains(word));
        let cause = if ended { Cause::ExpiredToken } else { Cause::NoCredentials };
        Self(Box::new(Inner {
            action,
            cause,
            told: Told { text, ..Told::default() },
            undone: true,
            maybe_before: false,
        }))
    }

    fn of_sdk(action: &'static str, error: &google_cloud_gax::error::Error) -> Self {
        if let Some(told) = Told::of_sdk(error) {
            return Self::told(action, told);
        }
        if error.is_authentication() {
            let source = error.source().and_then(|source| source.downcast_ref::<CredentialsError>());
            let passes = source.is_some_and(CredentialsError::is_transient);
            let kind = if passes { ErrorKind::Unavailable } else { ErrorKind::Denied };
            return Self::no_token(action, &Error::new(kind, chain(error)));
        }
        Self::unreachable(action, chain(error), error.is_connect())
    }

    /// The same refusal, where it is known that the call may be taken in a moment.
    #[must_use]
    pub(crate) fn passing(mut self) -> Self {
        (self.0.cause, self.0.undone) = (Cause::Unavailable, true);
        self
    }

    /// What it means.
    pub(crate) fn cause(&self) -> Cause {
        self.0.cause
    }

    /// What to do about it.
    pub(crate) fn advice(&self) -> String {
        advice::what_to_do(self.0.action, self.0.cause, &self.0.told)
    }

    /// The HTTP status; 0 where there is none.
    pub(crate) fn status(&self) -> u16 {
        self.0.told.status
    }

    /// The service's own words.
    pub(crate) fn text(&self) -> &str {
        &self.0.told.text
    }

    /// Whether the same call may work in a moment.
    pub(crate) fn passes(&self) -> bool {
        matches!(self.0.cause, Cause::Throttled | Cause::Unavailable | Cause::Unreachable | Cause::Busy)
    }

    /// Whether the call may have had its effect all the same: its last attempt, or one before it.
    pub(crate) fn maybe_done(&self) -> bool {
        self.0.maybe_before || !self.0.undone && self.passes()
    }

    /// The same refusal, after others that may have had an effect, or may not.
    #[must_use]
    pub(crate) fn after(mut self, maybe_done: bool) -> Self {
        self.0.maybe_before |= maybe_done;
        self
    }

    /// Takes texts out of what is shown: services repeat values that they refuse, and those may be secret.
    #[must_use]
    pub(crate) fn without<'a>(mut self, secrets: impl IntoIterator<Item = &'a str>) -> Self {
        for secret in secrets.into_iter().filter(|secret| secret.len() >= 4) {
            if self.0.told.text.contains(secret) {
                self.0.told.text = self.0.told.text.replace(secret, "***");
            }
        }
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { action, cause, told, .. } = &*self.0;
        let text = told.text.trim_end().trim_end_matches('.');
        match cause {
            Cause::NoCredentials => write!(f, "there are no credentials for `{action}`: {text}"),
            Cause::ExpiredToken => write!(f, "`{action}`: the credentials have expired"),
            Cause::Unreachable => write!(f, "`{action}` did not get through: {text}"),
            _ if text.is_empty() => write!(f, "`{action}` was refused ({})", Code(told)),
            _ => write!(f, "`{action}` was refused: {text} ({})", Code(told)),
        }
    }
}

/// The most telling code of what was told.
struct Code<'t>(&'t Told);

impl fmt::Display for Code<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Told { status, code, reason, .. } = self.0;
        if !code.is_empty() {
            f.write_str(code)
        } else if !reason.is_empty() {
            f.write_str(reason)
        } else {
            write!(f, "HTTP {status}")
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let kind = match refusal.cause() {
            Cause::NoCredentials | Cause::ExpiredToken | Cause::BadCredentials | Cause::Denied | Cause::ActAs => {
                ErrorKind::Denied
            }
            Cause::Invalid | Cause::ApiDisabled | Cause::NoBilling | Cause::OrgPolicy => ErrorKind::Config,
            Cause::Throttled => ErrorKind::Throttled,
            Cause::Unavailable | Cause::Unreachable => ErrorKind::Unavailable,
            Cause::Gone
            | Cause::Exists
            | Cause::Busy
            | Cause::NotEmpty
            | Cause::Instances(_)
            | Cause::Quota
            | Cause::Container => ErrorKind::Deploy,
        };
        Error::new(kind, refusal.to_string()).with_hint(refusal.advice())
    }
}

/// The first line of a body that is no JSON, as proxies and front ends write them.
fn plain(body: &[u8]) -> String {
    const MOST: usize = 200;
    let text = String::from_utf8_lossy(body);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    line.chars().take(MOST).collect()
}

/// The names of the canonical codes that operations give as numbers.
pub(crate) fn canonical(number: u64) -> &'static str {
    match number {
        3 => "INVALID_ARGUMENT",
        4 => "DEADLINE_EXCEEDED",
        5 => "NOT_FOUND",
        6 => "ALREADY_EXISTS",
        7 => "PERMISSION_DENIED",
        8 => "RESOURCE_EXHAUSTED",
        9 => "FAILED_PRECONDITION",
        10 => "ABORTED",
        13 => "INTERNAL",
        14 => "UNAVAILABLE",
        16 => "UNAUTHENTICATED",
        _ => "",
    }
}

/// The whole table. The text decides first where services give many things the same code.
fn cause_of(told: &Told) -> Cause {
    if let Some(cause) = by_text(told) {
        return cause;
    }
    match told.code.as_str() {
        "UNAUTHENTICATED" => Cause::BadCredentials,
        "PERMISSION_DENIED" => Cause::Denied,
        "NOT_FOUND" => Cause::Gone,
        "ALREADY_EXISTS" => Cause::Exists,
        "ABORTED" => Cause::Busy,
        "RESOURCE_EXHAUSTED" => exhausted(&told.text),
        "INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "OUT_OF_RANGE" | "UNIMPLEMENTED" => Cause::Invalid,
        "UNAVAILABLE" | "INTERNAL" | "UNKNOWN" | "DEADLINE_EXCEEDED" => Cause::Unavailable,
        _ => match told.status {
            401 => Cause::BadCredentials,
            403 if told.reason.to_ascii_lowercase().contains("ratelimit") => Cause::Throttled,
            403 => Cause::Denied,
            404 => Cause::Gone,
            408 => Cause::Unavailable,
            409 if told.text.contains("not empty") => Cause::NotEmpty,
            409 => Cause::Exists,
            429 => exhausted(&told.text),
            400..=499 => Cause::Invalid,
            _ => Cause::Unavailable,
        },
    }
}

fn by_text(told: &Told) -> Option<Cause> {
    let text = told.text.as_str();
    if let Some(most) = most_instances(text) {
        return Some(Cause::Instances(most));
    }
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let denied = told.code == "PERMISSION_DENIED" || told.status == 403;
    match told.reason.as_str() {
        "SERVICE_DISABLED" | "accessNotConfigured" => return Some(Cause::ApiDisabled),
        "BILLING_DISABLED" | "accountDisabled" => return Some(Cause::NoBilling),
        "invalid_grant" | "invalid_rapt" => return Some(Cause::ExpiredToken),
        "invalid_client" | "unauthorized_client" => return Some(Cause::BadCredentials),
        _ => {}
    }
    if has(&["iam.serviceaccounts.actAs", "iam.serviceAccounts.actAs"]) {
        return Some(Cause::ActAs);
    }
    if denied && has(&["has not been used in project", "it is disabled"]) {
        return Some(Cause::ApiDisabled);
    }
    if has(&["constraints/", "rganization policy", "rganization Policy"]) {
        return Some(Cause::OrgPolicy);
    }
    if has(&["illing account", "illing to be enabled", "illing must be enabled"]) {
        return Some(Cause::NoBilling);
    }
    if has(&[
        "HealthCheckContainerError",
        "failed to start and listen",
        "exec format error",
        "ContainerImageImportFailed",
    ]) {
        return Some(Cause::Container);
    }
    has(&["Quota violated", "QuotaViolation"]).then_some(Cause::Quota)
}

/// A rate passes by itself; an amount does not.
fn exhausted(text: &str) -> Cause {
    let is_amount = text.contains("uota") && !text.contains("per minute") && !text.contains("per second");
    if is_amount { Cause::Quota } else { Cause::Throttled }
}

/// The number in `Max instances must be set to 5 or fewer to set the requested total CPU.`
fn most_instances(text: &str) -> Option<u32> {
    let (_, rest) = text.split_once("ax instances must be set to ")?;
    let digits = rest.split(|other: char| !other.is_ascii_digit()).next()?;
    rest[digits.len()..].trim_start().starts_with("or fewer").then(|| digits.parse().ok())?
}
