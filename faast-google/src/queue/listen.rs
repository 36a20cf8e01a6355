//! Listening: long polls of the subscription to the answers. Each message goes to the request that waits for it, then it
//! is acknowledged; what comes for nobody is counted.
//!
//! Pulling is no invocation: it may be repeated, and is, for as long as anything is outstanding. A lost network costs no
//! answer, because they wait in the subscription.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use faast_core::CancelToken;
use faast_core::control::{Backoff, Pauses};
use faast_core::dispatch::drive_here;
use faast_core::log::Channel;
use faast_core::provider::Event;
use fastrand::Rng;
use reqwest::Method;
use serde_json::json;

use super::desk::Desk;
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

/// Pauses while messages can't be pulled.
const PAUSES: Backoff =
    Backoff { first: Duration::from_millis(100), factor: 2.0, most: Duration::from_secs(5), total: Duration::MAX };

/// Refusals in a row until one that does not pass by itself is believed. A new subscription, and who may use it, is not
/// known everywhere at once.
const BELIEVED: u32 = 7;

/// What all listeners of a queue share.
#[derive(Debug)]
pub(super) struct Listener {
    rest: Rest,
    /// `projects/<project>/subscriptions/<subscription>`.
    subscription: String,
    desk: Arc<Desk>,
    meter: Meter,
    /// Fires with the cleanup.
    pub(super) closed: CancelToken,
    /// Messages could not be pulled the last time. Written by listeners.
    out_of_reach: AtomicBool,
}

impl Listener {
    pub(super) fn new(rest: Rest, subscription: String, desk: Arc<Desk>, meter: Meter) -> Self {
        let (closed, out_of_reach) = (CancelToken::new(), AtomicBool::new(false));
        Self { rest, subscription, desk, meter, closed, out_of_reach }
    }

    /// Listens until it is not needed any more.
    pub(super) async fn run(self: Arc<Self>) {
        let (mut pauses, mut refusals) = (pauses(), 0);
        loop {
            let heard = tokio::select! {
                heard = self.pull() => heard,
                () = self.closed.canceled() => return,
            };
            let heard_nothing = match heard {
                Ok((acks, messages)) => {
                    (pauses, refusals) = (self::pauses(), 0);
                    if self.out_of_reach.swap(false, Ordering::Relaxed) {
                        faast_core::log!(Channel::Info, "answers can be pulled again");
                    }
                    self.take_in(messages);
                    self.acknowledge(&acks).await;
                    acks.is_empty()
                }
                Err(refusal) => {
                    refusals += 1;
                    self.refused(&refusal, refusals);
                    tokio::select! {
                        () = tokio::time::sleep(pauses.next(Duration::ZERO).unwrap_or(PAUSES.most)) => {}
                        () = self.closed.canceled() => return,
                    }
                    true
                }
            };
            if self.desk.leaves(heard_nothing) {
                return;
            }
        }
    }

    fn call(&self, action: &'static str, verb: &str) -> Call {
        let path = format!("/v1/{}:{verb}", self.subscription);
        // What fails is tried again here, and told.
        self.rest.call(action, Method::POST, Service::PubSub, &path).once()
    }

    async fn pull(&self) -> Result<(Vec<String>, Vec<Message>), Refusal> {
        const ACTION: &str = "pubsub.subscriptions.consume";
        let call = self.call(ACTION, "pull").json(&json!({ "maxMessages": MESSAGES })).within(POLL);
        let answer = call.send().await?;
        if answer.body.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        message::read(&answer.body).map_err(|error| Refusal::unreadable(ACTION, error.to_string()))
    }

    fn refused(&self, refusal: &Refusal, refusals: u32) {
        if !self.out_of_reach.swap(true, Ordering::Relaxed) {
            faast_core::log!(
                Channel::Warning,
                "answers can't be pulled now; they wait in their subscription: {refusal}"
            );
        }
        if refusals >= BELIEVED && classify::is_for_good(refusal.cause()) {
            self.desk.give_up(|| classify::queue_lost(refusal));
        }
    }

    /// Wakes the requests, and goes on with them on this very thread.
    fn take_in(&self, messages: Vec<Message>) {
        drive_here(|| {
            for message in messages {
                if let Some(late) = self.desk.hand_on(message) {
                    self.late(late);
                }
            }
        });
    }

    /// Counts an answer that nobody waits for. That a call began again is no answer.
    pub(super) fn late(&self, message: Message) {
        let Told::Events(sealed) = message.told else { return };
        for event in Told::events(sealed).unwrap_or_default() {
            if let Event::Done { mut metering, .. } = event {
                self.meter.request().done(&mut metering, message.bytes);
                metering.quantities.push(cost::message(message.bytes, 1));
                self.desk.late(metering.quantities);
            }
        }
    }

    /// What is not acknowledged comes again, for nobody.
    async fn acknowledge(&self, acks: &[String]) {
        if acks.is_empty() {
            return;
        }
        let call = self.call("pubsub.subscriptions.consume", "acknowledge").json(&json!({ "ackIds": acks }));
        if let Err(refusal) = call.send().await {
            faast_core::log!(Channel::Provider, "messages stay in their subscription for now: {refusal}");
        }
    }
}

fn pauses() -> Pauses {
    Pauses::new(PAUSES, Rng::new())
}
