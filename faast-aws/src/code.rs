//! The way of the archive: inside the request that makes the function, or through a bucket if it is too large for that.
//!
//! The bucket is private, as every new bucket is, and goes as soon as the function has its copy.

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::FunctionCode;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration, Tag, Tagging};
use bytes::Bytes;
use faast_core::Result;

use crate::classify::control::{Cause, Meaning as _, Refusal};
use crate::clients::upload_timeouts;
use crate::estate::{Estate, Stop};
use crate::resource::Kind;
use crate::tags::Tags;

/// Bytes that Lambda takes as the body of a request: 50 MiB in base64.
const MOST_BODY: usize = 69_905_067;

/// Room for everything else in that body: an environment of 4 KB, every byte of it escaped, and the rest.
const OTHER_FIELDS: usize = 64 * 1024;

/// The only object of the bucket.
const KEY: &str = "code.zip";

/// Where Lambda finds the archive.
#[derive(Debug)]
pub(crate) enum Code {
    Direct(Bytes),
    Stored,
}

/// Whether an archive fits into the request that makes the function.
fn is_direct(bytes: usize) -> bool {
    bytes.div_ceil(3) * 4 + OTHER_FIELDS <= MOST_BODY
}

/// Brings the archive to where the function can be made from it.
pub(crate) async fn upload(estate: &Estate, archive: Bytes) -> Result<Code, Stop> {
    if is_direct(archive.len()) {
        return Ok(Code::Direct(archive));
    }
    make_bucket(estate).await?;
    estate.go_on()?;
    let timeouts = upload_timeouts(archive.len());
    let request = estate.clients.s3.put_object().bucket(&estate.name).key(KEY).body(ByteStream::from(archive));
    let config = aws_sdk_s3::config::Builder::default().timeout_config(timeouts);
    request.customize().config_override(config).send().await.meaning("s3:PutObject")?;
    Ok(Code::Stored)
}

async fn make_bucket(estate: &Estate) -> Result<(), Stop> {
    estate.go_on()?;
    estate.intend(Kind::Bucket);
    let region = estate.clients.region.as_str();
    // S3 knows its oldest region by saying nothing.
    let place = (region != "us-east-1").then(|| BucketLocationConstraint::from(region));
    let made_so = CreateBucketConfiguration::builder().set_location_constraint(place).set_tags(Some(set(&estate.tags)));
    let request = estate.clients.s3.create_bucket().bucket(&estate.name).create_bucket_configuration(made_so.build());
    match request.send().await.meaning("s3:CreateBucket") {
        Ok(_) => Ok(()),
        Err(refusal) if refusal.cause() == Cause::Exists => own(estate, refusal).await,
        Err(refusal) => Err(estate.refused(Kind::Bucket, refusal).into()),
    }
}

/// The name is taken: by an attempt of ours whose answer was lost, or by somebody else.
async fn own(estate: &Estate, taken: Refusal) -> Result<(), Stop> {
    let request = estate.clients.s3.get_bucket_tagging().bucket(&estate.name);
    if let Ok(found) = request.send().await.meaning("s3:GetBucketTagging")
        && crate::tags::belongs_to(&estate.id, found.tag_set().iter().map(|tag| (tag.key(), tag.value())))
    {
        return Ok(());
    }
    estate.gone(Kind::Bucket);
    Err(taken.into())
}

impl Code {
    /// How the request names it.
    pub(crate) fn describe(&self, estate: &Estate) -> FunctionCode {
        match self {
            // A copy for each attempt: the request owns its body.
            Self::Direct(archive) => FunctionCode::builder().zip_file(Blob::new(archive.to_vec())).build(),
            Self::Stored => FunctionCode::builder().s3_bucket(&estate.name).s3_key(KEY).build(),
        }
    }

    /// Bytes that the request carries.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Direct(archive) => archive.len(),
            Self::Stored => 0,
        }
    }
}

/// Moves the time of expiry; S3 knows no single tags.
pub(crate) async fn renew(estate: &Estate, tags: &Tags) -> Result<(), Refusal> {
    let Ok(tagging) = Tagging::builder().set_tag_set(Some(set(tags))).build() else { return Ok(()) };
    let request = estate.clients.s3.put_bucket_tagging().bucket(&estate.name).tagging(tagging);
    request.send().await.meaning("s3:PutBucketTagging").map(drop)
}

fn set(tags: &Tags) -> Vec<Tag> {
    tags.iter().filter_map(|(key, value)| Tag::builder().key(key).value(value).build().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifty_megabytes_go_directly_and_fifty_mebibytes_do_not() {
        assert!(is_direct(50_000_000));
        assert!(!is_direct(50 << 20));
    }
}
