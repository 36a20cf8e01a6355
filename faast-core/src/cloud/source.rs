//! Where a map's calls come from: an iterator or a stream, pulled one at a time.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

/// A source of calls.
pub(crate) trait Source {
    type Call;

    /// The next call; `Ready(None)` at the end.
    fn poll_call(&mut self, cx: &mut Context<'_>) -> Poll<Option<Self::Call>>;

    /// How many calls are left, if that is known.
    fn left(&self) -> Option<u64>;
}

/// A hint that is exact is a number.
pub(super) fn exact((least, most): (usize, Option<usize>)) -> Option<u64> {
    most.filter(|most| *most == least).map(|left| left as u64)
}

/// Calls from an iterator.
pub struct FromIter<I>(I);

impl<I> FromIter<I> {
    pub(super) fn new(iter: I) -> Self {
        Self(iter)
    }
}

impl<I> fmt::Debug for FromIter<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FromIter")
    }
}

impl<I: Iterator> Source for FromIter<I> {
    type Call = I::Item;

    fn poll_call(&mut self, _: &mut Context<'_>) -> Poll<Option<I::Item>> {
        Poll::Ready(self.0.next())
    }

    fn left(&self) -> Option<u64> {
        exact(self.0.size_hint())
    }
}

/// Calls from a stream.
pub struct FromStream<S>(Pin<Box<S>>);

impl<S> FromStream<S> {
    pub(super) fn new(stream: S) -> Self {
        Self(Box::pin(stream))
    }
}

impl<S> fmt::Debug for FromStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FromStream")
    }
}

impl<S: Stream> Source for FromStream<S> {
    type Call = S::Item;

    fn poll_call(&mut self, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        self.0.as_mut().poll_next(cx)
    }

    fn left(&self) -> Option<u64> {
        exact(self.0.size_hint())
    }
}
