//! Compression of whole frames, for providers that want it.

use std::io::Read;

use bytes::Bytes;

use crate::error::{Error, ErrorKind, Result};

/// Fast, and most of the gain.
const LEVEL: i32 = 1;

/// Compresses with zstd.
///
/// # Errors
///
/// [`Internal`](ErrorKind::Internal) if zstd refuses, which it does for want of memory only.
pub(super) fn compress(bytes: &[u8]) -> Result<Bytes> {
    let compressed = zstd::bulk::compress(bytes, LEVEL);
    compressed
        .map(Bytes::from)
        .map_err(|error| Error::new(ErrorKind::Internal, "compression failed").with_source(error))
}

/// Decompresses what [`compress`] made, to at most `max_bytes`.
///
/// # Errors
///
/// [`Decode`](ErrorKind::Decode) when `bytes` are not compressed by zstd, [`TooLarge`](ErrorKind::TooLarge) when there
/// is more in them; no more than `max_bytes` are then ever held.
pub(super) fn decompress(bytes: &[u8], max_bytes: u64) -> Result<Bytes> {
    let mut out = Vec::new();
    let read = zstd::Decoder::new(bytes).and_then(|zip| zip.take(max_bytes.saturating_add(1)).read_to_end(&mut out));
    read.map_err(|error| Error::new(ErrorKind::Decode, "compressed data can't be decompressed").with_source(error))?;
    if out.len() as u64 > max_bytes {
        return Err(Error::new(ErrorKind::TooLarge, format!("compressed data holds more than {max_bytes} bytes")));
    }
    Ok(out.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_kept() {
        let zipped = compress(&[7; 10_000]).unwrap();
        assert!(zipped.len() < 100);
        assert_eq!(decompress(&zipped, 10_000).unwrap(), vec![7; 10_000]);
        assert_eq!(decompress(&zipped, 9_999).unwrap_err().kind(), ErrorKind::TooLarge);
        assert_eq!(decompress(b"no zstd", 9_999).unwrap_err().kind(), ErrorKind::Decode);
        assert_eq!(decompress(&zipped[..zipped.len() - 3], 10_000).unwrap_err().kind(), ErrorKind::Decode);
    }
}
