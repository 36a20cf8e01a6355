//! Objects: put, read whole or in part, and deleted one by one or many at once.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::http::Method;

use super::bucket::Bucket;
use super::{NAMESPACE, NO_KEY, Place, body, malformed_xml};
use crate::emulator::clock::http_date;
use crate::emulator_aws::md5;
use crate::emulator_aws::protocol::{ApiError, ApiRequest, Reply};
use crate::emulator_aws::xml::{Xml, content, contents};

/// Bytes and what was said about them.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) bytes: Bytes,
    pub(super) etag: String,
    pub(super) modified_ms: u64,
    headers: BTreeMap<String, String>,
}

impl Object {
    pub(super) fn of_somebody(now_ms: u64) -> Self {
        Self {
            bytes: Bytes::from_static(b"hello"),
            etag: etag(b"hello"),
            modified_ms: now_ms,
            headers: BTreeMap::new(),
        }
    }
}

pub(super) fn put(bucket: &mut Bucket, request: &ApiRequest, place: &Place, now_ms: u64) -> Result<Reply, ApiError> {
    if place.key.len() > 1024 {
        let message = "Your key is too long";
        return Err(ApiError::new(400, "KeyTooLongError", message).field("MaxSizeAllowed", "1024"));
    }
    let bytes = body::read(request)?;
    if request.header("if-none-match") == Some("*") && bucket.objects.contains_key(&place.key) {
        let message = "At least one of the pre-conditions you specified did not hold";
        return Err(ApiError::new(412, "PreconditionFailed", message).field("Condition", "If-None-Match"));
    }
    let kept = |name: &str| name.starts_with("x-amz-meta-") || ["content-type", "cache-control"].contains(&name);
    let headers = request.headers.iter().filter(|(name, _)| kept(name.as_str()));
    let headers =
        headers.filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned()))).collect();
    let etag = etag(&bytes);
    bucket.objects.insert(place.key.clone(), Object { bytes, etag: etag.clone(), modified_ms: now_ms, headers });
    Ok(Reply::empty(200).header("etag", etag))
}

pub(super) fn get(bucket: &Bucket, request: &ApiRequest, place: &Place) -> Result<Reply, ApiError> {
    let no_key = || ApiError::new(404, "NoSuchKey", NO_KEY).field("Key", place.key.as_str());
    let object = bucket.objects.get(&place.key).ok_or_else(no_key)?;
    let size = object.bytes.len();
    let range = request.header("range").and_then(|range| read_range(range, size));
    let (bytes, status) = match range {
        None => (object.bytes.clone(), 200),
        Some(None) => {
            let message = "The requested range is not satisfiable";
            return Err(ApiError::new(416, "InvalidRange", message));
        }
        Some(Some((from, to))) => (object.bytes.slice(from..=to), 206),
    };
    let length = bytes.len();
    let mut reply = if request.method == Method::HEAD { Reply::empty(status) } else { Reply::bytes(status, bytes) };
    if let Some(Some((from, to))) = range {
        reply = reply.header("content-range", format!("bytes {from}-{to}/{size}"));
    }
    if !object.headers.contains_key("content-type") {
        reply = reply.header("content-type", "binary/octet-stream");
    }
    for (name, value) in &object.headers {
        reply = reply.header(name, value);
    }
    Ok(reply
        .header("etag", &object.etag)
        .header("last-modified", http_date(object.modified_ms))
        .header("accept-ranges", "bytes")
        .header("content-length", length.to_string()))
}

/// A single range as first and last byte. Nothing if the header means none; an inner nothing if it cannot be met.
fn read_range(header: &str, size: usize) -> Option<Option<(usize, usize)>> {
    let (from, to) = header.strip_prefix("bytes=")?.split_once('-')?;
    let (from, to) = if from.is_empty() {
        let last: usize = to.parse().ok()?;
        (size.saturating_sub(last), size.checked_sub(1)?)
    } else {
        (from.parse().ok()?, if to.is_empty() { usize::MAX } else { to.parse().ok()? })
    };
    Some((from < size && from <= to).then(|| (from, to.min(size - 1))))
}

pub(super) fn delete_many(bucket: &mut Bucket, request: &ApiRequest) -> Result<Reply, ApiError> {
    body::check_integrity(request)?;
    let text = String::from_utf8_lossy(&request.body).into_owned();
    let keys: Option<Vec<String>> =
        contents(&text, "Object").into_iter().map(|object| content(object, "Key")).collect();
    let keys = keys.filter(|keys| (1..=1000).contains(&keys.len())).ok_or_else(malformed_xml)?;
    let quiet = content(&text, "Quiet").as_deref() == Some("true");
    let mut xml = Xml::default();
    xml.element(&format!("DeleteResult {NAMESPACE}"), |xml| {
        for key in &keys {
            bucket.objects.remove(key);
            if !quiet {
                xml.element("Deleted", |xml| {
                    xml.text("Key", key);
                });
            }
        }
    });
    Ok(Reply::bytes(200, xml.finish()))
}

fn etag(bytes: &[u8]) -> String {
    format!("\"{}\"", md5::hex_digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_http_has_them() {
        assert_eq!(read_range("bytes=0-3", 10), Some(Some((0, 3))));
        assert_eq!(read_range("bytes=4-", 10), Some(Some((4, 9))));
        assert_eq!(read_range("bytes=-3", 10), Some(Some((7, 9))));
        assert_eq!(read_range("bytes=4-99", 10), Some(Some((4, 9))));
        assert_eq!(read_range("bytes=10-", 10), Some(None));
        assert_eq!(read_range("lines=1-2", 10), None);
    }
}
