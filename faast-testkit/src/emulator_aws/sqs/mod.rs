//! SQS: standard queues and their messages.
//!
//! [`queue`] has queues and their attributes, [`message`] what is sent and received. Times go by the emulator's clock, only
//! long polls wait in real time. Errors carry the code of the older protocol in a header, as SQS's do.

mod message;
mod queue;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Notify;

use self::queue::Queue;
use super::ACCOUNT;
use super::fields::{Fields, page};
use super::iam::authorize;
use super::protocol::{ApiError, ApiRequest, Reply};
use super::state::Shared;

/// How long the name of a deleted queue cannot be used.
const NAME_REST_MS: u64 = 60_000;

/// Everything of this service.
#[derive(Debug, Default)]
pub(super) struct State {
    /// By region and name.
    queues: BTreeMap<(String, String), Queue>,
    /// When queues were deleted.
    deleted: BTreeMap<(String, String), u64>,
    /// Wakes long polls when messages arrive.
    arrived: Arc<Notify>,
}

impl State {
    pub(super) fn leftovers(&self) -> Vec<String> {
        self.queues.values().map(Queue::arn).collect()
    }

    /// ARN, region and tags of every queue.
    pub(super) fn tagged(&self) -> impl Iterator<Item = (String, String, BTreeMap<String, String>)> {
        self.queues.values().map(|queue| (queue.arn(), queue.region.clone(), queue.tags.clone()))
    }

    /// Makes a queue that somebody else might have made.
    pub(super) fn add(&mut self, name: &str, region: &str, tags: BTreeMap<String, String>, now_ms: u64) {
        let mut queue = Queue::new(name, region, now_ms);
        queue.tags = tags;
        self.queues.insert((region.to_owned(), name.to_owned()), queue);
    }

    fn queue(&mut self, fields: &Fields, region: &str) -> Result<&mut Queue, ApiError> {
        let name = named(fields)?;
        self.queues.get_mut(&(region.to_owned(), name)).ok_or_else(no_queue)
    }
}

/// Puts a message into a queue, for the destinations of asynchronous events; false if there is no such queue.
pub(super) fn deliver(state: &mut State, queue_arn: &str, body: String, now_ms: u64) -> bool {
    let Some(queue) = state.queues.values_mut().find(|queue| queue.arn() == queue_arn) else { return false };
    queue.push(body, Value::Null, 0, now_ms);
    state.arrived.notify_waiters();
    true
}

/// The name of the queue in the address that a request has.
fn named(fields: &Fields) -> Result<String, ApiError> {
    let url = fields.text("QueueUrl")?.filter(|url| !url.is_empty()).ok_or_else(|| missing("QueueUrl"))?;
    Ok(url.rsplit('/').next().unwrap_or_default().to_owned())
}

pub(super) async fn handle(emulator: &Shared, request: &ApiRequest) -> Result<Reply, ApiError> {
    let fields = Fields::read(request, "InvalidParameterValueException")?;
    let name = match fields.text("QueueName")? {
        Some(name) => name.to_owned(),
        None => named(&fields).unwrap_or_default(),
    };
    let permission = match request.action.as_str() {
        // A batch needs the permission of what it is a batch of.
        "SendMessageBatch" => "SendMessage",
        "DeleteMessageBatch" => "DeleteMessage",
        other => other,
    };
    let resource = format!("arn:aws:sqs:{}:{ACCOUNT}:{name}", request.region);
    authorize(emulator, request, &format!("sqs:{permission}"), &resource)?;
    // Tags that come with a creation need the permission to tag.
    if request.action == "CreateQueue" && fields.get("tags").is_some() {
        authorize(emulator, request, "sqs:TagQueue", &resource)?;
    }
    if request.action == "ReceiveMessage" {
        return message::receive(emulator, request, &fields).await;
    }
    let now_ms = emulator.clock.now_ms();
    let mut state = emulator.state();
    // What else is sent beside messages is little.
    state.bill.count_queue(if request.action.starts_with("SendMessage") { request.body.len() } else { 0 });
    answer(&mut state.sqs, request, &fields, now_ms).map(|answer| Reply::json(&answer))
}

