//! Publishing and pulling.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};

use super::super::protocol::{ApiError, ApiRequest, Reply};
use super::super::state::{Emulator, Shared, State as All};
use super::subscription::{Leased, Message};
use crate::emulator::clock::iso;

/// Bytes of one message, and of all messages of a request.
const SIZE_LIMIT: usize = 10_000_000;

/// Messages in one request.
const COUNT_LIMIT: usize = 1000;

/// How long a pull waits for a first message.
const LONG_POLL: Duration = Duration::from_secs(20);

/// Between two looks at a subscription that somebody waits for.
const BETWEEN: Duration = Duration::from_millis(2);

pub(super) fn publish(
    emulator: &Emulator,
    state: &mut All,
    topic: &str,
    input: &Map<String, Value>,
) -> Result<Reply, ApiError> {
    let messages = input.get("messages").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if messages.is_empty() || messages.len() > COUNT_LIMIT {
        return Err(ApiError::invalid("The value for message_count is out of range: must be between 1 and 1000."));
    }
    let sizes = messages.iter().map(size).collect::<Result<Vec<usize>, _>>()?;
    let total: usize = sizes.iter().sum();
    if total > SIZE_LIMIT {
        let text = format!(
            "The value for request_size is too large. You passed {total} in the request, but the maximum value is {SIZE_LIMIT}."
        );
        return Err(ApiError::invalid(text));
    }
    let now_ms = emulator.clock.now_ms();
    state.pubsub.topic(topic)?;
    state.bill.add_published(total);
    let mut ids = Vec::new();
    for message in messages {
        state.pubsub.last_id += 1;
        let id = (10_000_000_000 + state.pubsub.last_id).to_string();
        let mut message = message.clone();
        message["messageId"] = json!(id);
        message["publishTime"] = json!(format!("{}Z", iso(now_ms)));
        ids.push(id);
        put(emulator, state, topic, &message, now_ms);
    }
    Ok(Reply::json(&json!({ "messageIds": ids })))
}

/// Puts a message into every subscription of a topic, and by chance twice.
fn put(emulator: &Emulator, state: &mut All, topic: &str, message: &Message, now_ms: u64) {
    for subscription in state.pubsub.subscriptions.values_mut().filter(|it| it.topic() == topic) {
        let times = if emulator.chance.duplicates() { 2 } else { 1 };
        (0..times).for_each(|_| subscription.add(message.clone(), now_ms));
    }
}

fn size(message: &Value) -> Result<usize, ApiError> {
    let data = message["data"].as_str().unwrap_or("");
    let bytes = BASE64_STANDARD
        .decode(data)
        .map_err(|_| ApiError::invalid("Invalid value at 'messages[0].data' (TYPE_BYTES), Base64 decoding failed"))?;
    let attributes = message["attributes"].as_object().into_iter().flatten();
    let of_attributes: usize = attributes.map(|(key, value)| key.len() + value.as_str().map_or(0, str::len)).sum();
    if bytes.is_empty() && of_attributes == 0 {
        return Err(ApiError::invalid(
            "One or more messages in the publish request is empty. Each message must contain either non-empty data, or at least one attribute.",
        ));
    }
    Ok(bytes.len() + of_attributes)
}

/// Leases messages of a subscription; those that are dead go where its policy says.
pub(super) fn lease(emulator: &Emulator, state: &mut All, name: &str, count: usize) -> Result<Vec<Leased>, ApiError> {
    let now_ms = emulator.clock.now_ms();
    let subscription = state.pubsub.subscription(name)?;
    let mut dead = Vec::new();
    let leased = subscription.lease(count, now_ms, &mut dead);
    if !dead.is_empty() {
        let letters = subscription.spec["deadLetterPolicy"]["deadLetterTopic"].as_str().unwrap_or("").to_owned();
        let attempts = subscription.most_attempts().unwrap_or(0).to_string();
        for mut message in dead {
            message["attributes"]["CloudPubSubDeadLetterSourceDeliveryCount"] = json!(attempts);
            message["attributes"]["CloudPubSubDeadLetterSourceSubscription"] =
                json!(name.rsplit('/').next().unwrap_or(""));
            put(emulator, state, &letters, &message, now_ms);
        }
    }
    Ok(leased)
}

/// Bytes of a message that was leased.
pub(super) fn size_of(leased: &Leased) -> usize {
    size(&leased.message).unwrap_or(0)
}

/// Waits for messages, but not for ever; nothing is an empty answer.
pub(super) async fn pull(emulator: &Shared, request: &ApiRequest, name: &str) -> Result<Reply, ApiError> {
    let input = request.json()?;
    let most = input.get("maxMessages").and_then(Value::as_u64).filter(|it| *it > 0);
    let most = most.ok_or_else(|| ApiError::invalid("max_messages must be greater than 0."))?;
    let most = usize::try_from(most).unwrap_or(COUNT_LIMIT).min(COUNT_LIMIT);
    let at_once = input.get("returnImmediately").and_then(Value::as_bool) == Some(true);
    let start = Instant::now();
    loop {
        let leased = {
            let mut state = emulator.state();
            if state.pubsub.subscription(name)?.endpoint().is_some() {
                let text = "The subscription is a push subscription and cannot be pulled.";
                return Err(ApiError::new(400, "FAILED_PRECONDITION", text));
            }
            let leased = lease(emulator, &mut state, name, most)?;
            if !leased.is_empty() {
                state.bill.add_delivered(leased.iter().map(size_of).sum());
            }
            leased
        };
        if !leased.is_empty() || at_once || start.elapsed() > LONG_POLL {
            let shown: Vec<Value> = leased.iter().map(received).collect();
            return Ok(Reply::json(&if shown.is_empty() { json!({}) } else { json!({ "receivedMessages": shown }) }));
        }
        tokio::time::sleep(BETWEEN).await;
    }
}

fn received(leased: &Leased) -> Value {
    json!({ "ackId": leased.ack_id, "message": leased.message, "deliveryAttempt": leased.attempt })
}
