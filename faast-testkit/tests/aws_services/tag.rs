//! The index of tags: it lags behind and remembers, if asked to.

use std::time::Duration;

use faast_testkit::emulator_aws::AwsEmulator;
use serde_json::{Value, json};

use crate::client::call;

fn tagged(aws: &AwsEmulator) -> Vec<Value> {
    let ask = json!({ "TagFilters": [{ "Key": "faast:deployment" }] });
    call(aws, "tagging", "GetResources", &ask)["ResourceTagMappingList"].as_array().unwrap().clone()
}

fn create_group(aws: &AwsEmulator) {
    let group = json!({ "logGroupName": "/faast/1", "tags": { "faast:deployment": "1" } });
    call(aws, "logs", "CreateLogGroup", &group);
}

#[test]
fn changes_are_seen_after_the_delay() {
    let aws = AwsEmulator::builder().tagging_delay(Duration::from_secs(30)).start();
    create_group(&aws);
    assert!(tagged(&aws).is_empty());
    aws.advance(Duration::from_secs(31));
    assert_eq!(tagged(&aws).len(), 1);
    call(&aws, "logs", "DeleteLogGroup", &json!({ "logGroupName": "/faast/1" }));
    assert_eq!(tagged(&aws).len(), 1, "it was deleted, but the index does not know");
    aws.advance(Duration::from_secs(31));
    assert!(tagged(&aws).is_empty());
}

#[test]
fn deleted_resources_are_remembered_if_asked() {
    for remembers in [false, true] {
        let aws = AwsEmulator::builder().tagging_remembers(remembers).start();
        create_group(&aws);
        call(&aws, "logs", "DeleteLogGroup", &json!({ "logGroupName": "/faast/1" }));
        assert!(aws.leftovers().is_empty());
        assert_eq!(tagged(&aws).len(), usize::from(remembers));
    }
}
