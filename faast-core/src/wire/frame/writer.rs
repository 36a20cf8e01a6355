//! Writes the primitives of frames: unsigned integers of MessagePack, and bytes after their length.

use std::time::Duration;

use rmp::encode::{self as write, ByteBuf};

use crate::provider::{BlobRef, CallId, Payload};
use crate::wire::VERSION;

/// A payload that travels inline.
pub(super) const INLINE: u64 = 0;
/// A reference to a blob.
pub(super) const BLOB: u64 = 1;

/// Appends to a buffer. Nothing that is written here can fail.
pub(super) struct Writer(ByteBuf);

impl Writer {
    #[inline]
    pub(super) fn append(out: &mut Vec<u8>, run: impl FnOnce(&mut Self)) {
        let mut writer = Self(ByteBuf::from_vec(std::mem::take(out)));
        run(&mut writer);
        *out = writer.0.into_vec();
    }

    #[inline]
    pub(super) fn version(&mut self) {
        self.uint(VERSION.into());
    }

    #[inline]
    pub(super) fn head(&mut self, kind: u64, call: CallId) {
        self.uint(kind);
        self.uint(call.0);
    }

    #[inline]
    pub(super) fn uint(&mut self, value: u64) {
        let Ok(_) = write::write_uint(&mut self.0, value);
    }

    #[inline]
    pub(super) fn len(&mut self, len: usize) {
        self.uint(len as u64);
    }

    #[inline]
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.len(bytes.len());
        self.0.as_mut_vec().extend_from_slice(bytes);
    }

    #[inline]
    pub(super) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// The length is one more than it is; 0 is `None`.
    #[inline]
    pub(super) fn optional_bytes(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            None => self.uint(0),
            Some(bytes) => {
                self.len(bytes.len() + 1);
                self.0.as_mut_vec().extend_from_slice(bytes);
            }
        }
    }

    #[inline]
    pub(super) fn optional_text(&mut self, text: Option<&str>) {
        self.optional_bytes(text.map(str::as_bytes));
    }

    #[inline]
    pub(super) fn duration(&mut self, duration: Duration) {
        self.uint(duration.as_secs());
        self.uint(duration.subsec_nanos().into());
    }

    #[inline]
    pub(super) fn payload(&mut self, payload: &Payload) {
        match payload {
            Payload::Inline(bytes) => {
                self.uint(INLINE);
                self.bytes(bytes);
            }
            Payload::Blob(blob) => {
                let BlobRef { key, len, sha256 } = &**blob;
                self.uint(BLOB);
                self.text(&key.0);
                self.uint(*len);
                self.0.as_mut_vec().extend_from_slice(sha256);
            }
        }
    }
}
