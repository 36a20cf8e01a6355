//! Maps: many calls, pulled lazily, with their results as they come.
//!
//! The source stays in the map and is pulled on the thread that polls it; calls in flight belong to the dispatcher and go
//! on by themselves. A consumer that does not poll stops the pulling, never an answer that is on its way.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use slab::Slab;

use super::Cloud;
use super::adapter::{Indexed, Ordered};
use super::source::Source;
use crate::call::{Call, Decoder};
use crate::dispatch::{CallSpan, Dispatcher, Owner, Settled, Submission};
use crate::error::{Error, ErrorKind, Result};
use crate::progress::Shown;

/// Bytes of arguments that are pulled in one go.
const PULL_BYTES: usize = 1024 * 1024;

/// The results of many calls, in the order of completion; see [`Cloud::map`].
///
/// One result for each call: an error is the result of its own call, and the others go on. A budget that is used up ends
/// the map with one error, which comes last.
#[must_use = "nothing is sent until the map is polled"]
pub struct Map<S, T> {
    cloud: Cloud,
    /// `None` from its end on; taken out while it is pulled, so that a source that panicked is not asked again.
    source: Option<S>,
    inbox: Arc<Inbox>,
    owner: Arc<dyn Owner>,
    /// Results that have been taken from the inbox.
    ready: VecDeque<Settled>,
    /// What is needed to hand a result out, by key.
    pending: Slab<(u64, Decoder<T>)>,
    next_index: u64,
    /// A budget that is used up: its error with the index of a call, which comes last.
    refusal: Option<(u64, Error)>,
    /// Its place in the display, if it is shown.
    shown: Option<Shown>,
}

// Sources are boxed or plain data; nothing is pinned in place.
impl<S, T> Unpin for Map<S, T> {}

impl<S, T> Map<S, T> {
    pub(super) fn new(cloud: Cloud, source: S) -> Self {
        let inbox = Arc::new(Inbox::default());
        let owner = Arc::clone(&inbox) as Arc<dyn Owner>;
        let (ready, pending) = (VecDeque::new(), Slab::new());
        Self { cloud, source: Some(source), inbox, owner, ready, pending, next_index: 0, refusal: None, shown: None }
    }
}

