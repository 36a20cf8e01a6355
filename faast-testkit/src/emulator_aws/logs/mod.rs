//! CloudWatch Logs: groups, streams and their events, as its API shows what [`LogStore`] keeps.
//!
//! Here are groups, their retention and their tags; [`events`] reads streams. A group belongs to a region, and requests
//! to another do not see it.

mod events;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::ACCOUNT;
use super::fields::{Fields, page};
use super::iam::authorize;
use super::log_store::{LogGroup, LogStore};
use super::protocol::{ApiError, ApiRequest, Reply};
use super::state::Shared;

/// Days that a retention policy may have.
const RETENTION: [i64; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

/// What this service calls a value that is not allowed.
const INVALID: &str = "InvalidParameterException";

pub(super) fn leftovers(store: &LogStore) -> Vec<String> {
    store.groups.iter().map(|(name, group)| arn(&group.region, name)).collect()
}

/// The ARN of a group as the tagging API has it.
pub(super) fn arn(region: &str, name: &str) -> String {
    format!("arn:aws:logs:{region}:{ACCOUNT}:log-group:{name}")
}

pub(super) fn handle(emulator: &Shared, request: &ApiRequest) -> Result<Reply, ApiError> {
    let fields = Fields::read(request, INVALID)?;
    authorize(emulator, request, &format!("logs:{}", request.action), &resource(request, &fields)?)?;
    // Tags that come with a creation need the permission to tag.
    if request.action == "CreateLogGroup" && fields.get("tags").is_some() {
        authorize(emulator, request, "logs:TagResource", &resource(request, &fields)?)?;
    }
    let now_ms = emulator.clock.now_ms();
    let mut state = emulator.state();
    let store = &mut state.logs;
    let region = request.region.as_str();
    let answer = match request.action.as_str() {
        "CreateLogGroup" => create(store, &fields, region, now_ms)?,
        "DeleteLogGroup" => {
            let name = existing(store, &fields, region)?.0;
            store.groups.remove(&name);
            Value::Null
        }
        "PutRetentionPolicy" => put_retention(store, &fields, region)?,
        "DeleteRetentionPolicy" => {
            existing(store, &fields, region)?.1.retention_days = None;
            Value::Null
        }
        "DescribeLogGroups" => describe(store, &fields, region)?,
        "TagResource" => {
            let added = fields.tags("tags")?;
            let group = by_arn(store, &fields, region)?;
            let mut tags = group.tags.clone();
            tags.extend(added);
            if tags.len() > 50 {
                return Err(too_many_tags());
            }
            group.tags = tags;
            Value::Null
        }
        "UntagResource" => {
            let keys = fields.texts("tagKeys")?;
            by_arn(store, &fields, region)?.tags.retain(|key, _| !keys.contains(key));
            Value::Null
        }
        "ListTagsForResource" => json!({ "tags": by_arn(store, &fields, region)?.tags }),
        "DescribeLogStreams" => events::describe_streams(existing(store, &fields, region)?, &fields, region)?,
        "GetLogEvents" => events::get(existing(store, &fields, region)?.1, &fields)?,
        "FilterLogEvents" => events::filter(existing(store, &fields, region)?.1, &fields)?,
        _ => return Err(ApiError::new(400, "UnknownOperationException", "")),
    };
    Ok(if answer.is_null() { Reply::empty(200) } else { Reply::json(&answer) })
}

fn resource(request: &ApiRequest, fields: &Fields) -> Result<String, ApiError> {
    if let Some(arn) = fields.text("resourceArn")? {
        return Ok(arn.to_owned());
    }
    let name = fields.text("logGroupName")?.unwrap_or_default();
    let stream = fields.text("logStreamName")?.unwrap_or_default();
    Ok(format!("{}:log-stream:{stream}", arn(&request.region, name)))
}

fn create(store: &mut LogStore, fields: &Fields, region: &str, now_ms: u64) -> Result<Value, ApiError> {
    let name = group_name(fields, "logGroupName")?;
    let tags = fields.tags("tags")?;
    if name.to_ascii_lowercase().starts_with("aws/") {
        return Err(fields.complain("Log groups starting with AWS/ are reserved for AWS."));
    }
    if let Some(class) = fields.text("logGroupClass")?
        && !["STANDARD", "INFREQUENT_ACCESS", "DELIVERY"].contains(&class)
    {
        let rule = "Member must satisfy enum value set: [INFREQUENT_ACCESS, DELIVERY, STANDARD]";
        return Err(fields.refuse("logGroupClass", class, rule));
    }
    if !store.create(name, region, now_ms) {
        return Err(ApiError::new(400, "ResourceAlreadyExistsException", "The specified log group already exists"));
    }
    if let Some(group) = store.groups.get_mut(name) {
        group.tags = tags;
    }
    Ok(Value::Null)
}

fn put_retention(store: &mut LogStore, fields: &Fields, region: &str) -> Result<Value, ApiError> {
    let days = fields.number("retentionInDays")?.ok_or_else(|| fields.missing("retentionInDays"))?;
    if !RETENTION.contains(&days) {
        let allowed: Vec<String> = RETENTION.iter().map(ToString::to_string).collect();
        let rule = format!("Member must satisfy enum value set: [{}]", allowed.join(", "));
        return Err(fields.refuse("retentionInDays", days, &rule));
    }
    existing(store, fields, region)?.1.retention_days = u32::try_from(days).ok();
    Ok(Value::Null)
}

fn describe(store: &LogStore, fields: &Fields, region: &str) -> Result<Value, ApiError> {
    let most = fields.bounded("limit", 1, 50)?.unwrap_or(50);
    let prefix = fields.text("logGroupNamePrefix")?;
    let pattern = fields.text("logGroupNamePattern")?;
    if prefix.is_some() && pattern.is_some() {
        return Err(
            fields.complain("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
        );
    }
    let found = store.groups.iter().filter(|(name, group)| {
        group.region == region
            && prefix.is_none_or(|prefix| name.starts_with(prefix))
            && pattern.is_none_or(|pattern| name.to_lowercase().contains(&pattern.to_lowercase()))
    });
    let after = fields.text("nextToken")?;
    let (groups, next) = page(found, |(name, _)| (*name).clone(), after, usize::try_from(most).unwrap_or(50));
    let groups: Vec<Value> = groups.into_iter().map(|(name, group)| shown(name, group)).collect();
    let mut answer = json!({ "logGroups": groups });
    if let Some(next) = next {
        answer["nextToken"] = next.into();
    }
    Ok(answer)
}

fn shown(name: &str, group: &LogGroup) -> Value {
    let stored: usize =
        group.streams.values().flat_map(|stream| &stream.events).map(|event| event.message.len() + 26).sum();
    let arn = arn(&group.region, name);
    let mut shown = json!({
        "logGroupName": name,
        "creationTime": group.created_ms,
        "metricFilterCount": 0,
        "arn": format!("{arn}:*"),
        "logGroupArn": arn,
        "logGroupClass": "STANDARD",
        "storedBytes": stored,
    });
    if let Some(days) = group.retention_days {
        shown["retentionInDays"] = days.into();
    }
    shown
}

/// The group that the request names, which has to be there.
fn existing<'a>(
    store: &'a mut LogStore,
    fields: &Fields,
    region: &str,
) -> Result<(String, &'a mut LogGroup), ApiError> {
    let identifier = fields.text("logGroupIdentifier")?.map(|it| it.rsplit(":log-group:").next().unwrap_or(it));
    let name = match identifier {
        Some(name) => name.trim_end_matches(":*"),
        None => group_name(fields, "logGroupName")?,
    };
    find(store, name, region).map(|group| (name.to_owned(), group))
}

fn by_arn<'a>(store: &'a mut LogStore, fields: &Fields, region: &str) -> Result<&'a mut LogGroup, ApiError> {
    let arn = fields.required("resourceArn")?;
    let name = arn.split_once(":log-group:").map(|(_, name)| name);
    let name = name.filter(|name| arn.starts_with("arn:aws:logs:") && is_group_name(name));
    find(store, name.ok_or_else(|| fields.complain(format!("Invalid resource ARN: {arn}")))?, region)
}

