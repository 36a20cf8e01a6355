//! What conditions may know of a request: who asks, in which region, to whom a role goes, which policy is attached, and the
//! tags that come with it and those of what it is about.
//!
//! Tags of buckets are not among them: whether S3 looks at those depends on settings of a bucket that nothing here has.

use std::collections::BTreeMap;

use serde_json::Value;

use super::role::list;
use crate::emulator_aws::protocol::{ApiRequest, Service};
use crate::emulator_aws::{ACCOUNT, logs, state};

/// A permission that is asked for, and where the answers are.
pub(super) struct Facts<'a> {
    pub(super) state: &'a state::State,
    pub(super) request: &'a ApiRequest,
    pub(super) action: &'a str,
    pub(super) resource: &'a str,
    /// The ARN of the user, or of the role without its session.
    pub(super) principal: String,
}

impl Facts<'_> {
    /// The values of a key in lower case; `None` if nothing is known of it.
    pub(super) fn of(&self, key: &str) -> Option<Vec<String>> {
        let one = |text: &str| Some(vec![text.to_owned()]);
        match key.split_once('/') {
            Some(("aws:requesttag", tag)) => Some(value_of(&self.tags_in_request()?, tag)),
            Some(("aws:resourcetag" | "iam:resourcetag", tag)) => Some(value_of(&self.tags_of_resource()?, tag)),
            Some(_) => None,
            None => match key {
                "aws:tagkeys" => {
                    let keys = self.tags_in_request()?.into_keys();
                    Some(keys.chain(self.keys_to_remove()).collect())
                }
                // Global services are in the first region.
                "aws:requestedregion" if matches!(self.request.service, Service::Iam | Service::Sts) => {
                    one("us-east-1")
                }
                "aws:requestedregion" => one(&self.request.region),
                "aws:principalarn" => one(&self.principal),
                "aws:principalaccount" => one(ACCOUNT),
                // What is emulated is what answers at the end of an encrypted connection.
                "aws:securetransport" => one("true"),
                "iam:passedtoservice" if self.action == "iam:PassRole" => one("lambda.amazonaws.com"),
                "iam:policyarn" => Some(self.request.form("PolicyArn").map(str::to_owned).into_iter().collect()),
                "iam:passedtoservice" => Some(Vec::new()),
                _ => None,
            },
        }
    }

    /// Whether the action is the request's own, and none that another service is asked for in the caller's name.
    fn is_own(&self) -> bool {
        self.action.split(':').next() == Some(self.request.service.name())
    }

    fn tags_in_request(&self) -> Option<BTreeMap<String, String>> {
        match self.request.service {
            _ if !self.is_own() => Some(BTreeMap::new()),
            Service::S3 => None,
            Service::Iam => {
                let part = |at: usize, part: &str| self.request.form(&format!("Tags.member.{at}.{part}"));
                let pairs = (1..).map_while(|at| Some((part(at, "Key")?.to_owned(), part(at, "Value")?.to_owned())));
                Some(pairs.collect())
            }
            _ => {
                let tags = self.field(&["Tags", "tags"]);
                let pairs = tags.as_ref().and_then(Value::as_object).into_iter().flatten();
                Some(pairs.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect())
            }
        }
    }

    /// The keys of a request that takes tags away.
    fn keys_to_remove(&self) -> Vec<String> {
        if !self.is_own() {
            return Vec::new();
        }
        let in_query = self.request.query.iter().filter(|(name, _)| name == "tagKeys").map(|(_, key)| key.clone());
        let in_form = list(self.request, "TagKeys").into_iter().map(str::to_owned);
        let in_body = self.field(&["TagKeys", "tagKeys"]);
        let in_body = in_body.as_ref().and_then(Value::as_array).into_iter().flatten();
        in_query.chain(in_form).chain(in_body.filter_map(|key| key.as_str().map(str::to_owned))).collect()
    }

    fn field(&self, names: &[&str]) -> Option<Value> {
        let mut body = self.request.json().ok()?;
        names.iter().find_map(|name| body.remove(*name))
    }

    fn tags_of_resource(&self) -> Option<BTreeMap<String, String>> {
        let is_it = |arn: &str| self.resource.strip_prefix(arn).is_some_and(|it| it.is_empty() || it.starts_with(':'));
        let found = match self.resource.split(':').nth(2) {
            Some("s3") => return None,
            Some("iam") => self.state.iam.role_by_arn(self.resource).map(|role| role.tags.clone()),
            Some("lambda") => self.state.lambda.tagged().find(|(arn, ..)| is_it(arn)).map(|(.., tags)| tags),
            Some("sqs") => self.state.sqs.tagged().find(|(arn, ..)| is_it(arn)).map(|(.., tags)| tags),
            Some("logs") => {
                let mut groups = self.state.logs.groups.iter();
                let group = groups.find(|(name, group)| is_it(&logs::arn(&group.region, name)));
                group.map(|(_, group)| group.tags.clone())
            }
            _ => None,
        };
        Some(found.unwrap_or_default())
    }
}

/// The value of a tag, whose name in a condition has no case.
fn value_of(tags: &BTreeMap<String, String>, tag: &str) -> Vec<String> {
    tags.iter().filter(|(key, _)| key.eq_ignore_ascii_case(tag)).map(|(_, value)| value.clone()).collect()
}
