//! An open journal: a thread that writes results as they arrive and hands them on, and the lookup of earlier ones.
//!
//! A result is handed on once it is in the file, so that what a map has given out survives the death of the program; it
//! is on disk, and survives the machine's, a tenth of a second later. Results that come within two milliseconds are
//! written together. What can't be written is handed on all the same, and the journal says that it has failed.

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::file::{BUILD, Log, RESULT, Scanned, cant};
use super::index::Index;
use super::record::Read;
use super::{Build, Key, Record};
use crate::error::{Error, Result};
use crate::log::Channel;

/// Between two writes.
const PAUSE: Duration = Duration::from_millis(2);
/// Between two syncs.
const SYNC: Duration = Duration::from_millis(100);
/// Bytes of results that wait to be written; above it no further calls are made.
const MAX_WAITING: usize = 16 * 1024 * 1024;

/// Journals that are open, for a signal that ends the program.
static OPEN: Mutex<Vec<Weak<dyn Flush>>> = Mutex::new(Vec::new());

/// Waits until every result that has arrived is in its journal.
pub(crate) fn flush_all() {
    let open: Vec<_> = lock(&OPEN).drain(..).collect();
    open.iter().filter_map(Weak::upgrade).for_each(|journal| journal.flush());
}

/// A journal whose results are waited for by `T`.
pub(crate) struct Journal<T> {
    shared: Arc<Shared<T>>,
    index: Index,
    thread: Option<JoinHandle<()>>,
}

/// Where results go in; outlives the journal without harm.
pub(crate) struct Queue<T>(Arc<Shared<T>>);

/// Written by whoever learns of results, read by the thread.
struct Shared<T> {
    log: Log,
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    waiting: VecDeque<(Record, T)>,
    /// Of the results that wait, and of those that are being written.
    bytes: usize,
    closing: bool,
    /// It can't be written any more.
    has_failed: bool,
    /// Why, until somebody has been told.
    failure: Option<std::io::Error>,
}

trait Flush: Send + Sync {
    fn flush(&self);
}

impl<T: Send + 'static> Journal<T> {
    /// Opens a journal, and makes it if there is none; `written` is given what waited for results in it.
    pub(crate) fn open(
        path: &Path,
        strict_build: bool,
        build: Build,
        mut written: impl FnMut(Vec<T>) + Send + 'static,
    ) -> Result<Self> {
        let mut log = Log::open(path)?;
        let mut found = Contents::read(&log, build)?;
        if strict_build && found.others {
            crate::log!(
                Channel::Warning,
                "the journal {} is of another build: its {} results are dropped",
                path.display(),
                found.results.len()
            );
            log.start_over()?;
            found = Contents::read(&log, build)?;
        } else {
            found.tell(path);
        }
        log.cut(found.scanned.end)?;
        let mut end = found.scanned.end;
        if !found.is_current {
            end = log.append_build(end, build).map_err(|error| cant("be written", path, error))?;
        }
        let state = State { waiting: VecDeque::new(), bytes: 0, closing: false, has_failed: false, failure: None };
        let shared = Arc::new(Shared { log, state: Mutex::new(state), changed: Condvar::new() });
        let here = Arc::clone(&shared);
        let thread = thread::Builder::new().name("faast-journal".into());
        let thread = thread.spawn(move || here.run(end, &mut written)).map_err(|error| cant("start", path, error))?;
        let all: Arc<dyn Flush> = Arc::<Shared<T>>::clone(&shared);
        let mut open = lock(&OPEN);
        open.retain(|known| known.strong_count() > 0);
        open.push(Arc::downgrade(&all));
        drop(open);
        Ok(Self { shared, index: Index::new(found.results), thread: Some(thread) })
    }

    /// Results that were there when it was opened.
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    /// An earlier result of such a call, which is then taken.
    pub(crate) fn take(&mut self, key: &Key) -> Option<Bytes> {
        while let Some(at) = self.index.take(key) {
            if let Some(value) = self.value(at) {
                return Some(value);
            }
            let path = self.shared.log.path().display();
            crate::log!(Channel::Warning, "a result in the journal {path} is damaged; its call runs again");
        }
        None
    }

    fn value(&self, at: u64) -> Option<Bytes> {
        let log = &self.shared.log;
        let body = log.body(&log.find(at).ok()??).ok()??;
        let value = Read::of(&body)?.value.len();
        let start = body.len() - value;
        Some(Bytes::from(body).slice(start..))
    }

    /// Where results go in.
    pub(crate) fn queue(&self) -> Queue<T> {
        Queue(Arc::clone(&self.shared))
    }

    /// Whether results arrive faster than they can be written.
    pub(crate) fn is_behind(&self) -> bool {
        self.shared.lock().bytes > MAX_WAITING
    }
}

impl<T> Journal<T> {
    /// Why it can't be written any more, if it can't; said once.
    pub(crate) fn failure(&self) -> Option<Error> {
        let failure = self.shared.lock().failure.take()?;
        let hint = "make room and start it again: what is in it stays good, and what is missing runs again";
        Some(cant("be written", self.shared.log.path(), failure).with_hint(hint))
    }

