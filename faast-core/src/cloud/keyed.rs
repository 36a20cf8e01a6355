//! Maps with a key of the caller's for each result.
//!
//! All that is set on a map is set on the one inside. That one may end with an error that is no call's, after the others;
//! here each result has a key, so such an error takes the place of a call's own.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::fmt;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::Cloud;
use super::map::Map;
use super::source::FromIter;
use crate::call::Call;
use crate::cancel::CancelToken;
use crate::error::Result;

/// Results with a key of the caller's; see [`Cloud::map_keyed`].
///
/// Where a [`Map`] ends with an error that is no call's, here a call has it: the first one where nothing is sent at all; the
/// one that was one failure too many, with its own error as the source; and for a journal that can't be written the first
/// that is canceled, or, if none was on its way any more, the last that comes, whatever it gave.
#[must_use = "nothing is sent until it is polled"]
pub struct Keyed<I, K, T> {
    map: Map<FromIter<Unzip<I, K>>, T>,
    keys: Arc<Mutex<BTreeMap<u64, K>>>,
}

impl<I, K, T> Keyed<I, K, T> {
    pub(super) fn new(cloud: Cloud, calls: I) -> Self {
        let keys = Arc::default();
        let unzip = Unzip { calls, keys: Arc::clone(&keys), next: 0 };
        Self { map: Map::new(cloud, FromIter::new(unzip)), keys }
    }
}

impl<I, K, T> Keyed<I, K, T>
where
    I: Iterator<Item = (K, Call<T>)>,
{
    /// Shows how far it is; see [`Map::progress`].
    pub fn progress(self) -> Self {
        Self { map: self.map.progress(), ..self }
    }

    /// Keeps the results in a file, so that the same program, started again, does only what is missing; see
    /// [`Map::journal`]. Keys are not kept: a call is found by its function and its arguments.
    pub fn journal(self, path: impl AsRef<Path>) -> Self {
        Self { map: self.map.journal(path), ..self }
    }

    /// Starts over if the journal has results of another build of this program; see [`Map::strict_build`].
    pub fn strict_build(self) -> Self {
        Self { map: self.map.strict_build(), ..self }
    }

    /// Goes on until more than `failures` calls have failed, and stops then; see [`Map::tolerate`]. The result of the
    /// one that was too many is an [`ErrorKind::TooManyFailed`](crate::ErrorKind::TooManyFailed).
    pub fn tolerate(self, failures: u64) -> Self {
        Self { map: self.map.tolerate(failures), ..self }
    }

    /// Like [`tolerate`](Self::tolerate), for a share of all calls, from 0 to 1; see [`Map::tolerate_share`].
    pub fn tolerate_share(self, share: f64) -> Self {
        Self { map: self.map.tolerate_share(share), ..self }
    }

    /// Cancels it when `token` fires, as [`cancel`](Self::cancel) does.
    pub fn cancel_on(self, token: &CancelToken) -> Self {
        Self { map: self.map.cancel_on(token), ..self }
    }

    /// Stops: nothing more is sent, and each call on its way ends as canceled; see [`Map::cancel`].
    pub fn cancel(&mut self) {
        self.map.cancel();
    }

    /// The next result with its key, in the order of completion. Cancel safe.
    pub async fn next(&mut self) -> Option<(K, Result<T>)> {
        std::future::poll_fn(|cx| self.poll_keyed(cx)).await
    }

    fn poll_keyed(&mut self, cx: &mut Context<'_>) -> Poll<Option<(K, Result<T>)>> {
        self.map.begin_with_call(cx);
        let Some((index, mut result)) = ready!(self.map.poll_indexed(cx)) else { return Poll::Ready(None) };
        let key = self.keys.lock().unwrap_or_else(PoisonError::into_inner).remove(&index);
        if let Some(error) = self.map.take_own_error(result.is_err(), cx) {
            let error = match result {
                // A journal's has what the system said.
                Err(own) if error.source().is_none() => error.with_source(own),
                _ => error,
            };
            result = Err(error.with_index(index));
        }
        Poll::Ready(key.map(|key| (key, result)))
    }
}

impl<I, K, T> Unpin for Keyed<I, K, T> {}

impl<I, K, T> Stream for Keyed<I, K, T>
where
    I: Iterator<Item = (K, Call<T>)>,
{
    type Item = (K, Result<T>);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_keyed(cx)
    }
}

impl<I, K, T> fmt::Debug for Keyed<I, K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed").field("map", &self.map).finish_non_exhaustive()
    }
}

/// Keeps the keys of calls while the calls are away.
struct Unzip<I, K> {
    calls: I,
    keys: Arc<Mutex<BTreeMap<u64, K>>>,
    next: u64,
}

impl<I, K, C> Iterator for Unzip<I, K>
where
    I: Iterator<Item = (K, C)>,
{
    type Item = C;

    fn next(&mut self) -> Option<C> {
        let (key, call) = self.calls.next()?;
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).insert(self.next, key);
        self.next += 1;
        Some(call)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.calls.size_hint()
    }
}
