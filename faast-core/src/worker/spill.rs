//! Spilling on the worker's side: arguments that were stored are read, and what is too large for the transport is stored.
//!
//! Blocking, like all of the worker's side: the store works on the worker's async runtime while this thread waits.
//! Arguments are not deleted here, because the platform may run the request once more. What was stored and could not be
//! announced to the client is.

use std::future::Future;
use std::sync::{Arc, mpsc};

use bytes::Bytes;

use super::run::{AsyncRuntime, Undelivered};
use crate::error::{Error, ErrorKind, Result};
use crate::provider::{BlobKey, BlobRef, BlobStore, CallId, Event, EventSink, Failure, Outcome, Payload, SendError};

/// Characters of a user's error that are sent where all of it is too large.
const WORDS: usize = 1000;

pub(super) struct Spill {
    store: Option<Arc<dyn BlobStore>>,
    runtime: Arc<AsyncRuntime>,
}

/// What the transport said of an event.
struct TooLarge {
    size: u64,
    limit: u64,
}

impl Spill {
    pub(super) fn new(store: Option<Arc<dyn BlobStore>>, runtime: Arc<AsyncRuntime>) -> Self {
        Self { store, runtime }
    }

    /// The arguments of a call, wherever they are.
    pub(super) fn arguments(&self, args: &Payload) -> Result<Bytes, Box<Failure>> {
        let blob = match args {
            Payload::Inline(bytes) => return Ok(bytes.clone()),
            Payload::Blob(blob) => BlobRef::clone(blob),
        };
        let what = format!("the arguments have {} bytes, were stored, and can't be read", blob.len);
        let read = self.run(|store| async move {
            let bytes = store.get(&blob).await?;
            blob.verify(&bytes).map(|()| bytes)
        });
        read.map_err(|error| Box::new(failure(&error, &what)))
    }

    /// Sends an event. What is too large for the transport goes through the store, or becomes a typed failure.
    pub(super) fn deliver(
        &self,
        events: &dyn EventSink,
        mut event: Event,
        remaining: usize,
    ) -> Result<(), Undelivered> {
        self.meter(&mut event);
        let Some(too_large) = send(events, &mut event, remaining)? else { return Ok(()) };
        let smaller = match event {
            Event::Done { call, outcome: Outcome::Ok(Payload::Inline(bytes)), metering } => {
                let outcome = match self.put("result", call, bytes, &too_large) {
                    Ok(blob) => Outcome::Ok(Payload::Blob(Box::new(blob))),
                    Err(refused) => Outcome::Err(refused),
                };
                Event::Done { call, outcome, metering }
            }
            Event::Done { call, outcome: Outcome::Err(failure), metering } => {
                // The user's error value or its words are too large: the kind and the beginning of the message fit.
                let message = failure.message.chars().take(WORDS).collect::<String>();
                Event::Done { call, outcome: Outcome::Err(Box::new(Failure::new(failure.kind, message))), metering }
            }
            Event::Item { call, seq, body: Payload::Inline(bytes) } => {
                let blob = self.put("item", call, bytes, &too_large).map_err(Undelivered::Refused)?;
                Event::Item { call, seq, body: Payload::Blob(Box::new(blob)) }
            }
            _ => return Err(Undelivered::Refused(Box::new(too_large.failure("an event")))),
        };
        self.announce(events, smaller, remaining)
    }

    /// Sends what has been made small. If that fails too, nothing refers to what was stored for it.
    fn announce(&self, events: &dyn EventSink, mut event: Event, remaining: usize) -> Result<(), Undelivered> {
        self.meter(&mut event);
        let stored = event.blob().map(|blob| blob.key.clone());
        let why = match send(events, &mut event, remaining) {
            Ok(None) => return Ok(()),
            Ok(Some(too_large)) => Undelivered::Refused(Box::new(too_large.failure("what is left of an answer"))),
            Err(closed) => closed,
        };
        if let Some(key) = stored {
            // What stays goes with the cleanup.
            let _ = self.run(|store| async move { store.delete(&key).await });
        }
        match (event, why) {
            (Event::Done { call, metering, .. }, Undelivered::Refused(failure)) => {
                let mut event = Event::Done { call, outcome: Outcome::Err(failure), metering };
                send(events, &mut event, remaining).map(drop)
            }
            (_, why) => Err(why),
        }
    }

    /// Puts what the store has used since the last call on the bill of this one.
    fn meter(&self, event: &mut Event) {
        if let (Event::Done { metering, .. }, Some(store)) = (event, &self.store) {
            metering.quantities.extend(store.used());
        }
    }

    fn put(&self, what: &str, call: CallId, bytes: Bytes, too_large: &TooLarge) -> Result<BlobRef, Box<Failure>> {
        if self.store.is_none() {
            return Err(Box::new(too_large.failure(&format!("the {what}"))));
        }
        let blob = BlobRef::new(BlobKey::fresh(what, call), &bytes);
        let TooLarge { size, limit } = too_large;
        let key = blob.key.clone();
        match self.run(|store| async move { store.put(&key, bytes).await }) {
            Ok(()) => Ok(blob),
            Err(error) => {
                let what =
                    format!("the {what} has {size} bytes, the transport carries {limit}, and it can't be stored");
                Err(Box::new(failure(&error, &what)))
            }
        }
    }

    /// Has the store do something. Waited for without anything of tokio's: an async generator calls this from within the
    /// runtime, where a task that has used up its budget would wait for ever.
    fn run<T, F>(&self, work: impl FnOnce(Arc<dyn BlobStore>) -> F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let no_store = || Error::new(ErrorKind::TooLarge, "this worker has no store");
        let store = self.store.as_ref().ok_or_else(no_store)?;
        let runtime = self.runtime.get().map_err(|failure| Error::from_failure(*failure))?;
        let (tell, told) = mpsc::sync_channel(1);
        let work = work(Arc::clone(store));
        runtime.spawn(async move {
            // Somebody waits, unless the process ends.
            let _ = tell.send(work.await);
        });
        told.recv().unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "the store panicked")))
    }
}

impl TooLarge {
    fn failure(&self, what: &str) -> Failure {
        let Self { size, limit } = self;
        let message = format!("{what} has {size} bytes, and the transport carries at most {limit}");
        let hint = "return less, or use a provider or mode that spills to object storage";
        Failure { chain: vec![hint.into()], ..Failure::new(ErrorKind::TooLarge, message) }
    }
}

/// Gives an event to the transport.
fn send(events: &dyn EventSink, event: &mut Event, remaining: usize) -> Result<Option<TooLarge>, Undelivered> {
    match events.send(event, remaining) {
        Ok(()) => Ok(None),
        Err(SendError::TooLarge { size, limit }) => Ok(Some(TooLarge { size, limit })),
        Err(SendError::Closed) => Err(Undelivered::Closed),
    }
}

/// A failure of the store as that of a call, with what to do at the end of the chain.
fn failure(error: &Error, what: &str) -> Failure {
    // The call has run, or was about to: it does not wait in line again as a throttled one does.
    let kind = if error.kind() == ErrorKind::Throttled { ErrorKind::Unavailable } else { error.kind() };
    let chain = error.hint().map(str::to_owned).into_iter().collect();
    Failure { chain, ..Failure::new(kind, format!("{what}: {}", error.message())) }
}

#[cfg(test)]
mod tests;
