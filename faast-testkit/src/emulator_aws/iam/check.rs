//! What IAM looks at before it does anything: names, paths, numbers, documents and tags of a request.
//!
//! Patterns and lengths are those of IAM's API reference. A missing or wrong value is a `ValidationError`.

use std::collections::{BTreeMap, BTreeSet};

use crate::emulator_aws::protocol::{ApiError, ApiRequest};

/// Tags that a resource may have.
pub(super) const TAGS: usize = 50;

/// A required name of letters, digits and `_+=,.@-`.
pub(super) fn name<'a>(request: &'a ApiRequest, field: &str, longest: usize) -> Result<&'a str, ApiError> {
    let member = member_name(field);
    let value = required(request, field)?;
    if value.is_empty() {
        return Err(constraint(value, &member, "Member must have length greater than or equal to 1"));
    }
    if value.chars().count() > longest {
        return Err(too_long(value, &member, longest));
    }
    if !value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte)) {
        return Err(invalid(format!(
            "The specified value for {member} is invalid. It must contain only alphanumeric characters and/or the \
             following: +=,.@_-"
        )));
    }
    Ok(value)
}

/// A path: `/`, or what begins and ends with it. `/` if there is none.
pub(super) fn path(request: &ApiRequest) -> Result<String, ApiError> {
    let path = request.form("Path").unwrap_or("/");
    let good = path == "/"
        || (path.len() > 2
            && path.starts_with('/')
            && path.ends_with('/')
            && path.bytes().all(|byte| (0x21..=0x7e).contains(&byte)));
    if !good {
        return Err(invalid(
            "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric \
             characters and/or / characters.",
        ));
    }
    if path.len() > 512 {
        return Err(too_long(path, "path", 512));
    }
    Ok(path.to_owned())
}

/// A required policy document; what is in it is not looked at.
pub(super) fn document<'a>(request: &'a ApiRequest, field: &str) -> Result<&'a str, ApiError> {
    let text = required(request, field)?;
    let member = member_name(field);
    if text.is_empty() {
        return Err(constraint(text, &member, "Member must have length greater than or equal to 1"));
    }
    if text.chars().count() > 131_072 {
        return Err(too_long(text, &member, 131_072));
    }
    Ok(text)
}

/// A required ARN.
pub(super) fn arn<'a>(request: &'a ApiRequest, field: &str) -> Result<&'a str, ApiError> {
    let value = required(request, field)?;
    if value.len() < 20 {
        return Err(constraint(value, &member_name(field), "Member must have length greater than or equal to 20"));
    }
    if value.split(':').count() < 6 || !value.starts_with("arn:") {
        return Err(ApiError::new(400, "InvalidInput", format!("ARN {value} is not valid.")));
    }
    Ok(value)
}

/// A number within bounds, if there is one.
pub(super) fn number(request: &ApiRequest, field: &str, least: u32, most: u32) -> Result<Option<u32>, ApiError> {
    let Some(text) = request.form(field) else { return Ok(None) };
    let member = member_name(field);
    match text.parse::<u32>() {
        Ok(value) if value < least => {
            Err(constraint(text, &member, &format!("Member must have value greater than or equal to {least}")))
        }
        Ok(value) if value > most => {
            Err(constraint(text, &member, &format!("Member must have value less than or equal to {most}")))
        }
        Ok(value) => Ok(Some(value)),
        Err(_) => Err(ApiError::new(400, "MalformedInput", "Invalid Argument")),
    }
}

/// The tags of a request: at most 50, keys of 128 and values of 256 letters, digits, spaces and `_.:/=+-@`.
pub(super) fn tags(request: &ApiRequest) -> Result<BTreeMap<String, String>, ApiError> {
    let mut tags = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for at in 1.. {
        let (key, value) = (format!("Tags.member.{at}.Key"), format!("Tags.member.{at}.Value"));
        let (key, value) = (request.form(&key), request.form(&value));
        if key.is_none() && value.is_none() {
            break;
        }
        if at > TAGS {
            return Err(constraint("tags", "tags", &format!("Member must have length less than or equal to {TAGS}")));
        }
        let missing = |part: &str| constraint_on_null(&format!("tags.{at}.member.{part}"));
        let (key, value) = (key.ok_or_else(|| missing("key"))?, value.ok_or_else(|| missing("value"))?);
        check_tag(at, key, value)?;
        if !seen.insert(key.to_lowercase()) {
            return Err(ApiError::new(
                400,
                "InvalidInput",
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            ));
        }
        tags.insert(key.to_owned(), value.to_owned());
    }
    Ok(tags)
}

fn check_tag(at: usize, key: &str, value: &str) -> Result<(), ApiError> {
    const PATTERN: &str = r"[\p{L}\p{Z}\p{N}_.:/=+\-@]+";
    let (key_name, value_name) = (format!("tags.{at}.member.key"), format!("tags.{at}.member.value"));
    let fits =
        |text: &str| text.chars().all(|c| c.is_alphabetic() || c.is_numeric() || c == ' ' || "_.:/=+-@".contains(c));
    if key.is_empty() {
        return Err(constraint(key, &key_name, "Member must have length greater than or equal to 1"));
    }
    if key.chars().count() > 128 {
        return Err(too_long(key, &key_name, 128));
    }
    if value.chars().count() > 256 {
        return Err(too_long(value, &value_name, 256));
    }
    if !fits(key) {
        return Err(wrong_pattern(key, &key_name, PATTERN));
    }
    if !fits(value) {
        return Err(wrong_pattern(value, &value_name, r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*"));
    }
    if key.to_ascii_lowercase().starts_with("aws:") {
        return Err(ApiError::new(
            400,
            "InvalidInput",
            "aws: prefixed tag key names are not allowed for external use.",
        ));
    }
    Ok(())
}

/// A refusal for a text with too many characters.
pub(super) fn too_long(value: &str, member: &str, longest: usize) -> ApiError {
    constraint(value, member, &format!("Member must have length less than or equal to {longest}"))
}

/// A refusal for a text that does not fit a pattern.
pub(super) fn wrong_pattern(value: &str, member: &str, pattern: &str) -> ApiError {
    constraint(value, member, &format!("Member must satisfy regular expression pattern: {pattern}"))
}

fn required<'a>(request: &'a ApiRequest, field: &str) -> Result<&'a str, ApiError> {
    request.form(field).ok_or_else(|| constraint_on_null(&member_name(field)))
}

fn constraint_on_null(member: &str) -> ApiError {
    invalid(format!(
        "1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not be null"
    ))
}

fn constraint(value: &str, member: &str, rule: &str) -> ApiError {
    invalid(format!("1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {rule}"))
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(400, "ValidationError", message)
}

/// The name of a field as messages have it: `roleName` for `RoleName`.
fn member_name(field: &str) -> String {
    let mut letters = field.chars();
    letters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(letters).collect()
}
