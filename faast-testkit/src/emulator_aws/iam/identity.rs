//! Who a caller is: users with access keys, sessions of roles, and what they may do.
//!
//! With `enforce_iam` a request is checked as AWS checks it: a known key, a token that is the right one and has not
//! expired, a signature that its secret gives, and policies that allow the action. Without it any credentials do.

use std::collections::BTreeMap;

use super::State;
use super::document::Document;
use super::evaluate::{Decision, decide, denied_message};
use super::facts::Facts;
use crate::emulator::call::Permission;
use crate::emulator::clock::iso;
use crate::emulator_aws::ACCOUNT;
use crate::emulator_aws::protocol::{ApiError, ApiRequest, Service};
use crate::emulator_aws::signature::Signed;
use crate::emulator_aws::state::Shared;

/// Access keys and whose they are.
#[derive(Debug, Default)]
pub(super) struct Identities {
    users: BTreeMap<String, Document>,
    keys: BTreeMap<String, Key>,
}

#[derive(Debug, Clone)]
struct Key {
    secret: String,
    /// Temporary credentials have one.
    token: Option<String>,
    expires_ms: u64,
    holder: Holder,
}

#[derive(Debug, Clone)]
enum Holder {
    User(String),
    /// The ARN of the role, and the name of the session.
    Role(String, String),
}

/// Credentials of a role for an environment, known to [`authorize`] from then on; also those of a user, without a token.
#[derive(Debug, Clone)]
pub(in crate::emulator_aws) struct Session {
    pub(in crate::emulator_aws) access_key: String,
    pub(in crate::emulator_aws) secret_key: String,
    pub(in crate::emulator_aws) token: String,
}

impl Identities {
    /// A user with one policy and one access key.
    pub(super) fn add_user(&mut self, policy: Document) -> Session {
        let name = format!("user-{}", self.users.len() + 1);
        self.users.insert(name.clone(), policy);
        self.add("AKIA", Holder::User(name), None, u64::MAX)
    }

    pub(super) fn expire(&mut self, access_key: &str) {
        if let Some(key) = self.keys.get_mut(access_key) {
            key.expires_ms = 0;
        }
    }

    pub(super) fn documents_of_user(&self, arn: &str) -> Option<Vec<Document>> {
        self.users.iter().find(|(name, _)| user_arn(name) == arn).map(|(_, policy)| vec![policy.clone()])
    }

    fn add(&mut self, prefix: &str, holder: Holder, token: Option<String>, expires_ms: u64) -> Session {
        let session = Session {
            access_key: format!("{prefix}{}", letters(16)),
            secret_key: letters(40),
            token: token.clone().unwrap_or_default(),
        };
        let key = Key { secret: session.secret_key.clone(), token, expires_ms, holder };
        self.keys.insert(session.access_key.clone(), key);
        session
    }
}

/// Credentials for an environment of a function with this role.
pub(in crate::emulator_aws) fn session(state: &mut State, role_arn: &str) -> Session {
    role_session(state, role_arn, "environment", u64::MAX)
}

/// Credentials of a named session of a role, good until a time.
pub(in crate::emulator_aws) fn role_session(state: &mut State, role_arn: &str, name: &str, expires_ms: u64) -> Session {
    let holder = Holder::Role(role_arn.to_owned(), name.to_owned());
    state.identities.add("ASIA", holder, Some(letters(64)), expires_ms)
}

/// Whether the caller may assume a role; gives the ARN and id of the session. STS answers for both refusals alike.
pub(in crate::emulator_aws) fn assume(
    emulator: &Shared,
    request: &ApiRequest,
    role_arn: &str,
    session: &str,
) -> Result<(String, String), ApiError> {
    let caller = caller_arn(emulator, request);
    let state = emulator.state();
    match state.iam.role_by_arn(role_arn) {
        Some(role) if role.trusts_identity(&caller) => {
            Ok((session_arn(role_arn, session), format!("{}:{session}", role.id)))
        }
        _ => Err(ApiError::new(
            403,
            "AccessDenied",
            format!("User: {caller} is not authorized to perform: sts:AssumeRole on resource: {role_arn}"),
        )),
    }
}

