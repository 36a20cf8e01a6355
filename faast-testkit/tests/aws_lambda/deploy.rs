//! Functions are made, shown, changed and deleted, and refused as AWS refuses them.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use faast_testkit::emulator_aws::AwsEmulator;
use serde_json::{Value, json};

use crate::client::{Account, Told as _, archive, runtime};

#[test]
fn a_function_is_pending_until_it_is_active_and_takes_no_calls_before() {
    let account = Account::new(AwsEmulator::builder().activation(Duration::from_hours(1)).start());
    let created = account.create("f", json!({}));
    assert_eq!((created.status, created.json()["State"].as_str()), (201, Some("Pending")));
    let text =
        "The operation cannot be performed at this time. The function is currently in the following state: Pending";
    let refusal = account.invoke("f", &json!(1));
    assert_eq!(refusal.refusal(), (409, "ResourceConflictException", text.into()));
    account.aws.advance(Duration::from_hours(2));
    let shown = account.lambda("GET", "/2015-03-31/functions/f", &Value::Null).json();
    assert_eq!(shown["Configuration"]["State"], "Active");
    assert_eq!(account.invoke("f", &json!(1)).json()["event"], 1);
}

#[test]
fn a_role_must_exist_trust_lambda_and_have_got_around() {
    let account = Account::new(AwsEmulator::builder().role_propagation(Duration::from_secs(10)).start());
    let text = "The role defined for the function cannot be assumed by Lambda.";
    let refused = |settings: Value| {
        let answer = account.create("f", settings);
        assert_eq!(answer.refusal(), (400, "InvalidParameterValueException", text.into()));
    };
    refused(json!({}));
    account.aws.advance(Duration::from_secs(11));
    refused(json!({ "Role": "arn:aws:iam::123456789012:role/nobody" }));
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    let other = account.add_role("other", trust);
    account.aws.advance(Duration::from_secs(11));
    refused(json!({ "Role": other }));
    assert_eq!(account.create("f", json!({})).status, 201);
}

#[test]
fn malformed_requests_are_refused_with_the_texts_of_the_service() {
    let account = Account::new(AwsEmulator::start());
    let validation = "ValidationException";
    let invalid = "InvalidParameterValueException";
    let zip = |bytes: &[u8]| json!({ "ZipFile": BASE64_STANDARD.encode(bytes) });
    let variables = |name: &str, value: &str| json!({ "Variables": { name: value } });
    let cases = [
        (json!({ "FunctionName": "a b" }), validation, "Value 'a b' at 'functionName' failed to satisfy constraint"),
        (json!({ "FunctionName": "x".repeat(65) }), validation, "Member must have length less than or equal to 64"),
        (json!({ "Role": "worker" }), validation, "Value 'worker' at 'role' failed to satisfy constraint"),
        (json!({ "MemorySize": 127 }), validation, "Value '127' at 'memorySize'"),
        (json!({ "MemorySize": 10_241 }), validation, "Member must have value less than or equal to 10240"),
        (json!({ "Timeout": 901 }), validation, "Value '901' at 'timeout'"),
        (json!({ "Timeout": 0, "MemorySize": 0 }), validation, "2 validation errors detected: "),
        (json!({ "Timeout": "3" }), "SerializationException", "Timeout"),
        (json!({ "EphemeralStorage": { "Size": 511 } }), validation, "ephemeralStorage.size"),
        (json!({ "Description": "x".repeat(257) }), validation, "'description'"),
        (json!({ "Handler": "a b" }), validation, "pattern: [^\\s]+"),
        (json!({ "Handler": "x".repeat(129) }), validation, "Member must have length less than or equal to 128"),
        (json!({ "Architectures": ["riscv"] }), validation, "'architectures'"),
        (json!({ "LoggingConfig": { "LogGroup": "a b" } }), validation, "loggingConfig.logGroup"),
        (json!({ "Runtime": "rust1.95" }), invalid, "Value rust1.95 at 'runtime' failed to satisfy constraint"),
        (
            json!({ "Runtime": null }),
            invalid,
            "Runtime and Handler are mandatory parameters for functions created with",
        ),
        (json!({ "Code": {} }), invalid, "Please provide a source for function code."),
        (json!({ "Code": zip(b"no zip") }), invalid, "Could not unzip uploaded file."),
        (json!({ "Code": zip(b"") }), invalid, "Uploaded file must be a non-empty zip"),
        (json!({ "Code": { "S3Bucket": "none", "S3Key": "k" } }), invalid, "S3 Error Code: NoSuchBucket."),
        (
            json!({ "Environment": variables("AWS_REGION", "x") }),
            invalid,
            "Reserved keys used in this request: AWS_REGION",
        ),
        (
            json!({ "Environment": variables("KEY", &"x".repeat(4097)) }),
            invalid,
            "exceeded the 4KB limit. String measured: ",
        ),
        (json!({ "Environment": variables("1A", "x") }), validation, "[a-zA-Z]([a-zA-Z0-9_])+"),
        (json!({ "Tags": { "aws:x": "y" } }), invalid, "reserved for system use"),
        (json!({ "VpcConfig": { "SubnetIds": ["subnet-1"] } }), invalid, "security groups"),
    ];
    for (settings, code, text) in cases {
        let answer = account.create("f", settings.clone());
        let refusal = answer.refusal();
        assert!(answer.status == 400 && refusal.1 == code && refusal.2.contains(text), "{settings}: {refusal:?}");
    }
    assert!(account.aws.leftovers().iter().all(|it| !it.contains(":function:")));
}

