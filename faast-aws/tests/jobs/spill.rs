//! Payloads above Lambda's limit, in both directions: through the deployment's bucket, which goes without a trace.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use faast_aws::AwsOptions as _;
use faast_core::{Cloud, ErrorKind};
use faast_testkit::emulator_aws::{ApiCall, AwsEmulator, FaultScope, Faults, Moment, REGION, Then};
use futures_util::StreamExt as _;

use super::{busy_then_noise, double, length, noise, noise_of, noises, on, reversed};

/// More than Lambda carries.
const LARGE: usize = 7 << 20;

fn count(aws: &AwsEmulator, action: &str) -> usize {
    aws.calls().iter().filter(|call| call.service == "s3" && call.action == action).count()
}

async fn s3(endpoint: &str) -> aws_sdk_s3::Client {
    let keys = aws_sdk_s3::config::Credentials::new("AKIDEXAMPLE", "a-secret", None, None, "test");
    let sdk = aws_config::defaults(aws_config::BehaviorVersion::latest())
        .region(aws_config::Region::new(REGION))
        .endpoint_url(endpoint)
        .credentials_provider(keys)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .load()
        .await;
    aws_sdk_s3::Client::from_conf(aws_sdk_s3::config::Builder::from(&sdk).force_path_style(true).build())
}

fn bucket(cloud: &Cloud) -> String {
    format!("faast-{}", cloud.deployment())
}

/// The keys in a deployment's bucket.
async fn objects(endpoint: &str, cloud: &Cloud) -> Vec<String> {
    let listed = s3(endpoint).await.list_objects_v2().bucket(bucket(cloud)).send().await.unwrap();
    listed.contents().iter().filter_map(|object| object.key.clone()).collect()
}

