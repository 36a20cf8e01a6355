//! Damaged requests to the emulators: each is answered, whatever it says, and a good one afterwards as before.
//!
//! A handler that panics closes its connection without an answer, which is what fails here.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use faast_testkit::emulator_aws::AwsEmulator;
use faast_testkit::emulator_google::GoogleEmulator;
use faast_testkit::hostile;

/// Damaged forms of each request.
const EACH: u64 = 120;

/// Address space that all of this may take: far below what a length of four bytes can claim.
const MOST_KIB: u64 = 2 << 20;

/// Method, path, header lines, body.
type Request<'a> = (&'a str, &'a str, &'a str, &'a str);

const ROLE: &str = "Action=CreateRole&Version=2010-05-08&RoleName=r&AssumeRolePolicyDocument=%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Principal%22%3A%7B%22Service%22%3A%22lambda.amazonaws.com%22%7D%2C%22Action%22%3A%22sts%3AAssumeRole%22%7D%5D%7D&Tags.member.1.Key=a&Tags.member.1.Value=1";
const POLICY: &str = "Action=PutRolePolicy&Version=2010-05-08&RoleName=r&PolicyName=p&PolicyDocument=%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22logs%3A%2A%22%2C%22Resource%22%3A%22%2A%22%7D%5D%7D";
const FUNCTION: &str = r#"{"FunctionName":"f","Role":"arn:aws:iam::123456789012:role/r","Runtime":"provided.al2023","Handler":"x","Timeout":30,"MemorySize":128,"EphemeralStorage":{"Size":512},"Architectures":["x86_64"],"Environment":{"Variables":{"A":"1"}},"Tags":{"a":"1"},"Code":{"ZipFile":"UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA=="}}"#;
const OBJECT: &str = "5\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n";
const CHUNKS: &str = "content-encoding: aws-chunked\r\nx-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\r\nx-amz-decoded-content-length: 11\r\nx-amz-trailer: x-amz-checksum-crc32\r\n";

