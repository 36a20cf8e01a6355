//! Events of a deployment, for progress displays, records and tests: what happened to which call, and when.
//!
//! They are made only while somebody listens, and a listener that falls behind loses the oldest.

use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use futures_core::Stream;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt, stream};
use tokio::sync::broadcast;

use crate::error::ErrorKind;
use crate::log::Channel;
use crate::provider::{CallId, InstanceId};

/// Events that a listener may be behind.
const BEHIND: usize = 4096;

/// Something happened to a call.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CloudEvent {
    /// When the client learned of it.
    pub at: SystemTime,
    /// Which call.
    pub call: CallId,
    /// The registered name of its function.
    pub function: &'static str,
    /// Which attempt; 1 is the first.
    pub attempt: u32,
    /// What happened.
    pub kind: CloudEventKind,
}

/// What happened to a call.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum CloudEventKind {
    /// An attempt was sent.
    Sent {
        /// It runs beside an earlier attempt that is slow.
        hedge: bool,
    },
    /// The call ended with a value.
    Completed {
        /// Time in the function.
        duration: Duration,
        /// Time from submission.
        elapsed: Duration,
        /// The worker, where it is known.
        instance: Option<InstanceId>,
    },
    /// An attempt failed and another will be made.
    Retried {
        /// Why it failed.
        error: ErrorKind,
        /// The pause before the next attempt.
        pause: Duration,
    },
    /// The call ended with an error.
    Failed {
        /// Which kind.
        error: ErrorKind,
        /// Its message.
        message: String,
    },
}

/// The events of a deployment from now on, until its cleanup.
///
/// ```
/// # async fn example(cloud: faast_core::Cloud) {
/// let mut events = cloud.events();
/// while let Some(event) = events.next().await {
///     println!("{} {}: {:?}", event.function, event.call, event.kind);
/// }
/// # }
/// ```
#[must_use = "events arrive only while the stream is polled"]
pub struct Events(BoxStream<'static, CloudEvent>);

impl Events {
    /// The next event; `None` after the cleanup. Cancel safe.
    pub async fn next(&mut self) -> Option<CloudEvent> {
        self.0.next().await
    }
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Events")
    }
}

impl Stream for Events {
    type Item = CloudEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<CloudEvent>> {
        self.0.as_mut().poll_next(cx)
    }
}

/// Tells listeners and the `calls` channel. The ring of events is made for the first listener: it is half a megabyte.
#[derive(Debug, Default)]
pub(crate) struct Announcer(Mutex<Ring>);

#[derive(Debug, Default)]
enum Ring {
    #[default]
    Unheard,
    Heard(broadcast::Sender<CloudEvent>),
    /// No event comes any more, also where handles of the deployment stay.
    Ended,
}

impl Announcer {
    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether anybody listens.
    pub(crate) fn is_heard(&self) -> bool {
        let listeners = matches!(&*self.ring(), Ring::Heard(ring) if ring.receiver_count() > 0);
        listeners || crate::log::enabled(Channel::Calls)
    }

    pub(crate) fn announce(&self, event: CloudEvent) {
        crate::log!(Channel::Calls, "{event}");
        // Sending wakes listeners, which is foreign code: not under the lock.
        let ring = if let Ring::Heard(ring) = &*self.ring() { ring.clone() } else { return };
        // Nobody listens any more: then there is nothing to tell.
        let _ = ring.send(event);
    }

    /// Listeners come to an end when they have heard what was announced so far.
    pub(crate) fn end(&self) {
        // Dropped after the lock is released: that wakes listeners too.
        let ring = std::mem::replace(&mut *self.ring(), Ring::Ended);
        drop(ring);
    }

    pub(crate) fn listen(&self) -> Events {
        let mut ring = self.ring();
        if matches!(&*ring, Ring::Unheard) {
            *ring = Ring::Heard(broadcast::Sender::new(BEHIND));
        }
        let Ring::Heard(sender) = &*ring else { return Events(stream::empty().boxed()) };
        let events = stream::unfold(sender.subscribe(), |mut receiver| async move {
            loop {
                match receiver.recv().await {
                    Ok(event) => return Some((event, receiver)),
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        });
        Events(events.boxed())
    }
}

impl std::fmt::Display for CloudEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "call {} `{}`", self.call, self.function)?;
        if self.attempt > 1 {
            write!(f, " attempt {}", self.attempt)?;
        }
        match &self.kind {
            CloudEventKind::Sent { hedge: false } => write!(f, " sent"),
            CloudEventKind::Sent { hedge: true } => write!(f, " sent a second time, the first is slow"),
            CloudEventKind::Completed { duration, elapsed, instance } => {
                write!(f, " completed in {duration:.1?} ({elapsed:.1?} with waiting)")?;
                instance.as_ref().map_or(Ok(()), |instance| write!(f, " by {instance}"))
            }
            CloudEventKind::Retried { error, pause } => write!(f, " will be tried again in {pause:.1?}: {error}"),
            CloudEventKind::Failed { error, message } => write!(f, " failed: {error}: {message}"),
        }
    }
}
