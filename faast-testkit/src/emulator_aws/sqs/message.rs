//! Messages: sent, received under a visibility timeout, and deleted, one by one or in batches.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::queue::Queue;
use super::{State, fault, invalid_value, missing, no_queue, out_of_range};
use crate::emulator_aws::fields::Fields;
use crate::emulator_aws::md5;
use crate::emulator_aws::protocol::{ApiError, ApiRequest, Reply, new_id};
use crate::emulator_aws::state::Shared;

/// Bytes of all messages of a batch.
const BATCH_SIZE: usize = 1_048_576;
/// How long a long poll sleeps at most before it looks at the clock, which tests may move.
const GLANCE: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(super) struct Message {
    id: String,
    body: String,
    attributes: Value,
    handle: String,
    first_received_ms: u64,
    pub(super) sent_ms: u64,
    pub(super) visible_ms: u64,
    pub(super) received: u64,
}

impl Queue {
    /// Adds a message; gives its id.
    pub(super) fn push(&mut self, body: String, attributes: Value, delay_s: u64, now_ms: u64) -> String {
        let id = new_id();
        self.messages.push(Message {
            id: id.clone(),
            body,
            attributes,
            handle: String::new(),
            first_received_ms: 0,
            sent_ms: now_ms,
            visible_ms: now_ms + delay_s * 1000,
            received: 0,
        });
        id
    }
}

pub(super) fn send(queue: &mut Queue, fields: &Fields, now_ms: u64) -> Result<Value, ApiError> {
    let body = fields.text("MessageBody")?.ok_or_else(|| missing("MessageBody"))?;
    check(queue, body)?;
    let delay_s = delay(queue, fields)?;
    let id = queue.push(body.to_owned(), attributes(fields), delay_s, now_ms);
    Ok(json!({ "MessageId": id, "MD5OfMessageBody": md5::hex_digest(body.as_bytes()) }))
}

pub(super) fn send_batch(queue: &mut Queue, fields: &Fields, now_ms: u64) -> Result<Value, ApiError> {
    let entries = entries(fields, "SendMessageBatchRequestEntry")?;
    let size: usize = entries.iter().map(|(_, entry)| body_of(entry).len()).sum();
    if size > BATCH_SIZE {
        let message = format!("Batch requests cannot be longer than {BATCH_SIZE} bytes. You have sent {size} bytes.");
        return Err(fault("BatchRequestTooLong", "AWS.SimpleQueueService.BatchRequestTooLong", message));
    }
    let (mut sent, mut failed) = (Vec::new(), Vec::new());
    for (id, entry) in entries {
        match send(queue, &entry, now_ms) {
            Ok(mut answer) => {
                answer["Id"] = id.into();
                sent.push(answer);
            }
            Err(error) => failed.push(failure(&id, &error)),
        }
    }
    Ok(outcome(sent, failed))
}

fn body_of(entry: &Fields) -> &str {
    entry.get("MessageBody").and_then(Value::as_str).unwrap_or_default()
}

fn check(queue: &Queue, body: &str) -> Result<(), ApiError> {
    let most = queue.number("MaximumMessageSize");
    if body.is_empty() {
        return Err(missing("MessageBody"));
    }
    if body.len() as u64 > most {
        let reason = format!("Message must be shorter than {most} bytes.");
        return Err(invalid_value(format!("One or more parameters are invalid. Reason: {reason}")));
    }
    let legal = |c: char| c >= ' ' && !matches!(c, '\u{fffe}' | '\u{ffff}') || matches!(c, '\t' | '\n' | '\r');
    if !body.chars().all(legal) {
        return Err(fault(
            "InvalidMessageContents",
            "InvalidMessageContents",
            "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to \
             #xFFFD | #x10000 to #x10FFFF",
        ));
    }
    Ok(())
}

fn delay(queue: &Queue, fields: &Fields) -> Result<u64, ApiError> {
    match fields.number("DelaySeconds")? {
        None => Ok(queue.number("DelaySeconds")),
        Some(seconds @ 0..=900) => Ok(seconds.unsigned_abs()),
        Some(seconds) => Err(out_of_range("DelaySeconds", seconds, "DelaySeconds must be >= 0 and <= 900.")),
    }
}

fn attributes(fields: &Fields) -> Value {
    fields.get("MessageAttributes").cloned().unwrap_or_default()
}