#[expect(private_bounds, reason = "sources are made by `Cloud`; users only name the type")]
impl<S, T> Map<S, T>
where
    S: Source<Call = Call<T>>,
{
    /// The next result in the order of completion; `None` when every call has ended. Cancel safe.
    pub async fn next(&mut self) -> Option<Result<T>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Shows how far it is, while it lives: in a terminal as a bar at its foot (done, failed, rate, time left; in flight,
    /// queued, retried, hedged and cost of the deployment), else as a line every ten seconds, and at the end as one line.
    ///
    /// Several maps share the display, and what the program prints is left alone. It goes to the standard error;
    /// `FAAST_PROGRESS=lines` asks for lines in a terminal too, and `FAAST_PROGRESS=never` for none of it.
    pub fn progress(mut self) -> Self {
        self.shown = Shown::new(&self.cloud.0.dispatcher, self.cloud.0.provider);
        self.tell_total();
        self
    }

    fn tell_total(&self) {
        let left = self.source.as_ref().map_or(Some(0), Source::left);
        if let (Some(shown), Some(left)) = (&self.shown, left) {
            shown.total(self.next_index + left);
        }
    }

    /// With each result the position of its call in the input.
    pub fn indexed(self) -> Indexed<S, T> {
        Indexed::new(self)
    }

    /// Results in the order of the input. One slow call holds the later ones back, and the pulling with them.
    pub fn ordered(self) -> Ordered<S, T> {
        Ordered::new(self)
    }

    /// All results in the order of the input, errors among them.
    pub async fn collect(self) -> Vec<Result<T>> {
        let mut results = BTreeMap::new();
        let mut indexed = self.indexed();
        while let Some((index, result)) = indexed.next().await {
            results.insert(index, result);
        }
        results.into_values().collect()
    }

    /// All values in the order of the input.
    ///
    /// # Errors
    ///
    /// The first error to arrive; the calls that have not ended are canceled.
    pub async fn try_collect(self) -> Result<Vec<T>> {
        let mut values = Vec::new();
        let mut indexed = self.indexed();
        while let Some((index, result)) = indexed.next().await {
            let index = usize::try_from(index).unwrap_or(usize::MAX);
            if index >= values.len() {
                values.resize_with(index + 1, || None);
            }
            values[index] = Some(result?);
        }
        Ok(values.into_iter().flatten().collect())
    }

    /// Its calls, until it is at their end.
    pub(super) fn source_mut(&mut self) -> Option<&mut S> {
        self.source.as_mut()
    }

    /// From now on, what was measured comes with each value.
    pub(super) fn want_reports(&self) {
        self.inbox.reports.store(true, Ordering::Relaxed);
    }

    /// Takes what has arrived without handing it out; says whether that was anything.
    pub(super) fn gather(&mut self) -> bool {
        let before = self.ready.len();
        self.inbox.append(&mut self.ready);
        self.ready.len() > before
    }

    /// Results that have not been handed out.
    pub(super) fn gathered(&self) -> impl Iterator<Item = &Settled> {
        self.ready.iter()
    }

    /// The first error among them, taken out.
    pub(super) fn first_error(&mut self) -> Option<Error> {
        let at = self.ready.iter().position(|settled| settled.result.is_err())?;
        let settled = self.ready.remove(at)?;
        let error = self.hand_out(settled).and_then(|(_, result)| result.err());
        error.or_else(|| self.refusal.take().map(|(_, refusal)| refusal))
    }

    /// Whether nothing is on its way.
    pub(super) fn is_all_gathered(&self) -> bool {
        self.ready.len() == self.pending.len()
    }

    /// Whether something has arrived already; if not, the task is woken when it does.
    pub(super) fn is_woken(&self, cx: &Context<'_>) -> bool {
        self.inbox.wait(cx.waker())
    }

    pub(super) fn poll_indexed(&mut self, cx: &mut Context<'_>) -> Poll<Option<(u64, Result<T>)>> {
        loop {
            if let Some(settled) = self.ready.pop_front() {
                if let Some((index, result)) = self.hand_out(settled) {
                    self.count(&result);
                    return Poll::Ready(Some((index, result)));
                }
                continue;
            }
            let arrived = self.inbox.take(&mut self.ready);
            let exhausted = self.pull(cx);
            if arrived || !self.ready.is_empty() {
                continue;
            }
            if exhausted && self.pending.is_empty() {
                let last = self.refusal.take().map(|(index, error)| (index, Err(error)));
                if let Some((_, result)) = &last {
                    self.count(result);
                }
                return Poll::Ready(last);
            }
            if !self.inbox.wait(cx.waker()) {
                return Poll::Pending;
            }
        }
    }

    fn hand_out(&mut self, settled: Settled) -> Option<(u64, Result<T>)> {
        let (index, decoder) = self.pending.try_remove(usize::try_from(settled.key).ok()?)?;
        match settled.result {
            Err(error) if error.kind() == ErrorKind::Budget => {
                // Every further call would say the same. What has a value, on whatever thread it comes, is handed out
                // before.
                self.source = None;
                self.refusal.get_or_insert_with(|| (index, error.with_index(index)));
                None
            }
            result => {
                let result = result.and_then(|bytes| decoder.decode(&bytes));
                Some((index, result.map_err(|error| error.with_index(index))))
            }
        }
    }

    /// Counts what is handed out.
    fn count(&self, result: &Result<T>) {
        if let Some(shown) = &self.shown {
            shown.ended(result.is_err());
        }
    }

    /// Pulls as many calls as the dispatcher wants now; says whether the source is at its end.
    pub(super) fn pull(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(mut source) = self.source.take() else { return true };
        // Where others fill the line and nothing of this map is on its way, nobody would wake it when there is room: one
        // call of it is in line in any case.
        let least = usize::from(self.is_all_gathered());
        let (mut wanted, mut bytes) = (self.cloud.0.dispatcher.wanted().max(least), 0);
        let calls = Vec::with_capacity(wanted.min(1024));
        let mut batch = Batch { dispatcher: Arc::clone(&self.cloud.0.dispatcher), calls };
        let ended = loop {
            if wanted == 0 || bytes >= PULL_BYTES {
                break false;
            }
            match source.poll_call(cx) {
                Poll::Ready(Some(call)) => {
                    bytes += self.admit(call, &mut batch.calls);
                    wanted -= 1;
                }
                Poll::Ready(None) => break true,
                Poll::Pending => break false,
            }
        };
        if !ended {
            self.source = Some(source);
        }
        self.tell_total();
        ended
    }

    /// Prepares a call; one that can't be sent has its result at once.
    fn admit(&mut self, call: Call<T>, batch: &mut Vec<Submission>) -> usize {
        let index = self.next_index;
        self.next_index += 1;
        let key = self.pending.insert((index, call.decoder)) as u64;
        let raw = call.raw;
        if let Some(shown) = &self.shown {
            shown.pulled(raw.entry.name);
        }
        match self.cloud.0.check(raw.entry).and(raw.args) {
            Ok(args) => {
                let (bytes, owner) = (args.len(), Arc::clone(&self.owner));
                let span = CallSpan::new(raw.entry, Some(index), raw.options.as_deref());
                batch.push(Submission {
                    entry: raw.entry,
                    args,
                    options: raw.options,
                    owner,
                    key,
                    index: Some(index),
                    span,
                });
                bytes
            }
            Err(error) => {
                self.ready.push_back(Settled { key, result: Err(error), report: None, span: CallSpan::default() });
                0
            }
        }
    }
}

/// Calls that are pulled in one go. They are sent when this is dropped: a source that panics takes none of them along.
struct Batch {
    dispatcher: Arc<Dispatcher>,
    calls: Vec<Submission>,
}

impl Drop for Batch {
    fn drop(&mut self) {
        if !self.calls.is_empty() {
            self.dispatcher.submit(mem::take(&mut self.calls));
        }
    }
}

impl<S, T> Drop for Map<S, T> {
    fn drop(&mut self) {
        if !self.pending.is_empty() {
            self.cloud.0.dispatcher.cancel(&self.owner);
        }
    }
}

impl<S, T> Stream for Map<S, T>
where
    S: Source<Call = Call<T>>,
{
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        self.poll_indexed(cx).map(|next| next.map(|(_, result)| result))
    }
}

