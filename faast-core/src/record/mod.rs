//! Records: what a run did, on disk while it does it, for the report.
//!
//! [`Builder::record`](crate::Builder::record) turns it on. The dispatcher notes what has ended on a `Tape`; a thread
//! takes the notes every tenth of a second, adds them up (`summary.rs`), and writes two files below
//! `~/.faast/<provider>/runs/<run>/`: `attempts.jsonl`, appended to, with the first 20,000 attempts, and
//! `summary.json`, replaced as a whole about once a second, with everything else in constant size. Both can be read at any
//! moment, also after `kill -9`; what is lost then are the last moments. Invariant: recording never fails a run. What
//! can't be written is a warning, once.

mod row;
mod run;
mod spread;
mod summary;
mod tape;
mod timeline;

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

pub(crate) use self::row::{COLUMNS, Row, TOO_LATE};
pub(crate) use self::run::Utc;
pub use self::run::{RecordedRun, runs};
pub(crate) use self::spread::Spread;
#[cfg(test)]
pub(crate) use self::summary::{Cost, Function, Phases};
pub(crate) use self::summary::{Header, Summary};
pub(crate) use self::tape::{Attempt, End, Failure, Note, Tape};
pub(crate) use self::timeline::{Bin, Lane};
use crate::cache::CacheFolder;
use crate::cost::CostReport;
use crate::error::{Error, ErrorKind, Result};
use crate::log::Channel;
use crate::stats::Snapshot;

/// Attempts that have a row of their own: about a megabyte.
pub(crate) const ROWS: usize = 20_000;

/// Runs that are kept for each provider.
const RUNS: usize = 50;

/// How often the summary is written, at most.
const EVERY: Duration = Duration::from_secs(1);

/// Writing the summary may take this share of one core.
const SHARE: u32 = 100;

const ROWS_FILE: &str = "attempts.jsonl";
const SUMMARY_FILE: &str = "summary.json";

/// Asks the dispatcher; `None` when it is gone.
type Look = Box<dyn Fn() -> Option<Snapshot> + Send + Sync>;

/// A run that is being recorded. Ends with [`finish`](Self::finish), or when it is dropped.
pub(crate) struct Recording {
    tape: Tape,
    writer: Arc<Writer>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Recording {
    /// Starts the thread that takes the notes from `tape`. Older runs are deleted, so that the newest are kept.
    pub(crate) fn start(cache: Arc<CacheFolder>, header: Header, tape: Tape, look: Look) -> Result<Self> {
        let failed = |error| {
            Error::new(ErrorKind::Io, "the run can't be recorded")
                .with_hint("make the folder of faast writable, or do without `.record()`")
                .with_source(error)
        };
        run::prune(&cache, RUNS.saturating_sub(1), SystemTime::now());
        let name = run::name(&header);
        let folder = cache.folder(CacheFolder::RUNS).map_err(failed)?.join(&name);
        let path = Path::new(CacheFolder::RUNS).join(&name);
        let mut rows = cache.append(path.join(ROWS_FILE)).map_err(failed)?;
        let columns = serde_json::json!({ "format": summary::FORMAT, "columns": row::COLUMNS });
        writeln!(rows, "{columns}").map_err(failed)?;
        let state =
            Written { summary: Summary::new(header), rows: 0, at: Instant::now(), took: Duration::ZERO, warned: false };
        let writer = Writer { cache, path, folder, rows, look, state: Mutex::new(state) };
        // From the first moment on there is something to be read.
        writer.write(&mut writer.lock());
        let writer = Arc::new(writer);
        let (taken, writing) = (tape.clone(), Arc::clone(&writer));
        let thread = std::thread::Builder::new().name("faast-record".into()).spawn(move || {
            loop {
                let reel = taken.wait();
                let ended = reel.ended;
                writing.take(reel, &taken);
                if ended {
                    return;
                }
            }
        });
        Ok(Self { tape, writer, thread: Mutex::new(Some(thread.map_err(failed)?)) })
    }

    /// Writes what is known now, with the bill as it is now; gives where the run is recorded.
    pub(crate) fn flush(&self, cost: &CostReport) -> PathBuf {
        self.writer.flush(&self.tape, Some(cost), false);
        self.writer.folder.clone()
    }

    /// Writes the rest and ends. Idempotent.
    pub(crate) fn finish(&self, cost: &CostReport) {
        if self.join() {
            self.writer.flush(&self.tape, Some(cost), true);
        }
    }

    /// Whether it was the first to end the thread.
    fn join(&self) -> bool {
        self.tape.end();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A panic in it has been printed; what was written stays readable.
        thread.is_some_and(|thread| thread.join().is_ok())
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if self.join() {
            self.writer.flush(&self.tape, None, false);
        }
    }
}

/// The files. Written by the thread, and by whoever asks for a report.
struct Writer {
    cache: Arc<CacheFolder>,
    /// The run's folder, relative to the cache.
    path: PathBuf,
    folder: PathBuf,
    rows: File,
    look: Look,
    state: Mutex<Written>,
}

struct Written {
    summary: Summary,
    rows: usize,
    /// When the summary was last written, and how long that took.
    at: Instant,
    took: Duration,
    warned: bool,
}

impl Writer {
    fn lock(&self) -> MutexGuard<'_, Written> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, reel: tape::Reel, tape: &Tape) {
        let mut state = self.lock();
        self.add(&mut state, reel, tape);
        if state.at.elapsed() >= EVERY.max(state.took * SHARE) {
            self.write(&mut state);
        }
    }

    fn flush(&self, tape: &Tape, cost: Option<&CostReport>, finished: bool) {
        let mut state = self.lock();
        self.add(&mut state, tape.take(), tape);
        if let Some(cost) = cost {
            state.summary.cost(cost);
        }
        state.summary.finished |= finished;
        self.write(&mut state);
    }

    fn add(&self, state: &mut Written, reel: tape::Reel, tape: &Tape) {
        let mut text = String::new();
        for note in reel.notes {
            if let Some(row) = state.summary.add(note)
                && state.rows < ROWS
            {
                state.rows += 1;
                row.write(&mut text);
            }
        }
        state.summary.totals.unrecorded += reel.dropped;
        if let Some(snapshot) = (self.look)() {
            state.summary.snapshot(tape.us(Instant::now()), &snapshot);
        }
        if !text.is_empty() {
            // One write for all of them; only the last line of a killed client can be half a line.
            let written = (&self.rows).write_all(text.as_bytes());
            warn(state, written);
        }
    }

    fn write(&self, state: &mut Written) {
        let since = Instant::now();
        let written = serde_json::to_vec(&state.summary)
            .map_err(std::io::Error::other)
            .and_then(|json| self.cache.write(self.path.join(SUMMARY_FILE), &json));
        warn(state, written.map(drop));
        state.at = Instant::now();
        state.took = since.elapsed();
    }
}

fn warn(state: &mut Written, written: std::io::Result<()>) {
    if let Err(error) = written
        && !state.warned
    {
        state.warned = true;
        crate::log!(Channel::Warning, "the record of this run is not complete: {error}");
    }
}

#[cfg(test)]
mod tests;