fn answer(sqs: &mut State, request: &ApiRequest, fields: &Fields, now_ms: u64) -> Result<Value, ApiError> {
    let region = request.region.as_str();
    match request.action.as_str() {
        "CreateQueue" => create(sqs, request, fields, now_ms),
        "GetQueueUrl" => {
            let name = fields.text("QueueName")?.ok_or_else(|| missing("QueueName"))?;
            let queue = sqs.queues.get(&(region.to_owned(), name.to_owned())).ok_or_else(no_queue)?;
            Ok(json!({ "QueueUrl": url(request, &queue.name) }))
        }
        "ListQueues" => list(sqs, request, fields),
        "DeleteQueue" => {
            let key = (region.to_owned(), sqs.queue(fields, region)?.name.clone());
            sqs.queues.remove(&key);
            sqs.deleted.insert(key, now_ms);
            sqs.arrived.notify_waiters();
            Ok(json!({}))
        }
        "GetQueueAttributes" => sqs.queue(fields, region)?.attributes(fields, now_ms),
        "SetQueueAttributes" => sqs.queue(fields, region)?.set_attributes(fields, now_ms).map(|()| json!({})),
        "TagQueue" => {
            let added = fields.text_map("Tags")?;
            sqs.queue(fields, region)?.add_tags(added).map(|()| json!({}))
        }
        "UntagQueue" => {
            let keys = fields.texts("TagKeys")?;
            sqs.queue(fields, region)?.tags.retain(|key, _| !keys.contains(key));
            Ok(json!({}))
        }
        "ListQueueTags" => Ok(json!({ "Tags": sqs.queue(fields, region)?.tags })),
        "PurgeQueue" => {
            sqs.queue(fields, region)?.purge();
            Ok(json!({}))
        }
        "SendMessage" | "SendMessageBatch" => {
            let queue = sqs.queue(fields, region)?;
            let answer = if request.action == "SendMessage" {
                message::send(queue, fields, now_ms)
            } else {
                message::send_batch(queue, fields, now_ms)
            };
            sqs.arrived.notify_waiters();
            answer
        }
        "DeleteMessage" => message::delete(sqs.queue(fields, region)?, fields),
        "DeleteMessageBatch" => message::delete_batch(sqs.queue(fields, region)?, fields),
        "ChangeMessageVisibility" => message::change_visibility(sqs.queue(fields, region)?, fields, now_ms),
        other => Err(fault("UnknownOperationException", "InvalidAction", format!("The action {other} is not valid"))),
    }
}

fn create(sqs: &mut State, request: &ApiRequest, fields: &Fields, now_ms: u64) -> Result<Value, ApiError> {
    let name = fields.text("QueueName")?.ok_or_else(|| missing("QueueName"))?;
    let named = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if name.is_empty() || name.len() > 80 || !named {
        return Err(invalid_value(
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
        ));
    }
    let key = (request.region.clone(), name.to_owned());
    if sqs.deleted.get(&key).is_some_and(|deleted| now_ms < deleted + NAME_REST_MS) {
        return Err(fault(
            "QueueDeletedRecently",
            "AWS.SimpleQueueService.QueueDeletedRecently",
            "You must wait 60 seconds after deleting a queue before you can create another with the same name.",
        ));
    }
    let mut queue = Queue::new(name, &request.region, now_ms);
    queue.set_attributes(fields, now_ms)?;
    queue.add_tags(fields.text_map("tags")?)?;
    let answer = json!({ "QueueUrl": url(request, name) });
    if let Some(existing) = sqs.queues.get(&key) {
        if let Some(attribute) = existing.differs_in(fields)? {
            let message =
                format!("A queue already exists with the same name and a different value for attribute {attribute}");
            return Err(fault("QueueNameExists", "QueueAlreadyExists", message));
        }
        return Ok(answer);
    }
    sqs.queues.insert(key, queue);
    Ok(answer)
}

fn list(sqs: &State, request: &ApiRequest, fields: &Fields) -> Result<Value, ApiError> {
    let prefix = fields.text("QueueNamePrefix")?.unwrap_or_default();
    let most = fields.number("MaxResults")?;
    if most.is_some_and(|most| !(1..=1000).contains(&most)) {
        let reason = "Must be between 1 and 1000, if provided.";
        return Err(out_of_range("MaxResults", most.unwrap_or_default(), reason));
    }
    let found = sqs.queues.values().filter(|queue| queue.region == request.region && queue.name.starts_with(prefix));
    let most_shown = usize::try_from(most.unwrap_or(1000)).unwrap_or(1000);
    let (queues, next) = page(found, |queue| queue.name.clone(), fields.text("NextToken")?, most_shown);
    let urls: Vec<String> = queues.into_iter().map(|queue| url(request, &queue.name)).collect();
    let mut answer = json!({});
    if !urls.is_empty() {
        answer["QueueUrls"] = urls.into();
    }
    if let Some(next) = next.filter(|_| most.is_some()) {
        answer["NextToken"] = next.into();
    }
    Ok(answer)
}

fn url(request: &ApiRequest, name: &str) -> String {
    format!("http://{}/{ACCOUNT}/{name}", request.header("host").unwrap_or_default())
}

fn fault(code: &str, older_code: &str, message: impl Into<String>) -> ApiError {
    ApiError::new(400, format!("com.amazonaws.sqs#{code}"), message)
        .header("x-amzn-query-error", format!("{older_code};Sender"))
}

fn no_queue() -> ApiError {
    fault("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.")
}

fn missing(parameter: &str) -> ApiError {
    let message = format!("The request must contain the parameter {parameter}.");
    fault("MissingRequiredParameterException", "MissingParameter", message)
}

fn invalid_value(message: impl Into<String>) -> ApiError {
    fault("InvalidParameterValueException", "InvalidParameterValue", message)
}

fn out_of_range(parameter: &str, value: i64, reason: &str) -> ApiError {
    invalid_value(format!("Value {value} for parameter {parameter} is invalid. Reason: {reason}"))
}