fn find<'a>(store: &'a mut LogStore, name: &str, region: &str) -> Result<&'a mut LogGroup, ApiError> {
    store
        .groups
        .get_mut(name)
        .filter(|group| group.region == region)
        .ok_or_else(|| ApiError::new(400, "ResourceNotFoundException", "The specified log group does not exist."))
}

fn group_name<'a>(fields: &'a Fields, member: &str) -> Result<&'a str, ApiError> {
    let name = fields.required(member)?;
    if name.is_empty() {
        return Err(fields.refuse(member, name, "Member must have length greater than or equal to 1"));
    }
    if name.len() > 512 {
        return Err(fields.refuse(member, name, "Member must have length less than or equal to 512"));
    }
    if !is_group_name(name) {
        return Err(fields.refuse(
            member,
            name,
            r"Member must satisfy regular expression pattern: [\.\-_/#A-Za-z0-9]+",
        ));
    }
    Ok(name)
}

fn is_group_name(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_/#".contains(&byte))
}

fn too_many_tags() -> ApiError {
    ApiError::new(400, "TooManyTagsException", "A resource can have no more than 50 tags.")
}

/// Makes a group that somebody else might have made.
pub(super) fn add(store: &mut LogStore, name: &str, region: &str, tags: BTreeMap<String, String>, now_ms: u64) {
    store.create(name, region, now_ms);
    if let Some(group) = store.groups.get_mut(name) {
        group.tags = tags;
    }
}