async fn until_empty(endpoint: &str, cloud: &Cloud) {
    while !objects(endpoint, cloud).await.is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_megabytes_go_in_either_direction_and_in_both() {
    let aws = AwsEmulator::start();
    let endpoint = aws.endpoint();
    let cloud = on(&endpoint).deploy().await.unwrap();
    let size = 20 << 20;
    assert_eq!(cloud.run(length::call(&"x".repeat(size))).await.unwrap(), size);
    assert!(cloud.run(noise::call(7, size)).await.unwrap() == noise_of(7, size), "other bytes came back");
    let mut bytes = noise_of(8, size);
    let reversed = cloud.run(reversed::call(&bytes)).await.unwrap();
    bytes.reverse();
    assert!(reversed == bytes, "other bytes came back");
    until_empty(&endpoint, &cloud).await;
    assert_eq!(count(&aws, "CreateBucket"), 1);
    cloud.cleanup().await.unwrap();
    assert_eq!(aws.leftovers(), Vec::<String>::new());
}

#[tokio::test]
async fn there_is_no_bucket_where_none_is_needed() {
    let aws = AwsEmulator::start();
    let cloud = on(&aws.endpoint()).deploy().await.unwrap();
    assert_eq!(cloud.map((0..20).map(double::call)).try_collect().await.unwrap().len(), 20);
    assert!(aws.calls().iter().all(|call| call.service != "s3"));
    assert!(cloud.cost().await.lines.iter().all(|line| !line.metric.starts_with("storage")));
    cloud.cleanup().await.unwrap();
    let calls: Vec<_> = aws.calls().into_iter().filter(|call| call.service == "s3").map(|call| call.action).collect();
    assert_eq!(calls, ["DeleteBucket", "DeleteBucket"], "looked for, and looked for again");
    assert_eq!(aws.leftovers(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_calls_of_a_batch_and_the_items_of_a_generator_are_spilled_one_by_one() {
    let aws = AwsEmulator::start();
    let endpoint = aws.endpoint();
    let cloud = on(&endpoint).batch(3).concurrency(1).deploy().await.unwrap();
    let sizes = [1000, 9 << 20, 2000, 8 << 20];
    let results = cloud.map(sizes.map(|size| noise::call(9, size))).try_collect().await.unwrap();
    assert!(results.iter().zip(sizes).all(|(result, size)| *result == noise_of(9, size)));
    assert_eq!(count(&aws, "PutObject"), 2, "only what is too large");

    let texts = [10, 3 << 20, 3 << 20, 20].map(|size| "y".repeat(size));
    let lengths = cloud.map(texts.iter().map(|text| length::call(text))).try_collect().await.unwrap();
    assert_eq!(lengths, texts.each_ref().map(String::len));

    let items: Vec<_> = cloud.stream(noises::call(vec![7 << 20, 10, 8 << 20])).map(Result::unwrap).collect().await;
    assert_eq!(items.iter().map(Vec::len).collect::<Vec<_>>(), [7 << 20, 10, 8 << 20]);
    assert!(items.iter().all(|item| *item == noise_of(1, item.len())));
    until_empty(&endpoint, &cloud).await;
    cloud.cleanup().await.unwrap();
    assert_eq!(aws.leftovers(), Vec::<String>::new());
}

/// Uploads that fail before and after they took effect, downloads that break off in the middle: nothing runs twice.
#[tokio::test(flavor = "multi_thread")]
async fn transfers_that_break_are_tried_again_and_no_function_is() {
    let mut broken = 0;
    for seed in 1..=3 {
        let faults = Faults {
            scope: FaultScope::Objects,
            error_before: 0.05,
            error_after: 0.05,
            drop_before: 0.05,
            drop_after: 0.05,
            break_off: 0.25,
            ..Faults::default()
        };
        let aws = AwsEmulator::builder().seed(seed).faults(faults).start();
        let cloud = on(&aws.endpoint()).concurrency(4).retries(0).deploy().await.unwrap();
        let seeds: Vec<_> = (0..4).map(|n| noise_of(n, 5 << 20)).collect();
        let results = cloud.map(seeds.iter().map(|bytes| reversed::call(bytes))).try_collect().await.unwrap();
        for (mut sent, result) in seeds.into_iter().zip(results) {
            sent.reverse();
            assert!(sent == result, "seed {seed}: other bytes came back");
        }
        let calls = aws.calls().into_iter().filter(|call| call.service == "s3");
        broken += calls.filter(|call| call.status.is_none_or(|status| status == 206 || status >= 500)).count();
        assert_eq!(aws.bill().requests, 4, "seed {seed}: each call ran once");
        cloud.cleanup().await.unwrap();
        assert_eq!(aws.leftovers(), Vec::<String>::new(), "seed {seed}");
    }
    assert!(broken > 5, "{broken} requests broke");
}

/// Most downloads break in the middle: each goes on where the last one was, so that no byte is paid for twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_breaks_off_goes_on_where_it_was() {
    let faults = Faults { scope: FaultScope::Objects, break_off: 0.5, ..Faults::default() };
    let aws = AwsEmulator::builder().seed(4).faults(faults).start();
    let cloud = on(&aws.endpoint()).retries(0).deploy().await.unwrap();
    let mut bytes = noise_of(2, LARGE);
    let reversed = cloud.run(reversed::call(&bytes)).await.unwrap();
    bytes.reverse();
    assert!(reversed == bytes, "other bytes came back");
    let went_on = aws.calls().iter().filter(|call| call.status == Some(206)).count();
    assert!(went_on > 0, "no download broke off");
    let lines = cloud.cost().await.lines;
    let gib = lines.iter().find(|line| line.metric == "transfer out").map_or(0.0, |line| line.amount);
    let once = LARGE as f64 / f64::from(1 << 30);
    assert!((once..once * 1.01).contains(&gib), "{gib} GiB left the cloud");
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn a_client_that_may_not_use_buckets_is_told_the_sizes_and_what_to_allow() {
    let aws = AwsEmulator::builder().enforce_iam(true).start();
    let keys = aws.add_user(
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["lambda:*","iam:*","logs:*"],"Resource":"*"}]}"#,
    );
    let builder = on(&aws.endpoint()).credentials(keys.access_key, keys.secret_key, None);
    let cloud = builder.deploy().await.unwrap();
    let error = cloud.run(length::call(&"x".repeat(LARGE))).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Denied, 1), "{error:?}");
    let said = error.message();
    assert!(said.starts_with("the arguments have 7340") && said.contains("the transport carries 47185"), "{said}");
    assert!(said.contains("`s3:"), "{said}");
    assert!(error.hint().unwrap().starts_with("allow `s3:"), "{:?}", error.hint());
    assert_eq!(cloud.run(double::call(4)).await.unwrap(), 8, "others go on");
    cloud.cleanup().await.unwrap();
    assert_eq!(aws.leftovers(), Vec::<String>::new());
}

