//! A result in a journal: of which function, where in the input, for which arguments, and the value.
//!
//! Arguments are there for people who read an export; what is looked for is the key. Long ones are left out.

use bytes::Bytes;

use super::key::Key;

/// Arguments above this are left out.
pub(super) const MAX_ARGS: usize = 1024;

/// Stands for the length of arguments that are left out.
const LEFT_OUT: u32 = u32::MAX;

/// A call that has given its value.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) key: Key,
    pub(crate) function: &'static str,
    pub(crate) index: u64,
    pub(crate) args: Bytes,
    pub(crate) value: Bytes,
}

impl Record {
    /// What is written behind the head.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.index.to_le_bytes());
        put(self.function.as_bytes(), out);
        if self.args.len() > MAX_ARGS {
            out.extend(LEFT_OUT.to_le_bytes());
        } else {
            put(&self.args, out);
        }
        out.extend_from_slice(&self.value);
    }

    /// How many bytes that is, at most.
    pub(super) fn size(&self) -> usize {
        16 + self.function.len() + MAX_ARGS.min(self.args.len()) + self.value.len()
    }
}

fn put(bytes: &[u8], out: &mut Vec<u8>) {
    let len = u32::try_from(bytes.len()).unwrap_or_else(|_| unreachable!("names and short arguments"));
    out.extend(len.to_le_bytes());
    out.extend_from_slice(bytes);
}

/// A record as it is read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Read<'b> {
    pub(super) index: u64,
    pub(super) function: &'b str,
    /// `None` where they were too long.
    pub(super) args: Option<&'b [u8]>,
    pub(super) value: &'b [u8],
}

impl<'b> Read<'b> {
    /// `None` for bytes that no [`Record`] wrote.
    pub(super) fn of(body: &'b [u8]) -> Option<Self> {
        let (index, rest) = body.split_first_chunk()?;
        let (function, rest) = take(rest)?;
        let (args, value) = match rest.split_first_chunk()? {
            (len, value) if *len == LEFT_OUT.to_le_bytes() => (None, value),
            _ => take(rest).map(|(args, value)| (Some(args), value))?,
        };
        Some(Self { index: u64::from_le_bytes(*index), function: std::str::from_utf8(function).ok()?, args, value })
    }
}

fn take(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::try_from(u32::from_le_bytes(*len)).ok()?)
}
