//! Queues in time: the rest of a name, the visibility of messages, how long they are kept, and long polls.

use std::thread;
use std::time::Duration;

use faast_testkit::emulator_aws::AwsEmulator;
use serde_json::{Value, json};

use crate::client::{Ask, Told as _, call};

fn queue(aws: &AwsEmulator, attributes: &Value) -> String {
    let made = call(aws, "sqs", "CreateQueue", &json!({ "QueueName": "q", "Attributes": attributes }));
    made["QueueUrl"].as_str().unwrap().to_owned()
}

fn receive(aws: &AwsEmulator, url: &str) -> Vec<String> {
    let answer = call(aws, "sqs", "ReceiveMessage", &json!({ "QueueUrl": url, "MaxNumberOfMessages": 10 }));
    let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
    messages.iter().map(|message| message["Body"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_name_of_a_deleted_queue_rests_for_a_minute() {
    let aws = AwsEmulator::start();
    let url = queue(&aws, &json!({}));
    call(&aws, "sqs", "DeleteQueue", &json!({ "QueueUrl": url }));
    let create = || Ask::json("sqs", "CreateQueue", &json!({ "QueueName": "q" })).send_to(&aws);
    let refused = create();
    assert_eq!((refused.refusal().0, refused.refusal().1.as_str()), (400, "QueueDeletedRecently"));
    assert_eq!(
        refused.header("x-amzn-query-error"),
        Some("AWS.SimpleQueueService.QueueDeletedRecently;Sender"),
        "{refused:?}"
    );
    aws.advance(Duration::from_secs(61));
    assert_eq!(create().status, 200);
}

#[test]
fn messages_come_again_after_their_time_out_and_are_forgotten_in_the_end() {
    let aws = AwsEmulator::start();
    let url = queue(&aws, &json!({ "VisibilityTimeout": "30", "MessageRetentionPeriod": "600" }));
    call(&aws, "sqs", "SendMessage", &json!({ "QueueUrl": url, "MessageBody": "once" }));
    assert_eq!(receive(&aws, &url), ["once"]);
    assert!(receive(&aws, &url).is_empty());
    aws.advance(Duration::from_secs(31));
    assert_eq!(receive(&aws, &url), ["once"]);
    aws.advance(Duration::from_mins(10));
    assert!(receive(&aws, &url).is_empty());
}

#[test]
fn a_message_that_is_received_too_often_goes_to_the_queue_for_those() {
    let aws = AwsEmulator::start();
    call(&aws, "sqs", "CreateQueue", &json!({ "QueueName": "dead" }));
    let redrive = json!({ "deadLetterTargetArn": "arn:aws:sqs:us-west-2:123456789012:dead", "maxReceiveCount": 1 });
    let url = queue(&aws, &json!({ "VisibilityTimeout": "1", "RedrivePolicy": redrive.to_string() }));
    call(&aws, "sqs", "SendMessage", &json!({ "QueueUrl": url, "MessageBody": "bad" }));
    assert_eq!(receive(&aws, &url), ["bad"]);
    aws.advance(Duration::from_secs(2));
    assert!(receive(&aws, &url).is_empty());
    assert_eq!(receive(&aws, &url.replace("/q", "/dead")), ["bad"]);
}

#[test]
fn a_long_poll_ends_when_a_message_arrives() {
    let aws = AwsEmulator::start();
    let url = queue(&aws, &json!({}));
    thread::scope(|scope| {
        let poll = scope.spawn(|| {
            let ask = json!({ "QueueUrl": url, "WaitTimeSeconds": 20 });
            call(&aws, "sqs", "ReceiveMessage", &ask)["Messages"][0]["Body"].clone()
        });
        while !aws.calls().iter().any(|call| call.action == "ReceiveMessage") {
            thread::yield_now();
        }
        call(&aws, "sqs", "SendMessage", &json!({ "QueueUrl": url, "MessageBody": "late" }));
        assert_eq!(poll.join().unwrap(), "late");
    });
}