/// Whether the caller may do this; every service asks with its own actions (`lambda:CreateFunction`) and resources.
/// Without `enforce_iam` everybody may do everything.
pub(in crate::emulator_aws) fn authorize(
    emulator: &Shared,
    request: &ApiRequest,
    action: &str,
    resource: &str,
) -> Result<(), ApiError> {
    let caller = caller_arn(emulator, request);
    if !emulator.settings.enforce_iam {
        emulator.calls.asked(Permission { caller, action: action.into(), resource: resource.into(), granted: true });
        return Ok(());
    }
    authenticate(emulator, request)?;
    let state = emulator.state();
    let resource = state.iam.with_path_of_role(resource);
    let principal = state.iam.principal_arn(request);
    let facts = Facts { state: &state, request, action, resource: &resource, principal };
    let decision = decide(&state.iam.documents_for(request), action, &resource, &|key| facts.of(key));
    drop(state);
    let granted = decision == Decision::Allowed;
    emulator.calls.asked(Permission {
        caller: caller.clone(),
        action: action.into(),
        resource: resource.clone(),
        granted,
    });
    if granted {
        return Ok(());
    }
    let message = denied_message(decision, &caller, action, &resource);
    let (status, code) = match request.service {
        Service::Iam | Service::Sts | Service::Sns | Service::S3 => (403, "AccessDenied"),
        Service::Sqs => {
            return Err(with_older_code(ApiError::new(403, "AccessDeniedException", message), "AccessDenied"));
        }
        Service::Lambda => (403, "AccessDeniedException"),
        Service::Logs | Service::Tagging | Service::Pricing => (400, "AccessDeniedException"),
    };
    Err(ApiError::new(status, code, message))
}

/// Whether the caller may give a role to a service: `iam:PassRole`, which Lambda asks when a function is made.
pub(in crate::emulator_aws) fn pass_role(
    emulator: &Shared,
    request: &ApiRequest,
    role_arn: &str,
) -> Result<(), ApiError> {
    authorize(emulator, request, "iam:PassRole", role_arn)
}

/// Whether the caller is who the request says; without `enforce_iam` everybody is.
pub(in crate::emulator_aws) fn authenticate(emulator: &Shared, request: &ApiRequest) -> Result<(), ApiError> {
    if !emulator.settings.enforce_iam {
        return Ok(());
    }
    let now_ms = emulator.clock.now_ms();
    let signed = Signed::read(&request.headers).ok_or_else(|| refused(request, Doubt::Unsigned))?;
    let key = emulator.state().iam.identities.keys.get(&signed.access_key).cloned();
    let key = key.ok_or_else(|| refused(request, Doubt::UnknownKey))?;
    if key.token.as_deref() != request.header("x-amz-security-token") {
        return Err(refused(request, Doubt::UnknownKey));
    }
    if key.expires_ms <= now_ms {
        return Err(refused(request, Doubt::Expired));
    }
    if !signed.is_by(&key.secret, request) {
        return Err(refused(request, Doubt::WrongSignature));
    }
    of_now(request, now_ms)
}

/// A signature counts for some minutes, before and after the time in it: five, and fifteen for S3.
fn of_now(request: &ApiRequest, now_ms: u64) -> Result<(), ApiError> {
    let minutes = if request.service == Service::S3 { 15 } else { 5 };
    let off = minutes * 60 * 1000;
    let compact = |ms| format!("{}Z", iso(ms)[..19].replace(['-', ':'], ""));
    let (at, now) = (request.header("x-amz-date").unwrap_or_default(), compact(now_ms));
    let (earliest, latest) = (compact(now_ms.saturating_sub(off)), compact(now_ms + off));
    let message = if at < earliest.as_str() {
        format!("Signature expired: {at} is now earlier than {earliest} ({now} - {minutes} min.)")
    } else if at > latest.as_str() {
        format!("Signature not yet current: {at} is still later than {latest} ({now} + {minutes} min.)")
    } else {
        return Ok(());
    };
    let error = refused(request, Doubt::WrongSignature);
    Err(match request.service {
        Service::S3 => ApiError {
            code: "RequestTimeTooSkewed".into(),
            message: "The difference between the request time and the current time is too large.".into(),
            ..error
        },
        _ => ApiError { message, ..error },
    })
}

