//! Maps: many calls, pulled lazily, with their results as they come.
//!
//! The source stays in the map and is pulled on the thread that polls it; calls in flight belong to the dispatcher and go
//! on by themselves. A consumer that does not poll stops the pulling, never an answer that is on its way. `map/pull.rs` is
//! the way in, `map/result.rs` the way out.

mod pull;
mod result;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use slab::Slab;

use super::Cloud;
use super::adapter::{Indexed, Ordered};
use super::inbox::Inbox;
use super::journaled::Journaling;
use super::source::Source;
use super::stop::{Stop, Tolerance};
use crate::call::{Call, Decoder};
use crate::cancel::CancelToken;
use crate::dispatch::{Owner, Settled};
use crate::error::Result;
use crate::progress::Shown;

/// The results of many calls, in the order of completion; see [`Cloud::map`].
///
/// One result for each call: an error is the result of its own call, and the others go on. A budget that is used up ends
/// the map with one error, which comes last; so do a journal that can't be written and more failures than are tolerated.
///
/// ```
/// # mod square { pub use faast_testkit::probe::identity as call; }
/// # async fn example(cloud: faast_core::Cloud) {
/// let mut squares = cloud.map((0..1000).map(square::call)).tolerate(10).progress().indexed();
/// while let Some((index, result)) = squares.next().await {
///     match result {
///         Ok(square) => println!("{index}: {square}"),
///         Err(error) => eprintln!("{index}: {error}"),
///     }
/// }
/// # }
/// ```
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
    /// Its place in the display, if it is shown.
    shown: Option<Shown>,
    journal: Journaling,
    tolerance: Option<Tolerance>,
    stop: Stop,
    /// It has been polled.
    begun: bool,
}

// Sources are boxed or plain data; nothing is pinned in place.
impl<S, T> Unpin for Map<S, T> {}

impl<S, T> Map<S, T> {
    pub(super) fn new(cloud: Cloud, source: S) -> Self {
        let inbox = Arc::new(Inbox::default());
        let owner = Arc::clone(&inbox) as Arc<dyn Owner>;
        let (ready, pending) = (VecDeque::new(), Slab::new());
        Self {
            cloud,
            source: Some(source),
            inbox,
            owner,
            ready,
            pending,
            next_index: 0,
            shown: None,
            journal: Journaling::None,
            tolerance: None,
            stop: Stop::default(),
            begun: false,
        }
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

    /// Shows how far it is, while it lives.
    ///
    /// In a terminal that is a bar at its foot (done, failed, rate, time left; in flight, queued, retried, hedged and
    /// cost of the deployment), else a line every ten seconds, and at the end one line.
    ///
    /// Several maps share the display, and what the program prints is left alone. It goes to the standard error;
    /// `FAAST_PROGRESS=lines` asks for lines in a terminal too, and `FAAST_PROGRESS=never` for none of it.
    pub fn progress(mut self) -> Self {
        self.shown = Shown::new(&self.cloud.0.dispatcher, self.cloud.0.provider);
        self.tell_total();
        self
    }

    /// Keeps the results in a file, so that the same program, started again, does only what is missing.
    ///
    /// A call whose result is there is not sent: its result comes with the others, as if it had been made now, and costs
    /// nothing ([`Stats::replayed`](crate::Stats) counts them). It is found by its function with signature and
    /// `version = n`, and by its arguments; entries of maps may come in any order, and so may the input, which may also
    /// have changed. Equal calls count: the third of them is sent if the file has two results. The provider is no
    /// matter.
    ///
    /// Only values are kept. A call that failed, by its own error or any other, is sent again by the next run.
    ///
    /// A result is in the file before the map gives it out, and on disk a tenth of a second later, so that a program
    /// that is killed loses what was still running, and a machine that fails a tenth of a second more. A file that was
    /// cut off or damaged costs the results that are damaged, with a warning. One map uses a file at a time; maps one
    /// after the other may share it. A changed program goes on with a warning: give a function whose meaning has changed
    /// a new `version`, or ask for [`strict_build`](Self::strict_build).
    ///
    /// It takes 28 bytes of memory for each result that the file had, and nothing for those that it gets. Generators
    /// have no journal: a stream's items are not kept. Behind a quote, the sample has been run before, and is not kept.
    ///
    /// The file is opened when the map is first polled; if that fails, or if it can't be written later on, the map ends
    /// with an [`ErrorKind::Io`](crate::ErrorKind::Io).
    pub fn journal(mut self, path: impl AsRef<Path>) -> Self {
        self.journal.at(path.as_ref());
        self
    }

    /// Starts over if the journal has results of another build of this program.
    ///
    /// They are dropped, with a warning.
    pub fn strict_build(mut self) -> Self {
        self.journal.strict();
        self
    }

    /// Goes on until more than `failures` calls have failed, and stops then.
    ///
    /// Nothing more is sent, calls on their way end as canceled, and the last result is an
    /// [`ErrorKind::TooManyFailed`](crate::ErrorKind::TooManyFailed). Without it, a map goes on to its end.
    pub fn tolerate(mut self, failures: u64) -> Self {
        self.tolerance = Some(Tolerance::calls(failures));
        self
    }

    /// Like [`tolerate`](Self::tolerate), for a share of all calls, from 0 to 1.
    ///
    /// The input must know its length, or the map ends at once with an [`ErrorKind::Config`](crate::ErrorKind::Config).
    pub fn tolerate_share(mut self, share: f64) -> Self {
        self.tolerance = Some(Tolerance::share(share));
        self
    }

    /// Cancels the map when `token` fires, as [`cancel`](Self::cancel) does.
    pub fn cancel_on(mut self, token: &CancelToken) -> Self {
        self.stop.on(token);
        self
    }

    /// Stops: nothing more is sent, and calls on their way end as canceled.
    ///
    /// Each of them gives an [`ErrorKind::Canceled`](crate::ErrorKind::Canceled). Its worker is told where the provider
    /// can do that; elsewhere it runs to its end or deadline, and until then it keeps its place in the deployment's
    /// concurrency ([`Stats::abandoned`](crate::Stats)) and what it costs is counted. Results that have arrived are
    /// still given out.
    ///
    /// Dropping a map does the same, without results.
    pub fn cancel(&mut self) {
        self.give_up(None);
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

    /// Results in the order of the input.
    ///
    /// One slow call holds the later ones back, and when 16,384 of them wait for it, the pulling too.
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
        let mut canceled = None;
        let mut map = self;
        while let Some((index, result)) = std::future::poll_fn(|cx| map.poll_indexed(cx)).await {
            let index = usize::try_from(index).unwrap_or(usize::MAX);
            if index >= values.len() {
                values.resize_with(index + 1, || None);
            }
            match result {
                // Why it stopped comes after what it has canceled.
                Err(error) if error.is_canceled() && map.stop.has_reason() => canceled = canceled.or(Some(error)),
                result => values[index] = Some(result?),
            }
        }
        canceled.map_or_else(|| Ok(values.into_iter().flatten().collect()), Err)
    }

    /// Its calls, until it is at their end.
    pub(super) fn source_mut(&mut self) -> Option<&mut S> {
        self.source.as_mut()
    }

    /// From now on, what was measured comes with each value.
    pub(super) fn want_reports(&self) {
        self.inbox.want_reports();
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