#[tokio::test]
async fn a_worker_that_may_not_use_buckets_says_the_sizes_and_what_to_allow() {
    let aws = AwsEmulator::builder().enforce_iam(true).start();
    let keys = aws.add_user(r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#);
    let builder = on(&aws.endpoint()).credentials(keys.access_key.clone(), keys.secret_key.clone(), None);
    // A role of the user's, which faast does not change.
    role_without_rights(&aws.endpoint(), &keys.access_key, &keys.secret_key).await;
    let cloud = builder.role_name("plain").deploy().await.unwrap();
    let error = cloud.run(noise::call(1, LARGE)).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Denied, 1), "{error:?}");
    let said = error.message();
    assert!(said.starts_with("the result has ") && said.contains("the transport carries 6291456"), "{said}");
    assert!(error.hint().unwrap().starts_with("allow `s3:"), "{:?}", error.hint());
    assert_eq!(cloud.run(double::call(4)).await.unwrap(), 8, "others go on");
    cloud.cleanup().await.unwrap();
}

/// IAM tells its changes slowly: right after a deployment, its role may not know its rights.
#[tokio::test(flavor = "multi_thread")]
async fn rights_that_become_known_late_are_waited_for() {
    let aws = AwsEmulator::builder().enforce_iam(true).start();
    let keys = aws.add_user(r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#);
    let builder = on(&aws.endpoint()).credentials(keys.access_key.clone(), keys.secret_key.clone(), None);
    let iam = role_without_rights(&aws.endpoint(), &keys.access_key, &keys.secret_key).await;
    let cloud = builder.role_name("plain").deploy().await.unwrap();
    let running = tokio::spawn(cloud.run(noise::call(1, LARGE)));
    while aws.calls().iter().all(|call| call.service != "s3" || call.status != Some(403)) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;
    iam.put_role_policy().role_name("plain").policy_name("late").policy_document(policy).send().await.unwrap();
    assert!(running.await.unwrap().unwrap() == noise_of(1, LARGE));
    cloud.cleanup().await.unwrap();
}

/// Many sandboxes meet the same need at the same time.
#[tokio::test(flavor = "multi_thread")]
async fn workers_that_need_the_bucket_at_once_share_it() {
    let aws = AwsEmulator::start();
    let cloud = on(&aws.endpoint()).concurrency(4).deploy().await.unwrap();
    let results = cloud.map((0..4).map(|seed| noise::call(seed, LARGE))).try_collect().await.unwrap();
    assert!(results.iter().zip(0..).all(|(result, seed)| *result == noise_of(seed, LARGE)));
    let made = aws.calls().iter().filter(|call| call.action == "CreateBucket" && call.status == Some(200)).count();
    assert_eq!(made, 1);
    cloud.cleanup().await.unwrap();
    assert_eq!(aws.leftovers(), Vec::<String>::new());
}

async fn role_without_rights(endpoint: &str, id: &str, secret: &str) -> aws_sdk_iam::Client {
    let keys = aws_sdk_iam::config::Credentials::new(id, secret, None, None, "test");
    let sdk = aws_config::defaults(aws_config::BehaviorVersion::latest())
        .region(aws_config::Region::new(REGION))
        .endpoint_url(endpoint)
        .credentials_provider(keys)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .load()
        .await;
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    let iam = aws_sdk_iam::Client::new(&sdk);
    iam.create_role().role_name("plain").assume_role_policy_document(trust).send().await.unwrap();
    iam
}

/// The narrow role is enough, whichever side makes the bucket; and is for this one bucket.
#[tokio::test(flavor = "multi_thread")]
async fn least_privilege_is_enough_for_both_directions() {
    for worker_first in [true, false] {
        let aws = AwsEmulator::builder().enforce_iam(true).start();
        let keys =
            aws.add_user(r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#);
        let builder = on(&aws.endpoint()).credentials(keys.access_key, keys.secret_key, None);
        let cloud = builder.least_privilege().deploy().await.unwrap();
        if worker_first {
            assert!(cloud.run(noise::call(2, LARGE)).await.unwrap() == noise_of(2, LARGE));
        }
        let bytes = noise_of(3, LARGE);
        assert_eq!(cloud.run(reversed::call(&bytes)).await.unwrap().len(), LARGE);
        let denied: Vec<_> = aws.calls().into_iter().filter(|call| call.status == Some(403)).collect();
        assert!(denied.is_empty(), "{denied:?}");
        cloud.cleanup().await.unwrap();
        assert_eq!(aws.leftovers(), Vec::<String>::new());
    }
}

/// What the client bills is what the service has counted.
#[tokio::test(flavor = "multi_thread")]
async fn storage_is_billed_to_the_request() {
    let aws = AwsEmulator::start();
    let cloud = on(&aws.endpoint()).concurrency(2).deploy().await.unwrap();
    let inputs: Vec<_> = (0..3).map(|n| noise_of(n, 5 << 20)).collect();
    cloud.map(inputs.iter().map(|bytes| reversed::call(bytes))).try_collect().await.unwrap();
    cloud.run(noise::call(1, LARGE)).await.unwrap();
    let (bill, cost) = (aws.bill(), cloud.cost().await);
    let amount = |metric: &str| cost.lines.iter().find(|line| line.metric == metric).map(|line| line.amount);
    assert_eq!(amount("storage writes"), Some(bill.storage_writes as f64), "{bill:?}\n{cost}");
    assert_eq!(amount("storage reads"), Some(bill.storage_reads as f64), "{bill:?}\n{cost}");
    assert!(amount("storage").is_some_and(|months| months > 0.0));
    assert!(cost.lines.iter().all(|line| line.unit_usd > 0.0), "{cost}");
    cloud.cleanup().await.unwrap();
}

/// A client that is gone leaves a bucket full of objects, which only a worker has made.
#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_of_many_objects_that_a_worker_made_is_found_by_its_tags_and_removed() {
    let aws = AwsEmulator::start();
    let endpoint = aws.endpoint();
    let cloud = on(&endpoint).deploy().await.unwrap();
    cloud.run(noise::call(1, LARGE)).await.unwrap();
    let (client, bucket) = (s3(&endpoint).await, bucket(&cloud));
    let tags = client.get_bucket_tagging().bucket(&bucket).send().await.unwrap();
    let mut keys: Vec<_> = tags.tag_set().iter().map(|tag| tag.key.clone()).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["faast:created", "faast:deployment", "faast:expires", "faast:version"]);
    futures_util::stream::iter(0..1205)
        .for_each_concurrent(16, async |n| {
            client.put_object().bucket(&bucket).key(format!("left/{n}")).send().await.unwrap();
        })
        .await;
    cloud.cleanup().await.unwrap();
    assert_eq!(count(&aws, "DeleteObjects"), 2, "a thousand at once");
    assert_eq!(aws.leftovers(), Vec::<String>::new());
}

