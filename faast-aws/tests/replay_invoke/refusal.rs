//! The service's own refusals.

use std::time::Duration;

use faast_core::ErrorKind;
use faast_core::provider::{Ran, RetryClass};
use wiremock::ResponseTemplate;

use super::expected::{Expected, check, expect};
use super::replay::{REQUEST_ID, Replay, refusal, request};

/// The service's own refusals: status, code, message, and what they mean.
const REFUSALS: &[(u16, &str, &str, Expected)] = &[
    (429, "EC2ThrottledException", "EC2 throttled us", {
        expect(RetryClass::Throttled, ErrorKind::Throttled, Ran::No, &["throttled", "EC2ThrottledException"])
    }),
    (400, "ThrottlingException", "Rate exceeded", {
        expect(RetryClass::Throttled, ErrorKind::Throttled, Ran::No, &["throttled", "Rate exceeded"])
    }),
    (429, "", "slow down", expect(RetryClass::Throttled, ErrorKind::Throttled, Ran::No, &["status 429"])),
    (500, "ServiceException", "An error occurred", {
        expect(RetryClass::Transient, ErrorKind::Unavailable, Ran::Maybe, &["in passing", "ServiceException"])
    }),
    (503, "", "<html>busy</html>", {
        expect(RetryClass::Transient, ErrorKind::Unavailable, Ran::Maybe, &["in passing", "status 503", "busy"])
    }),
    (502, "EC2UnexpectedException", "EC2 said no", {
        expect(RetryClass::Transient, ErrorKind::Unavailable, Ran::No, &["in passing", "EC2UnexpectedException"])
    }),
    (
        409,
        "ResourceConflictException",
        "The operation cannot be performed at this time. The function is currently in the following state: Pending",
        { expect(RetryClass::Throttled, ErrorKind::Unavailable, Ran::No, &["not ready", "Pending"]) },
    ),
    (502, "ResourceNotReadyException", "The function is inactive", {
        expect(RetryClass::Throttled, ErrorKind::Unavailable, Ran::No, &["not ready", "inactive"])
    }),
    (400, "InvalidParameterValueException", "The role defined for the function cannot be assumed by Lambda.", {
        expect(RetryClass::Throttled, ErrorKind::Unavailable, Ran::No, &["role can't be assumed yet"])
    }),
    (400, "InvalidParameterValueException", "Invalid qualifier", {
        expect(RetryClass::Permanent, ErrorKind::Config, Ran::No, &["an option of the function", "Invalid qualifier"])
    }),
    (400, "InvalidRequestContentException", "Could not parse request body into json", {
        expect(RetryClass::Permanent, ErrorKind::Internal, Ran::No, &["refused the request", "into json"])
    }),
    (415, "UnsupportedMediaTypeException", "Unsupported", {
        expect(RetryClass::Permanent, ErrorKind::Internal, Ran::No, &["refused the request"])
    }),
    (413, "RequestTooLargeException", "Request must be smaller than 6291456 bytes for the InvokeFunction operation", {
        expect(RetryClass::Permanent, ErrorKind::TooLarge, Ran::No, &["arguments are larger", "6291456"])
    }),
    (413, "SerializedRequestEntityTooLargeException", "too large", {
        expect(RetryClass::Permanent, ErrorKind::TooLarge, Ran::No, &["arguments are larger", "6291456"])
    }),
    (413, "RequestEntityTooLargeException", "too large", {
        expect(RetryClass::Permanent, ErrorKind::TooLarge, Ran::No, &["arguments are larger", "6291456"])
    }),
    (502, "InvalidZipFileException", "Lambda could not unzip the deployment package.", {
        expect(RetryClass::Permanent, ErrorKind::Deploy, Ran::No, &["can't run the package", "unzip"])
    }),
    (502, "InvalidRuntimeException", "The runtime or runtime version specified is not supported.", {
        expect(RetryClass::Permanent, ErrorKind::Deploy, Ran::No, &["can't run the package"])
    }),
    (502, "KMSAccessDeniedException", "Lambda was unable to decrypt the environment variables", {
        expect(RetryClass::Permanent, ErrorKind::Denied, Ran::No, &["denied", "KMSAccessDeniedException"])
    }),
    (502, "KMSDisabledException", "the key is disabled", {
        expect(RetryClass::Permanent, ErrorKind::Config, Ran::No, &["encrypts the function's environment"])
    }),
    (408, "EFSMountTimeoutException", "mount timed out", {
        expect(RetryClass::Permanent, ErrorKind::Config, Ran::No, &["file system"])
    }),
    (502, "ENILimitReachedException", "limit of network interfaces", {
        expect(RetryClass::Permanent, ErrorKind::Config, Ran::No, &["network interfaces", "VPC"])
    }),
    (502, "SubnetIPAddressLimitReachedException", "no addresses left", {
        expect(RetryClass::Permanent, ErrorKind::Config, Ran::No, &["subnets"])
    }),
    (502, "EC2AccessDeniedException", "Need additional permissions to configure VPC settings.", {
        expect(RetryClass::Permanent, ErrorKind::Denied, Ran::No, &["denied", "VPC"])
    }),
    (400, "SnapStartException", "afterRestore failed", {
        expect(RetryClass::Permanent, ErrorKind::Config, Ran::No, &["snapshots"])
    }),
    (400, "RecursiveInvocationException", "Lambda has detected your function being invoked in a recursive loop", {
        expect(RetryClass::Permanent, ErrorKind::Config, Ran::No, &["loop of functions", "ordinary function"])
    }),
    (404, "ResourceNotFoundException", "Function not found: arn:aws:lambda:us-west-2:123456789012:function:faast-x", {
        expect(RetryClass::Permanent, ErrorKind::Unavailable, Ran::No, &["faast-x", "is gone"])
    }),
    (
        403,
        "AccessDeniedException",
        "User: arn:aws:iam::123456789012:user/u is not authorized to perform: lambda:InvokeFunction on resource: arn:aws:lambda:us-west-2:123456789012:function:faast-x because no identity-based policy allows the lambda:InvokeFunction action",
        { expect(RetryClass::Permanent, ErrorKind::Denied, Ran::No, &["denied `lambda:InvokeFunction`", "user/u"]) },
    ),
    (403, "ExpiredTokenException", "The security token included in the request is expired", {
        expect(RetryClass::Permanent, ErrorKind::Denied, Ran::No, &["have expired", "aws sso login"])
    }),
    (403, "UnrecognizedClientException", "The security token included in the request is invalid.", {
        expect(
            RetryClass::Permanent,
            ErrorKind::Denied,
            Ran::No,
            &["does not accept the credentials", "get-caller-identity"],
        )
    }),
    (403, "InvalidSignatureException", "Signature expired: 20260101T000000Z is now earlier than 20260101T001500Z", {
        expect(RetryClass::Permanent, ErrorKind::Denied, Ran::No, &["does not accept the credentials", "clock"])
    }),
    (418, "BrandNewException", "never seen before", {
        expect(RetryClass::Permanent, ErrorKind::Internal, Ran::No, &["BrandNewException", "never seen before"])
    }),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_has_its_class_its_kind_and_words() {
    for (status, code, message, expected) in REFUSALS {
        for streams in [false, true] {
            let replay = Replay::new(refusal(*status, code, message)).await;
            let error = replay.error(&request(if streams { 2 } else { 1 })).await;
            check(&format!("{status} {code}"), &error, expected);
            assert!(error.metering.quantities.is_empty(), "{code}: what did not run costs nothing");
            assert_eq!(error.execution.as_ref().map(|it| &*it.0), Some(REQUEST_ID), "{code}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_limit_that_throttles_is_named_and_its_pause_is_kept() {
    for reason in [
        "ConcurrentInvocationLimitExceeded",
        "ReservedFunctionConcurrentInvocationLimitExceeded",
        "FunctionInvocationRateLimitExceeded",
        "ReservedFunctionInvocationRateLimitExceeded",
        "CallerRateLimitExceeded",
        "ConcurrentSnapshotCreateLimitExceeded",
    ] {
        let body = serde_json::json!({ "Reason": reason, "Type": "User", "message": "Rate Exceeded." });
        let throttled = ResponseTemplate::new(429)
            .insert_header("x-amzn-ErrorType", "TooManyRequestsException")
            .insert_header("Retry-After", "3")
            .set_body_json(body);
        let error = Replay::new(throttled).await.error(&request(1)).await;
        check(reason, &error, &expect(RetryClass::Throttled, ErrorKind::Throttled, Ran::No, &["throttled"]));
        assert!(error.message.contains(reason), "{error}");
        assert_eq!(error.retry_after, Some(Duration::from_secs(3)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_ready_is_asked_again_after_a_moment() {
    let error = Replay::new(refusal(409, "ResourceConflictException", "state: Pending")).await.error(&request(1)).await;
    assert_eq!(error.retry_after, Some(Duration::from_secs(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_in_the_body_counts_where_the_header_is_missing() {
    let body = serde_json::json!({ "__type": "com.amazonaws.lambda#TooManyRequestsException", "Message": "Rate" });
    let error = Replay::new(ResponseTemplate::new(400).set_body_json(body)).await.error(&request(1)).await;
    check("body", &error, &expect(RetryClass::Throttled, ErrorKind::Throttled, Ran::No, &["Rate"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_service_says_about_a_signature_is_not_shown() {
    let text = "The Canonical String for this request should have been 'POST / x-amz-security-token:planted-token'";
    for code in
        ["InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignatureException", "NewException", ""]
    {
        for streams in [false, true] {
            let replay = Replay::new(refusal(403, code, text)).await;
            let error = replay.error(&request(if streams { 2 } else { 1 })).await;
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("planted-token"), "{code}: {shown}");
            assert!(shown.contains(if code.is_empty() { "status 403" } else { code }), "{shown}");
        }
    }
}
