//! Results: taken from the inbox, handed out one by one, and what the last of them is.

use std::mem;
use std::task::{Context, Poll};

use super::Map;
use crate::call::Call;
use crate::cloud::journaled::Journaling;
use crate::cloud::source::Source;
use crate::dispatch::Settled;
use crate::error::{Error, ErrorKind, Result};

#[expect(private_bounds, reason = "sources are made by `Cloud`; users only name the type")]
impl<S, T> Map<S, T>
where
    S: Source<Call = Call<T>>,
{
    /// Takes what has arrived without handing it out; says whether that was anything.
    pub(in crate::cloud) fn gather(&mut self) -> bool {
        let before = self.ready.len();
        self.inbox.append(&mut self.ready);
        self.ready.len() > before
    }

    /// Results that have not been handed out.
    pub(in crate::cloud) fn gathered(&self) -> impl Iterator<Item = &Settled> {
        self.ready.iter()
    }

    /// The first error among them, taken out.
    pub(in crate::cloud) fn first_error(&mut self) -> Option<Error> {
        let at = self.ready.iter().position(|settled| settled.result.is_err())?;
        let settled = self.ready.remove(at)?;
        let error = self.hand_out(settled).and_then(|(_, result)| result.err());
        error.or_else(|| self.stop.reason())
    }

    /// Whether nothing is on its way.
    pub(in crate::cloud) fn is_all_gathered(&self) -> bool {
        self.ready.len() == self.pending.len()
    }

    /// Whether something has arrived already; if not, the task is woken when it does.
    pub(in crate::cloud) fn is_woken(&self, cx: &Context<'_>) -> bool {
        self.inbox.wait(cx.waker())
    }

    pub(in crate::cloud) fn poll_indexed(&mut self, cx: &mut Context<'_>) -> Poll<Option<(u64, Result<T>)>> {
        self.poll_next_indexed(cx, true)
    }

    /// Without `pulling`, only what has been sent is waited for.
    pub(in crate::cloud) fn poll_next_indexed(
        &mut self,
        cx: &mut Context<'_>,
        pulling: bool,
    ) -> Poll<Option<(u64, Result<T>)>> {
        if let Err(error) = self.begin() {
            self.give_up(Some(error));
        }
        loop {
            if self.stop.is_asked(cx) {
                self.cancel();
            }
            if let Some(settled) = self.ready.pop_front() {
                if let Some((index, result)) = self.hand_out(settled) {
                    self.count(&result);
                    return Poll::Ready(Some((index, result)));
                }
                continue;
            }
            let arrived = self.inbox.take(&mut self.ready);
            if !self.stop.is_canceled()
                && let Some(error) = self.journal.failure()
            {
                self.give_up(Some(error));
            }
            let exhausted = (pulling || self.pending.is_empty()) && self.pull(cx);
            if arrived || !self.ready.is_empty() {
                continue;
            }
            if exhausted && self.pending.is_empty() {
                let last = self.end();
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

    /// What can only be done once it is polled.
    fn begin(&mut self) -> Result<()> {
        if mem::replace(&mut self.begun, true) {
            return Ok(());
        }
        if let Some(tolerance) = &self.tolerance {
            tolerance.check(self.total())?;
        }
        if let Some(owner) = self.journal.open(&self.inbox)? {
            self.owner = owner;
        }
        Ok(())
    }

    /// Begins; if it can't, nothing is sent, and the first call, if there is one, is the one that says so.
    pub(in crate::cloud) fn begin_with_call(&mut self, cx: &mut Context<'_>) {
        if let Err(error) = self.begin() {
            let _ = self.source.as_mut().map(|source| source.poll_call(cx));
            self.give_up(Some(error));
        }
    }

    /// An error that is no call's, for the result that was just given out, if that is an error too, or the last that a
    /// journal could come with.
    pub(in crate::cloud) fn take_own_error(&mut self, is_error: bool, cx: &mut Context<'_>) -> Option<Error> {
        let is_last = self.journal.is_open() && self.pending.is_empty() && self.pull(cx) && self.pending.is_empty();
        let reason = if is_error || is_last { self.stop.own_reason() } else { None };
        let closed = if is_last { self.journal.close() } else { Ok(()) };
        reason.or(closed.err())
    }

    /// How many calls there are, if that is known.
    fn total(&self) -> Option<u64> {
        self.source.as_ref().map_or(Some(0), Source::left).map(|left| self.next_index + left)
    }

    /// Pulls no more and cancels what is on its way; `why` is the map's last result.
    pub(super) fn give_up(&mut self, why: Option<Error>) {
        if self.stop.cancel(why) {
            self.source = None;
            self.cloud.0.dispatcher.cancel_and_tell(&self.owner);
        }
    }

    /// The last result, if there is one more.
    fn end(&mut self) -> Option<(u64, Result<T>)> {
        let closed = self.journal.close();
        let why = self.stop.reason().or(closed.err())?;
        let index = why.index().unwrap_or(self.next_index);
        Some((index, Err(why.with_index(index))))
    }

    /// Takes note of a call that failed.
    fn failed(&mut self) {
        let total = self.total().unwrap_or(self.next_index);
        if let Some(tolerance) = &mut self.tolerance
            && let Some(error) = tolerance.failed(total, self.next_index)
        {
            self.give_up(Some(error));
        }
    }

    fn hand_out(&mut self, settled: Settled) -> Option<(u64, Result<T>)> {
        let (index, decoder) = self.pending.try_remove(usize::try_from(settled.key).ok()?)?;
        match settled.result {
            Err(error) if error.kind() == ErrorKind::Budget => {
                // Every further call would say the same. What has a value, on whatever thread it comes, is handed out
                // before.
                self.source = None;
                self.stop.because(error.with_index(index));
                None
            }
            result => {
                let mut result = result.and_then(|bytes| decoder.decode(&bytes));
                if settled.is_replayed {
                    result = result.map_err(Journaling::undecodable);
                }
                if result.is_err() {
                    self.failed();
                }
                Some((index, result.map_err(|error| self.stop.explain(error).with_index(index))))
            }
        }
    }

    /// Counts what is handed out.
    fn count(&self, result: &Result<T>) {
        if let Some(shown) = &self.shown {
            shown.ended(result.is_err());
        }
    }
}
