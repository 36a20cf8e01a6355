//! Changing topics and subscriptions: what an update mask names, and nothing else.

use serde_json::{Map, Value};

use super::super::protocol::ApiError;
use super::super::run::check_labels;
use super::State;
use super::admin::check_subscription;

/// Fields that a mask can name, as the mask and as the resource have them.
type Fields = &'static [(&'static str, &'static str)];

const OF_TOPICS: Fields = &[
    ("labels", "labels"),
    ("message_retention_duration", "messageRetentionDuration"),
    ("message_storage_policy", "messageStoragePolicy"),
    ("kms_key_name", "kmsKeyName"),
    ("schema_settings", "schemaSettings"),
];

const OF_SUBSCRIPTIONS: Fields = &[
    ("labels", "labels"),
    ("ack_deadline_seconds", "ackDeadlineSeconds"),
    ("message_retention_duration", "messageRetentionDuration"),
    ("expiration_policy", "expirationPolicy"),
    ("retry_policy", "retryPolicy"),
    ("dead_letter_policy", "deadLetterPolicy"),
    ("push_config", "pushConfig"),
    ("retain_acked_messages", "retainAckedMessages"),
];

/// `topics.patch`.
pub(super) fn topic(state: &mut State, name: &str, input: &Map<String, Value>) -> Result<Value, ApiError> {
    let current = state.topic(name)?.spec.clone();
    let spec = changed(&current, input, "topic", OF_TOPICS)?;
    check_labels(spec.get("labels"), "topic.labels")?;
    state.topic(name)?.spec = spec.clone();
    Ok(spec)
}

/// `subscriptions.patch`.
pub(super) fn subscription(state: &mut State, name: &str, input: &Map<String, Value>) -> Result<Value, ApiError> {
    let current = state.subscription(name)?.spec.clone();
    let mut spec = changed(&current, input, "subscription", OF_SUBSCRIPTIONS)?;
    check_subscription(state, &mut spec)?;
    let subscription = state.subscription(name)?;
    subscription.spec = spec;
    Ok(subscription.shown())
}

/// The resource with the fields of the mask as they are given; what is not given is taken away.
fn changed(current: &Value, input: &Map<String, Value>, what: &str, known: Fields) -> Result<Value, ApiError> {
    let (request, kind) = match what {
        "topic" => ("UpdateTopicRequest", "Topic"),
        _ => ("UpdateSubscriptionRequest", "Subscription"),
    };
    let given = input.get(what).and_then(Value::as_object);
    let given = given.ok_or_else(|| ApiError::invalid(format!("The {what} in the {request} must be set.")))?;
    let name = given.get("name").and_then(Value::as_str).unwrap_or_default();
    if name != current["name"] {
        return Err(ApiError::invalid(format!("Invalid resource name given (name={name}).")));
    }
    let mask = input.get("updateMask").and_then(Value::as_str).unwrap_or_default();
    if mask.is_empty() {
        let text = format!("The update_mask in the {request} must be set, and must contain a non-empty paths list.");
        return Err(ApiError::invalid(text));
    }
    let mut spec = current.clone();
    for path in mask.split(',') {
        // A mask in JSON has camels; both are understood.
        let Some((_, field)) = known.iter().find(|(snake, camel)| path == *snake || path == *camel) else {
            return Err(ApiError::invalid(format!(
                "Invalid update_mask provided in the {request}: '{path}' is not a known {kind} field. Note that {kind} \
                 paths must be of the form 'push_config' rather than 'pushConfig'."
            )));
        };
        match given.get(*field) {
            Some(value) => spec[*field] = value.clone(),
            None => drop(spec.as_object_mut().map(|it| it.remove(*field))),
        }
    }
    Ok(spec)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn changed_by(mask: &str) -> Result<Value, ApiError> {
        let current = json!({ "name": "projects/p/topics/t", "labels": { "a": "1" }, "kmsKeyName": "k" });
        let given = json!({ "name": "projects/p/topics/t", "labels": { "b": "2" } });
        let input = json!({ "topic": given, "updateMask": mask });
        changed(&current, input.as_object().unwrap(), "topic", OF_TOPICS)
    }

    #[test]
    fn only_what_the_mask_names_changes_and_what_is_not_given_goes() {
        let labels = changed_by("labels").unwrap();
        assert_eq!((&labels["labels"], &labels["kmsKeyName"]), (&json!({ "b": "2" }), &json!("k")));
        let both = changed_by("labels,kms_key_name").unwrap();
        assert_eq!(both.get("kmsKeyName"), None);
    }

    #[test]
    fn an_empty_mask_and_an_unknown_field_are_refused() {
        for (mask, words) in [("", "non-empty paths list"), ("name", "'name' is not a known Topic field")] {
            let refused = changed_by(mask).unwrap_err().rpc().to_string();
            assert!(refused.contains(words), "{mask}: {refused}");
        }
    }
}
