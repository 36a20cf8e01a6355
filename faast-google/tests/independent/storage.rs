//! gcp-storage-emulator, which keeps what is too large for a request. It forgets the labels of buckets, so that faast does
//! not know one again there: the bucket is made here, and stays.

use faast_google::GoogleOptions as _;
use faast_testkit::emulator_google::GoogleEmulator;
use reqwest::Client;
use serde_json::{Value, json};

use crate::place;
use crate::rig::{google, run};

/// Larger than a request can be, both ways.
#[faast::function]
fn reversed(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.reverse();
    bytes
}

/// The names of all objects in a bucket.
async fn objects(client: &Client, bucket: &str) -> Vec<String> {
    let url = format!("{}/storage/v1/b/{bucket}/o", place::storage());
    let listed: Value = client.get(url).send().await.unwrap().error_for_status().unwrap().json().await.unwrap();
    let items = listed["items"].as_array().into_iter().flatten();
    items.map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_is_too_large_for_a_request_goes_through_the_bucket_and_does_not_stay() {
    let emulator = GoogleEmulator::start();
    run(async {
        let cloud =
            google(&emulator, "large-project").endpoint_url_of("storage", place::storage()).deploy().await.unwrap();
        let bucket = format!("faast-{}", cloud.deployment());
        let client = Client::builder().no_proxy().build().unwrap();
        let made = client.post(format!("{}/storage/v1/b?project=large-project", place::storage()));
        made.json(&json!({ "name": bucket })).send().await.unwrap().error_for_status().unwrap();
        let mut random = fastrand::Rng::with_seed(7);
        // What can't be compressed.
        let sent: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(34 << 20).collect();
        let got = cloud.run(reversed::call(sent.clone())).await.unwrap();
        assert!(got.iter().rev().eq(&sent), "{} bytes came back", got.len());
        assert_eq!(objects(&client, &bucket).await, [""; 0]);
        cloud.cleanup().await.unwrap();
    });
}