#[test]
fn what_is_too_large_is_refused_before_and_after_it_is_unpacked() {
    let account = Account::new(AwsEmulator::start());
    let request = vec![b' '; 69_905_068];
    let answer = account.send("lambda", "POST", "/2015-03-31/functions", &[], &request);
    let text = "Request must be smaller than 69905067 bytes for the CreateFunction operation";
    assert_eq!(answer.refusal(), (413, "RequestEntityTooLargeException", text.into()));
    let zeros = vec![0; 140 << 20];
    let zip = archive(&[("bootstrap", 0o755, &zeros), ("more", 0o644, &zeros)]);
    let answer = account.create("f", json!({ "Code": { "ZipFile": BASE64_STANDARD.encode(zip) } }));
    let text = "Unzipped size must be smaller than 262144000 bytes";
    assert_eq!(answer.refusal(), (400, "InvalidParameterValueException", text.into()));
}

#[test]
fn a_name_can_be_taken_once_and_a_function_deleted_once() {
    let account = Account::new(AwsEmulator::start());
    account.deploy("f", json!({}));
    let again = account.create("f", json!({}));
    assert_eq!(again.refusal(), (409, "ResourceConflictException", "Function already exist: f".into()));
    let delete = || account.lambda("DELETE", "/2015-03-31/functions/f", &Value::Null);
    assert_eq!(delete().status, 204);
    let text = "Function not found: arn:aws:lambda:us-west-2:123456789012:function:f";
    assert_eq!(delete().refusal(), (404, "ResourceNotFoundException", text.into()));
}

#[test]
fn functions_are_listed_in_pages_of_fifty_at_most() {
    let account = Account::new(AwsEmulator::start());
    for index in 0..60 {
        assert_eq!(account.create(&format!("f-{index:02}"), json!({})).status, 201);
    }
    let list = |query: &str| account.lambda("GET", &format!("/2015-03-31/functions/?{query}"), &Value::Null).json();
    let names = |page: &Value| -> Vec<String> {
        let functions = page["Functions"].as_array().unwrap();
        functions.iter().map(|it| it["FunctionName"].as_str().unwrap().to_owned()).collect()
    };
    let first = list("MaxItems=1000");
    assert_eq!((names(&first).len(), first["NextMarker"].is_string()), (50, true));
    let second = list(&format!("Marker={}", first["NextMarker"].as_str().unwrap()));
    assert_eq!((names(&second).len(), second["NextMarker"].is_null()), (10, true));
    let all: Vec<_> = (0..60).map(|index| format!("f-{index:02}")).collect();
    assert_eq!([names(&first), names(&second)].concat(), all);
    assert_eq!(names(&list("MaxItems=7")).len(), 7);
}

