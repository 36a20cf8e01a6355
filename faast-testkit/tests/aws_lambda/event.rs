//! Asynchronous events: accepted at once, tried again, and their results sent to queues.

use std::time::Duration;

use faast_testkit::emulator_aws::{AwsEmulator, Faults};
use faast_testkit::watch::until;
use serde_json::{Value, json};

use crate::client::{Account, Told as _};

const ROLES_QUEUE: &str = "arn:aws:sqs:us-west-2:123456789012:results";

fn sqs(account: &Account, action: &str, body: &Value) -> Value {
    let target = format!("AmazonSQS.{action}");
    let headers = [("x-amz-target", target.as_str()), ("content-type", "application/x-amz-json-1.0")];
    account.send("sqs", "POST", "/", &headers, body.to_string().as_bytes()).json()
}

/// An account with a function and a queue for its results; the address of the queue.
fn deployed(aws: AwsEmulator, retries: u32) -> (Account, String) {
    let account = Account::new(aws);
    account.deploy("f", json!({}));
    let url = sqs(&account, "CreateQueue", &json!({ "QueueName": "results" }))["QueueUrl"].as_str().unwrap().to_owned();
    let config = json!({
        "MaximumRetryAttempts": retries,
        "DestinationConfig": { "OnSuccess": { "Destination": ROLES_QUEUE }, "OnFailure": { "Destination": ROLES_QUEUE } },
    });
    let answer = account.lambda("PUT", "/2019-09-25/functions/f/event-invoke-config", &config);
    assert_eq!(answer.json()["MaximumRetryAttempts"], retries);
    (account, url)
}

fn send(account: &Account, event: &Value) -> String {
    let path = "/2015-03-31/functions/f/invocations";
    let headers = [("x-amz-invocation-type", "Event")];
    let answer = account.send("lambda", "POST", path, &headers, event.to_string().as_bytes());
    assert_eq!((answer.status, answer.body.len()), (202, 0));
    answer.header("x-amzn-requestid").unwrap().to_owned()
}

/// So many records out of the queue.
fn records(account: &Account, url: &str, count: usize) -> Vec<Value> {
    let mut records = Vec::new();
    until(|| {
        let answer = sqs(account, "ReceiveMessage", &json!({ "QueueUrl": url, "MaxNumberOfMessages": 10 }));
        for message in answer["Messages"].as_array().into_iter().flatten() {
            records.push(serde_json::from_str(message["Body"].as_str().unwrap()).unwrap());
            let delete = json!({ "QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"] });
            let target = [("x-amz-target", "AmazonSQS.DeleteMessage"), ("content-type", "application/x-amz-json-1.0")];
            assert_eq!(account.send("sqs", "POST", "/", &target, delete.to_string().as_bytes()).status, 200);
        }
        records.len() >= count
    });
    records
}

#[test]
fn results_go_to_the_queue_with_what_they_are_the_result_of() {
    let (account, url) = deployed(AwsEmulator::start(), 2);
    let id = send(&account, &json!({ "n": 1 }));
    let record = records(&account, &url, 1).remove(0);
    let context = &record["requestContext"];
    assert_eq!((&context["condition"], &context["approximateInvokeCount"]), (&json!("Success"), &json!(1)));
    assert_eq!(context["requestId"], id);
    assert_eq!(record["requestPayload"], json!({ "n": 1 }));
    assert_eq!(record["responsePayload"]["event"], json!({ "n": 1 }));
    assert_eq!(record["responseContext"], json!({ "statusCode": 200, "executedVersion": "$LATEST" }));
}

#[test]
fn events_are_tried_again_as_often_as_the_settings_say() {
    let aws = AwsEmulator::builder().event_retry_delay(Duration::from_millis(1)).start();
    let (account, url) = deployed(aws, 1);
    send(&account, &json!({ "do": "error" }));
    let record = records(&account, &url, 1).remove(0);
    let context = &record["requestContext"];
    assert_eq!((&context["condition"], &context["approximateInvokeCount"]), (&json!("RetriesExhausted"), &json!(2)));
    assert_eq!(record["responseContext"]["functionError"], "Unhandled");
    assert_eq!(record["responsePayload"]["errorMessage"], "as wanted");
}

