//! The subscription to the answers: long polls of it, and what its messages say and cost.

use std::time::Duration;

use async_trait::async_trait;
use faast_core::cost::Quantity;
use faast_core::provider::{Event, InvokeError, Metering};
use faast_core::queue::{Answers, Received};
use reqwest::Method;
use serde_json::json;

use super::message::{self, Message, Told};
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
}

impl Messages {
    pub(super) fn new(rest: Rest, subscription: String, meter: Meter) -> Self {
        Self { rest, subscription, meter }
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
        let (receipts, messages) = match &*answer.body {
            [] => (Vec::new(), Vec::new()),
            body => message::read(body).map_err(|error| Refusal::unreadable(CONSUME, error.to_string()))?,
        };
        let records = messages.into_iter().map(|message| (message.request, message)).collect();
        Ok(Received { records, receipts, used: None })
    }

    async fn acknowledge(&self, receipts: &[String]) -> Result<Option<Quantity>, Refusal> {
        self.call("acknowledge").json(&json!({ "ackIds": receipts })).send().await?;
        Ok(None)
    }

    /// That a call began again is no answer.
    fn unclaimed(&self, message: Message) -> Option<Metering> {
        let Told::Events(sealed) = message.told else { return None };
        let done = |event| if let Event::Done { metering, .. } = event { Some(metering) } else { None };
        let mut metering = Told::events(sealed).unwrap_or_default().into_iter().find_map(done)?;
        self.meter.request().done(&mut metering, message.bytes);
        metering.quantities.push(cost::message(message.bytes, 1));
        Some(metering)
    }

    fn lost(&self, refusal: &Refusal) -> Option<InvokeError> {
        classify::queue_lost(refusal)
    }
}
