//! Buckets: made, tagged, configured and deleted, with the rules for their names and places.

use std::collections::BTreeMap;

use super::object::Object;
use super::{NAMESPACE, Place, State, body, malformed_xml};
use crate::emulator::clock::iso;
use crate::emulator_aws::fields::is_tag_text;
use crate::emulator_aws::protocol::{ApiError, ApiRequest, Reply};
use crate::emulator_aws::xml::{Xml, content, contents};

/// Where buckets may be, as far as a location constraint is checked.
const REGIONS: [&str; 34] = [
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-south-1",
    "ap-south-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
    "sa-east-1",
    "us-gov-east-1",
    "us-gov-west-1",
];

/// A bucket with everything in it.
#[derive(Debug, Clone, Default)]
pub(super) struct Bucket {
    pub(super) region: String,
    pub(super) created_ms: u64,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) objects: BTreeMap<String, Object>,
    /// The text of the rules, as they were put.
    lifecycle: Option<String>,
    public_access: Option<String>,
}

impl Bucket {
    pub(super) fn of_somebody(region: &str, tags: BTreeMap<String, String>, now_ms: u64) -> Self {
        let object = Object::of_somebody(now_ms);
        Self {
            region: region.to_owned(),
            created_ms: now_ms,
            tags,
            objects: BTreeMap::from([("object".to_owned(), object)]),
            ..Self::default()
        }
    }
}

pub(super) fn list(state: &State, request: &ApiRequest) -> Reply {
    let prefix = request.query("prefix").unwrap_or_default();
    let mut xml = Xml::default();
    xml.element(&format!("ListAllMyBucketsResult {NAMESPACE}"), |xml| {
        xml.element("Owner", |owner| {
            owner.text("ID", "75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a");
        });
        xml.element("Buckets", |xml| {
            for (name, bucket) in state.buckets.iter().filter(|(name, _)| name.starts_with(prefix)) {
                xml.element("Bucket", |xml| {
                    xml.text("Name", name).text("CreationDate", format!("{}Z", iso(bucket.created_ms)));
                    xml.text("BucketRegion", &bucket.region);
                });
            }
        });
    });
    Reply::bytes(200, xml.finish())
}

pub(super) fn create(state: &mut State, request: &ApiRequest, place: &Place, now_ms: u64) -> Result<Reply, ApiError> {
    let name = &place.bucket;
    if !is_bucket_name(name) {
        let message = "The specified bucket is not valid.";
        return Err(ApiError::new(400, "InvalidBucketName", message).field("BucketName", name.as_str()));
    }
    let configuration = String::from_utf8_lossy(&request.body).into_owned();
    if !configuration.trim().is_empty() && !configuration.contains("<CreateBucketConfiguration") {
        return Err(malformed_xml());
    }
    check_location(content(&configuration, "LocationConstraint").as_deref(), &request.region)?;
    let tags = read_tags(&configuration, "Tags")?;
    let location = || Reply::empty(200).header("location", format!("/{name}"));
    if let Some(bucket) = state.buckets.get(name) {
        // Only the oldest region takes a second creation for a success.
        if bucket.region == "us-east-1" && request.region == "us-east-1" {
            return Ok(location());
        }
        let message = "Your previous request to create the named bucket succeeded and you already own it.";
        return Err(ApiError::new(409, "BucketAlreadyOwnedByYou", message).field("BucketName", name.as_str()));
    }
    let bucket = Bucket { region: request.region.clone(), created_ms: now_ms, tags, ..Bucket::default() };
    state.buckets.insert(name.clone(), bucket);
    Ok(location())
}

/// A bucket is made in the region of the endpoint, and the request has to say so everywhere but in us-east-1.
fn check_location(constraint: Option<&str>, region: &str) -> Result<(), ApiError> {
    match constraint {
        None if region == "us-east-1" => Ok(()),
        Some(wanted) if wanted == region && region != "us-east-1" => Ok(()),
        Some(wanted) if wanted != "us-east-1" && wanted != "EU" && !REGIONS.contains(&wanted) => {
            let message = "The specified location-constraint is not valid";
            Err(ApiError::new(400, "InvalidLocationConstraint", message).field("LocationConstraint", wanted))
        }
        Some("us-east-1") if region == "us-east-1" => {
            let message = "The specified location-constraint is not valid";
            Err(ApiError::new(400, "InvalidLocationConstraint", message).field("LocationConstraint", "us-east-1"))
        }
        other => {
            let wanted = other.unwrap_or("unspecified");
            let message = format!(
                "The {wanted} location constraint is incompatible for the region specific endpoint this request was \
                 sent to."
            );
            Err(ApiError::new(400, "IllegalLocationConstraintException", message))
        }
    }
}

