//! Answers in queue mode: each event is a message on the deployment's topic of answers.
//!
//! Blocking, like all of the worker's side. A thread does it, started by the first message: the ones that have answers to
//! give have small stacks or run functions. A message is published until the service has taken it, or for some time only.

use std::fmt;
use std::sync::{Arc, OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use faast_core::log::Channel;
use faast_core::provider::{InstanceId, SendError};
use faast_core::{Error, ErrorKind, Result};
use reqwest::Method;
use serde_json::Value;
use tokio::runtime::Builder;

use crate::classify::control::Refusal;
use crate::endpoint::Service;
use crate::queue::message;
use crate::rest::Rest;

/// How long the topic's policy, which lets workers publish, may not be known everywhere.
const POLICY_KNOWN: Duration = Duration::from_mins(10);

/// The body of a publication, and who waits for its end.
type Job = (Value, mpsc::Sender<Result<()>>);

/// Publishes on one topic.
pub(super) struct Publisher {
    rest: fn() -> Result<Rest>,
    /// `projects/<project>/topics/<topic>`.
    topic: String,
    /// To the thread that publishes.
    jobs: OnceLock<mpsc::Sender<Job>>,
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").field("topic", &self.topic).finish_non_exhaustive()
    }
}

impl Publisher {
    /// `rest` is asked when the first message is to be published.
    pub(super) fn new(topic: String, rest: fn() -> Result<Rest>) -> Self {
        Self { rest, topic, jobs: OnceLock::new() }
    }

    fn jobs(&self) -> &mpsc::Sender<Job> {
        self.jobs.get_or_init(|| {
            let (sender, jobs) = mpsc::channel();
            let (rest, path) = (self.rest, format!("/v1/{}:publish", self.topic));
            // Without the thread nobody takes a message, and whoever has one hears that.
            let _ = thread::Builder::new().name("faast-publish".into()).spawn(move || publish_all(&jobs, rest, &path));
            sender
        })
    }

    fn publish(&self, data: &[u8], attributes: &[(&str, &str)]) -> Result<()> {
        let (tell, told) = mpsc::channel();
        let nobody = || Error::new(ErrorKind::Io, "no thread publishes");
        self.jobs().send((message::publication(data, attributes), tell)).map_err(|_| nobody())?;
        told.recv().map_err(|_| nobody())?
    }
}

/// Publishes until the process ends.
fn publish_all(jobs: &mpsc::Receiver<Job>, rest: fn() -> Result<Rest>, path: &str) {
    let Ok(runtime) = Builder::new_current_thread().enable_all().build() else { return };
    let mut made = None;
    let start = Instant::now();
    for (body, tell) in jobs {
        let published = runtime.block_on(async {
            let rest = match &mut made {
                Some(rest) => rest,
                none => none.insert(rest()?),
            };
            let call = rest.call("pubsub.topics.publish", Method::POST, Service::PubSub, path).json(&body);
            let call = if start.elapsed() < POLICY_KNOWN { call.newly_allowed() } else { call };
            call.send().await.map(drop).map_err(Refusal::into)
        });
        // Whoever waited is there.
        let _ = tell.send(published);
    }
}

/// Where the answer to one request goes.
#[derive(Debug, Clone)]
pub(super) struct Mailbox {
    pub(super) publisher: Arc<Publisher>,
    /// Who answers.
    pub(super) worker: InstanceId,
    /// The number of the request, as the client wrote it.
    pub(super) request: String,
    /// How often the request was delivered, this time included.
    pub(super) delivery: String,
}

impl Mailbox {
    /// Publishes a sealed event.
    pub(super) fn send(&self, sealed: &Bytes) -> Result<(), SendError> {
        let (size, limit) = (message::size(sealed.len()) as u64, message::MOST as u64);
        if size > limit {
            return Err(SendError::TooLarge { size, limit });
        }
        let attributes = [
            (message::REQUEST, &*self.request),
            (message::DELIVERY, &*self.delivery),
            (message::WORKER, &*self.worker.0),
        ];
        self.publisher.publish(sealed, &attributes).map_err(|error| lost(&error))
    }

    /// Says that a request can't be read.
    pub(super) fn refuse(&self, why: &str) -> Result<(), SendError> {
        let attributes = [(message::REQUEST, &*self.request), (message::REFUSED, &*message::reason(why))];
        self.publisher.publish(&[], &attributes).map_err(|error| lost(&error))
    }
}

fn lost(error: &Error) -> SendError {
    faast_core::log!(Channel::Warning, "an answer can't be published: {error}");
    SendError::Closed
}
