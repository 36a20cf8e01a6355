//! Sealed bytes: how encoded requests and events travel through a cloud.
//!
//! What [`frame`](super::frame) encodes is *sealed*: one byte that says whether the rest is compressed, then the rest. A
//! streamed answer is a sequence of sealed events, each behind its length, because HTTP may cut it anywhere. Nothing here
//! knows what is inside.

use bytes::{Buf as _, Bytes, BytesMut};

use super::zip::{compress, decompress};
use crate::error::{Error, ErrorKind, Result};

/// Bytes from which compression is tried: below, nothing is gained.
const COMPRESS_FROM: usize = 1024;

const PLAIN: u8 = 0;
const ZSTD: u8 = 1;

/// Bytes that compressed data may hold at most: more than any worker could take, and an end to a bomb.
const MAX_OPENED: u64 = 1 << 32;

/// Bytes of the length in front of each event of a streamed answer.
pub const LENGTH: usize = 4;

/// Seals what `frame` holds behind its first byte, which is free for the flag.
///
/// # Errors
///
/// When compression fails, for want of memory.
pub fn seal(mut frame: Vec<u8>) -> Result<Vec<u8>> {
    if frame.len() > COMPRESS_FROM {
        let compressed = compress(&frame[1..])?;
        if compressed.len() + 1 < frame.len() {
            frame.truncate(1);
            frame[0] = ZSTD;
            frame.extend_from_slice(&compressed);
            return Ok(frame);
        }
    }
    frame[0] = PLAIN;
    Ok(frame)
}

/// What was sealed.
///
/// # Errors
///
/// [`Decode`](ErrorKind::Decode) when these bytes were not sealed.
pub fn open(mut sealed: Bytes) -> Result<Bytes> {
    match sealed.split_to(usize::from(!sealed.is_empty())).first() {
        Some(&PLAIN) => Ok(sealed),
        Some(&ZSTD) => decompress(&sealed, MAX_OPENED),
        Some(_) => Err(undecodable("it begins with an unknown flag")),
        None => Err(undecodable("it is empty")),
    }
}

/// Puts the length in front of a sealed event.
///
/// # Errors
///
/// [`TooLarge`](ErrorKind::TooLarge) above what the length can say.
pub fn length_of(sealed: &[u8]) -> Result<[u8; LENGTH]> {
    let length = u32::try_from(sealed.len());
    length.map(u32::to_le_bytes).map_err(|_| Error::new(ErrorKind::TooLarge, "an event has more than 4 GiB"))
}

/// Takes the next sealed event off a streamed answer, if it has arrived as a whole.
pub fn take_event(received: &mut BytesMut) -> Option<Bytes> {
    let (length, rest) = received.split_first_chunk::<LENGTH>()?;
    let length = u32::from_le_bytes(*length) as usize;
    if rest.len() < length {
        return None;
    }
    received.advance(LENGTH);
    Some(received.split_to(length).freeze())
}

fn undecodable(why: &str) -> Error {
    Error::new(ErrorKind::Decode, format!("this is no body that faast made: {why}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sealed(bytes: &[u8]) -> Vec<u8> {
        let mut frame = vec![0];
        frame.extend_from_slice(bytes);
        seal(frame).unwrap()
    }

    /// Bytes that compress well, and bytes that do not.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..4000),
            (any::<u8>(), 0..100_000_usize).prop_map(|(byte, len)| vec![byte; len]),
        ]
    }

    proptest! {
        #[test]
        fn what_is_sealed_can_be_opened(frame in bytes()) {
            prop_assert_eq!(open(sealed(&frame).into()).unwrap(), frame);
        }

        #[test]
        fn events_survive_being_cut_anywhere(
            frames in prop::collection::vec(bytes(), 0..5),
            cuts in prop::collection::vec(1..5000_usize, 0..50),
        ) {
            let mut stream = Vec::new();
            for frame in &frames {
                let sealed = sealed(frame);
                stream.extend_from_slice(&length_of(&sealed).unwrap());
                stream.extend_from_slice(&sealed);
            }
            let (mut received, mut found) = (BytesMut::new(), Vec::new());
            let mut rest = stream.as_slice();
            for cut in cuts.into_iter().chain([usize::MAX]) {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                rest = after;
                received.extend_from_slice(piece);
                while let Some(event) = take_event(&mut received) {
                    found.push(open(event).unwrap().to_vec());
                }
            }
            prop_assert_eq!(found, frames);
            prop_assert!(received.is_empty());
        }

        #[test]
        fn any_bytes_are_an_error_or_sealed(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            // Not even with a flag that says compressed.
            let _ = open(bytes.into());
        }
    }

    #[test]
    fn what_repeats_is_compressed() {
        assert!(sealed(&[7; 10_000]).len() < 1000);
    }

    #[test]
    fn what_was_never_sealed_says_so() {
        for bytes in [&[][..], &[7], &[7, 1, 2]] {
            assert_eq!(open(Bytes::copy_from_slice(bytes)).unwrap_err().kind(), ErrorKind::Decode, "{bytes:?}");
        }
    }
}
