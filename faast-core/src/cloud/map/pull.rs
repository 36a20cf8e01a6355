//! Pulling: as many calls as the dispatcher wants now, each of them sent, replayed from the journal, or refused.

use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::Map;
use crate::call::Call;
use crate::cloud::source::Source;
use crate::dispatch::{CallSpan, Dispatcher, Settled, Submission};

/// Bytes of arguments that are pulled in one go.
const PULL_BYTES: usize = 1024 * 1024;

/// Results from a journal that wait to be handed out, at most.
const MAX_REPLAYED: usize = 1024;

#[expect(private_bounds, reason = "sources are made by `Cloud`; users only name the type")]
impl<S, T> Map<S, T>
where
    S: Source<Call = Call<T>>,
{
    /// Pulls as many calls as the dispatcher wants now; says whether the source is at its end.
    pub(in crate::cloud) fn pull(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(mut source) = self.source.take() else { return true };
        // A journal that is behind wakes the map when it has written. Where others fill the line and nothing of this map is
        // on its way, nobody would wake it when there is room: one call of it is in line in any case.
        let least = usize::from(self.is_all_gathered());
        let wanted = if self.journal.is_behind() { 0 } else { self.cloud.0.dispatcher.wanted().max(least) };
        let mut bytes = 0;
        let calls = Vec::with_capacity(wanted.min(1024));
        let mut batch = Batch { dispatcher: Arc::clone(&self.cloud.0.dispatcher), calls };
        let ended = loop {
            if wanted == batch.calls.len() || bytes >= PULL_BYTES || self.ready.len() >= MAX_REPLAYED {
                break false;
            }
            match source.poll_call(cx) {
                Poll::Ready(Some(call)) => bytes += self.admit(call, &mut batch.calls),
                Poll::Ready(None) => break true,
                Poll::Pending => break false,
            }
        };
        if !ended {
            self.source = Some(source);
        }
        let replayed = self.journal.take_replayed();
        if replayed > 0 {
            self.cloud.0.dispatcher.with_state(|state| state.replayed(replayed));
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
        let args = self.cloud.0.check(raw.entry).and(raw.args);
        match args.and_then(|args| Ok((self.journal.look_up(raw.entry, &args, key, index)?, args))) {
            Ok((Some(value), _)) => {
                let bytes = value.len();
                self.ready.push_back(Settled::replayed(key, value));
                bytes
            }
            Ok((None, args)) => {
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
                self.ready.push_back(Settled::refused(key, error));
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
