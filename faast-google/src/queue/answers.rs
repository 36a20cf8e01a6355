//! The subscription to the answers: long polls of it, and what its messages say and cost.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use faast_core::cost::{Quantity, Usage};
use faast_core::provider::{Event, InvokeError, Metering};
use faast_core::queue::{Answers, Received};
use reqwest::Method;
use serde_json::json;

use super::message::{self, Message, Read, Told};
use super::seen::Seen;
use crate::classify::control::Refusal;
use crate::classify::invoke as classify;
use crate::cost::{self, Meter};
use crate::endpoint::Service;
use crate::rest::{Call, Rest};

/// Messages in one answer of the service at most.
const MESSAGES: u32 = 1000;

/// The service answers long before that, also when there is nothing.
const POLL: Duration = Duration::from_mins(2);

/// The permission for all of it.
const CONSUME: &str = "pubsub.subscriptions.consume";

/// The messages in one subscription.
#[derive(Debug)]
pub(super) struct Messages {
    rest: Rest,
    /// `projects/<project>/subscriptions/<subscription>`.
    subscription: String,
    meter: Meter,
    past: Mutex<Past>,
}

/// What is known of messages and requests that are over. Written by whoever hears of them.
#[derive(Debug, Default)]
struct Past {
    seen: Seen,
    /// Deliveries of requests that are on the bill of a call.
    billed: Seen,
    /// What is on the bill of no call: messages of requests that are over.
    usage: Usage,
}

impl Messages {
    pub(super) fn new(rest: Rest, subscription: String, meter: Meter) -> Self {
        Self { rest, subscription, meter, past: Mutex::default() }
    }

    /// Every change is complete in itself.
    fn past<T>(&self, of: impl FnOnce(&mut Past) -> T) -> T {
        of(&mut self.past.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts on the deployment's bill what no call will tell of.
    pub(super) fn note(&self, quantity: Quantity) {
        self.past(|past| past.usage.add(quantity));
    }

    /// What was used beside the calls.
    pub(super) fn usage(&self) -> Usage {
        self.past(|past| past.usage.clone())
    }

    /// A delivery is on the bill of a call.
    pub(super) fn billed(&self, request: u64, delivery: u64) {
        self.past(|past| past.billed.is_new(&format!("{request} {delivery}")));
    }

    /// A worker began a request that is over: its word, and the delivery, unless the word comes behind the answer. The run
    /// comes with its answer.
    fn begun_in_vain(&self, message: &Message) {
        let delivery = format!("{} {}", message.request, message.delivery.unwrap_or(1));
        self.past(|past| {
            if past.billed.is_new(&delivery) {
                past.usage.add(cost::passed(0));
            }
            past.usage.add(cost::passed(message.bytes));
        });
    }

    fn call(&self, verb: &str) -> Call {
        let path = format!("/v1/{}:{verb}", self.subscription);
        self.rest.call(CONSUME, Method::POST, Service::PubSub, &path).once()
    }
}

#[async_trait]
impl Answers for Messages {
    type Record = Message;
    type Refusal = Refusal;

    async fn receive(&self) -> Result<Received<Message>, Refusal> {
        let call = self.call("pull").json(&json!({ "maxMessages": MESSAGES })).within(POLL);
        let answer = call.send().await?;
        let read = match &*answer.body {
            [] => Read::default(),
            body => message::read(body).map_err(|error| Refusal::unreadable(CONSUME, error.to_string()))?,
        };
        let Read { acks: receipts, mut messages, bytes } = read;
        self.past(|past| messages.retain(|message| past.seen.is_new(&message.id)));
        let used = (!receipts.is_empty()).then(|| cost::passed(bytes));
        let records = messages.into_iter().map(|message| (message.request, message)).collect();
        Ok(Received { records, receipts, used })
    }

    async fn acknowledge(&self, receipts: &[String]) -> Result<Option<Quantity>, Refusal> {
        self.call("acknowledge").json(&json!({ "ackIds": receipts })).send().await?;
        Ok(None)
    }

    /// That a call began again is no answer.
    fn unclaimed(&self, message: Message) -> Option<Metering> {
        let Told::Events(sealed) = &message.told else { return None };
        let events = Told::events(sealed.clone()).unwrap_or_default();
        let done = |event| if let Event::Done { metering, .. } = event { Some(metering) } else { None };
        let Some(mut metering) = events.into_iter().find_map(done) else {
            self.begun_in_vain(&message);
            return None;
        };
        self.meter.request().done(&mut metering, message.bytes);
        metering.quantities.push(cost::passed(message.bytes));
        Some(metering)
    }

    fn lost(&self, refusal: &Refusal) -> Option<InvokeError> {
        classify::queue_lost(refusal)
    }
}