#[test]
fn events_that_never_may_run_grow_too_old() {
    let (account, url) = deployed(AwsEmulator::start(), 2);
    let none = json!({ "ReservedConcurrentExecutions": 0 });
    assert_eq!(account.lambda("PUT", "/2017-10-31/functions/f/concurrency", &none).status, 200);
    send(&account, &json!(1));
    account.aws.advance(Duration::from_secs(6 * 3600 + 1));
    let record = records(&account, &url, 1).remove(0);
    assert_eq!(record["requestContext"]["condition"], "EventAgeExceeded");
    assert_eq!(
        (&record["requestContext"]["approximateInvokeCount"], &record["responsePayload"]),
        (&json!(0), &Value::Null)
    );
}

#[test]
fn an_event_can_run_twice() {
    let faults = Faults { duplicate_events: 1.0, ..Faults::default() };
    let (account, url) = deployed(AwsEmulator::builder().faults(faults).start(), 0);
    let id = send(&account, &json!(1));
    let records = records(&account, &url, 2);
    assert!(records.iter().all(|it| it["requestContext"]["requestId"] == id.as_str()), "{records:?}");
}

#[test]
fn a_record_can_come_twice() {
    let faults = Faults { duplicate_records: 1.0, ..Faults::default() };
    let (account, url) = deployed(AwsEmulator::builder().faults(faults).start(), 0);
    let before = account.aws.bill();
    send(&account, &json!(1));
    let records = records(&account, &url, 2);
    assert_eq!(records[0], records[1]);
    let after = account.aws.bill();
    assert_eq!(after.requests, before.requests + 1, "it ran once");
    // Written twice, received at least once, deleted twice.
    assert!(after.queue_requests >= before.queue_requests + 5, "{after:?}");
}

#[test]
fn a_record_that_is_lost_or_too_long_never_comes() {
    let faults = Faults { lost_records: 1.0, ..Faults::default() };
    let builders = [AwsEmulator::builder().faults(faults), AwsEmulator::builder().record_limit(100)];
    for builder in builders {
        let (account, url) = deployed(builder.start(), 0);
        send(&account, &json!(1));
        until(|| account.aws.bill().requests == 1);
        // Its record would be written before the next event has run.
        send(&account, &json!(2));
        until(|| account.aws.bill().requests == 2);
        let answer = sqs(&account, "ReceiveMessage", &json!({ "QueueUrl": url, "MaxNumberOfMessages": 10 }));
        assert!(answer.get("Messages").is_none_or(|it| it.as_array().is_some_and(Vec::is_empty)), "{answer}");
    }
}

#[test]
fn settings_of_events_are_checked_shown_and_deleted() {
    let (account, _) = deployed(AwsEmulator::start(), 0);
    let path = "/2019-09-25/functions/f/event-invoke-config";
    let refused = account.lambda("PUT", path, &json!({ "MaximumRetryAttempts": 3 }));
    assert_eq!((refused.status, refused.header("x-amzn-errortype")), (400, Some("ValidationException")));
    let refused =
        account.lambda("PUT", path, &json!({ "DestinationConfig": { "OnFailure": { "Destination": "arn:x" } } }));
    assert_eq!(refused.header("x-amzn-errortype"), Some("InvalidParameterValueException"));
    assert_eq!(account.lambda("GET", path, &Value::Null).json()["MaximumRetryAttempts"], 0);
    account.put_policy(
        "worker",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"logs:*","Resource":"*"}]}"#,
    );
    let config = json!({ "DestinationConfig": { "OnSuccess": { "Destination": ROLES_QUEUE } } });
    let text = account.lambda("PUT", path, &config).refusal().2;
    assert!(text.contains("does not have permissions to call SendMessage on"), "{text}");
    assert_eq!(account.lambda("DELETE", path, &Value::Null).status, 204);
    assert_eq!(account.lambda("GET", path, &Value::Null).status, 404);
}
