//! What is in a bucket: `ListObjectsV2`, and its older form for clients that still use it.

use std::collections::BTreeSet;

use super::bucket::Bucket;
use super::object::Object;
use super::{NAMESPACE, Place};
use crate::emulator::clock::iso;
use crate::emulator_aws::protocol::{ApiError, ApiRequest, Reply};
use crate::emulator_aws::xml::{Xml, encode};

/// One line of a listing: an object, or all that share a prefix up to the delimiter.
enum Line<'a> {
    Object(&'a str, &'a Object),
    Prefix(String),
}

pub(super) fn objects(bucket: &Bucket, request: &ApiRequest, place: &Place) -> Result<Reply, ApiError> {
    let is_second_version = request.action == "ListObjectsV2";
    let most = match request.query("max-keys") {
        None => 1000,
        Some(text) => text.parse::<usize>().map(|most| most.min(1000)).map_err(|_| {
            ApiError::new(400, "InvalidArgument", "Provided max-keys not an integer or within integer range")
        })?,
    };
    let after = if is_second_version {
        request.query("continuation-token").or_else(|| request.query("start-after"))
    } else {
        request.query("marker")
    };
    let url = request.query("encoding-type") == Some("url");
    let text = |text: &str| if url { encode(text).replace("%2F", "/") } else { text.to_owned() };
    let (lines, next) = page(bucket, request, after, most);
    let mut xml = Xml::default();
    xml.element(&format!("ListBucketResult {NAMESPACE}"), |xml| {
        xml.text("Name", &place.bucket).text("Prefix", text(request.query("prefix").unwrap_or_default()));
        if let Some(delimiter) = request.query("delimiter") {
            xml.text("Delimiter", text(delimiter));
        }
        if url {
            xml.text("EncodingType", "url");
        }
        xml.text("MaxKeys", most).text("IsTruncated", next.is_some());
        if is_second_version {
            xml.text("KeyCount", lines.len());
        }
        if let Some(next) = &next {
            xml.text(if is_second_version { "NextContinuationToken" } else { "NextMarker" }, text(next));
        }
        for line in &lines {
            write(xml, line, &text);
        }
    });
    Ok(Reply::bytes(200, xml.finish()))
}

fn page<'a>(
    bucket: &'a Bucket,
    request: &ApiRequest,
    after: Option<&str>,
    most: usize,
) -> (Vec<Line<'a>>, Option<String>) {
    let prefix = request.query("prefix").unwrap_or_default();
    let delimiter = request.query("delimiter").filter(|delimiter| !delimiter.is_empty());
    let mut lines = Vec::new();
    let mut seen = BTreeSet::new();
    let mut last = None;
    for (key, object) in bucket.objects.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix)) {
        let shared = delimiter.and_then(|delimiter| {
            key[prefix.len()..].find(delimiter).map(|at| key[..prefix.len() + at + delimiter.len()].to_owned())
        });
        let name = shared.clone().unwrap_or_else(|| key.clone());
        if after.is_some_and(|after| name.as_str() <= after) || seen.contains(&name) {
            continue;
        }
        if lines.len() == most {
            return (lines, last);
        }
        seen.insert(name.clone());
        last = Some(name);
        lines.push(shared.map_or(Line::Object(key, object), Line::Prefix));
    }
    (lines, None)
}

fn write(xml: &mut Xml, line: &Line<'_>, text: &impl Fn(&str) -> String) {
    match line {
        Line::Object(key, object) => {
            xml.element("Contents", |xml| {
                xml.text("Key", text(key))
                    .text("LastModified", format!("{}Z", iso(object.modified_ms)))
                    .text("ETag", &object.etag)
                    .text("Size", object.bytes.len())
                    .text("StorageClass", "STANDARD");
            });
        }
        Line::Prefix(prefix) => {
            xml.element("CommonPrefixes", |xml| {
                xml.text("Prefix", text(prefix));
            });
        }
    }
}
