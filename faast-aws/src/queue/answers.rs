//! The queue with the answers: long polls of it, and what its messages say and cost.

use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::StalledStreamProtectionConfig;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName};
use faast_core::cost::Quantity;
use faast_core::log::Channel;
use faast_core::provider::{InvokeError, Metering};
use faast_core::queue::{Answers, Received};

use super::record::{Record, units};
use super::settle::Settler;
use crate::classify::control::{Meaning as _, Refusal};
use crate::classify::invoke as classify;
use crate::cost::QUEUE;

/// Messages in one answer of the service at most.
const MESSAGES: i32 = 10;

/// The longest that a poll can wait at the service.
const WAIT: Duration = Duration::from_secs(20);

/// The records in one queue.
#[derive(Debug)]
pub(super) struct Records {
    sqs: Client,
    url: String,
    pub(super) settler: Settler,
}

impl Records {
    pub(super) fn new(sdk: &SdkConfig, url: String, settler: Settler) -> Self {
        let config = aws_sdk_sqs::config::Builder::from(sdk)
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build();
        Self { sqs: Client::from_conf(config), url, settler }
    }
}

#[async_trait]
impl Answers for Records {
    type Record = Record;
    type Refusal = Refusal;

    async fn receive(&self) -> Result<Received<Record>, Refusal> {
        let request = self
            .sqs
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(MESSAGES)
            .wait_time_seconds(i32::try_from(WAIT.as_secs()).unwrap_or(i32::MAX))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount);
        let messages = request.send().await.meaning("sqs:ReceiveMessage")?.messages.unwrap_or_default();
        let bytes: usize = messages.iter().filter_map(|message| message.body()).map(str::len).sum();
        Ok(Received {
            records: messages.iter().filter_map(read).collect(),
            receipts: messages.into_iter().filter_map(|message| message.receipt_handle).collect(),
            used: Some(requests(units(bytes))),
        })
    }

    async fn acknowledge(&self, receipts: &[String]) -> Result<Option<Quantity>, Refusal> {
        let entry = |(at, receipt): (usize, &String)| {
            DeleteMessageBatchRequestEntry::builder().id(at.to_string()).receipt_handle(receipt).build().ok()
        };
        let entries = receipts.iter().enumerate().filter_map(entry).collect();
        let request = self.sqs.delete_message_batch().queue_url(&self.url).set_entries(Some(entries));
        request.send().await.meaning("sqs:DeleteMessage")?;
        Ok(Some(requests(1)))
    }

    fn unclaimed(&self, record: Record) -> Option<Metering> {
        Some(self.settler.cost(&record))
    }

    fn lost(&self, refusal: &Refusal) -> Option<InvokeError> {
        classify::queue_lost(refusal)
    }
}

fn read(message: &Message) -> Option<(u64, Record)> {
    let Some(record) = message.body().and_then(Record::read) else {
        faast_core::log!(Channel::Provider, "a message in the queue is no record, and is deleted");
        return None;
    };
    Some((record.id(), if is_redelivered(message) { record.again() } else { record }))
}

fn requests(count: usize) -> Quantity {
    Quantity { metric: QUEUE.into(), amount: count as f64, measured: true }
}

fn is_redelivered(message: &Message) -> bool {
    let count = message.attributes().and_then(|all| all.get(&MessageSystemAttributeName::ApproximateReceiveCount));
    count.and_then(|count| count.parse().ok()).is_some_and(|count: u32| count > 1)
}
