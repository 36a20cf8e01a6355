//! Tags of functions, by ARN.

use serde_json::json;

use super::super::iam;
use super::super::protocol::{ApiError, ApiRequest, Reply};
use super::super::state::Shared;
use super::validate::{self, invalid};
use super::{Key, name_in};

/// The function of the ARN in the path.
fn key(request: &ApiRequest) -> Result<Key, ApiError> {
    let segments = request.segments();
    let arn = segments.get(2).map_or("", String::as_str);
    let parts: Vec<&str> = arn.split(':').collect();
    match parts.as_slice() {
        ["arn", "aws", "lambda", region, _, "function", _] => {
            Ok(Key { region: (*region).to_owned(), name: name_in(arn).to_owned() })
        }
        _ => Err(invalid(format!("Invalid ARN: {arn}"))),
    }
}

pub(super) fn add(emulator: &Shared, request: &ApiRequest) -> Result<Reply, ApiError> {
    let key = key(request)?;
    iam::authorize(emulator, request, "lambda:TagResource", &key.arn())?;
    let tags = validate::tags(&request.json()?)?;
    emulator.state().lambda.function_mut(&key)?.tags.extend(tags);
    Ok(Reply::empty(204))
}

pub(super) fn remove(emulator: &Shared, request: &ApiRequest) -> Result<Reply, ApiError> {
    let key = key(request)?;
    iam::authorize(emulator, request, "lambda:UntagResource", &key.arn())?;
    let mut state = emulator.state();
    let tags = &mut state.lambda.function_mut(&key)?.tags;
    request.query.iter().filter(|(name, _)| name == "tagKeys").for_each(|(_, tag)| drop(tags.remove(tag)));
    Ok(Reply::empty(204))
}

pub(super) fn list(emulator: &Shared, request: &ApiRequest) -> Result<Reply, ApiError> {
    let key = key(request)?;
    iam::authorize(emulator, request, "lambda:ListTags", &key.arn())?;
    Ok(Reply::json(&json!({ "Tags": emulator.state().lambda.function(&key)?.tags })))
}
