//! The tagging API: resources of all services by their tags. IAM's roles are not among them, as in AWS.
//!
//! AWS answers from an index. Here it is brought up to date after every request; a test may have it lag behind, or
//! remember resources that were deleted, because both happen and clients have to live with it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::clock::as_ms;
use super::fields::{Fields, page};
use super::iam::authorize;
use super::protocol::{ApiError, ApiRequest, Reply};
use super::state::Shared;
use super::{logs, s3};

/// The index: what is known of each resource, by ARN.
#[derive(Debug, Default)]
pub(super) struct State {
    entries: BTreeMap<String, Entry>,
}

/// The tags of a resource, and those that it had before the last change. No tags at all: it is not shown.
#[derive(Debug, Default)]
struct Entry {
    region: String,
    tags: BTreeMap<String, String>,
    before: BTreeMap<String, String>,
    since_ms: u64,
}

impl Entry {
    fn change(&mut self, tags: BTreeMap<String, String>, now_ms: u64, delay_ms: u64) {
        if self.tags != tags {
            // A change that was not visible yet is forgotten with what it was.
            let settled = now_ms >= self.since_ms.saturating_add(delay_ms);
            let old = std::mem::replace(&mut self.tags, tags);
            if settled {
                self.before = old;
            }
            self.since_ms = now_ms;
        }
    }

    fn shown(&self, now_ms: u64, delay_ms: u64) -> &BTreeMap<String, String> {
        if now_ms >= self.since_ms.saturating_add(delay_ms) { &self.tags } else { &self.before }
    }
}

/// Called after every request: an index that lags behind or remembers has to see every change.
pub(super) fn observe(emulator: &Shared) {
    if !emulator.settings.tagging_delay.is_zero() || emulator.settings.tagging_remembers {
        refresh(emulator);
    }
}

/// Brings the index up to date.
fn refresh(emulator: &Shared) {
    let now_ms = emulator.clock.now_ms();
    let delay_ms = as_ms(emulator.settings.tagging_delay);
    let mut state = emulator.state();
    let mut current: BTreeMap<String, (String, BTreeMap<String, String>)> = BTreeMap::new();
    for (arn, region, tags) in state.lambda.tagged().chain(state.sqs.tagged()) {
        current.insert(arn, (region, tags));
    }
    for (name, group) in &state.logs.groups {
        current.insert(logs::arn(&group.region, name), (group.region.clone(), group.tags.clone()));
    }
    for (name, region, tags) in state.s3.tagged() {
        current.insert(s3::arn(name), (region.to_owned(), tags.clone()));
    }
    let entries = &mut state.tagging.entries;
    for (arn, (region, tags)) in &current {
        let entry = entries.entry(arn.clone()).or_default();
        entry.region.clone_from(region);
        entry.change(tags.clone(), now_ms, delay_ms);
    }
    if !emulator.settings.tagging_remembers {
        for (_, entry) in entries.iter_mut().filter(|(arn, _)| !current.contains_key(*arn)) {
            entry.change(BTreeMap::new(), now_ms, delay_ms);
        }
        entries.retain(|_, entry| !entry.tags.is_empty() || !entry.shown(now_ms, delay_ms).is_empty());
    }
}

pub(super) fn handle(emulator: &Shared, request: &ApiRequest) -> Result<Reply, ApiError> {
    if request.action != "GetResources" {
        return Err(ApiError::new(400, "UnknownOperationException", ""));
    }
    authorize(emulator, request, "tag:GetResources", "*")?;
    let fields = Fields::read(request, "InvalidParameterException")?;
    let wanted = Wanted::read(&fields)?;
    let most = fields.bounded("ResourcesPerPage", 1, 100)?.unwrap_or(50);
    let after = fields.text("PaginationToken")?.filter(|token| !token.is_empty());
    // Resources that tests made directly are in no request.
    refresh(emulator);
    let (now_ms, delay_ms) = (emulator.clock.now_ms(), as_ms(emulator.settings.tagging_delay));
    let state = emulator.state();
    let found = state.tagging.entries.iter().filter(|(_, entry)| entry.region == request.region);
    let found = found.map(|(arn, entry)| (arn, entry.shown(now_ms, delay_ms)));
    let found = found.filter(|(arn, tags)| wanted.fits(arn, tags));
    let (resources, next) = page(found, |(arn, _)| (*arn).clone(), after, usize::try_from(most).unwrap_or(50));
    let list: Vec<Value> = resources
        .into_iter()
        .map(|(arn, tags)| {
            let tags: Vec<Value> = tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
            json!({ "ResourceARN": arn, "Tags": tags })
        })
        .collect();
    Ok(Reply::json(&json!({ "PaginationToken": next.unwrap_or_default(), "ResourceTagMappingList": list })))
}