#[test]
fn code_can_come_from_a_bucket() {
    let account = Account::new(AwsEmulator::start());
    let location = "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>\
                    us-west-2</LocationConstraint></CreateBucketConfiguration>";
    assert_eq!(account.send("s3", "PUT", "/code-bucket", &[], location.as_bytes()).status, 200);
    assert_eq!(account.send("s3", "PUT", "/code-bucket/key.zip", &[], &runtime()).status, 200);
    account.deploy("f", json!({ "Code": { "S3Bucket": "code-bucket", "S3Key": "key.zip" } }));
    assert_eq!(account.invoke("f", &json!("hello")).json()["event"], "hello");
}

#[test]
fn tags_are_added_and_removed() {
    let account = Account::new(AwsEmulator::start());
    account.deploy("f", json!({ "Tags": { "a": "1", "b": "2" } }));
    let path = "/2017-03-31/tags/arn%3Aaws%3Alambda%3Aus-west-2%3A123456789012%3Afunction%3Af";
    assert_eq!(account.lambda("POST", path, &json!({ "Tags": { "b": "3", "c": "4" } })).status, 204);
    assert_eq!(account.lambda("DELETE", &format!("{path}?tagKeys=a"), &Value::Null).status, 204);
    let tags = account.lambda("GET", path, &Value::Null).json();
    assert_eq!(tags["Tags"], json!({ "b": "3", "c": "4" }));
    assert_eq!(account.lambda("GET", "/2015-03-31/functions/f", &Value::Null).json()["Tags"], tags["Tags"]);
}

#[test]
fn a_changed_configuration_is_that_of_the_next_call() {
    let account = Account::new(AwsEmulator::start());
    account.deploy("f", json!({ "Environment": { "Variables": { "COLOUR": "red" } } }));
    let colour = || account.invoke("f", &json!({ "do": "environment" })).json()["variables"]["COLOUR"].clone();
    assert_eq!(colour(), "red");
    let change = json!({ "Environment": { "Variables": { "COLOUR": "blue" } }, "Timeout": 7 });
    let changed = account.lambda("PUT", "/2015-03-31/functions/f/configuration", &change);
    assert_eq!((changed.status, &changed.json()["Timeout"]), (200, &json!(7)));
    assert_eq!(colour(), "blue");
}

#[test]
fn reservations_leave_the_rest_of_the_account_its_minimum() {
    let account = Account::new(AwsEmulator::builder().account_concurrency(150).start());
    account.deploy("f", json!({}));
    let put = |count: u32| {
        let body = json!({ "ReservedConcurrentExecutions": count });
        account.lambda("PUT", "/2017-10-31/functions/f/concurrency", &body)
    };
    let (status, code, text) = {
        let answer = put(51);
        let refusal = answer.refusal();
        (refusal.0, refusal.1.to_owned(), refusal.2)
    };
    assert_eq!((status, code.as_str()), (400, "InvalidParameterValueException"));
    assert!(text.contains("below its minimum value of [100]"), "{text}");
    assert_eq!(put(50).json()["ReservedConcurrentExecutions"], 50);
    let settings = account.lambda("GET", "/2016-08-19/account-settings/", &Value::Null).json();
    assert_eq!(settings["AccountLimit"]["UnreservedConcurrentExecutions"], 100);
}

#[test]
fn an_operation_that_is_not_there_says_so() {
    let account = Account::new(AwsEmulator::start());
    let answer = account.lambda("POST", "/2015-03-31/layers", &json!({}));
    assert_eq!((answer.status, answer.header("x-amzn-errortype")), (404, Some("UnknownOperationException")));
}