/// 3 to 63 lower-case letters, digits, dots and hyphens; labels begin and end with a letter or digit; no IP address.
fn is_bucket_name(name: &str) -> bool {
    let label = |label: &str| {
        let ends = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        ends(label.bytes().next()) && ends(label.bytes().last())
    };
    let parts: Vec<&str> = name.split('.').collect();
    let is_address = parts.len() == 4 && parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    (3..=63).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte))
        && parts.iter().all(|part| label(part))
        && !is_address
        && !["xn--", "sthree-", "amzn-s3-demo-"].iter().any(|prefix| name.starts_with(prefix))
        && !["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"].iter().any(|suffix| name.ends_with(suffix))
}

pub(super) fn delete(state: &mut State, request: &ApiRequest, place: &Place) -> Result<Reply, ApiError> {
    if !state.bucket(place, &request.region)?.objects.is_empty() {
        let message = "The bucket you tried to delete is not empty";
        return Err(ApiError::new(409, "BucketNotEmpty", message).field("BucketName", place.bucket.as_str()));
    }
    state.buckets.remove(&place.bucket);
    Ok(Reply::empty(204))
}

pub(super) fn location(bucket: &Bucket) -> Reply {
    let region = if bucket.region == "us-east-1" { "" } else { &bucket.region };
    Reply::bytes(200, format!("<LocationConstraint {NAMESPACE}>{region}</LocationConstraint>"))
}

pub(super) fn put_tags(bucket: &mut Bucket, request: &ApiRequest) -> Result<Reply, ApiError> {
    body::check_integrity(request)?;
    let text = String::from_utf8_lossy(&request.body).into_owned();
    if contents(&text, "TagSet").is_empty() {
        return Err(malformed_xml());
    }
    bucket.tags = read_tags(&text, "TagSet")?;
    Ok(Reply::empty(204))
}

fn read_tags(text: &str, list: &str) -> Result<BTreeMap<String, String>, ApiError> {
    let invalid = |message: &str| ApiError::new(400, "InvalidTag", message);
    let mut tags = BTreeMap::new();
    for tag in contents(text, list).first().map(|list| contents(list, "Tag")).unwrap_or_default() {
        let (Some(key), Some(value)) = (content(tag, "Key"), content(tag, "Value")) else {
            return Err(malformed_xml());
        };
        if key.is_empty() || key.chars().count() > 128 || !is_tag_text(&key) {
            return Err(invalid("The TagKey you have provided is invalid").field("TagKey", key));
        }
        if value.chars().count() > 256 || !is_tag_text(&value) {
            return Err(invalid("The TagValue you have provided is invalid").field("TagKey", key));
        }
        if key.starts_with("aws:") {
            return Err(invalid("System tags cannot be added/updated by requester").field("TagKey", key));
        }
        if tags.contains_key(&key) {
            return Err(invalid("Cannot provide multiple Tags with the same key").field("TagKey", key));
        }
        tags.insert(key, value);
    }
    if tags.len() > 50 {
        return Err(ApiError::new(400, "BadRequest", "Bucket tag count cannot be greater than 50"));
    }
    Ok(tags)
}

pub(super) fn tags(bucket: &Bucket, place: &Place) -> Result<Reply, ApiError> {
    if bucket.tags.is_empty() {
        return Err(absent("NoSuchTagSet", "The TagSet does not exist", place));
    }
    let mut xml = Xml::default();
    xml.element(&format!("Tagging {NAMESPACE}"), |xml| {
        xml.element("TagSet", |xml| {
            for (key, value) in &bucket.tags {
                xml.element("Tag", |xml| {
                    xml.text("Key", key).text("Value", value);
                });
            }
        });
    });
    Ok(Reply::bytes(200, xml.finish()))
}

