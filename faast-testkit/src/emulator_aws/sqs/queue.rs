//! A queue: its attributes with their bounds, its tags and the messages in it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::message::Message;
use super::{fault, invalid_value, missing};
use crate::emulator_aws::ACCOUNT;
use crate::emulator_aws::fields::Fields;
use crate::emulator_aws::protocol::ApiError;

/// Attributes with a number: name, least, most and default.
const NUMBERS: [(&str, u64, u64, u64); 5] = [
    ("DelaySeconds", 0, 900, 0),
    ("MaximumMessageSize", 1024, 1_048_576, 1_048_576),
    ("MessageRetentionPeriod", 60, 1_209_600, 345_600),
    ("ReceiveMessageWaitTimeSeconds", 0, 20, 0),
    ("VisibilityTimeout", 0, 43_200, 30),
];

/// Attributes with a text, which is kept and not looked at.
const TEXTS: [&str; 6] = [
    "Policy",
    "RedrivePolicy",
    "RedriveAllowPolicy",
    "KmsMasterKeyId",
    "KmsDataKeyReusePeriodSeconds",
    "SqsManagedSseEnabled",
];

/// Attributes that only the service sets.
const COMPUTED: [&str; 6] = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
];

#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) name: String,
    pub(super) region: String,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) messages: Vec<Message>,
    created_ms: u64,
    modified_ms: u64,
    numbers: BTreeMap<&'static str, u64>,
    texts: BTreeMap<&'static str, String>,
}

impl Queue {
    pub(super) fn new(name: &str, region: &str, now_ms: u64) -> Self {
        Self {
            name: name.to_owned(),
            region: region.to_owned(),
            created_ms: now_ms,
            modified_ms: now_ms,
            ..Self::default()
        }
    }

    pub(super) fn arn(&self) -> String {
        format!("arn:aws:sqs:{}:{ACCOUNT}:{}", self.region, self.name)
    }

    /// An attribute with a number.
    pub(super) fn number(&self, name: &str) -> u64 {
        let default = NUMBERS.iter().find(|(known, ..)| *known == name).map_or(0, |(_, _, _, default)| *default);
        self.numbers.get(name).copied().unwrap_or(default)
    }

    pub(super) fn set_attributes(&mut self, fields: &Fields, now_ms: u64) -> Result<(), ApiError> {
        let (mut numbers, mut texts) = (self.numbers.clone(), self.texts.clone());
        for (name, value) in &given(fields)? {
            let wrong = || {
                fault(
                    "InvalidAttributeValue",
                    "InvalidAttributeValue",
                    format!("Invalid value for the parameter {name}."),
                )
            };
            if let Some((name, least, most, _)) = NUMBERS.iter().find(|(known, ..)| known == name) {
                let number = value.parse().ok().filter(|number| (least..=most).contains(&number)).ok_or_else(wrong)?;
                numbers.insert(name, number);
            } else if let Some(name) = TEXTS.iter().find(|known| *known == name) {
                if name.ends_with("Policy")
                    && !value.is_empty()
                    && serde_json::from_str::<Map<String, Value>>(value).is_err()
                {
                    return Err(wrong());
                }
                texts.insert(name, value.clone());
            } else {
                return Err(unknown_attribute(name));
            }
        }
        (self.numbers, self.texts, self.modified_ms) = (numbers, texts, now_ms);
        Ok(())
    }

    /// The first attribute that a second creation wants to be another than it is.
    pub(super) fn differs_in(&self, fields: &Fields) -> Result<Option<String>, ApiError> {
        let same = |name: &str, value: &str| {
            if NUMBERS.iter().any(|(known, ..)| *known == name) {
                value.parse() == Ok(self.number(name))
            } else {
                self.texts.get(name).is_some_and(|text| text == value)
            }
        };
        Ok(given(fields)?.into_iter().find(|(name, value)| !same(name, value)).map(|(name, _)| name))
    }

    pub(super) fn attributes(&mut self, fields: &Fields, now_ms: u64) -> Result<Value, ApiError> {
        self.forget_old(now_ms);
        let wanted = fields.texts("AttributeNames")?;
        let mut all = Map::new();
        for (name, ..) in NUMBERS {
            all.insert(name.into(), self.number(name).to_string().into());
        }
        for (name, text) in &self.texts {
            all.insert((*name).into(), text.clone().into());
        }
        let count = |of: &dyn Fn(&&Message) -> bool| Value::from(self.messages.iter().filter(of).count().to_string());
        let hidden = |message: &&Message| message.visible_ms > now_ms;
        let delayed = |message: &&Message| hidden(message) && message.received == 0;
        let computed = [
            count(&|message| !hidden(message)),
            count(&delayed),
            count(&|message| hidden(message) && !delayed(message)),
            (self.created_ms / 1000).to_string().into(),
            (self.modified_ms / 1000).to_string().into(),
            self.arn().into(),
        ];
        for (name, value) in COMPUTED.into_iter().zip(computed) {
            all.insert(name.into(), value);
        }
        all.entry("SqsManagedSseEnabled").or_insert_with(|| "true".into());
        let known = |name: &String| name == "All" || TEXTS.contains(&name.as_str()) || all.contains_key(name);
        if let Some(name) = wanted.iter().find(|name| !known(name)) {
            return Err(unknown_attribute(name));
        }
        if !wanted.iter().any(|name| name == "All") {
            all.retain(|name, _| wanted.contains(name));
        }
        Ok(if all.is_empty() { json!({}) } else { json!({ "Attributes": all }) })
    }

    pub(super) fn add_tags(&mut self, added: BTreeMap<String, String>) -> Result<(), ApiError> {
        let mut tags = self.tags.clone();
        tags.extend(added);
        let fits = |(key, value): (&String, &String)| {
            !key.is_empty() && key.chars().count() <= 128 && value.chars().count() <= 256 && !key.starts_with("aws:")
        };
        if !tags.iter().all(fits) {
            return Err(invalid_value("Tag keys must be between 1 and 128 characters in length, values up to 256."));
        }
        if tags.len() > 50 {
            return Err(invalid_value(format!("Too many tags added for queue {}.", self.name)));
        }
        self.tags = tags;
        Ok(())
    }

    /// Where messages go that were received too often, and how often that is.
    pub(super) fn redrive(&self) -> Option<(String, u64)> {
        let policy: Value = serde_json::from_str(self.texts.get("RedrivePolicy")?).ok()?;
        let most = &policy["maxReceiveCount"];
        let most = most.as_u64().or_else(|| most.as_str()?.parse().ok())?;
        Some((policy["deadLetterTargetArn"].as_str()?.to_owned(), most))
    }

    pub(super) fn forget_old(&mut self, now_ms: u64) {
        let kept_ms = self.number("MessageRetentionPeriod") * 1000;
        self.messages.retain(|message| message.sent_ms + kept_ms > now_ms);
    }

    pub(super) fn purge(&mut self) {
        self.messages.clear();
    }
}

/// The attributes that a request gives.
fn given(fields: &Fields) -> Result<BTreeMap<String, String>, ApiError> {
    if fields.get("QueueUrl").is_some() && fields.get("Attributes").is_none() {
        return Err(missing("Attribute.Name"));
    }
    fields.text_map("Attributes")
}

fn unknown_attribute(name: &str) -> ApiError {
    fault("InvalidAttributeName", "InvalidAttributeName", format!("Unknown Attribute {name}."))
}