impl<S, T> fmt::Debug for Map<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map")
            .field("pulled", &self.next_index)
            .field("pending", &self.pending.len())
            .finish_non_exhaustive()
    }
}

/// Where the dispatcher leaves results. Written by whoever learns of them, emptied by the map.
#[derive(Default)]
struct Inbox {
    state: Mutex<InboxState>,
    /// Whether [`Settled::report`] is wanted.
    reports: AtomicBool,
}

#[derive(Default)]
struct InboxState {
    settled: VecDeque<Settled>,
    waker: Option<Waker>,
}

impl Inbox {
    /// Takes what is there; `ready` is empty and its room is used for what comes next.
    fn take(&self, ready: &mut VecDeque<Settled>) -> bool {
        mem::swap(&mut self.lock().settled, ready);
        !ready.is_empty()
    }

    /// Takes what is there, behind what is in `ready`.
    fn append(&self, ready: &mut VecDeque<Settled>) {
        ready.append(&mut self.lock().settled);
    }

    fn lock(&self) -> MutexGuard<'_, InboxState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers to be woken; says whether something has arrived already.
    fn wait(&self, waker: &Waker) -> bool {
        let mut state = self.lock();
        if state.settled.is_empty() {
            state.waker = Some(waker.clone());
        }
        !state.settled.is_empty()
    }
}

impl Owner for Inbox {
    fn wants_report(&self) -> bool {
        self.reports.load(Ordering::Relaxed)
    }

    fn settle(&self, settled: Vec<Settled>) {
        let waker = {
            let mut state = self.lock();
            state.settled.extend(settled);
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
