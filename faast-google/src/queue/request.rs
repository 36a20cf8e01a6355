//! Requests in queue mode: a message is published, and the worker's events are waited for, which come as messages too.
//!
//! The request is at its end with the first answer, whichever worker gives it, or when Pub/Sub has given it up: then its
//! call has crashed if those who began it have ended without an answer, as `starts.rs` reckons.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use faast_core::cost::{Quantity, Usage};
use faast_core::provider::{CallId, Event, Incoming, InstanceId, InvokeError, Metering, Ran, Request, answered};
use faast_core::queue::{Asked, Desk};
use futures_core::stream::BoxStream;
use futures_util::StreamExt as _;
use reqwest::Method;
use tokio::sync::Semaphore;

use super::DELIVERIES;
use super::answers::Messages;
use super::begun::Begun;
use super::message::{self, MOST_SEALED, Message, Told};
use super::starts::{Start, Starts};
use crate::classify::invoke as classify;
use crate::cost::{self, Meter};
use crate::credentials::Secret;
use crate::endpoint::Service;
use crate::invoke::{Plan, check, seal};
use crate::resource::Kind;
use crate::rest::Rest;
use crate::service::TO_SAY_SO;

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
    begun: Begun,
    senders: Semaphore,
    desk: Arc<Desk<Messages>>,
}

impl Queue {
    /// For the deployment called `name`, whose topics and subscriptions are there, or soon will be.
    pub(crate) fn new(plan: Plan, rest: Rest, project: &str, name: &str, secret: Option<Secret>, begun: Begun) -> Self {
        let meter = Meter::new(&plan);
        let topic = format!("projects/{project}/topics/{}", Kind::RequestTopic.id(name));
        let subscription = format!("projects/{project}/subscriptions/{}", Kind::ResponseSubscription.id(name));
        let desk = Desk::new(Messages::new(rest.clone(), subscription, meter), LISTENERS);
        let senders = Semaphore::new(SENDERS);
        Self(Arc::new(Inner { rest, topic, secret, plan, meter, begun, senders, desk }))
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
        let mut usage = self.0.desk.usage();
        usage.extend(&self.0.desk.answers().usage());
        usage
    }

    /// Ends listening, and every request.
    pub fn close(&self) {
        self.0.desk.close();
    }

    #[expect(clippy::result_large_err, reason = "the error of the contract, made once for a failed request")]
    fn begin(&self, request: &Request) -> Result<Waiting, InvokeError> {
        let Inner { plan, meter, desk, secret, .. } = &*self.0;
        check(request, plan.timeout)?;
        let sealed = seal(request, MOST_SEALED)?;
        let mut bytes = 0;
        let asked = desk.ask(&plan.runtime, |id| {
            let mut attributes = vec![(message::REQUEST, id.to_string())];
            attributes.extend(secret.as_ref().map(|secret| (message::SECRET, secret.expose().to_owned())));
            bytes = message::billed(sealed.len(), attributes.iter().map(|(name, value)| (*name, &**value)));
            self.clone().publish(sealed, attributes)
        })?;
        Ok(Waiting {
            queue: self.clone(),
            asked,
            bytes,
            starts: Starts::default(),
            told: None,
            request: None,
            delivered: 0,
            heard: Vec::new(),
            meter: *meter,
            longest: plan.timeout + TO_SAY_SO,
            ready: VecDeque::new(),
            ended: false,
        })
    }

