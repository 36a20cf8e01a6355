//! The worker's journal: what it has finished but not sent yet survives its death in memory that the client holds too.
//!
//! Answers of short calls are held back for a millisecond and sent together. Before the next call may start, the answer
//! of the last one is appended here, so that a crash fails its own call and repeats no other. The
//! journal is a memfd: the worker gets it as standard output (moved away before user code runs) and maps it, the client
//! reads it after the worker's death. After each flush the worker starts again at offset 0, so old records lie behind
//! new ones; numbers that count on tell them apart, and a number at both ends of a record shows a torn write.

mod map;

use std::os::fd::AsFd;

use bytes::Bytes;
use rustix::io::{self, Errno};

use self::map::Map;

/// Bytes of a journal; when it is full, what is held back is sent early.
const LEN: usize = 128 * 1024;

/// The first bytes of the file once the worker is ready for requests.
const READY: [u8; 8] = *b"faast-ok";

/// Where records start.
const START: usize = READY.len();

/// Bytes of a record around its content: number (8), request (8), length (4), number again (8).
const BEFORE: usize = 20;
const AFTER: usize = 8;

/// The worker's end.
#[derive(Debug)]
pub(crate) struct Journal {
    map: Map,
    offset: usize,
    number: u64,
}

/// The journal has no room for a record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Journal {
    /// Says that the worker has started. What was printed before is lost: a test harness does that.
    pub(crate) fn ready(file: impl AsFd) -> Result<Self, Errno> {
        let mut map = Map::new(file, LEN)?;
        map.write(0, &READY);
        Ok(Self { map, offset: START, number: 0 })
    }

    /// Appends one record about the request `frame`.
    pub(crate) fn append(&mut self, frame: u64, content: &[u8]) -> Result<(), Full> {
        let len = u32::try_from(content.len()).map_err(|_| Full)?;
        let number = self.number + 1;
        let mut before = [0; BEFORE];
        before[..8].copy_from_slice(&number.to_le_bytes());
        before[8..16].copy_from_slice(&frame.to_le_bytes());
        before[16..].copy_from_slice(&len.to_le_bytes());
        let at = self.offset + BEFORE;
        let end = at + content.len();
        // The number at the end goes last: with it, the record is whole.
        let whole = self.map.write(self.offset, &before)
            && self.map.write(at, content)
            && self.map.write(end, &number.to_le_bytes());
        if !whole {
            return Err(Full);
        }
        self.number = number;
        self.offset = end + AFTER;
        Ok(())
    }

    /// Everything appended so far has been sent.
    pub(crate) fn restart(&mut self) {
        self.offset = START;
    }
}

/// What a worker left.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Testament {
    /// It had started and was ready for requests.
    pub(crate) ready: bool,
    /// It had taken the request up.
    pub(crate) taken: bool,
    /// Contents of the records about the request, oldest first; some may have been sent too.
    pub(crate) records: Vec<Bytes>,
}

/// Reads what a dead worker left about the request `frame`.
pub(crate) fn read(file: impl AsFd, frame: u64) -> Testament {
    let mut bytes = Vec::new();
    let mut chunk = [0; 16 * 1024];
    while let Ok(read @ 1..) = io::pread(&file, &mut chunk, bytes.len() as u64) {
        bytes.extend_from_slice(&chunk[..read]);
    }
    parse(Bytes::from(bytes), frame)
}

fn parse(mut bytes: Bytes, frame: u64) -> Testament {
    let mut testament = Testament::default();
    if !bytes.starts_with(&READY) {
        return testament;
    }
    testament.ready = true;
    let mut rest = bytes.split_off(READY.len());
    let mut last = None;
    while let Some((number, about, content)) = record(&mut rest) {
        if last.is_some_and(|last| number != last + 1) {
            break;
        }
        last = Some(number);
        if about == frame {
            testament.taken = true;
            if !content.is_empty() {
                testament.records.push(content);
            }
        }
    }
    testament
}

