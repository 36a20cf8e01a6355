//! What tests put into the account: it is there for every client, is left over, and no request made it.

use faast_testkit::emulator_aws::{AwsEmulator, ResourceKind};
use serde_json::{Value, json};

use crate::client::{Ask, Told as _, call};

const KINDS: [ResourceKind; 5] =
    [ResourceKind::Bucket, ResourceKind::Function, ResourceKind::LogGroup, ResourceKind::Queue, ResourceKind::Role];

#[test]
fn resources_of_somebody_else_are_seen_like_all_others() {
    let aws = AwsEmulator::start();
    let tags = [("faast:deployment", "0123"), ("owner", "somebody")];
    let mut made: Vec<String> = KINDS.map(|kind| aws.add_someone_elses(kind, "faast-0123", &tags)).into();
    made.sort();
    let mut left = aws.leftovers();
    left.sort();
    assert_eq!(left, made);
    assert!(aws.calls().is_empty());
    let ask = json!({ "TagFilters": [{ "Key": "owner", "Values": ["somebody"] }] });
    let answer = call(&aws, "tagging", "GetResources", &ask);
    let found = answer["ResourceTagMappingList"].as_array().unwrap();
    let found: Vec<&str> = found.iter().filter_map(|it| it["ResourceARN"].as_str()).collect();
    let expected: Vec<&str> = made.iter().map(String::as_str).filter(|arn| !arn.contains(":iam:")).collect();
    assert_eq!(found, expected);
    let function = Ask::new("lambda", "GET", "/2015-03-31/functions/faast-0123", "").send_to(&aws);
    assert_eq!(function.ok()["Tags"]["owner"], "somebody");
}

#[test]
fn a_path_may_be_part_of_the_name_of_a_role() {
    let aws = AwsEmulator::start();
    let arn = aws.add_someone_elses(ResourceKind::Role, "/faast/mine", &[]);
    assert_eq!(arn, "arn:aws:iam::123456789012:role/faast/mine");
    let listed = Ask::form("iam", "ListRoles", &[("PathPrefix", "/faast/")]).send_to(&aws);
    assert!(listed.text().contains("<RoleName>mine</RoleName>"), "{listed:?}");
}

fn prices(aws: &AwsEmulator, service: &str, filters: &[(&str, &str)]) -> Vec<Value> {
    let filters: Vec<Value> =
        filters.iter().map(|(field, value)| json!({ "Type": "TERM_MATCH", "Field": field, "Value": value })).collect();
    let mut ask = Ask::json("pricing", "GetProducts", &json!({ "ServiceCode": service, "Filters": filters }));
    ask.region = "us-east-1";
    let answer = ask.send_to(aws).ok();
    let list = answer["PriceList"].as_array().unwrap();
    list.iter().map(|text| serde_json::from_str(text.as_str().unwrap()).unwrap()).collect()
}

#[test]
fn prices_have_tiers_and_rows_of_the_free_tier() {
    let aws = AwsEmulator::start();
    let everywhere = prices(&aws, "AWSLambda", &[("group", "AWS-Lambda-Duration")]);
    let places: Vec<&str> =
        everywhere.iter().filter_map(|product| product["product"]["attributes"]["location"].as_str()).collect();
    assert!(places.contains(&"Any") && places.contains(&"US West (Oregon)"), "{places:?}");
    let here = prices(&aws, "AWSLambda", &[("group", "AWS-Lambda-Duration"), ("regionCode", "us-west-2")]);
    assert_eq!(here.len(), 1);
    let term = here[0]["terms"]["OnDemand"].as_object().unwrap().values().next().unwrap();
    let tiers = term["priceDimensions"].as_object().unwrap();
    assert_eq!(tiers.len(), 3);
    let first = tiers.values().find(|tier| tier["beginRange"] == "0").unwrap();
    assert_eq!(first["pricePerUnit"]["USD"], "0.0000166667");
}

#[test]
fn the_price_list_is_served_in_three_regions_only() {
    let aws = AwsEmulator::start();
    let answer = Ask::json("pricing", "GetProducts", &json!({ "ServiceCode": "AWSLambda" })).send_to(&aws);
    assert_eq!(answer.refusal().1, "InvalidSignatureException", "{answer:?}");
}
