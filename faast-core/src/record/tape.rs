//! The tape: what the dispatcher notes while it holds its lock, for the thread that records.
//!
//! Noting must cost next to nothing, so it is a push under a lock of its own and nothing else. Written by whoever holds
//! the dispatcher's lock, emptied by the recorder. Bounded: where the recorder is kept from running, notes are counted
//! and dropped, and the record says how many.

use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind};
use crate::provider::InstanceId;

/// Notes that may wait for the recorder.
const ROOM: usize = 1 << 15;

/// How long notes are gathered before the recorder takes them.
const GATHER: Duration = Duration::from_millis(100);

/// The dispatcher's end.
#[derive(Debug, Clone)]
pub(crate) struct Tape {
    start: Instant,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    reel: Mutex<Reel>,
    noted: Condvar,
}

/// Notes on their way.
#[derive(Debug, Default)]
pub(super) struct Reel {
    pub(super) notes: Vec<Note>,
    /// Notes that found no room.
    pub(super) dropped: u64,
    /// Nothing comes any more.
    pub(super) ended: bool,
}

/// Something that has ended. Times are microseconds since the start of the tape.
#[derive(Debug)]
pub(crate) enum Note {
    Attempt(Attempt),
    /// A request left the books.
    Request {
        sent_us: u64,
        ended_us: u64,
    },
    /// A call ended with an error.
    Failure(Box<Failure>),
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It gave the call its value.
    Answered,
    /// Another attempt of the call was faster, or the caller had given up.
    TooLate,
    /// Nobody waited for it any more, and it was ended.
    Dropped,
    Failed(ErrorKind),
}

/// One attempt.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) call: u64,
    /// 1 for the first; 0 where the call was no longer in the books.
    pub(crate) number: u32,
    /// `None` where the call was no longer in the books.
    pub(crate) function: Option<&'static str>,
    pub(crate) submitted_us: u64,
    /// When the attempt got in line.
    pub(crate) queued_us: u64,
    pub(crate) sent_us: u64,
    /// When the provider told that it runs.
    pub(crate) started_us: Option<u64>,
    pub(crate) ended_us: u64,
    /// Time in the function, as the worker measured it.
    pub(crate) run_us: Option<u64>,
    pub(crate) end: End,
    pub(crate) hedge: bool,
    pub(crate) worker: Option<InstanceId>,
    pub(crate) usd: f64,
    pub(crate) peak_memory: Option<u64>,
}

/// A call that ended with an error.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) at_us: u64,
    pub(crate) call: u64,
    pub(crate) index: Option<u64>,
    pub(crate) label: Option<String>,
    pub(crate) function: &'static str,
    pub(crate) kind: ErrorKind,
    pub(crate) message: String,
    pub(crate) location: Option<String>,
    pub(crate) attempts: u32,
    pub(crate) elapsed_us: u64,
    pub(crate) log_url: Option<String>,
}

impl Failure {
    /// What an error says about its call.
    pub(crate) fn new(call: u64, function: &'static str, error: &Error) -> Self {
        Self {
            at_us: 0,
            call,
            index: error.index(),
            label: error.label().map(str::to_owned),
            function,
            kind: error.kind(),
            message: error.message().to_owned(),
            location: error.location().map(str::to_owned),
            attempts: error.attempts(),
            elapsed_us: micros(error.elapsed()),
            log_url: error.log_url().map(str::to_owned),
        }
    }
}

impl Tape {
    pub(crate) fn new(start: Instant) -> Self {
        Self { start, shared: Arc::default() }
    }

    /// A moment, as notes have it.
    pub(crate) fn us(&self, at: Instant) -> u64 {
        micros(at.saturating_duration_since(self.start))
    }

    pub(crate) fn note(&self, note: Note) {
        let first = {
            let mut reel = self.lock();
            if reel.notes.len() >= ROOM {
                reel.dropped += 1;
                return;
            }
            reel.notes.push(note);
            // Once for the recorder that sleeps, and once for the one that gathers.
            reel.notes.len() == 1 || reel.notes.len() == ROOM / 2
        };
        if first {
            self.shared.noted.notify_one();
        }
    }

    /// Waits for notes, gathers more of them for a moment, and takes them.
    pub(super) fn wait(&self) -> Reel {
        let asleep = self.shared.noted.wait_while(self.lock(), |reel| reel.notes.is_empty() && !reel.ended);
        let reel = asleep.unwrap_or_else(PoisonError::into_inner);
        let gathering = self
            .shared
            .noted
            .wait_timeout_while(reel, GATHER, |reel| reel.notes.len() < ROOM / 2 && !reel.ended)
            .unwrap_or_else(PoisonError::into_inner);
        let mut reel = gathering.0;
        take(&mut reel)
    }

    /// Takes what is there.
    pub(super) fn take(&self) -> Reel {
        take(&mut self.lock())
    }

    /// The recorder comes to its end.
    pub(super) fn end(&self) {
        self.lock().ended = true;
        self.shared.noted.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Reel> {
        self.shared.reel.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leaves the room for the next notes where it is: it was needed once.
fn take(reel: &mut Reel) -> Reel {
    let room = Vec::with_capacity(reel.notes.len());
    Reel { notes: mem::replace(&mut reel.notes, room), dropped: mem::take(&mut reel.dropped), ended: reel.ended }
}

pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_room_is_counted() {
        let tape = Tape::new(Instant::now());
        for at in 0..ROOM as u64 + 3 {
            tape.note(Note::Request { sent_us: at, ended_us: at });
        }
        let reel = tape.take();
        assert_eq!((reel.notes.len(), reel.dropped), (ROOM, 3));
        let reel = tape.take();
        assert_eq!((reel.notes.len(), reel.dropped), (0, 0));
    }

    #[test]
    fn a_recorder_that_waits_is_told_of_notes_and_of_the_end() {
        let tape = Tape::new(Instant::now());
        let waiting = std::thread::spawn({
            let tape = tape.clone();
            move || (tape.wait().notes.len(), tape.wait().ended)
        });
        tape.note(Note::Request { sent_us: 0, ended_us: 1 });
        while tape.lock().notes.len() == 1 {
            std::thread::yield_now();
        }
        tape.end();
        assert_eq!(waiting.join().unwrap(), (1, true));
    }
}