/// Waits until there are messages, as long as the request or the queue says.
pub(super) async fn receive(emulator: &Shared, request: &ApiRequest, fields: &Fields) -> Result<Reply, ApiError> {
    let number = |name: &str, most: i64, reason: &str| match fields.number(name)? {
        Some(value) if !(0..=most).contains(&value) => Err(out_of_range(name, value, reason)),
        other => Ok(other.map(i64::unsigned_abs)),
    };
    let most = number("MaxNumberOfMessages", 10, "Must be between 1 and 10, if provided.")?.unwrap_or(1);
    if most == 0 {
        return Err(out_of_range("MaxNumberOfMessages", 0, "Must be between 1 and 10, if provided."));
    }
    let wait_s = number("WaitTimeSeconds", 20, "Must be >= 0 and <= 20, if provided.")?;
    let hide_for = number("VisibilityTimeout", 43_200, "Must be >= 0 and <= 43200, if provided.")?;
    let end = {
        let mut state = emulator.state();
        let queue = state.sqs.queue(fields, &request.region)?;
        Instant::now() + Duration::from_secs(wait_s.unwrap_or_else(|| queue.number("ReceiveMessageWaitTimeSeconds")))
    };
    loop {
        let now_ms = emulator.clock.now_ms();
        let arrived = {
            let mut state = emulator.state();
            let taken = take(&mut state.sqs, fields, &request.region, most, hide_for, now_ms)?;
            if !taken.is_empty() {
                state.bill.count_queue(taken.iter().map(|it| it["Body"].as_str().map_or(0, str::len)).sum());
                return Ok(Reply::json(&json!({ "Messages": taken })));
            }
            if Instant::now() >= end {
                state.bill.count_queue(0);
                return Ok(Reply::json(&json!({})));
            }
            Arc::clone(&state.sqs.arrived)
        };
        let pause = GLANCE.min(end.saturating_duration_since(Instant::now()));
        // What arrived between the look and this wait is seen at the next glance.
        let _ = timeout(pause, arrived.notified()).await;
    }
}

fn take(
    sqs: &mut State,
    fields: &Fields,
    region: &str,
    most: u64,
    hide_for: Option<u64>,
    now_ms: u64,
) -> Result<Vec<Value>, ApiError> {
    let queue = sqs.queue(fields, region).map_err(|_| no_queue())?;
    queue.forget_old(now_ms);
    let redrive = queue.redrive();
    let hidden_ms = hide_for.unwrap_or_else(|| queue.number("VisibilityTimeout")) * 1000;
    let asked = Asked::read(fields)?;
    let (mut taken, mut dead) = (Vec::new(), Vec::new());
    for message in queue.messages.iter_mut().filter(|message| message.visible_ms <= now_ms) {
        if taken.len() as u64 == most {
            break;
        }
        if redrive.as_ref().is_some_and(|(_, most)| message.received >= *most) {
            dead.push(message.id.clone());
            continue;
        }
        message.received += 1;
        message.visible_ms = now_ms + hidden_ms;
        message.handle = new_id();
        if message.received == 1 {
            message.first_received_ms = now_ms;
        }
        taken.push(asked.shown(message));
    }
    let (gone, kept) = std::mem::take(&mut queue.messages).into_iter().partition(|message| dead.contains(&message.id));
    queue.messages = kept;
    bury(sqs, redrive, gone, now_ms);
    Ok(taken)
}

/// Moves messages that were received too often to the queue for them, with their ids.
fn bury(sqs: &mut State, redrive: Option<(String, u64)>, gone: Vec<Message>, now_ms: u64) {
    let Some((target, _)) = redrive else { return };
    if let Some(queue) = sqs.queues.values_mut().find(|queue| queue.arn() == target) {
        queue.messages.extend(gone.into_iter().map(|message| Message { visible_ms: now_ms, ..message }));
        sqs.arrived.notify_waiters();
    }
}

/// Which attributes a receiver wants to see.
struct Asked {
    system: BTreeSet<String>,
    own: BTreeSet<String>,
}

impl Asked {
    fn read(fields: &Fields) -> Result<Self, ApiError> {
        let mut system: BTreeSet<String> = fields.texts("MessageSystemAttributeNames")?.into_iter().collect();
        system.extend(fields.texts("AttributeNames")?);
        Ok(Self { system, own: fields.texts("MessageAttributeNames")?.into_iter().collect() })
    }