    /// Writes what has arrived, waits for the disk, and lets others open the file.
    pub(crate) fn close(&mut self) -> Result<()> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        self.shared.lock().closing = true;
        self.shared.changed.notify_all();
        // A panic of it has been told by the hook, and what it did not write is missing, no more.
        let _ = thread.join();
        self.shared.log.unlock();
        self.failure().map_or(Ok(()), Err)
    }
}

/// Whoever drops it has what arrived on disk.
impl<T> Drop for Journal<T> {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            crate::log!(Channel::Warning, "{error:?}");
        }
    }
}

impl<T> fmt::Debug for Journal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("path", &self.shared.log.path()).finish_non_exhaustive()
    }
}

impl<T: Send + 'static> Queue<T> {
    /// Takes a result in; `waits` is handed on when it is written.
    pub(crate) fn push(&self, results: impl IntoIterator<Item = (Record, T)>) {
        let mut state = self.0.lock();
        if state.closing {
            // Nobody waits for it: the map has been dropped.
            return;
        }
        let State { waiting, bytes, .. } = &mut *state;
        let before = waiting.len();
        waiting.extend(results.into_iter().inspect(|(record, _)| *bytes += record.size()));
        if before == 0 && !waiting.is_empty() {
            self.0.changed.notify_all();
        }
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        lock(&self.state)
    }

    /// What is to be written next, and whether it is the last; waits for it, until `until` if that is given.
    fn next(&self, until: Option<Instant>) -> (Vec<(Record, T)>, bool) {
        let idle = |state: &mut State<T>| state.waiting.is_empty() && !state.closing;
        let state = self.lock();
        let mut state = match until {
            None => self.changed.wait_while(state, idle).unwrap_or_else(PoisonError::into_inner),
            Some(until) => {
                let left = until.saturating_duration_since(Instant::now());
                self.changed.wait_timeout_while(state, left, idle).unwrap_or_else(PoisonError::into_inner).0
            }
        };
        (mem::take(&mut state.waiting).into(), state.closing)
    }

    fn run(&self, mut end: u64, written: &mut dyn FnMut(Vec<T>)) {
        let mut sync_at = None;
        loop {
            let (batch, closing) = self.next(sync_at);
            let is_last = closing && batch.is_empty();
            if !batch.is_empty() {
                self.write(&mut end, &batch);
                sync_at.get_or_insert_with(|| Instant::now() + SYNC);
                written(batch.into_iter().map(|(_, waits)| waits).collect());
            }
            if let Some(at) = sync_at
                && (is_last || at <= Instant::now())
            {
                self.note(self.log.sync());
                sync_at = None;
            }
            if is_last {
                return;
            }
            // What comes meanwhile is written together.
            let going_on = |state: &mut State<T>| !state.closing;
            drop(self.changed.wait_timeout_while(self.lock(), PAUSE, going_on));
        }
    }

    fn write(&self, end: &mut u64, batch: &[(Record, T)]) {
        let has_failed = self.lock().has_failed;
        if !has_failed {
            let appended = self.log.append(*end, batch.iter().map(|(record, _)| record));
            *end = appended.as_ref().copied().unwrap_or(*end);
            self.note(appended.map(drop));
        }
        self.lock().bytes -= batch.iter().map(|(record, _)| record.size()).sum::<usize>();
        self.changed.notify_all();
    }

    fn note(&self, done: std::io::Result<()>) {
        if let Err(error) = done {
            let mut state = self.lock();
            if !mem::replace(&mut state.has_failed, true) {
                state.failure = Some(error);
            }
        }
    }
}

impl<T: Send> Flush for Shared<T> {
    fn flush(&self) {
        let unwritten = |state: &mut State<T>| state.bytes > 0;
        drop(self.changed.wait_while(self.lock(), unwritten));
    }
}

fn lock<V: ?Sized>(mutex: &Mutex<V>) -> MutexGuard<'_, V> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a journal holds when it is opened.
struct Contents {
    results: Vec<(Key, u64)>,
    /// Whether some of it is of another build.
    others: bool,
    /// Whether what is appended now is of this build without saying so.
    is_current: bool,
    scanned: Scanned,
}

impl Contents {
    fn read(log: &Log, build: Build) -> Result<Self> {
        let (mut results, mut others, mut is_current) = (Vec::new(), false, false);
        let scanned = log.scan(|found| match found.kind {
            RESULT => {
                others |= !is_current;
                results.push((found.key, found.at));
            }
            BUILD => is_current = found.key == build.0,
            _ => {}
        });
        let scanned = scanned.map_err(|error| cant("be read", log.path(), error))?;
        Ok(Self { results, others, is_current, scanned })
    }

    /// Warns of what its user should know.
    fn tell(&self, path: &Path) {
        let (path, results) = (path.display(), self.results.len());
        if self.others && !self.is_current {
            crate::log!(
                Channel::Warning,
                "the journal {path} is of another build of this program; its {results} results are used all the same \
                 (`.strict_build()` starts over)"
            );
        }
        let Scanned { damaged, torn, .. } = self.scanned;
        if damaged + torn > 0 {
            crate::log!(
                Channel::Warning,
                "{} bytes in the journal {path} are damaged, {torn} of them at its end; calls whose results were \
                 there run again",
                damaged + torn
            );
        }
    }
}
