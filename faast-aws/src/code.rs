//! The way of the archive: inside the request that makes the function, or through the deployment's bucket if it is too
//! large for that. In the bucket it stays until the function has its copy.

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::FunctionCode;
use bytes::Bytes;
use faast_core::Result;
use faast_core::log::Channel;

use crate::backoff::while_passing;
use crate::classify::control::Cause;
use crate::estate::{Estate, Stop};
use crate::resource::Kind;

/// Bytes that Lambda takes as the body of a request: 50 MiB in base64.
const MOST_BODY: usize = 69_905_067;

/// Room for everything else in that body: an environment of 4 KB, every byte of it escaped, and the rest.
const OTHER_FIELDS: usize = 64 * 1024;

/// The archive in the bucket.
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
    estate.go_on()?;
    estate.intend(Kind::Bucket);
    // An attempt whose answer was lost may still be at it.
    let made = while_passing(&[Cause::Busy], &estate.halt, || estate.store.make()).await;
    made.map_err(|refusal| estate.refused(Kind::Bucket, refusal))?;
    estate.go_on()?;
    estate.store.upload(KEY, archive).await?;
    Ok(Code::Stored)
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

/// Takes the archive out of the bucket, now that the function has its copy.
pub(crate) async fn remove(estate: &Estate) {
    if let Err(refusal) = estate.store.remove(KEY).await {
        faast_core::log!(Channel::Provider, "the archive stays until the cleanup: {refusal}");
    }
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
