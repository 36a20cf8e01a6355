//! The items of a generator function, as they are made.

use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_core::Stream;

use super::Cloud;
use crate::call::{RawCall, StreamCall};
use crate::dispatch::{CallRef, CallSpan, Gate, Owner, Settled, Submission};
use crate::error::{Error, Result};
use crate::wire::{self, Wire};

/// A stream of a generator's items; see [`Cloud::stream`]. Ends after the last item, or with one error.
///
/// ```
/// # async fn example(cloud: faast_core::Cloud, call: faast_core::StreamCall<String>) -> faast_core::Result<()> {
/// // `call` is `lines::call("a.txt")`, where `lines` returns `impl Iterator<Item = String>`.
/// let mut lines = cloud.stream(call);
/// while let Some(line) = lines.next().await {
///     println!("{}", line?);
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is sent until the stream is polled"]
pub struct Items<T> {
    cloud: Cloud,
    raw: Option<RawCall>,
    line: Arc<Line>,
    call: Option<CallRef>,
    ended: bool,
    item: PhantomData<fn() -> T>,
}

impl<T> Items<T> {
    pub(super) fn new(cloud: Cloud, call: StreamCall<T>) -> Self {
        let line = Arc::new(Line { gate: Arc::default(), state: Mutex::default() });
        Self { cloud, raw: Some(call.raw), line, call: None, ended: false, item: PhantomData }
    }

    fn start(&mut self, raw: RawCall) -> Result<()> {
        self.cloud.0.check(raw.entry)?;
        let span = CallSpan::new(raw.entry, None, raw.options.as_deref());
        let owner = Arc::clone(&self.line) as Arc<dyn Owner>;
        let submission =
            Submission { entry: raw.entry, args: raw.args?, options: raw.options, owner, key: 0, index: None, span };
        self.call = self.cloud.0.dispatcher.submit_one(submission);
        Ok(())
    }

    fn end(&mut self, error: Option<Error>) -> Poll<Option<Result<T>>> {
        self.ended = true;
        self.call = None;
        Poll::Ready(error.map(Err))
    }
}

impl<T: Wire + 'static> Items<T> {
    /// The next item; `None` after the last one, or after an error. Cancel safe.
    pub async fn next(&mut self) -> Option<Result<T>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl<T: Wire + 'static> Stream for Items<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if let Some(raw) = self.raw.take()
            && let Err(error) = self.start(raw)
        {
            return self.end(Some(error));
        }
        let mut state = self.line.lock();
        if let Some(bytes) = state.items.pop_front() {
            drop(state);
            self.line.gate.took();
            return Poll::Ready(Some(wire::decode_all(&bytes)));
        }
        let Some(end) = state.end.take() else {
            state.waker = Some(cx.waker().clone());
            return Poll::Pending;
        };
        drop(state);
        self.end(end.err())
    }
}

impl<T> Drop for Items<T> {
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            self.cloud.0.dispatcher.cancel_one(call);
        }
    }
}

impl<T> fmt::Debug for Items<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Items").field("ended", &self.ended).finish_non_exhaustive()
    }
}

/// Items that wait for the consumer. Written by whoever learns of them, read by the stream.
struct Line {
    gate: Arc<Gate>,
    state: Mutex<LineState>,
}

#[derive(Default)]
struct LineState {
    items: VecDeque<Bytes>,
    end: Option<Result<()>>,
    waker: Option<Waker>,
}

impl Line {
    fn lock(&self) -> MutexGuard<'_, LineState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut LineState)) {
        let waker = {
            let mut state = self.lock();
            change(&mut state);
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Owner for Line {
    fn settle(&self, settled: Vec<Settled>) {
        let end = settled.into_iter().next().map(|settled| settled.result.map(|_| ()));
        self.change(|state| state.end = end);
    }

    fn item(&self, body: Bytes) {
        self.gate.put();
        self.change(|state| state.items.push_back(body));
    }

    fn gate(&self) -> Option<Arc<Gate>> {
        Some(Arc::clone(&self.gate))
    }
}
