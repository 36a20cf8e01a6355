//! STS: who the caller is, and credentials of roles.

use super::ACCOUNT;
use super::clock::iso;
use super::iam::{assume, authenticate, authorize, caller_arn, invalid_action, role_session};
use super::protocol::{ApiError, ApiRequest, Reply};
use super::state::Shared;
use super::xml::Xml;

pub(super) fn handle(emulator: &Shared, request: &ApiRequest) -> Result<Reply, ApiError> {
    let inner = match request.action.as_str() {
        "GetCallerIdentity" => {
            // No permission is needed for it, only credentials.
            authenticate(emulator, request)?;
            caller_identity(&caller_arn(emulator, request))
        }
        "AssumeRole" => assume_role(emulator, request)?,
        other => return Err(invalid_action(other, "2011-06-15")),
    };
    Ok(Reply::query(request, &inner))
}

fn caller_identity(arn: &str) -> String {
    let id = format!("AIDA{:Q<17}", arn.rsplit('/').next().unwrap_or("").to_ascii_uppercase());
    let mut xml = Xml::default();
    xml.text("Arn", arn).text("UserId", id).text("Account", ACCOUNT);
    xml.finish()
}

fn assume_role(emulator: &Shared, request: &ApiRequest) -> Result<String, ApiError> {
    let role_arn = required(request, "RoleArn", "roleArn")?;
    let session = required(request, "RoleSessionName", "roleSessionName")?;
    let invalid = |message: String| ApiError::new(400, "ValidationError", message);
    if role_arn.len() < 20 {
        return Err(invalid(constraint(role_arn, "roleArn", "Member must have length greater than or equal to 20")));
    }
    if !role_arn.starts_with("arn:") || role_arn.split(':').count() != 6 {
        return Err(invalid(format!("{role_arn} is invalid")));
    }
    let fits = session.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte));
    if !fits || !(2..=64).contains(&session.len()) {
        let rule = r"Member must satisfy regular expression pattern: [\w+=,.@-]*";
        return Err(invalid(constraint(session, "roleSessionName", rule)));
    }
    let seconds = match request.form("DurationSeconds") {
        None => 3600,
        Some(text) => text.parse::<u64>().ok().filter(|seconds| (900..=43_200).contains(seconds)).ok_or_else(|| {
            let rule = "Member must have value greater than or equal to 900";
            invalid(constraint(text, "durationSeconds", rule))
        })?,
    };
    authorize(emulator, request, "sts:AssumeRole", role_arn)?;
    let (arn, id) = assume(emulator, request, role_arn, session)?;
    let expires_ms = emulator.clock.now_ms() + seconds * 1000;
    let credentials = role_session(&mut emulator.state().iam, role_arn, session, expires_ms);
    let mut xml = Xml::default();
    xml.element("AssumedRoleUser", |user| {
        user.text("AssumedRoleId", id).text("Arn", arn);
    });
    xml.element("Credentials", |xml| {
        xml.text("AccessKeyId", credentials.access_key)
            .text("SecretAccessKey", credentials.secret_key)
            .text("SessionToken", credentials.token)
            .text("Expiration", format!("{}Z", iso(expires_ms)));
    });
    Ok(xml.finish())
}

fn required<'a>(request: &'a ApiRequest, field: &str, member: &str) -> Result<&'a str, ApiError> {
    request.form(field).ok_or_else(|| {
        let message = format!(
            "1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not be null"
        );
        ApiError::new(400, "ValidationError", message)
    })
}

fn constraint(value: &str, member: &str, rule: &str) -> String {
    format!("1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {rule}")
}
