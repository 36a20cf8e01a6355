//! What a map does with its journal: looks each call up before it is sent, and keeps each value that arrives.

use std::collections::HashMap;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::inbox::Inbox;
use crate::dispatch::{Owner, Settled};
use crate::error::{Error, Result};
use crate::function::FunctionEntry;
use crate::journal::{Build, Journal, Key, Queue, Record, key};

/// A map's journal, if it has one.
pub(super) enum Journaling {
    None,
    /// Until the map is polled.
    Wanted {
        path: Option<PathBuf>,
        strict: bool,
    },
    Open(Box<Open>),
    /// The map has ended, or it could not be opened.
    Closed,
}

pub(super) struct Open {
    journal: Journal<Settled>,
    recorder: Arc<Recorder>,
    /// Results that came from it since the dispatcher was told.
    replayed: u64,
}

impl Journaling {
    pub(super) fn at(&mut self, at: &Path) {
        let strict = matches!(self, Self::Wanted { strict: true, .. });
        *self = Self::Wanted { path: Some(at.to_owned()), strict };
    }

    pub(super) fn strict(&mut self) {
        let path = if let Self::Wanted { path, .. } = self { path.take() } else { None };
        *self = Self::Wanted { path, strict: true };
    }

    /// Opens the journal, once; gives the owner that calls have from then on, whose values go to `inbox` through it.
    pub(super) fn open(&mut self, inbox: &Arc<Inbox>) -> Result<Option<Arc<dyn Owner>>> {
        let Self::Wanted { path, strict } = self else { return Ok(None) };
        let (path, strict) = (path.take(), *strict);
        *self = Self::Closed;
        let Some(path) = path else { return Ok(None) };
        let written = Arc::clone(inbox);
        let journal = Journal::open(&path, strict, Build::running(), move |settled| written.settle(settled))?;
        if journal.len() > 0 {
            crate::log!(crate::log::Channel::Info, "the journal {} has {} results", path.display(), journal.len());
        }
        let recorder = Arc::new(Recorder { inbox: Arc::clone(inbox), queue: journal.queue(), calls: Mutex::default() });
        let owner = Arc::clone(&recorder) as Arc<dyn Owner>;
        *self = Self::Open(Box::new(Open { journal, recorder, replayed: 0 }));
        Ok(Some(owner))
    }

    /// An earlier result of a call. If there is none, the one that comes under the name `slot` will be kept.
    pub(super) fn look_up(
        &mut self,
        entry: &'static FunctionEntry,
        args: &Bytes,
        slot: u64,
        index: u64,
    ) -> Result<Option<Bytes>> {
        let Self::Open(open) = self else { return Ok(None) };
        let key = key(entry, args)?;
        let value = open.journal.take(&key);
        if value.is_some() {
            open.replayed += 1;
        } else {
            let call = Sent { key, function: entry.name, index, args: args.clone() };
            open.recorder.calls().insert(slot, call);
        }
        Ok(value)
    }

    pub(super) fn take_replayed(&mut self) -> u64 {
        if let Self::Open(open) = self { mem::take(&mut open.replayed) } else { 0 }
    }

    pub(super) fn is_behind(&self) -> bool {
        matches!(self, Self::Open(open) if open.journal.is_behind())
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Open(_))
    }

    /// Why it can't be written any more, if it can't; said once.
    pub(super) fn failure(&self) -> Option<Error> {
        if let Self::Open(open) = self { open.journal.failure() } else { None }
    }

    /// Waits until everything is on disk, and lets others open the file.
    pub(super) fn close(&mut self) -> Result<()> {
        match mem::replace(self, Self::Closed) {
            Self::Open(mut open) => open.journal.close(),
            _ => Ok(()),
        }
    }

    /// What to say of a value that is not what the function gives now.
    pub(super) fn undecodable(error: Error) -> Error {
        error.with_hint(
            "it comes from the journal: where the type has changed, give the function a new `version`, start over with \
             `.strict_build()`, or use another file",
        )
    }
}

/// A call on its way, as it is kept when it has given its value.
struct Sent {
    key: Key,
    function: &'static str,
    index: u64,
    args: Bytes,
}

/// Between the dispatcher and the inbox: values go by the journal, errors at once.
struct Recorder {
    inbox: Arc<Inbox>,
    queue: Queue<Settled>,
    calls: Mutex<HashMap<u64, Sent>>,
}

impl Recorder {
    fn calls(&self) -> MutexGuard<'_, HashMap<u64, Sent>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Owner for Recorder {
    fn settle(&self, settled: Vec<Settled>) {
        let (mut values, mut others) = (Vec::new(), Vec::new());
        {
            let mut calls = self.calls();
            for settled in settled {
                match (calls.remove(&settled.key), &settled.result) {
                    (Some(Sent { key, function, index, args }), Ok(value)) => {
                        values.push((Record { key, function, index, args, value: value.clone() }, settled));
                    }
                    _ => others.push(settled),
                }
            }
        }
        self.queue.push(values);
        if others.is_empty() {
            // There is room for further calls before the results are written.
            self.inbox.nudge();
        } else {
            self.inbox.settle(others);
        }
    }

    fn wants_report(&self) -> bool {
        self.inbox.wants_report()
    }
}
