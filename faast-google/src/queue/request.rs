//! Requests in queue mode: a message is published, and the worker's events are waited for, which come as messages too.
//!
//! A worker that dies says nothing: Pub/Sub then gives its request to another one, whose word that it starts is the news
//! that the first has ended.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use faast_core::cost::Usage;
use faast_core::provider::{Event, Incoming, InstanceId, InvokeError, Metering, Request, answered};
use faast_core::queue::{Asked, Desk};
use futures_core::stream::BoxStream;
use futures_util::StreamExt as _;
use reqwest::Method;
use tokio::sync::Semaphore;

use super::answers::Messages;
use super::message::{self, MOST_SEALED, Message, Told};
use crate::classify::invoke as classify;
use crate::cost::{self, Bill, Meter};
use crate::credentials::Secret;
use crate::endpoint::Service;
use crate::invoke::{Plan, check, seal};
use crate::resource::Kind;
use crate::rest::Rest;

/// Requests that are published at a time: each takes milliseconds, however long it then runs, and each has a connection.
const SENDERS: usize = 64;

/// Listeners at most. One answer of the service has a thousand messages, so that more would get less each.
const LISTENERS: usize = 2;

type Item = Result<Event, InvokeError>;

/// The way of requests through Pub/Sub, and of answers back. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Queue(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    rest: Rest,
    /// `projects/<project>/topics/<topic>`.
    topic: String,
    secret: Option<Secret>,
    plan: Plan,
    meter: Meter,
    senders: Semaphore,
    desk: Arc<Desk<Messages>>,
}

impl Queue {
    /// For the deployment called `name`, whose topics and subscriptions are there, or soon will be.
    pub(crate) fn new(plan: Plan, rest: Rest, project: &str, name: &str, secret: Option<Secret>) -> Self {
        let meter = Meter::new(&plan);
        let topic = format!("projects/{project}/topics/{}", Kind::RequestTopic.id(name));
        let subscription = format!("projects/{project}/subscriptions/{}", Kind::ResponseSubscription.id(name));
        let desk = Desk::new(Messages::new(rest.clone(), subscription, meter), LISTENERS);
        let senders = Semaphore::new(SENDERS);
        Self(Arc::new(Inner { rest, topic, secret, plan, meter, senders, desk }))
    }

    /// Sends a request when the stream is first polled.
    pub fn invoke(&self, request: Request) -> BoxStream<'static, Item> {
        let queue = self.clone();
        answered(async move { queue.begin(&request) }).boxed()
    }

    /// Answers that came for nobody.
    pub fn late(&self) -> u64 {
        self.0.desk.late()
    }

    /// What was used beyond requests that somebody waited for.
    pub fn usage(&self) -> Usage {
        self.0.desk.usage()
    }

    /// Ends listening, and every request.
    pub fn close(&self) {
        self.0.desk.close();
    }

    #[expect(clippy::result_large_err, reason = "the error of the contract, made once for a failed request")]
    fn begin(&self, request: &Request) -> Result<Waiting, InvokeError> {
        let Inner { plan, meter, desk, .. } = &*self.0;
        check(request, plan.timeout)?;
        let sealed = seal(request, MOST_SEALED)?;
        Ok(Waiting {
            bytes: vec![message::size(sealed.len())],
            asked: desk.ask(&plan.runtime, |id| self.clone().publish(id, sealed))?,
            begun: None,
            bill: meter.request(),
            sent: Instant::now(),
            ready: VecDeque::new(),
            ended: false,
        })
    }

    async fn publish(self, id: u64, sealed: Vec<u8>) -> Result<(), InvokeError> {
        let Inner { rest, topic, secret, senders, .. } = &*self.0;
        // Never closed.
        let _turn = senders.acquire().await;
        let id = id.to_string();
        let mut attributes = vec![(message::REQUEST, &*id)];
        attributes.extend(secret.as_ref().map(|secret| (message::SECRET, secret.expose())));
        let path = format!("/v1/{topic}:publish");
        let call = rest.call("pubsub.topics.publish", Method::POST, Service::PubSub, &path).once();
        let published = call.json(&message::publication(&sealed, &attributes)).send().await;
        published.map(drop).map_err(|refusal| classify::unpublished(&refusal))
    }
}

/// A request that waits for its messages.
struct Waiting {
    asked: Asked<Messages>,
    /// Who began the call, in which delivery of the request.
    begun: Option<(InstanceId, Option<u64>)>,
    bill: Bill,
    sent: Instant,
    /// Of messages that are not on the bill yet, the request's own first.
    bytes: Vec<usize>,
    ready: VecDeque<Item>,
    ended: bool,
}

impl Incoming for Waiting {
    async fn next(&mut self) -> Option<Item> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Some(item);
            }
            if self.ended {
                return None;
            }
            match self.asked.next().await {
                Ok(message) => self.hear(message),
                Err(error) => self.fail(error),
            }
        }
    }
}

impl Waiting {
    fn hear(&mut self, message: Message) {
        self.bytes.push(message.bytes);
        let events = match message.told {
            Told::Events(sealed) => Told::events(sealed),
            Told::Refused(why) => return self.fail(classify::unread(&why)),
            Told::Dead => return self.fail(classify::dead(self.begun.is_some())),
        };
        match events {
            Ok(events) => events.into_iter().for_each(|event| self.event(event, message.delivery)),
            Err(error) => self.fail(classify::undecodable(error)),
        }
    }

    fn event(&mut self, mut event: Event, delivery: Option<u64>) {
        if self.ended {
            return;
        }
        match &mut event {
            Event::Started { instance, .. } => match &self.begun {
                None => self.begun = Some((instance.clone(), delivery)),
                Some(begun) if follows((instance, delivery), begun) => return self.fail(classify::redelivered()),
                // The same word twice, or the same request at the same time.
                Some(_) => return,
            },
            Event::Done { metering, .. } => {
                self.bill.done(metering, self.bytes.iter().skip(1).sum());
                self.add_messages(metering);
                self.ended = true;
            }
            Event::Item { .. } | Event::Returned { .. } => {}
            _ => return,
        }
        self.ready.push_back(Ok(event));
    }

    fn fail(&mut self, error: InvokeError) {
        self.ended = true;
        let ran = error.ran != faast_core::provider::Ran::No && self.begun.is_some();
        let mut metering = if ran { self.bill.failed(self.sent.elapsed(), 0) } else { Metering::default() };
        if self.asked.is_taken() || ran {
            self.add_messages(&mut metering);
        }
        self.ready.push_back(Err(error.metering(metering)));
    }

    /// Puts the messages so far on the bill.
    fn add_messages(&mut self, metering: &mut Metering) {
        metering.quantities.extend(self.bytes.drain(..).map(|bytes| cost::message(bytes, 1)));
    }
}

/// Whether a worker began because the one before had ended. Where Pub/Sub counts deliveries, one that is counted no higher
/// is only the same one twice.
fn follows(new: (&InstanceId, Option<u64>), begun: &(InstanceId, Option<u64>)) -> bool {
    let counted_higher = new.1.zip(begun.1).is_none_or(|(new, before)| new > before);
    *new.0 != begun.0 && counted_higher
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_another_worker_in_a_later_delivery_says_that_the_first_has_ended() {
        let (one, other) = (InstanceId("one".into()), InstanceId("other".into()));
        for (new, delivery, expected) in [
            (&other, Some(2), true),
            (&other, Some(1), false),
            (&one, Some(2), false),
            (&other, None, true),
            (&one, None, false),
        ] {
            assert_eq!(follows((new, delivery), &(one.clone(), Some(1))), expected, "{new:?} {delivery:?}");
        }
    }
}
