//! The file of a journal: a header, then records, each behind a head, both with checksums; only appended to.
//!
//! Responsible for what stands where, and for finding again what is whole. A checksum covers the file's own id and the
//! place too, so that bytes are a record only where they were written: neither a result that happens to hold a journal
//! nor a copy from elsewhere can pass for one. A head that is damaged is left behind by looking for the next good one.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::build::{Build, first_16};
use super::key::Key;
use super::record::Record;
use crate::error::{Error, ErrorKind, Result};

/// The version of the format; goes up whenever it changes.
const VERSION: u32 = 1;
/// What every journal begins with.
const MAGIC: [u8; 16] = *b"faast journal\r\n\0";
/// What every record begins with.
const MARKER: [u8; 4] = [0xfa, 0xa5, 0x1a, 0x0e];
/// Magic, version, id, checksum.
const HEADER: usize = 16 + 4 + 16 + CHECK;
/// Marker, kind, length, key, checksum.
const HEAD: usize = 4 + 4 + 8 + 16 + CHECK;
const CHECK: usize = 8;

/// The value of a call.
pub(super) const RESULT: u32 = 1;
/// Which build wrote what follows; the build stands where the key does.
pub(super) const BUILD: u32 = 2;

/// A journal's file, open.
#[derive(Debug)]
pub(super) struct Log {
    file: File,
    path: PathBuf,
    id: [u8; 16],
}

/// A record that was found. Its body has not been looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) at: u64,
    pub(super) kind: u32,
    pub(super) key: Key,
    len: u64,
}

impl Found {
    fn end(&self) -> Option<u64> {
        self.at.checked_add((HEAD + CHECK) as u64)?.checked_add(self.len)
    }
}

/// What a file holds besides records.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Scanned {
    /// Where the last record ends.
    pub(super) end: u64,
    /// Bytes between records that are none.
    pub(super) damaged: u64,
    /// Bytes behind the last record: one that was not written to its end.
    pub(super) torn: u64,
}