/// The ARN of the caller. Whoever is not known is the user that tests are.
pub(in crate::emulator_aws) fn caller_arn(emulator: &Shared, request: &ApiRequest) -> String {
    let state = emulator.state();
    match state.iam.holder(request) {
        Some(Holder::User(name)) => user_arn(name),
        Some(Holder::Role(arn, session)) => session_arn(arn, session),
        None => user_arn("test"),
    }
}

impl State {
    fn holder(&self, request: &ApiRequest) -> Option<&Holder> {
        let key = request.access_key.as_ref().and_then(|key| self.identities.keys.get(key));
        key.map(|key| &key.holder)
    }

    /// What the caller's policies say.
    fn documents_for(&self, request: &ApiRequest) -> Vec<Document> {
        match self.holder(request) {
            Some(Holder::User(name)) => self.identities.users.get(name).cloned().into_iter().collect(),
            Some(Holder::Role(arn, _)) => self.role_by_arn(arn).map(|role| self.documents_of(role)).unwrap_or_default(),
            None => Vec::new(),
        }
    }

    /// The caller as conditions see it: of a session, its role.
    fn principal_arn(&self, request: &ApiRequest) -> String {
        match self.holder(request) {
            Some(Holder::User(name)) => user_arn(name),
            Some(Holder::Role(arn, _)) => arn.clone(),
            None => user_arn("test"),
        }
    }

    /// The ARN of a role that exists has its path, which requests do not name.
    fn with_path_of_role(&self, resource: &str) -> String {
        let name = resource.strip_prefix(&format!("arn:aws:iam::{ACCOUNT}:role/"));
        let role = name.and_then(|name| self.roles.get(&name.to_lowercase()));
        role.map_or_else(|| resource.to_owned(), |role| role.arn.clone())
    }
}

#[derive(Clone, Copy)]
enum Doubt {
    Unsigned,
    UnknownKey,
    Expired,
    WrongSignature,
}

/// The same doubt has a code of its own in each family of services.
fn refused(request: &ApiRequest, doubt: Doubt) -> ApiError {
    let (status, query, json, s3, message) = match doubt {
        Doubt::Unsigned => (
            403,
            "MissingAuthenticationToken",
            "MissingAuthenticationTokenException",
            "AccessDenied",
            "Request is missing Authentication Token",
        ),
        Doubt::UnknownKey => (
            403,
            "InvalidClientTokenId",
            "UnrecognizedClientException",
            "InvalidAccessKeyId",
            "The security token included in the request is invalid.",
        ),
        Doubt::Expired => (
            403,
            "ExpiredToken",
            "ExpiredTokenException",
            "ExpiredToken",
            "The security token included in the request is expired",
        ),
        Doubt::WrongSignature => (
            403,
            "SignatureDoesNotMatch",
            "InvalidSignatureException",
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
             Access Key and signing method. Consult the service documentation for details.",
        ),
    };
    match request.service {
        Service::Iam | Service::Sts | Service::Sns => ApiError::new(status, query, message),
        Service::S3 => {
            let status = if s3 == "ExpiredToken" { 400 } else { status };
            let message = match s3 {
                "InvalidAccessKeyId" => "The AWS Access Key Id you provided does not exist in our records.",
                "AccessDenied" => "Access Denied",
                "ExpiredToken" => "The provided token has expired.",
                _ => message,
            };
            ApiError::new(status, s3, message)
        }
        Service::Sqs => with_older_code(ApiError::new(status, json, message), query),
        Service::Lambda => ApiError::new(status, json, message),
        Service::Logs | Service::Tagging | Service::Pricing => ApiError::new(400, json, message),
    }
}

/// SQS says the code of its older protocol too, and clients go by that one.
fn with_older_code(error: ApiError, code: &str) -> ApiError {
    error.header("x-amzn-query-error", format!("{code};Sender"))
}

fn user_arn(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:user/{name}")
}

fn session_arn(role_arn: &str, session: &str) -> String {
    let role = role_arn.rsplit('/').next().unwrap_or(role_arn);
    format!("arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{session}")
}

fn letters(count: usize) -> String {
    std::iter::repeat_with(|| fastrand::char('A'..='Z')).take(count).collect()
}