/// The next whole record: its number, the request it is about, its content.
fn record(rest: &mut Bytes) -> Option<(u64, u64, Bytes)> {
    let number = u64::from_le_bytes(rest.get(..8)?.try_into().ok()?);
    let about = u64::from_le_bytes(rest.get(8..16)?.try_into().ok()?);
    let len = u32::from_le_bytes(rest.get(16..BEFORE)?.try_into().ok()?) as usize;
    let end = rest.get(BEFORE + len..BEFORE + len + AFTER)?;
    if end != number.to_le_bytes() || number == 0 {
        return None;
    }
    let content = rest.slice(BEFORE..BEFORE + len);
    *rest = rest.split_off(BEFORE + len + AFTER);
    Some((number, about, content))
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use rustix::fs::{MemfdFlags, memfd_create};

    use super::*;

    fn journal() -> (Journal, OwnedFd) {
        let file = memfd_create("test", MemfdFlags::CLOEXEC).unwrap();
        let copy = file.try_clone().unwrap();
        (Journal::ready(&file).unwrap(), copy)
    }

    fn contents(file: &OwnedFd, frame: u64) -> Vec<String> {
        read(file, frame).records.iter().map(|record| String::from_utf8_lossy(record).into_owned()).collect()
    }

    #[test]
    fn a_worker_that_never_started_left_nothing() {
        let file = memfd_create("test", MemfdFlags::CLOEXEC).unwrap();
        assert_eq!(read(&file, 1), Testament::default());
    }

    #[test]
    fn records_come_back_in_order_and_by_request() {
        let (mut journal, file) = journal();
        journal.append(1, b"old").unwrap();
        journal.append(2, b"").unwrap();
        assert_eq!(read(&file, 2), Testament { ready: true, taken: true, records: vec![] });
        journal.append(2, b"a").unwrap();
        journal.append(2, b"bc").unwrap();
        assert_eq!(contents(&file, 2), ["a", "bc"]);
        assert!(!read(&file, 3).taken);
    }

    #[test]
    fn records_from_before_a_flush_are_not_taken_for_new_ones() {
        let (mut journal, file) = journal();
        for content in ["a", "b", "c", "d"] {
            journal.append(1, content.as_bytes()).unwrap();
        }
        journal.restart();
        journal.append(1, b"e").unwrap();
        assert_eq!(contents(&file, 1), ["e"]);
        journal.append(1, b"longer than the old ones").unwrap();
        assert_eq!(contents(&file, 1), ["e", "longer than the old ones"]);
    }

    #[test]
    fn a_torn_record_ends_the_journal_wherever_it_is_torn() {
        let (mut journal, file) = journal();
        journal.append(1, b"whole").unwrap();
        let whole = journal.offset;
        journal.append(1, b"torn").unwrap();
        for len in (whole..=journal.offset - AFTER).rev() {
            // The bytes from here on have not been written yet.
            io::pwrite(&file, &[0; 64], len as u64).unwrap();
            assert_eq!(contents(&file, 1), ["whole"], "cut at {len}");
        }
    }

    #[test]
    fn a_damaged_journal_is_read_as_far_as_it_is_whole() {
        let (mut journal, file) = journal();
        for content in ["a", "", "longer content", "d"] {
            journal.append(1, content.as_bytes()).unwrap();
        }
        let mut valid = vec![0; journal.offset];
        assert_eq!(io::pread(&file, &mut valid[..], 0).unwrap(), journal.offset);
        for seed in 0..20_000 {
            let damaged = faast_testkit::hostile::bytes(seed, &valid);
            let len = damaged.len();
            let testament = parse(damaged.into(), 1);
            assert!(testament.records.iter().map(Bytes::len).sum::<usize>() <= len, "seed {seed}");
        }
    }

    #[test]
    fn a_record_torn_over_an_old_one_is_not_believed() {
        let (mut journal, file) = journal();
        journal.append(1, b"aaaa").unwrap();
        journal.append(1, b"bbbb").unwrap();
        // The head of a third record, of the same size as the first, lies over the first; its tail was not written.
        io::pwrite(&file, &3u64.to_le_bytes(), START as u64).unwrap();
        assert!(contents(&file, 1).is_empty());
    }
}
