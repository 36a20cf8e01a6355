//! Extension types: what MessagePack has no form for, and serde would lose without one.

use super::error::WireError;

/// `Some(..)` around a nil, as many times as the one byte of data says: `Some(None)` is 1, `Some(Some(None))` is 2.
pub(super) const SOME: i8 = 1;
/// A sequence whose elements were all written by `serialize_u8`: the elements themselves. Plain `bin` is what
/// `serialize_bytes` writes; serde's buffers tell the two apart, so the wire must as well.
pub(super) const U8_SEQ: i8 = 2;
/// An `i128`, 16 bytes, big-endian. Never a plain integer, however small: serde's buffers refuse 128 bits by type, and
/// a small one that went as a plain integer could become another variant of an untagged enum.
pub(super) const I128: i8 = 3;
/// A `u128`, likewise.
pub(super) const U128: i8 = 4;

/// The number of `Some`s around nil that a [`SOME`] holds.
pub(super) fn some_depth(data: &[u8]) -> Result<u8, WireError> {
    match data {
        [depth] if *depth > 0 => Ok(*depth),
        _ => Err(WireError::Malformed("a bad option")),
    }
}

/// The 16 bytes of an [`I128`] or [`U128`].
pub(super) fn sixteen(data: &[u8]) -> Result<[u8; 16], WireError> {
    data.try_into().map_err(|_| WireError::Malformed("a bad 128-bit integer"))
}