/// An execution outlives its function, and writes into a bucket that is being removed, or makes one.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_late_leaves_nothing() {
    let aws = AwsEmulator::builder().enforce_iam(true).start();
    let keys = aws.add_user(r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#);
    let builder = on(&aws.endpoint()).credentials(keys.access_key, keys.secret_key, None);
    let cloud = builder.least_privilege().deploy().await.unwrap();
    let running = tokio::spawn(cloud.run(busy_then_noise::call(400, LARGE)));
    while aws.calls().iter().all(|call| call.action != "Invoke") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    cloud.cleanup().await.unwrap();
    assert_eq!(running.await.unwrap().unwrap_err().kind(), ErrorKind::Canceled);
    // The execution's end is its bill.
    while aws.bill().requests == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(aws.leftovers(), Vec::<String>::new());
}

/// Somebody writes into the bucket between its last look and its end.
#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_written_to_while_it_is_removed_goes_all_the_same() {
    let aws = AwsEmulator::start();
    let endpoint = aws.endpoint();
    let cloud = on(&endpoint).deploy().await.unwrap();
    cloud.run(noise::call(1, LARGE)).await.unwrap();
    let (client, bucket) = (s3(&endpoint).await, bucket(&cloud));
    client.put_object().bucket(&bucket).key("late/0").send().await.unwrap();
    let (handle, written) = (tokio::runtime::Handle::current(), AtomicBool::new(false));
    aws.on_call(move |call: &ApiCall, moment| {
        let looked = call.action == "DeleteObjects" && moment == Moment::After;
        if looked && !written.swap(true, Ordering::Relaxed) {
            let (client, bucket) = (client.clone(), bucket.clone());
            // Before the answer, so that it is there when the bucket is to go.
            let put = async move { client.put_object().bucket(bucket).key("late/1").send().await.map(drop) };
            let (tell, told) = std::sync::mpsc::channel();
            handle.spawn(async move { tell.send(put.await.is_ok()) });
            assert!(tokio::task::block_in_place(|| told.recv()).unwrap());
        }
        Then::Go
    });
    cloud.cleanup().await.unwrap();
    assert_eq!(count(&aws, "DeleteObjects"), 2);
    assert_eq!(aws.leftovers(), Vec::<String>::new());
}

