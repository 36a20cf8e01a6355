//! The desk: which requests wait for records, who listens for them, and what came for nobody.
//!
//! A request is here from before it is sent until it is dropped, under a number of faast's own: its record can be faster
//! than the word that it was taken, and can come though that word was lost.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use super::Answers;
use super::crew::Crew;
use crate::cancel::CancelToken;
use crate::cost::{Quantity, Usage};
use crate::provider::{InvokeError, Ran, RetryClass};
use crate::runtime::Runtime;

/// What a request hears of: records, or that there will be none.
type Heard<R> = Result<R, InvokeError>;

/// Where a request hears it.
type Hearing<A> = mpsc::UnboundedReceiver<Heard<<A as Answers>::Record>>;

/// The requests of one queue, and those who listen for their answers.
#[derive(Debug)]
pub struct Desk<A: Answers> {
    answers: A,
    /// Fires with the cleanup.
    pub(super) closed: CancelToken,
    /// The queue could not be read the last time. Written by listeners.
    pub(super) out_of_reach: AtomicBool,
    state: Mutex<State<A::Record>>,
}

/// Written by requests and listeners; ends with the deployment.
#[derive(Debug)]
struct State<R> {
    last: u64,
    waiting: HashMap<u64, mpsc::UnboundedSender<Heard<R>>>,
    crew: Crew,
    closed: bool,
    late: u64,
    /// What was used beyond requests that somebody waited for.
    usage: Usage,
}

impl<A: Answers> Desk<A> {
    /// For the deployment whose answers these are: as many listeners as outstanding requests need, and `most_listeners`
    /// at most.
    pub fn new(answers: A, most_listeners: usize) -> Arc<Self> {
        let state = State {
            last: 0,
            waiting: HashMap::new(),
            crew: Crew::new(most_listeners),
            closed: false,
            late: 0,
            usage: Usage::default(),
        };
        let (closed, out_of_reach) = (CancelToken::new(), AtomicBool::new(false));
        Arc::new(Self { answers, closed, out_of_reach, state: Mutex::new(state) })
    }

    /// The queue.
    pub fn answers(&self) -> &A {
        &self.answers
    }

    /// A panic while it was locked leaves it as it is: each change is complete in itself.
    fn lock(&self) -> MutexGuard<'_, State<A::Record>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a request.
    ///
    /// `send` is given its number, by which records name it, and what it gives is polled by [`Asked::next`]. Listeners
    /// live in the deployment's runtime.
    ///
    /// # Errors
    ///
    /// [`Canceled`](RetryClass::Canceled) after [`Desk::close`].
    #[expect(clippy::result_large_err, reason = "the error of the contract, made once for a failed request")]
    pub fn ask<F>(self: &Arc<Self>, runtime: &Runtime, send: impl FnOnce(u64) -> F) -> Result<Asked<A>, InvokeError>
    where
        F: Future<Output = Result<(), InvokeError>> + Send + 'static,
    {
        let (id, records, starts) = self.expect().ok_or_else(ended)?;
        for _ in 0..starts {
            // If the runtime has ended, so has the deployment.
            let _ = runtime.spawn(Arc::clone(self).listen());
        }
        Ok(Asked { id, records, sending: Some(send(id).boxed()), is_taken: false, desk: Arc::clone(self) })
    }

    /// A request is about to be sent; gives how many listeners have to start for it too. `None` after the cleanup.
    fn expect(&self) -> Option<(u64, Hearing<A>, usize)> {
        let mut state = self.lock();
        if state.closed {
            return None;
        }
        state.last += 1;
        let (id, (tell, records)) = (state.last, mpsc::unbounded_channel());
        state.waiting.insert(id, tell);
        let outstanding = state.waiting.len();
        Some((id, records, state.crew.start(outstanding)))
    }

    /// A listener has heard to the end: whether it leaves.
    pub(super) fn leaves(&self, heard_nothing: bool) -> bool {
        let mut state = self.lock();
        let outstanding = state.waiting.len();
        state.crew.leaves(outstanding, heard_nothing)
    }

    /// Hands a record to its request; if nobody waits for it, it is counted.
    pub(super) fn hand_on(&self, id: u64, record: A::Record) {
        let waiting = self.lock().waiting.get(&id).cloned();
        let back = match waiting {
            Some(waiting) => waiting.send(Ok(record)).err().and_then(|back| back.0.ok()),
            None => Some(record),
        };
        if let Some(record) = back {
            self.unclaimed(record);
        }
    }

    fn unclaimed(&self, record: A::Record) {
        let Some(metering) = self.answers.unclaimed(record) else { return };
        let mut state = self.lock();
        state.late += 1;
        metering.quantities.into_iter().for_each(|quantity| state.usage.add(quantity));
    }

    /// Adds what the queue itself was used.
    pub(super) fn used(&self, quantity: Option<Quantity>) {
        if let Some(quantity) = quantity {
            self.lock().usage.add(quantity);
        }
    }

    /// Answers that came for nobody.
    pub fn late(&self) -> u64 {
        self.lock().late
    }

    /// What was used beyond requests that somebody waited for.
    pub fn usage(&self) -> Usage {
        self.lock().usage.clone()
    }

    /// The queue can't be read, and that will not pass: every request that waits hears why.
    pub(super) fn give_up(&self, refusal: &A::Refusal) {
        let waiting = std::mem::take(&mut self.lock().waiting);
        for tell in waiting.into_values() {
            if let Some(why) = self.answers.lost(refusal) {
                // One that is gone needs no word.
                let _ = tell.send(Err(why));
            }
        }
    }

    /// The deployment ends: nobody listens or waits any more, and nobody will.
    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        drop(waiting);
        self.closed.cancel();
    }
}

fn ended() -> InvokeError {
    InvokeError::new(RetryClass::Canceled, Ran::No, "the deployment has ended")
}

/// A request that waits.
///
/// Dropped, it waits no more, and what came and was not looked at came for nobody.
pub struct Asked<A: Answers> {
    id: u64,
    records: Hearing<A>,
    /// Until the platform has said whether it takes the request.
    sending: Option<BoxFuture<'static, Result<(), InvokeError>>>,
    is_taken: bool,
    desk: Arc<Desk<A>>,
}

impl<A: Answers> Asked<A> {
    /// The next record. Cancel safe.
    ///
    /// # Errors
    ///
    /// The request could not be sent, its queue can't be read, or the deployment has ended. Nothing comes after that.
    pub async fn next(&mut self) -> Result<A::Record, InvokeError> {
        loop {
            let Some(sending) = &mut self.sending else {
                return self.records.recv().await.ok_or_else(ended)?;
            };
            tokio::select! {
                biased;
                heard = self.records.recv() => return heard.ok_or_else(ended)?,
                taken = sending => {
                    self.sending = None;
                    taken?;
                    self.is_taken = true;
                }
            }
        }
    }

    /// Whether the platform has said that it takes the request.
    pub fn is_taken(&self) -> bool {
        self.is_taken
    }

    /// The queue.
    pub fn answers(&self) -> &A {
        &self.desk.answers
    }
}

impl<A: Answers> Drop for Asked<A> {
    fn drop(&mut self) {
        self.desk.lock().waiting.remove(&self.id);
        self.records.close();
        while let Ok(heard) = self.records.try_recv() {
            if let Ok(record) = heard {
                self.desk.unclaimed(record);
            }
        }
    }
}

impl<A: Answers> fmt::Debug for Asked<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked").field("id", &self.id).field("is_taken", &self.is_taken).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
