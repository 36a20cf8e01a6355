//! Listening: long polls of the queue with the answers. Each record goes to the request that waits for it, then it is
//! deleted; what comes for nobody is counted.
//!
//! Receiving is no invocation: it may be repeated, and is, for as long as anything is outstanding. A lost network costs
//! no answer, because they wait in the queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::StalledStreamProtectionConfig;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName};
use faast_core::CancelToken;
use faast_core::control::{Backoff, Pauses};
use faast_core::cost::Quantity;
use faast_core::dispatch::drive_here;
use faast_core::log::Channel;
use faast_core::provider::Metering;
use fastrand::Rng;

use super::desk::Desk;
use super::record::{Record, units};
use super::settle::Settler;
use crate::classify::control::{Meaning as _, Refusal};
use crate::classify::invoke as classify;
use crate::cost::QUEUE;

/// Messages in one answer of the service at most.
const MESSAGES: i32 = 10;

/// The longest that a poll can wait at the service.
const WAIT: Duration = Duration::from_secs(20);

/// Pauses while the queue can't be read.
const PAUSES: Backoff =
    Backoff { first: Duration::from_millis(100), factor: 2.0, most: Duration::from_secs(5), total: Duration::MAX };

/// Refusals in a row until one that does not pass by itself is believed. A new queue is not known everywhere at once.
const BELIEVED: u32 = 7;

/// What all listeners of a queue share.
#[derive(Debug)]
pub(super) struct Listener {
    sqs: Client,
    url: String,
    desk: Arc<Desk>,
    pub(super) settler: Settler,
    /// Fires with the cleanup.
    pub(super) closed: CancelToken,
    /// The queue could not be read the last time. Written by listeners.
    out_of_reach: AtomicBool,
}

impl Listener {
    pub(super) fn new(sdk: &SdkConfig, url: String, desk: Arc<Desk>, settler: Settler) -> Self {
        // What fails is tried again here, and told.
        let config = aws_sdk_sqs::config::Builder::from(sdk)
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build();
        let (sqs, closed) = (Client::from_conf(config), CancelToken::new());
        Self { sqs, url, desk, settler, closed, out_of_reach: AtomicBool::new(false) }
    }

    /// Listens until it is not needed any more.
    pub(super) async fn run(self: Arc<Self>) {
        let (mut pauses, mut refusals) = (pauses(), 0);
        loop {
            let heard = tokio::select! {
                heard = self.receive() => heard,
                () = self.closed.canceled() => return,
            };
            let heard_nothing = match heard {
                Ok(messages) => {
                    (pauses, refusals) = (self::pauses(), 0);
                    if self.out_of_reach.swap(false, Ordering::Relaxed) {
                        faast_core::log!(Channel::Info, "the queue with the answers can be read again");
                    }
                    self.take_in(&messages);
                    self.delete(&messages).await;
                    messages.is_empty()
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

    async fn receive(&self) -> Result<Vec<Message>, Refusal> {
        let request = self
            .sqs
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(MESSAGES)
            .wait_time_seconds(i32::try_from(WAIT.as_secs()).unwrap_or(i32::MAX))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount);
        let received = request.send().await.meaning("sqs:ReceiveMessage")?;
        Ok(received.messages.unwrap_or_default())
    }

    fn refused(&self, refusal: &Refusal, refusals: u32) {
        if !self.out_of_reach.swap(true, Ordering::Relaxed) {
            faast_core::log!(
                Channel::Warning,
                "the queue with the answers can't be read now; they wait there: {refusal}"
            );
        }
        if refusals >= BELIEVED && classify::is_for_good(refusal.cause()) {
            self.desk.give_up(|| classify::queue_lost(refusal));
        }
    }

    /// Wakes the requests, and goes on with them on this very thread.
    fn take_in(&self, messages: &[Message]) {
        let bytes: usize = messages.iter().filter_map(|message| message.body()).map(str::len).sum();
        self.desk.used([requests(units(bytes))]);
        drive_here(|| {
            for message in messages {
                self.take_in_one(message);
            }
        });
    }

    fn take_in_one(&self, message: &Message) {
        let Some(record) = message.body().and_then(Record::read) else {
            faast_core::log!(Channel::Provider, "a message in the queue is no record, and is deleted");
            return;
        };
        let Some(late) = self.desk.hand_on(record) else { return };
        // A message that was delivered before ran only once.
        let metering = if is_redelivered(message) { Metering::default() } else { self.settler.cost(&late) };
        self.desk.late(metering);
    }

    /// What is not deleted comes again, for nobody.
    async fn delete(&self, messages: &[Message]) {
        let entry = |(at, message): (usize, &Message)| {
            let entry = DeleteMessageBatchRequestEntry::builder().id(at.to_string());
            entry.receipt_handle(message.receipt_handle()?).build().ok()
        };
        let entries: Vec<_> = messages.iter().enumerate().filter_map(entry).collect();
        if entries.is_empty() {
            return;
        }
        let request = self.sqs.delete_message_batch().queue_url(&self.url).set_entries(Some(entries));
        match request.send().await.meaning("sqs:DeleteMessage") {
            Ok(_) => self.desk.used([requests(1)]),
            Err(refusal) => faast_core::log!(Channel::Provider, "records stay in the queue for now: {refusal}"),
        }
    }
}

fn pauses() -> Pauses {
    Pauses::new(PAUSES, Rng::new())
}

fn requests(count: usize) -> Quantity {
    Quantity { metric: QUEUE.into(), amount: count as f64, measured: true }
}

fn is_redelivered(message: &Message) -> bool {
    let count = message.attributes().and_then(|all| all.get(&MessageSystemAttributeName::ApproximateReceiveCount));
    count.and_then(|count| count.parse().ok()).is_some_and(|count: u32| count > 1)
}