/// Somebody else's object in the place of one of faast's is no argument.
#[tokio::test(flavor = "multi_thread")]
async fn a_planted_object_is_refused_by_its_hash() {
    let aws = AwsEmulator::start();
    let endpoint = aws.endpoint();
    let cloud = on(&endpoint).deploy().await.unwrap();
    let (client, bucket) = (s3(&endpoint).await, bucket(&cloud));
    let handle = tokio::runtime::Handle::current();
    // As soon as the client has written.
    aws.on_call(move |call: &ApiCall, moment| {
        if call.action == "Invoke" && moment == Moment::Before {
            let (client, bucket) = (client.clone(), bucket.clone());
            let (tell, told) = std::sync::mpsc::channel();
            handle.spawn(async move {
                let listed = client.list_objects_v2().bucket(&bucket).send().await.unwrap();
                for object in listed.contents() {
                    let (key, size) = (object.key().unwrap(), usize::try_from(object.size().unwrap()).unwrap());
                    client.put_object().bucket(&bucket).key(key).body(vec![b'z'; size].into()).send().await.unwrap();
                }
                tell.send(listed.contents().len())
            });
            assert_eq!(tokio::task::block_in_place(|| told.recv()).unwrap(), 1);
        }
        Then::Go
    });
    let error = cloud.run(length::call(&"x".repeat(LARGE))).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Decode, 1), "{error:?}");
    assert!(error.message().contains("arguments"), "{error:?}");
    cloud.cleanup().await.unwrap();
    assert_eq!(aws.leftovers(), Vec::<String>::new());
}

/// Each worker finds no bucket, and only one of them makes it: the others are told that it is being made.
#[tokio::test(flavor = "multi_thread")]
async fn workers_that_make_the_bucket_at_the_same_time_do_not_fail() {
    let aws = AwsEmulator::builder().bucket_creation(Duration::from_millis(1500)).start();
    let cloud = on(&aws.endpoint()).concurrency(4).retries(0).deploy().await.unwrap();
    let results = cloud.map((0..4).map(|seed| noise::call(seed, LARGE))).try_collect().await.unwrap();
    assert!((0..4).zip(results).all(|(seed, result)| result == noise_of(seed, LARGE)), "other bytes came back");
    let aborted = |call: &ApiCall| call.error.as_deref() == Some("OperationAborted");
    assert!(aws.calls().iter().any(aborted), "none of them came too late");
    cloud.cleanup().await.unwrap();
    assert_eq!(aws.leftovers(), Vec::<String>::new());
}
