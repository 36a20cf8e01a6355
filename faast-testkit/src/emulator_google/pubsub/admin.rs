//! Topics and subscriptions: made, checked, deleted.

use serde_json::{Map, Value, json};

use super::super::operation::seconds;
use super::super::policy::Policy;
use super::super::protocol::ApiError;
use super::super::run::check_labels;
use super::subscription::Subscription;
use super::{DELETED, State, Topic, not_found};

/// Seconds.
const DAY: f64 = 86_400.0;

/// Names of both.
fn check_id(name: &str, what: &str) -> Result<(), ApiError> {
    let id = name.rsplit('/').next().unwrap_or("");
    let is_good = |it: u8| it.is_ascii_alphanumeric() || b"-_.~+%".contains(&it);
    let starts = id.bytes().next().is_some_and(|it| it.is_ascii_alphabetic());
    if starts && (3..=255).contains(&id.len()) && id.bytes().all(is_good) && !id.starts_with("goog") {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "Invalid [{what}] name: (name={name}). Refer to https://cloud.google.com/pubsub/docs/pubsub-basics#resource_names \
         for more information."
    )))
}

pub(super) fn create_topic(state: &mut State, name: String, input: Map<String, Value>) -> Result<Value, ApiError> {
    check_id(&name, "topics")?;
    check_labels(input.get("labels"), "topic.labels")?;
    if state.topics.contains_key(&name) {
        let id = name.rsplit('/').next().unwrap_or("");
        return Err(ApiError::exists(format!("Resource already exists in the project (resource={id}).")));
    }
    let mut spec = Value::Object(input);
    spec["name"] = json!(name);
    state.topics.insert(name, Topic { spec: spec.clone(), policy: Policy::default() });
    Ok(spec)
}

pub(super) fn delete_topic(state: &mut State, name: &str) -> Result<Value, ApiError> {
    state.topics.remove(name).ok_or_else(|| not_found(name))?;
    // Subscriptions stay, with what they have.
    let orphans = state.subscriptions.values_mut().filter(|it| it.topic() == name);
    orphans.for_each(|it| it.spec["topic"] = json!(DELETED));
    Ok(json!({}))
}

pub(super) fn create_subscription(
    state: &mut State,
    name: String,
    input: Map<String, Value>,
) -> Result<Value, ApiError> {
    check_id(&name, "subscriptions")?;
    let id = name.rsplit('/').next().unwrap_or("").to_owned();
    if state.subscriptions.contains_key(&name) {
        return Err(ApiError::exists(format!("Resource already exists in the project (resource={id}).")));
    }
    let mut spec = Value::Object(input);
    spec["name"] = json!(name);
    let topic = spec["topic"].as_str().unwrap_or("").to_owned();
    state.topic(&topic)?;
    check_subscription(state, &mut spec)?;
    let subscription = Subscription::new(spec);
    let shown = subscription.shown();
    state.subscriptions.insert(name, subscription);
    Ok(shown)
}

/// Checks what can be changed later too, and fills in what is not given.
pub(super) fn check_subscription(state: &mut State, spec: &mut Value) -> Result<(), ApiError> {
    check_labels(spec.get("labels"), "subscription.labels")?;
    let deadline = match spec["ackDeadlineSeconds"].as_u64() {
        None | Some(0) => 10,
        Some(deadline @ 10..=600) => deadline,
        Some(_) => {
            let text = "Invalid ack deadline given (deadline_seconds): must be between 10 and 600 seconds.";
            return Err(ApiError::invalid(text));
        }
    };
    spec["ackDeadlineSeconds"] = json!(deadline);
    check_durations(spec)?;
    if let Some(policy) = spec.get("deadLetterPolicy") {
        let letters = policy["deadLetterTopic"].as_str().unwrap_or("").to_owned();
        let attempts = policy["maxDeliveryAttempts"].as_u64().unwrap_or(5);
        if !(5..=100).contains(&attempts) {
            return Err(ApiError::invalid("max_delivery_attempts must be between 5 and 100."));
        }
        state.topic(&letters)?;
    }
    let push = &spec["pushConfig"];
    if let Some(endpoint) = push["pushEndpoint"].as_str()
        && !endpoint.starts_with("https://")
        && !endpoint.starts_with("http://127.0.0.1:")
    {
        return Err(ApiError::invalid(format!("Invalid push endpoint given (endpoint={endpoint}).")));
    }
    Ok(())
}

fn check_durations(spec: &mut Value) -> Result<(), ApiError> {
    let within = |value: &Value, least: f64, most: f64, text: &str| {
        let Some(given) = value.as_str() else { return Ok(()) };
        let fits = seconds(given).is_some_and(|it| (least..=most).contains(&it.as_secs_f64()));
        if fits { Ok(()) } else { Err(ApiError::invalid(text)) }
    };
    let retention = "Invalid message retention duration: must be between 10 minutes and 31 days.";
    within(&spec["messageRetentionDuration"], 600.0, 31.0 * DAY, retention)?;
    let expiration =
        "Invalid expiration policy: ttl must be at least 1 day and longer than the message retention duration.";
    within(&spec["expirationPolicy"]["ttl"], DAY, 3650.0 * DAY, expiration)?;
    let of = |value: &Value| value.as_str().and_then(seconds).map(|it| it.as_secs_f64());
    // A week is what is retained unless it is said.
    let retained = of(&spec["messageRetentionDuration"]).unwrap_or(7.0 * DAY);
    if of(&spec["expirationPolicy"]["ttl"]).is_some_and(|ttl| ttl < retained) {
        return Err(ApiError::invalid(expiration));
    }
    let backoff = "Invalid retry policy: backoffs must be between 0 and 600 seconds.";
    within(&spec["retryPolicy"]["minimumBackoff"], 0.0, 600.0, backoff)?;
    within(&spec["retryPolicy"]["maximumBackoff"], 0.0, 600.0, backoff)?;
    // Nothing at all means a month; an empty one means never.
    if spec.get("expirationPolicy").is_none() {
        spec["expirationPolicy"] = json!({ "ttl": "2678400s" });
    }
    if spec.get("messageRetentionDuration").is_none() {
        spec["messageRetentionDuration"] = json!("604800s");
    }
    Ok(())
}