pub(super) fn put_lifecycle(bucket: &mut Bucket, request: &ApiRequest) -> Result<Reply, ApiError> {
    body::check_integrity(request)?;
    let text = String::from_utf8_lossy(&request.body).into_owned();
    let rules = contents(&text, "Rule");
    let status = |rule: &&str| matches!(content(rule, "Status").as_deref(), Some("Enabled" | "Disabled"));
    let acts = |rule: &&str| {
        ["Expiration", "Transition", "NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload"]
            .iter()
            .any(|action| !contents(rule, action).is_empty())
    };
    if rules.is_empty() || rules.len() > 1000 || !rules.iter().all(status) {
        return Err(malformed_xml());
    }
    if !rules.iter().all(acts) {
        let message = "At least one action needs to be specified in a rule";
        return Err(ApiError::new(400, "InvalidRequest", message));
    }
    if contents(&text, "Days").iter().any(|days| days.trim().parse::<i64>().is_ok_and(|days| days <= 0)) {
        let message = "'Days' for Expiration action must be a positive integer";
        return Err(ApiError::new(400, "InvalidArgument", message));
    }
    bucket.lifecycle = Some(rules.iter().flat_map(|rule| ["<Rule>", rule, "</Rule>"]).collect());
    Ok(Reply::empty(200))
}

pub(super) fn lifecycle(bucket: &Bucket, place: &Place) -> Result<Reply, ApiError> {
    let rules = bucket
        .lifecycle
        .as_ref()
        .ok_or_else(|| absent("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist", place))?;
    Ok(Reply::bytes(200, format!("<LifecycleConfiguration {NAMESPACE}>{rules}</LifecycleConfiguration>")))
}

pub(super) fn put_public_access(bucket: &mut Bucket, request: &ApiRequest) -> Result<Reply, ApiError> {
    body::check_integrity(request)?;
    let text = String::from_utf8_lossy(&request.body).into_owned();
    let settings = contents(&text, "PublicAccessBlockConfiguration");
    bucket.public_access = Some((*settings.first().ok_or_else(malformed_xml)?).to_owned());
    Ok(Reply::empty(200))
}

pub(super) fn public_access(bucket: &Bucket, place: &Place) -> Result<Reply, ApiError> {
    let settings = bucket.public_access.as_ref().ok_or_else(|| {
        let message = "The public access block configuration was not found";
        absent("NoSuchPublicAccessBlockConfiguration", message, place)
    })?;
    let name = "PublicAccessBlockConfiguration";
    Ok(Reply::bytes(200, format!("<{name} {NAMESPACE}>{settings}</{name}>")))
}

fn absent(code: &str, message: &str, place: &Place) -> ApiError {
    ApiError::new(404, code, message).field("BucketName", place.bucket.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rules_for_buckets() {
        for good in ["faast-0123", "a.b-c.d", "abc", &"x".repeat(63)] {
            assert!(is_bucket_name(good), "{good}");
        }
        let bad = ["ab", "Faast", "a_b", "-ab", "ab-", "a..b", "192.168.0.1", "xn--a", "a-s3alias", &"x".repeat(64)];
        for bad in bad {
            assert!(!is_bucket_name(bad), "{bad}");
        }
    }

    #[test]
    fn a_bucket_is_where_its_endpoint_is() {
        let code = |constraint, region| check_location(constraint, region).err().map(|error| error.code);
        assert_eq!(code(None, "us-east-1"), None);
        assert_eq!(code(Some("us-west-2"), "us-west-2"), None);
        assert_eq!(code(None, "us-west-2").as_deref(), Some("IllegalLocationConstraintException"));
        assert_eq!(code(Some("eu-west-1"), "us-west-2").as_deref(), Some("IllegalLocationConstraintException"));
        assert_eq!(code(Some("us-east-1"), "us-east-1").as_deref(), Some("InvalidLocationConstraint"));
        assert_eq!(code(Some("moon-1"), "us-west-2").as_deref(), Some("InvalidLocationConstraint"));
    }
}
