//! Objects: bodies in chunks with trailing checksums, buckets in hosts, and regions.

use std::time::Duration;

use faast_testkit::emulator_aws::AwsEmulator;
use faast_testkit::http::Answer;

use crate::client::{Ask, Told as _};

const LOCATION: &str = "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                        <LocationConstraint>us-west-2</LocationConstraint></CreateBucketConfiguration>";

fn create_bucket(aws: &AwsEmulator) {
    assert_eq!(Ask::new("s3", "PUT", "/faast-1", LOCATION).send_to(aws).status, 200);
}

fn put_in_chunks(aws: &AwsEmulator, checksum: &str, length: &str) -> Answer {
    let body = format!("5\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32:{checksum}\r\n\r\n");
    Ask::new("s3", "PUT", "/faast-1/code.zip", body)
        .header("content-encoding", "aws-chunked")
        .header("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
        .header("x-amz-decoded-content-length", length)
        .header("x-amz-trailer", "x-amz-checksum-crc32")
        .send_to(aws)
}

#[test]
fn chunks_are_undone_and_their_checksum_is_compared() {
    let aws = AwsEmulator::start();
    create_bucket(&aws);
    let wrong = put_in_chunks(&aws, "AAAAAA==", "11");
    assert_eq!((wrong.refusal().0, wrong.refusal().1.as_str()), (400, "BadDigest"));
    let short = put_in_chunks(&aws, "DUoRhQ==", "12");
    assert_eq!((short.refusal().0, short.refusal().1.as_str()), (400, "IncompleteBody"));
    assert_eq!(put_in_chunks(&aws, "DUoRhQ==", "11").status, 200);
    assert_eq!(Ask::new("s3", "GET", "/faast-1/code.zip", "").send_to(&aws).text(), "hello world");
}

#[test]
fn a_bucket_may_be_in_the_host() {
    let aws = AwsEmulator::start();
    create_bucket(&aws);
    assert_eq!(Ask::new("s3", "PUT", "/faast-1/a/b", "text").send_to(&aws).status, 200);
    let by_host = Ask::new("s3", "GET", "/a/b", "").header("host", "faast-1.s3.us-west-2.amazonaws.com").send_to(&aws);
    assert_eq!((by_host.status, by_host.text().as_str()), (200, "text"));
}

#[test]
fn a_bucket_of_another_region_is_elsewhere() {
    let aws = AwsEmulator::start();
    create_bucket(&aws);
    let mut elsewhere = Ask::new("s3", "GET", "/faast-1?list-type=2", "");
    elsewhere.region = "eu-west-1";
    let answer = elsewhere.send_to(&aws);
    assert_eq!((answer.refusal().0, answer.refusal().1.as_str()), (301, "PermanentRedirect"));
    assert_eq!(answer.header("x-amz-bucket-region"), Some("us-west-2"), "{answer:?}");
}

#[test]
fn who_makes_a_bucket_that_is_being_made_is_refused_and_objects_do_not_find_it() {
    let aws = AwsEmulator::builder().bucket_creation(Duration::from_mins(1)).start();
    create_bucket(&aws);
    let again = || Ask::new("s3", "PUT", "/faast-1", LOCATION).send_to(&aws);
    assert_eq!((again().refusal().0, again().refusal().1.as_str()), (409, "OperationAborted"));
    let put = || Ask::new("s3", "PUT", "/faast-1/a", "text").send_to(&aws);
    assert_eq!((put().refusal().0, put().refusal().1.as_str()), (404, "NoSuchBucket"));
    aws.advance(Duration::from_secs(61));
    assert_eq!((again().refusal().0, again().refusal().1.as_str()), (409, "BucketAlreadyOwnedByYou"));
    assert_eq!(put().status, 200);
}
