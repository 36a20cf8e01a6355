//! Bodies of S3 requests: the chunks that newer clients put around them, and the checksums that they send along.

use std::collections::BTreeMap;

use axum::body::Bytes;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::emulator::hex::hex;
use crate::emulator_aws::md5;
use crate::emulator_aws::protocol::{ApiError, ApiRequest};

/// Headers that come after a body, with lower-case names.
type Trailers = BTreeMap<String, String>;

/// The bytes of an object, with the chunks undone and the checksums compared.
pub(super) fn read(request: &ApiRequest) -> Result<Bytes, ApiError> {
    let stated = request.header("x-amz-content-sha256").unwrap_or_default();
    let chunked = stated.starts_with("STREAMING-")
        || request.header("content-encoding").is_some_and(|encoding| encoding.contains("aws-chunked"));
    if !chunked {
        check(request, &Trailers::new(), &request.body)?;
        return Ok(request.body.clone());
    }
    let (bytes, trailers) = undo_chunks(&request.body).ok_or_else(incomplete)?;
    let length = request.header("x-amz-decoded-content-length").and_then(|length| length.parse::<usize>().ok());
    match length {
        None => {
            return Err(ApiError::new(411, "MissingContentLength", "You must provide the Content-Length HTTP header."));
        }
        Some(length) if length != bytes.len() => return Err(incomplete()),
        Some(_) => {}
    }
    check(request, &trailers, &bytes)?;
    Ok(bytes.into())
}

/// Operations whose body is a document want a checksum of it.
pub(super) fn check_integrity(request: &ApiRequest) -> Result<(), ApiError> {
    let has_checksum = request.headers.keys().any(|name| {
        name == "content-md5" || (name.as_str().starts_with("x-amz-checksum-") && name != "x-amz-checksum-mode")
    });
    if !has_checksum {
        let message = "Missing required header for this request: Content-MD5 OR x-amz-checksum-*";
        return Err(ApiError::new(400, "InvalidRequest", message));
    }
    check(request, &Trailers::new(), &request.body)
}

fn check(request: &ApiRequest, trailers: &Trailers, bytes: &[u8]) -> Result<(), ApiError> {
    let stated = request.header("x-amz-content-sha256").unwrap_or_default();
    let is_hash = stated.len() == 64 && stated.bytes().all(|byte| byte.is_ascii_hexdigit());
    let actual = hex(&Sha256::digest(bytes));
    if is_hash && !stated.eq_ignore_ascii_case(&actual) {
        let message = "The provided 'x-amz-content-sha256' header does not match what was computed.";
        return Err(ApiError::new(400, "XAmzContentSHA256Mismatch", message));
    }
    let given = |name: &str| request.header(name).or_else(|| trailers.get(name).map(String::as_str)).map(str::to_owned);
    if request.header("content-md5").is_some_and(|given| given != STANDARD.encode(md5::digest(bytes))) {
        return Err(ApiError::new(400, "BadDigest", "The Content-MD5 you specified did not match what we received."));
    }
    let sums = [
        ("CRC32", "x-amz-checksum-crc32", crc32(bytes, 0xEDB8_8320).to_be_bytes().to_vec()),
        ("CRC32C", "x-amz-checksum-crc32c", crc32(bytes, 0x82F6_3B78).to_be_bytes().to_vec()),
        ("SHA256", "x-amz-checksum-sha256", Sha256::digest(bytes).to_vec()),
    ];
    for (name, header, sum) in sums {
        if given(header).is_some_and(|given| given != STANDARD.encode(&sum)) {
            let message = format!("The {name} you specified did not match the calculated checksum.");
            return Err(ApiError::new(400, "BadDigest", message));
        }
    }
    Ok(())
}

/// Data and trailers of an `aws-chunked` body; nothing if it is not whole.
fn undo_chunks(mut rest: &[u8]) -> Option<(Vec<u8>, Trailers)> {
    let mut bytes = Vec::with_capacity(rest.len());
    loop {
        let line = take_line(&mut rest)?;
        let size = usize::from_str_radix(line.split(';').next()?.trim(), 16).ok()?;
        if size == 0 {
            break;
        }
        bytes.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size..)?.strip_prefix(b"\r\n")?;
    }
    let mut trailers = Trailers::new();
    while let Some(line) = take_line(&mut rest).filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':')?;
        trailers.insert(name.trim().to_ascii_lowercase(), value.trim().to_owned());
    }
    Some((bytes, trailers))
}

fn take_line(rest: &mut &[u8]) -> Option<String> {
    let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
    let line = String::from_utf8(rest[..end].to_vec()).ok()?;
    *rest = &rest[end + 2..];
    Some(line)
}

/// The cyclic redundancy check with a reflected polynomial, half a byte at a time.
fn crc32(bytes: &[u8], polynomial: u32) -> u32 {
    let step = |value: u32| (0..4).fold(value, |it, _| if it & 1 == 1 { (it >> 1) ^ polynomial } else { it >> 1 });
    let table: Vec<u32> = (0..16).map(step).collect();
    let half = |sum: u32, bits: u32| (sum >> 4) ^ table[usize::from((sum ^ bits).to_le_bytes()[0] & 15)];
    !bytes.iter().fold(!0_u32, |sum, byte| half(half(sum, u32::from(*byte)), u32::from(*byte >> 4)))
}

fn incomplete() -> ApiError {
    let message = "You did not provide the number of bytes specified by the Content-Length HTTP header";
    ApiError::new(400, "IncompleteBody", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_have_their_published_check_values() {
        assert_eq!(crc32(b"123456789", 0xEDB8_8320), 0xCBF4_3926);
        assert_eq!(crc32(b"123456789", 0x82F6_3B78), 0xE306_9283);
    }

    #[test]
    fn chunks_and_trailers_are_taken_apart() {
        let body = b"5\r\nhello\r\n6;chunk-signature=abc\r\n world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n";
        let (bytes, trailers) = undo_chunks(body).expect("a whole body");
        assert_eq!(bytes, b"hello world");
        assert_eq!(trailers, Trailers::from([("x-amz-checksum-crc32".to_owned(), "DUoRhQ==".to_owned())]));
        assert_eq!(STANDARD.encode(crc32(&bytes, 0xEDB8_8320).to_be_bytes()), "DUoRhQ==");
        assert!(undo_chunks(b"5\r\nhel").is_none());
    }
}