/// A service of AWS and what it is asked.
const AWS: &[(&str, Request<'static>)] = &[
    ("iam", ("POST", "/", "content-type: application/x-www-form-urlencoded\r\n", ROLE)),
    ("iam", ("POST", "/", "content-type: application/x-www-form-urlencoded\r\n", POLICY)),
    ("lambda", ("POST", "/2015-03-31/functions", "", FUNCTION)),
    ("lambda", ("GET", "/2015-03-31/functions/f?Qualifier=1", "", "")),
    ("lambda", ("GET", "/2015-03-31/functions?MaxItems=50&Marker=1", "", "")),
    ("lambda", ("POST", "/2015-03-31/functions/f/invocations", "x-amz-log-type: Tail\r\n", r#"{"a":1}"#)),
    ("lambda", ("POST", "/2021-11-15/functions/f/response-streaming-invocations", "", r#"{"a":1}"#)),
    (
        "lambda",
        (
            "PUT",
            "/2019-09-25/functions/f/event-invoke-config",
            "",
            r#"{"MaximumRetryAttempts":0,"MaximumEventAgeInSeconds":60,"DestinationConfig":{"OnSuccess":{"Destination":"arn:aws:sqs:us-west-2:123456789012:q"}}}"#,
        ),
    ),
    ("lambda", ("PUT", "/2017-10-31/functions/f/concurrency", "", r#"{"ReservedConcurrentExecutions":10}"#)),
    (
        "lambda",
        ("POST", "/2017-03-31/tags/arn:aws:lambda:us-west-2:123456789012:function:f", "", r#"{"Tags":{"b":"2"}}"#),
    ),
    (
        "sqs",
        (
            "POST",
            "/",
            "x-amz-target: AmazonSQS.CreateQueue\r\n",
            r#"{"QueueName":"q","Attributes":{"VisibilityTimeout":"30","MessageRetentionPeriod":"3600"},"tags":{"a":"1"}}"#,
        ),
    ),
    (
        "sqs",
        (
            "POST",
            "/",
            "x-amz-target: AmazonSQS.SendMessage\r\n",
            r#"{"QueueUrl":"http://localhost/123456789012/q","MessageBody":"1","DelaySeconds":0}"#,
        ),
    ),
    (
        "sqs",
        (
            "POST",
            "/",
            "x-amz-target: AmazonSQS.ReceiveMessage\r\n",
            r#"{"QueueUrl":"http://localhost/123456789012/q","MaxNumberOfMessages":10,"VisibilityTimeout":0}"#,
        ),
    ),
    (
        "sqs",
        (
            "POST",
            "/",
            "x-amz-target: AmazonSQS.DeleteMessageBatch\r\n",
            r#"{"QueueUrl":"http://localhost/123456789012/q","Entries":[{"Id":"1","ReceiptHandle":"2"}]}"#,
        ),
    ),
    (
        "logs",
        (
            "POST",
            "/",
            "x-amz-target: Logs_20140328.CreateLogGroup\r\n",
            r#"{"logGroupName":"/aws/lambda/f","tags":{"a":"1"}}"#,
        ),
    ),
    (
        "logs",
        (
            "POST",
            "/",
            "x-amz-target: Logs_20140328.PutRetentionPolicy\r\n",
            r#"{"logGroupName":"/aws/lambda/f","retentionInDays":1}"#,
        ),
    ),
    (
        "logs",
        (
            "POST",
            "/",
            "x-amz-target: Logs_20140328.FilterLogEvents\r\n",
            r#"{"logGroupName":"/aws/lambda/f","startTime":1,"endTime":1700000000000,"limit":10,"nextToken":"1"}"#,
        ),
    ),
    (
        "tagging",
        (
            "POST",
            "/",
            "x-amz-target: ResourceGroupsTaggingAPI_20170126.GetResources\r\n",
            r#"{"TagFilters":[{"Key":"a","Values":["1"]}],"ResourcesPerPage":10,"PaginationToken":"1"}"#,
        ),
    ),
    (
        "pricing",
        (
            "POST",
            "/",
            "x-amz-target: AWSPriceListService.GetProducts\r\n",
            r#"{"ServiceCode":"AWSLambda","Filters":[{"Type":"TERM_MATCH","Field":"regionCode","Value":"us-west-2"}],"MaxResults":100,"NextToken":"1"}"#,
        ),
    ),
    (
        "s3",
        (
            "PUT",
            "/b",
            "",
            "<CreateBucketConfiguration><LocationConstraint>us-west-2</LocationConstraint></CreateBucketConfiguration>",
        ),
    ),
    ("s3", ("PUT", "/b/a/1", CHUNKS, OBJECT)),
    ("s3", ("GET", "/b?list-type=2&max-keys=10&continuation-token=1", "", "")),
    ("s3", ("GET", "/b/a/1", "range: bytes=1-5\r\n", "")),
    ("s3", ("POST", "/b?delete", "", "<Delete><Object><Key>a/1</Key></Object><Quiet>true</Quiet></Delete>")),
];

const SERVICE: &str = r#"{"labels":{"a":"1"},"invokerIamDisabled":true,"template":{"scaling":{"maxInstanceCount":4},"timeout":"30s","maxInstanceRequestConcurrency":1,"containers":[{"image":"us-central1-docker.pkg.dev/p/r/worker@sha256:0","args":["serve"],"env":[{"name":"A","value":"1"}],"resources":{"limits":{"cpu":"1","memory":"512Mi"},"cpuIdle":true}}]}}"#;
const MANIFEST: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:0","size":1},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"sha256:0","size":1}]}"#;
const PARTS: &str = "--b\r\ncontent-type: application/json\r\n\r\n{\"name\":\"a/1\"}\r\n--b\r\ncontent-type: text/plain\r\n\r\nhello\r\n--b--\r\n";

const GOOGLE: &[Request<'static>] = &[
    (
        "POST",
        "/storage/v1/b?project=faast-project",
        "",
        r#"{"name":"faast-b","location":"US-CENTRAL1","labels":{"a":"1"},"lifecycle":{"rule":[{"action":{"type":"Delete"},"condition":{"age":1}}]}}"#,
    ),
    ("POST", "/upload/storage/v1/b/faast-b/o?uploadType=media&name=a%2F1&ifGenerationMatch=0", "", "hello"),
    (
        "POST",
        "/upload/storage/v1/b/faast-b/o?uploadType=multipart",
        "content-type: multipart/related; boundary=b\r\n",
        PARTS,
    ),
    ("POST", "/upload/storage/v1/b/faast-b/o?uploadType=resumable&name=a", "", "{}"),
    ("GET", "/storage/v1/b/faast-b/o?prefix=a&maxResults=1&pageToken=1", "", ""),
    ("GET", "/storage/v1/b/faast-b/o/a%2F1?alt=media&generation=1", "range: bytes=1-3\r\n", ""),
    (
        "POST",
        "/v1/projects/faast-project/locations/us-central1/repositories?repositoryId=r",
        "",
        r#"{"format":"DOCKER","labels":{"a":"1"}}"#,
    ),
    ("POST", "/v2/faast-project/r/worker/blobs/uploads/", "", ""),
    (
        "PUT",
        "/v2/faast-project/r/worker/manifests/latest",
        "content-type: application/vnd.oci.image.manifest.v1+json\r\n",
        MANIFEST,
    ),
    ("GET", "/v2/faast-project/r/worker/tags/list?n=1&last=1", "", ""),
    ("POST", "/v2/projects/faast-project/locations/us-central1/services?serviceId=s", "", SERVICE),
    ("GET", "/v2/projects/faast-project/locations/us-central1/services?pageSize=1&pageToken=page-1", "", ""),
    ("GET", "/apis/serving.knative.dev/v1/namespaces/faast-project/services?limit=1&labelSelector=a%3D1", "", ""),
    (
        "PUT",
        "/v1/projects/faast-project/topics/faast-t",
        "",
        r#"{"labels":{"a":"1"},"messageRetentionDuration":"600s"}"#,
    ),
    (
        "PUT",
        "/v1/projects/faast-project/subscriptions/faast-s",
        "",
        r#"{"topic":"projects/faast-project/topics/faast-t","ackDeadlineSeconds":600,"messageRetentionDuration":"600s","expirationPolicy":{"ttl":"86400s"},"retryPolicy":{"minimumBackoff":"1s","maximumBackoff":"9s"}}"#,
    ),
    (
        "POST",
        "/v1/projects/faast-project/topics/faast-t:publish",
        "",
        r#"{"messages":[{"data":"ZmFhc3Q=","attributes":{"call":"1"},"orderingKey":"1"}]}"#,
    ),
    (
        "POST",
        "/v1/projects/faast-project/subscriptions/faast-s:pull",
        "",
        r#"{"maxMessages":10,"returnImmediately":true}"#,
    ),
    ("POST", "/v1/projects/faast-project/subscriptions/faast-s:acknowledge", "", r#"{"ackIds":["1"]}"#),
    (
        "POST",
        "/v1/projects/faast-project/subscriptions/faast-s:modifyAckDeadline",
        "",
        r#"{"ackIds":["1"],"ackDeadlineSeconds":10}"#,
    ),
    (
        "POST",
        "/v2/entries:list",
        "",
        r#"{"resourceNames":["projects/faast-project"],"filter":"resource.type=\"cloud_run_revision\" timestamp>=\"2026-01-01T00:00:00Z\"","orderBy":"timestamp desc","pageSize":10,"pageToken":"1"}"#,
    ),
    (
        "POST",
        "/token",
        "content-type: application/x-www-form-urlencoded\r\n",
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=eyJhIjoxfQ.eyJhIjoxfQ.eA",
    ),
    ("GET", "/v1/services/152E-C115-5142/skus?pageSize=5000&currencyCode=USD&pageToken=1", "", ""),
    (
        "GET",
        "/computeMetadata/v1/instance/service-accounts/default/identity?audience=a1&format=full",
        "metadata-flavor: Google\r\n",
        "",
    ),
];

/// Sends it; the status of the answer.
fn send(address: &str, (method, path, headers, _): Request<'_>, body: &[u8]) -> Option<u16> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    // A refused request may not be read to its end.
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    // An answer that is there is one, however the connection ends.
    let _ = stream.read_to_end(&mut answer);
    let line = answer.split(|byte| *byte == b'\n').next()?;
    std::str::from_utf8(line).ok()?.split(' ').nth(1)?.trim().parse().ok()
}

/// A path that HTTP can carry still.
fn damaged_path(seed: u64, path: &str) -> String {
    let damaged = hostile::text(seed, path.as_bytes());
    let printable = damaged.into_iter().filter(u8::is_ascii_graphic).map(char::from);
    format!("/{}", printable.collect::<String>().trim_start_matches('/'))
}

/// Damages each, and sends it; how many were refused, and how many taken.
fn damage_all(address: &str, requests: &[Request<'_>]) -> (usize, usize) {
    for &request in requests {
        let status = send(address, request, request.3.as_bytes());
        assert!(status.is_some_and(|status| status < 500), "{request:?}: {status:?}");
    }
    let (mut refused, mut taken) = (0, 0);
    for seed in 0..EACH {
        for &request in requests {
            let (method, path, headers, body) = request;
            let path = if body.is_empty() || seed % 4 == 0 { damaged_path(seed, path) } else { path.to_owned() };
            let body = if body.is_empty() { Vec::new() } else { hostile::text(seed, body.as_bytes()) };
            match send(address, (method, &path, headers, ""), &body) {
                Some(200..300) => taken += 1,
                Some(300..=499 | 501) => refused += 1,
                other => {
                    let body = String::from_utf8_lossy(&body);
                    assert_eq!(other, Some(200), "seed {seed}: {method} {path}\n{headers}\n{body}");
                }
            }
        }
    }
    (refused, taken)
}

#[test]
fn whatever_is_sent_is_answered_and_takes_no_room_for_a_lie() {
    let before = hostile::peak_kib();
    let aws = AwsEmulator::start();
    let address = aws.endpoint().replace("http://", "");
    let signed: Vec<_> = AWS
        .iter()
        .map(|(service, (_, _, headers, _))| {
            let scope = format!("Credential=AKIATEST/20261122/us-west-2/{service}/aws4_request");
            format!("authorization: AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0\r\n{headers}")
        })
        .collect();
    let requests =
        AWS.iter().zip(&signed).map(|((_, (method, path, _, body)), headers)| (*method, *path, &headers[..], *body));
    let on_aws = damage_all(&address, &requests.collect::<Vec<_>>());
    let google = GoogleEmulator::start();
    let address = google.endpoint().replace("http://", "");
    let on_google = damage_all(&address, GOOGLE);
    println!("refused and taken: {on_aws:?} on AWS, {on_google:?} on Google");
    for (refused, taken) in [on_aws, on_google] {
        assert!(refused > 300 && taken > 100, "{refused} refused, {taken} taken");
    }
    if let (Some(before), Some(after)) = (before, hostile::peak_kib()) {
        assert!(after - before < MOST_KIB, "{} KiB", after - before);
    }
}