    async fn publish(self, sealed: Vec<u8>, attributes: Vec<(&'static str, String)>) -> Result<(), InvokeError> {
        let Inner { rest, topic, senders, .. } = &*self.0;
        // Never closed.
        let _turn = senders.acquire().await;
        let attributes: Vec<_> = attributes.iter().map(|(name, value)| (*name, &**value)).collect();
        let path = format!("/v1/{topic}:publish");
        let call = rest.call("pubsub.topics.publish", Method::POST, Service::PubSub, &path).once();
        let published = call.json(&message::publication(&sealed, &attributes)).send().await;
        published.map(drop).map_err(|refusal| classify::unpublished(&refusal))
    }
}

/// A request that waits for its messages.
struct Waiting {
    queue: Queue,
    asked: Asked<Messages>,
    /// Bytes that are billed for its own message.
    bytes: usize,
    starts: Starts,
    /// Who runs it, as core was told last.
    told: Option<InstanceId>,
    /// Its number, as soon as anything has come for it.
    request: Option<u64>,
    /// How often the request was delivered, as far as was heard.
    delivered: u32,
    /// Bytes that are billed for each message that came for it.
    heard: Vec<usize>,
    meter: Meter,
    /// No worker runs it longer.
    longest: Duration,
    ready: VecDeque<Item>,
    ended: bool,
}

impl Drop for Waiting {
    /// Given up. What it costs to run comes with the answer, if there is one.
    fn drop(&mut self) {
        if !self.ended {
            self.messages().into_iter().for_each(|messages| self.asked.answers().note(messages));
        }
    }
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
        let Message { request, delivery, worker, told, bytes, .. } = message;
        self.request = Some(request);
        self.heard.push(bytes);
        let count = delivery.and_then(|count| count.try_into().ok()).unwrap_or(1);
        self.delivered = self.delivered.max(count);
        let begun = &self.queue.0.begun;
        let events = match told {
            Told::Events(sealed) => {
                begun.note();
                Told::events(sealed)
            }
            Told::Refused(why) => {
                begun.note();
                return self.fail(classify::unread(&why));
            }
            Told::Dead => {
                let error = match begun.never(Instant::now()).filter(|_| self.starts.count() == 0) {
                    Some(advice) => classify::never_begun(advice),
                    None => classify::dead(self.starts.count() > 0, self.starts.say_crash()),
                };
                self.delivered = self.delivered.max(DELIVERIES);
                return self.fail(error);
            }
        };
        let events = match events {
            Ok(events) => events,
            Err(error) => return self.fail(classify::undecodable(error)),
        };
        for event in events {
            self.event(event, delivery, worker.as_ref());
        }
    }

    fn event(&mut self, mut event: Event, delivery: Option<u64>, worker: Option<&InstanceId>) {
        if self.ended {
            return;
        }
        match &mut event {
            Event::Started { instance, execution, .. } => {
                let (instance, execution) = (instance.clone(), execution.clone());
                let start = Start { instance: instance.clone(), execution, delivery, at: Instant::now() };
                if !self.starts.add(start) {
                    return;
                }
                // The clock of the call runs anew.
                self.told = Some(instance);
            }
            Event::Done { call, metering, .. } => {
                if let Some(worker) = worker {
                    self.tell_who(*call, worker);
                }
                self.meter.request().done(metering, self.heard.iter().sum());
                if delivery.is_some() {
                    self.add_lost(delivery, metering);
                }
                metering.quantities.extend(self.messages());
                self.ended = true;
            }
            Event::Item { .. } | Event::Returned { .. } => {}
            _ => return,
        }
        self.ready.push_back(Ok(event));
    }

    /// Of several workers, this is the one that answers.
    fn tell_who(&mut self, call: CallId, worker: &InstanceId) {
        if self.told.as_ref() != Some(worker) {
            let execution = self.starts.of(worker).and_then(|start| start.execution.clone());
            self.ready.push_back(Ok(Event::Started { call, instance: worker.clone(), execution }));
        }
    }

    fn fail(&mut self, error: InvokeError) {
        self.ended = true;
        let mut metering = Metering::default();
        if error.ran != Ran::No {
            self.add_lost(None, &mut metering);
        }
        metering.quantities.extend(self.messages());
        self.ready.push_back(Err(error.metering(metering)));
    }

    /// Puts on the bill who ran without an answer: all, or those of deliveries before the one that was answered. Others
    /// will answer too, and what they cost comes with it.
    fn add_lost(&self, answered: Option<u64>, metering: &mut Metering) {
        for time in self.starts.lost(answered, Instant::now()) {
            let lost = self.meter.request().failed(time.min(self.longest), 0);
            metering.duration += if answered.is_none() { lost.duration } else { Duration::ZERO };
            metering.quantities.extend(lost.quantities);
        }
    }

    /// What the messages cost: the request, published and delivered, and what came for it, as far as workers published it.
    /// Pulling has its own bill.
    fn messages(&self) -> Option<Quantity> {
        let begun = u32::try_from(self.starts.count()).unwrap_or(u32::MAX);
        let is_taken = self.asked.is_taken() || !self.heard.is_empty();
        let delivered = self.delivered.max(begun);
        if let Some(request) = self.request {
            (1..=delivered).for_each(|delivery| self.asked.answers().billed(request, delivery.into()));
        }
        let requests = (0..=delivered).filter(|_| is_taken).map(|_| self.bytes);
        let all = requests.chain(self.heard.iter().copied()).map(cost::passed);
        all.reduce(|sum, one| Quantity { amount: sum.amount + one.amount, ..sum })
    }
}
