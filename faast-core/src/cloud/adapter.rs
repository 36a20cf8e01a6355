//! Maps in another shape: with the index of each result, or in the order of the input.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::map::Map;
use super::source::Source;
use crate::call::Call;
use crate::error::Result;

/// Results with the position of their call in the input; see [`Map::indexed`].
#[derive(Debug)]
#[must_use = "nothing is sent until it is polled"]
pub struct Indexed<S, T>(Map<S, T>);

impl<S, T> Indexed<S, T> {
    pub(super) fn new(map: Map<S, T>) -> Self {
        Self(map)
    }
}

#[expect(private_bounds, reason = "sources are made by `Cloud`; users only name the type")]
impl<S: Source<Call = Call<T>>, T> Indexed<S, T> {
    /// The next result with its index, in the order of completion. Cancel safe.
    pub async fn next(&mut self) -> Option<(u64, Result<T>)> {
        std::future::poll_fn(|cx| self.0.poll_indexed(cx)).await
    }
}

impl<S: Source<Call = Call<T>>, T> Stream for Indexed<S, T> {
    type Item = (u64, Result<T>);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_indexed(cx)
    }
}

/// Results that may come before their turn until no more calls are pulled.
const MAX_EARLY: usize = 16 * 1024;

/// Results in the order of the input; see [`Map::ordered`].
#[must_use = "nothing is sent until it is polled"]
pub struct Ordered<S, T> {
    map: Map<S, T>,
    /// Results that came before their turn.
    early: BTreeMap<u64, Result<T>>,
    next: u64,
}

impl<S, T> Unpin for Ordered<S, T> {}

impl<S, T> Ordered<S, T> {
    pub(super) fn new(map: Map<S, T>) -> Self {
        Self { map, early: BTreeMap::new(), next: 0 }
    }
}

#[expect(private_bounds, reason = "sources are made by `Cloud`; users only name the type")]
impl<S: Source<Call = Call<T>>, T> Ordered<S, T> {
    /// The next result in the order of the input. Cancel safe.
    pub async fn next(&mut self) -> Option<Result<T>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl<S: Source<Call = Call<T>>, T> Stream for Ordered<S, T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        loop {
            let next = self.next;
            if let Some(result) = self.early.remove(&next) {
                self.next += 1;
                return Poll::Ready(Some(result));
            }
            let pulling = self.early.len() < MAX_EARLY;
            match self.map.poll_next_indexed(cx, pulling) {
                Poll::Ready(Some((index, result))) => self.early.insert(index, result),
                // A map that ended early (budget) leaves gaps: what is there comes in order all the same.
                Poll::Ready(None) => return Poll::Ready(self.early.pop_first().map(|(_, result)| result)),
                Poll::Pending => return Poll::Pending,
            };
        }
    }
}

impl<S, T> fmt::Debug for Ordered<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ordered").field("map", &self.map).field("next", &self.next).finish_non_exhaustive()
    }
}