/// What a request asks for.
struct Wanted {
    /// Key, and the values of which one has to be there; none means any.
    tags: Vec<(String, Vec<String>)>,
    /// `lambda`, or `lambda:function`.
    kinds: Vec<String>,
    arns: Vec<String>,
}

impl Wanted {
    fn read(fields: &Fields) -> Result<Self, ApiError> {
        let mut tags = Vec::new();
        for filter in fields.list("TagFilters")? {
            let filter = fields.inner(&filter);
            let key = filter.required("Key")?.to_owned();
            if key.is_empty() || key.chars().count() > 128 {
                return Err(fields.refuse("tagFilters.member.key", &key, "Member must have length between 1 and 128"));
            }
            let values = filter.texts("Values")?;
            if values.len() > 20 {
                let rule = "Member must have length less than or equal to 20";
                return Err(fields.refuse("tagFilters.member.values", "values", rule));
            }
            tags.push((key, values));
        }
        if tags.len() > 50 {
            return Err(fields.refuse("tagFilters", "filters", "Member must have length less than or equal to 50"));
        }
        let kinds = fields.texts("ResourceTypeFilters")?;
        let is_kind = |text: &str| {
            let mut parts = text.split(':');
            let service = parts.next().unwrap_or_default();
            let named = service.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            !service.is_empty() && named && parts.count() <= 1
        };
        if let Some(kind) = kinds.iter().find(|kind| !is_kind(kind)) {
            return Err(fields.complain(format!("Unsupported service or resource type: {kind}")));
        }
        let arns = fields.texts("ResourceARNList")?;
        if !arns.is_empty() && (!tags.is_empty() || !kinds.is_empty() || fields.get("ResourcesPerPage").is_some()) {
            return Err(fields.complain("ResourceARNList can't be combined with filters or pages."));
        }
        Ok(Self { tags, kinds, arns })
    }

    fn fits(&self, arn: &str, tags: &BTreeMap<String, String>) -> bool {
        let tagged = |(key, values): &(String, Vec<String>)| {
            tags.get(key).is_some_and(|value| values.is_empty() || values.contains(value))
        };
        !tags.is_empty()
            && self.tags.iter().all(tagged)
            && (self.kinds.is_empty() || self.kinds.iter().any(|kind| is_of_kind(arn, kind)))
            && (self.arns.is_empty() || self.arns.iter().any(|wanted| wanted == arn))
    }
}

fn is_of_kind(arn: &str, kind: &str) -> bool {
    let mut parts = arn.splitn(6, ':').skip(2);
    let (service, resource) = (parts.next().unwrap_or_default(), parts.nth(2).unwrap_or_default());
    match kind.split_once(':') {
        None => service == kind,
        Some((wanted, resource_type)) => {
            // The ARNs of queues and buckets do not say what they are.
            let own = match service {
                "sqs" => "queue",
                "s3" => "bucket",
                _ => resource.split([':', '/']).next().unwrap_or_default(),
            };
            service == wanted && own == resource_type
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_services_and_their_resources() {
        let function = "arn:aws:lambda:us-west-2:123456789012:function:faast-1";
        let group = "arn:aws:logs:us-west-2:123456789012:log-group:/aws/lambda/faast-1";
        assert!(is_of_kind(function, "lambda") && is_of_kind(function, "lambda:function"));
        assert!(!is_of_kind(function, "lambda:layer") && !is_of_kind(function, "logs"));
        assert!(is_of_kind(group, "logs:log-group"));
        assert!(is_of_kind("arn:aws:s3:::faast-1", "s3:bucket"));
    }

    #[test]
    fn the_index_lags_behind_by_its_delay() {
        let tags = |value: &str| BTreeMap::from([("k".to_owned(), value.to_owned())]);
        let mut entry = Entry::default();
        entry.change(tags("1"), 1_000, 500);
        assert!(entry.shown(1_400, 500).is_empty());
        assert_eq!(entry.shown(1_500, 500), &tags("1"));
        entry.change(tags("2"), 2_000, 500);
        assert_eq!(entry.shown(2_100, 500), &tags("1"));
        entry.change(BTreeMap::new(), 2_200, 500);
        assert_eq!(entry.shown(2_300, 500), &tags("1"));
        assert!(entry.shown(2_700, 500).is_empty());
    }
}