    fn shown(&self, message: &Message) -> Value {
        let mut shown = json!({
            "MessageId": message.id,
            "ReceiptHandle": message.handle,
            "Body": message.body,
            "MD5OfBody": md5::hex_digest(message.body.as_bytes()),
        });
        let system = [
            ("ApproximateFirstReceiveTimestamp", message.first_received_ms),
            ("ApproximateReceiveCount", message.received),
            ("SentTimestamp", message.sent_ms),
        ];
        let wanted = |name: &str| self.system.contains("All") || self.system.contains(name);
        let system: BTreeMap<&str, String> =
            system.iter().filter(|(name, _)| wanted(name)).map(|(name, value)| (*name, value.to_string())).collect();
        if !system.is_empty() {
            shown["Attributes"] = json!(system);
        }
        if let Value::Object(own) = &message.attributes {
            let all = self.own.contains("All") || self.own.contains(".*");
            let own: serde_json::Map<String, Value> = own
                .iter()
                .filter(|(name, _)| all || self.own.contains(*name))
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect();
            if !own.is_empty() {
                shown["MessageAttributes"] = own.into();
            }
        }
        shown
    }
}

pub(super) fn delete(queue: &mut Queue, fields: &Fields) -> Result<Value, ApiError> {
    let handle = handle(fields)?;
    // A handle of a message that is gone already is as good as one that deletes.
    queue.messages.retain(|message| message.handle != handle);
    Ok(json!({}))
}

pub(super) fn delete_batch(queue: &mut Queue, fields: &Fields) -> Result<Value, ApiError> {
    let (mut deleted, mut failed) = (Vec::new(), Vec::new());
    for (id, entry) in entries(fields, "DeleteMessageBatchRequestEntry")? {
        match delete(queue, &entry) {
            Ok(_) => deleted.push(json!({ "Id": id })),
            Err(error) => failed.push(failure(&id, &error)),
        }
    }
    Ok(outcome(deleted, failed))
}

pub(super) fn change_visibility(queue: &mut Queue, fields: &Fields, now_ms: u64) -> Result<Value, ApiError> {
    let handle = handle(fields)?.to_owned();
    let seconds = fields.number("VisibilityTimeout")?.ok_or_else(|| missing("VisibilityTimeout"))?;
    if !(0..=43_200).contains(&seconds) {
        return Err(out_of_range(
            "VisibilityTimeout",
            seconds,
            "VisibilityTimeout must be an integer between 0 and 43200.",
        ));
    }
    let message = queue.messages.iter_mut().find(|message| message.handle == handle && message.visible_ms > now_ms);
    let Some(message) = message else {
        let message = "The message referred to isn't in flight.";
        return Err(fault("MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight", message));
    };
    message.visible_ms = now_ms + seconds.unsigned_abs() * 1000;
    Ok(json!({}))
}

/// A receipt handle of the form that handles have.
fn handle(fields: &Fields) -> Result<&str, ApiError> {
    let handle = fields.text("ReceiptHandle")?.ok_or_else(|| missing("ReceiptHandle"))?;
    if handle.len() == 36 && handle.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') {
        return Ok(handle);
    }
    Err(fault("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", "The input receipt handle is invalid."))
}

/// The entries of a batch by their ids, which are checked first.
fn entries(fields: &Fields, kind: &str) -> Result<Vec<(String, Fields)>, ApiError> {
    let entries = fields.list("Entries")?;
    if entries.is_empty() {
        let message = format!("There should be at least one {kind} in the request.");
        return Err(fault("EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest", message));
    }
    if entries.len() > 10 {
        let message = format!("Maximum number of entries per request are 10. You have sent {}.", entries.len());
        let code = "TooManyEntriesInBatchRequest";
        return Err(fault(code, "AWS.SimpleQueueService.TooManyEntriesInBatchRequest", message));
    }
    let mut seen = BTreeSet::new();
    let mut read = Vec::new();
    for entry in &entries {
        let entry = fields.inner(entry);
        let id = entry.text("Id")?.unwrap_or_default().to_owned();
        let named = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if id.is_empty() || id.len() > 80 || !named {
            let message = "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can \
                           be at most 80 letters long.";
            return Err(fault("InvalidBatchEntryId", "AWS.SimpleQueueService.InvalidBatchEntryId", message));
        }
        if !seen.insert(id.clone()) {
            let code = "AWS.SimpleQueueService.BatchEntryIdsNotDistinct";
            return Err(fault("BatchEntryIdsNotDistinct", code, format!("Id {id} repeated.")));
        }
        read.push((id, entry));
    }
    Ok(read)
}

fn failure(id: &str, error: &ApiError) -> Value {
    let code = error.code.rsplit('#').next().unwrap_or_default();
    json!({ "Id": id, "SenderFault": true, "Code": code, "Message": error.message })
}

fn outcome(successful: Vec<Value>, failed: Vec<Value>) -> Value {
    let mut answer = json!({});
    answer["Successful"] = successful.into();
    if !failed.is_empty() {
        answer["Failed"] = failed.into();
    }
    answer
}