impl Log {
    /// Opens a journal for its one writer, and makes it if there is none.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let io = |error| cant("be opened", path, error);
        let mut options = OpenOptions::new();
        // Results are nobody else's business.
        let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let message = format!("the journal {} is in use by another map or program", path.display());
                return Err(Error::new(ErrorKind::Io, message)
                    .with_hint("wait until that has ended, or give each map a file of its own"));
            }
            Err(TryLockError::Error(error)) => return Err(cant("be locked", path, error)),
        }
        let mut log = Self { file, path: path.to_owned(), id: [0; 16] };
        if !log.read_header()? {
            log.start_over()?;
        }
        Ok(log)
    }

    /// Opens a journal to read it, whoever writes to it meanwhile.
    pub(super) fn open_to_read(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| cant("be opened", path, error))?;
        let mut log = Self { file, path: path.to_owned(), id: [0; 16] };
        if log.read_header()? { Ok(log) } else { Err(no_journal(path)) }
    }

    /// Takes the id from the header; says whether there is one. A file with something else in it is left alone.
    fn read_header(&mut self) -> Result<bool> {
        let mut header = Vec::with_capacity(HEADER);
        let read = (&self.file).take(HEADER as u64).read_to_end(&mut header);
        read.map_err(|error| cant("be read", &self.path, error))?;
        let Some((magic, rest)) = header.split_first_chunk::<16>() else {
            return if MAGIC.starts_with(&header) { Ok(false) } else { Err(no_journal(&self.path)) };
        };
        if *magic != MAGIC {
            return Err(no_journal(&self.path));
        }
        let (Some((version, rest)), HEADER) = (rest.split_first_chunk(), header.len()) else {
            // Its maker died before anything could be in it.
            return Ok(false);
        };
        let version = u32::from_le_bytes(*version);
        let (id, check) = rest.split_at(16);
        if check != checksum(&[&header[..HEADER - CHECK]]) {
            let message = format!("the journal {} is damaged in its first bytes", self.path.display());
            return Err(Error::new(ErrorKind::Io, message)
                .with_hint("nothing in it can be told from damage; delete it to start over"));
        }
        if version != VERSION {
            let message = format!(
                "the journal {} has version {version} of its format, and this program writes version {VERSION}",
                self.path.display()
            );
            return Err(Error::new(ErrorKind::Io, message)
                .with_hint("finish it with the faast that began it, or give another path"));
        }
        self.id.copy_from_slice(id);
        Ok(true)
    }

    /// Empties the journal.
    pub(super) fn start_over(&mut self) -> Result<()> {
        self.id = *uuid::Uuid::new_v4().as_bytes();
        self.write_header().map_err(|error| cant("be written", &self.path, error))
    }

    fn write_header(&self) -> io::Result<()> {
        let mut header = [&MAGIC[..], &VERSION.to_le_bytes(), &self.id].concat();
        header.extend(checksum(&[&header]));
        self.file.set_len(0)?;
        self.file.write_all_at(&header, 0)?;
        self.file.sync_all()?;
        // The file itself must be found again, too.
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }

    /// Goes through all records, in order.
    pub(super) fn scan(&self, mut each: impl FnMut(Found)) -> io::Result<Scanned> {
        let size = self.file.metadata()?.len();
        let mut reader = BufReader::with_capacity(1 << 16, &self.file);
        let mut at = HEADER as u64;
        reader.seek(SeekFrom::Start(at))?;
        let mut scanned = Scanned { end: at, ..Scanned::default() };
        while size.saturating_sub(at) >= HEAD as u64 {
            let mut head = [0; HEAD];
            reader.read_exact(&mut head)?;
            let found = self.parse(at, &head).and_then(|found| Some((found, found.end()?)));
            if let Some((found, end)) = found.filter(|(_, end)| *end <= size) {
                scanned.damaged += at - scanned.end;
                each(found);
                reader.seek_relative((end - at - HEAD as u64).cast_signed())?;
                (at, scanned.end) = (end, end);
            } else {
                reader.seek_relative(1 - HEAD.cast_signed() as i64)?;
                let Some(passed) = pass_to_marker(&mut reader)? else { break };
                at += 1 + passed;
            }
        }
        scanned.torn = size.saturating_sub(scanned.end);
        Ok(scanned)
    }

    fn parse(&self, at: u64, head: &[u8; HEAD]) -> Option<Found> {
        let (said, check) = head.split_at(HEAD - CHECK);
        if !said.starts_with(&MARKER) || check != self.check(at, said) {
            return None;
        }
        let (kind, rest) = said[4..].split_first_chunk()?;
        let (len, key) = rest.split_first_chunk()?;
        Some(Found { at, kind: u32::from_le_bytes(*kind), key: key.try_into().ok()?, len: u64::from_le_bytes(*len) })
    }

    /// A record's head, which was whole before.
    pub(super) fn find(&self, at: u64) -> io::Result<Option<Found>> {
        let mut head = [0; HEAD];
        self.file.read_exact_at(&mut head, at)?;
        Ok(self.parse(at, &head))
    }

    /// A record's body; `None` if it is damaged.
    pub(super) fn body(&self, found: &Found) -> io::Result<Option<Vec<u8>>> {
        let Ok(len) = usize::try_from(found.len) else { return Ok(None) };
        let mut body = vec![0; len + CHECK];
        let at = found.at + HEAD as u64;
        self.file.read_exact_at(&mut body, at)?;
        let check = body.split_off(len);
        Ok((check == self.check(at, &body)).then_some(body))
    }

    /// Writes records from `at` on, and gives their end. After an error, `at` is still the end of what is whole.
    pub(super) fn append<'r>(&self, at: u64, records: impl Iterator<Item = &'r Record>) -> io::Result<u64> {
        let mut bytes = Vec::new();
        for record in records {
            self.put(at, RESULT, record.key, |body| record.write(body), &mut bytes);
        }
        self.write(at, &bytes)
    }

    /// Says which build writes what follows.
    pub(super) fn append_build(&self, at: u64, build: Build) -> io::Result<u64> {
        let mut bytes = Vec::new();
        self.put(at, BUILD, build.0, |_| {}, &mut bytes);
        self.write(at, &bytes)
    }

    fn put(&self, start: u64, kind: u32, key: Key, write: impl FnOnce(&mut Vec<u8>), bytes: &mut Vec<u8>) {
        let (from, at) = (bytes.len(), start + bytes.len() as u64);
        bytes.resize(from + HEAD, 0);
        write(bytes);
        let body = from + HEAD;
        let len = (bytes.len() - body) as u64;
        let said = [&MARKER[..], &kind.to_le_bytes(), &len.to_le_bytes(), &key].concat();
        bytes[from..body].copy_from_slice(&[&said[..], &self.check(at, &said)].concat());
        bytes.extend(self.check(at + HEAD as u64, &bytes[body..]));
    }

    fn write(&self, at: u64, bytes: &[u8]) -> io::Result<u64> {
        self.file.write_all_at(bytes, at).inspect_err(|_| {
            // A half of a record would be found to be none; without it there is nothing to find.
            let _ = self.file.set_len(at);
        })?;
        Ok(at + bytes.len() as u64)
    }

    /// Cuts off what stands behind the last record.
    pub(super) fn cut(&self, end: u64) -> Result<()> {
        self.file.set_len(end).map_err(|error| cant("be written", &self.path, error))
    }

    /// Waits until everything is on disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Lets others open it.
    pub(super) fn unlock(&self) {
        // The lock goes with the file too, which is closed soon.
        let _ = self.file.unlock();
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn check(&self, at: u64, bytes: &[u8]) -> [u8; CHECK] {
        checksum(&[&self.id, &at.to_le_bytes(), bytes])
    }
}

/// Goes on to the next marker; says how many bytes that was.
fn pass_to_marker(reader: &mut BufReader<&File>) -> io::Result<Option<u64>> {
    let (mut seen, mut passed) = ([0; 4], 0);
    for byte in reader.by_ref().bytes() {
        seen = [seen[1], seen[2], seen[3], byte?];
        passed += 1;
        if seen == MARKER {
            reader.seek_relative(-4)?;
            return Ok(Some(passed - 4));
        }
    }
    Ok(None)
}

fn checksum(parts: &[&[u8]]) -> [u8; CHECK] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    let mut check = [0; CHECK];
    check.copy_from_slice(&first_16(hash)[..CHECK]);
    check
}

/// The error of a file that can't be used.
pub(super) fn cant(what: &str, path: &Path, error: io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("the journal {} can't {what}", path.display())).with_source(error)
}

fn no_journal(path: &Path) -> Error {
    Error::new(ErrorKind::Io, format!("{} is no journal of faast, and is left as it is", path.display()))
        .with_hint("give the path of a new file")
}
