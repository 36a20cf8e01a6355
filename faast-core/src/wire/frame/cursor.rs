//! Reads the primitives of frames back, as slices of the buffer they came in.

use std::time::Duration;

use bytes::Bytes;

use super::writer::{BLOB, INLINE};
use crate::provider::{BlobKey, BlobRef, Payload};
use crate::wire::error::WireError;
use crate::wire::reader::Reader;

type Result<T, E = WireError> = std::result::Result<T, E>;

/// A position in a buffer.
pub(super) struct Cursor<'a> {
    bytes: &'a Bytes,
    reader: Reader<'a>,
}

impl<'a> Cursor<'a> {
    #[inline]
    pub(super) fn new(bytes: &'a Bytes) -> Self {
        Self { bytes, reader: Reader { rest: bytes } }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.reader.rest.is_empty()
    }

    /// Bytes that have not been read.
    pub(super) fn left(&self) -> usize {
        self.reader.rest.len()
    }

    #[inline]
    pub(super) fn uint(&mut self) -> Result<u64> {
        self.reader.uint().ok_or(WireError::Malformed("a number is missing"))
    }

    #[inline]
    pub(super) fn len(&mut self) -> Result<usize> {
        self.uint()?.try_into().map_err(|_| WireError::Truncated)
    }

    #[inline]
    pub(super) fn text(&mut self) -> Result<&'a str> {
        let len = self.len()?;
        text(self.reader.take(len)?)
    }

    #[inline]
    fn bytes(&mut self, len: usize) -> Result<Bytes> {
        Ok(self.bytes.slice_ref(self.reader.take(len)?))
    }

    #[inline]
    pub(super) fn optional_text(&mut self) -> Result<Option<&'a str>> {
        match self.len()? {
            0 => Ok(None),
            len => text(self.reader.take(len - 1)?).map(Some),
        }
    }

    pub(super) fn optional_bytes(&mut self) -> Result<Option<Bytes>> {
        match self.len()? {
            0 => Ok(None),
            len => self.bytes(len - 1).map(Some),
        }
    }

    #[inline]
    pub(super) fn duration(&mut self) -> Result<Duration> {
        let secs = self.uint()?;
        match self.uint()?.try_into() {
            Ok(nanos @ 0..1_000_000_000) => Ok(Duration::new(secs, nanos)),
            _ => Err(WireError::Malformed("a bad duration")),
        }
    }

    #[inline]
    pub(super) fn payload(&mut self) -> Result<Payload> {
        match self.uint()? {
            INLINE => {
                let len = self.len()?;
                self.bytes(len).map(Payload::Inline)
            }
            BLOB => {
                let key = BlobKey(self.text()?.into());
                Ok(Payload::Blob(Box::new(BlobRef { key, len: self.uint()?, sha256: self.reader.array()? })))
            }
            _ => Err(WireError::Malformed("an unknown payload")),
        }
    }
}

fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| WireError::Malformed("a string that is not UTF-8"))
}
