//! Queue mode in trouble: what is delivered twice, or never, or late; a network that is gone; limits that make calls wait.

use std::time::{Duration, Instant};

use aws_config::{BehaviorVersion, Region};
use faast_aws::Aws;
use faast_core::provider::Mode;
use faast_core::{Builder, Cloud, ErrorKind, Hedge};
use faast_testkit::emulator_aws::{AwsEmulator, Faults};
use faast_testkit::notes;
use faast_testkit::tap::Tap;
use futures_util::{StreamExt as _, stream};

use super::{PLANTED, declines, double, large, noise_of, noted, on, slow, until};

fn queued(endpoint: &str) -> Builder<Aws> {
    on(endpoint).mode(Mode::Queue).memory_mb(128)
}

/// How much of a metric was used.
async fn used(cloud: &Cloud, metric: &str) -> f64 {
    cloud.cost().await.lines.iter().find(|line| line.metric == metric).map_or(0.0, |line| line.amount)
}

/// Lets so many calls of a deployment's function run at once, however many were asked for.
async fn reserve(aws: &AwsEmulator, cloud: &Cloud, concurrency: i32) {
    let keys = aws_sdk_lambda::config::Credentials::new("AKIDEXAMPLE", PLANTED, None, None, "test");
    let sdk = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("us-west-2"))
        .endpoint_url(aws.endpoint())
        .credentials_provider(keys)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .load()
        .await;
    let request = aws_sdk_lambda::Client::new(&sdk).put_function_concurrency();
    let request = request.function_name(format!("faast-{}", cloud.deployment()));
    request.reserved_concurrent_executions(concurrency).send().await.unwrap();
}

#[tokio::test]
async fn what_comes_twice_is_dropped_counted_and_billed() {
    const CALLS: u32 = 200;
    let faults = Faults { duplicate_events: 0.1, duplicate_records: 0.1, ..Faults::default() };
    let aws = AwsEmulator::builder().faults(faults).seed(7).start();
    let cloud = queued(&aws.endpoint()).concurrency(8).deploy().await.unwrap();
    let sum: u32 = cloud.map((0..CALLS).map(double::call)).try_collect().await.unwrap().iter().sum();
    assert_eq!(sum, CALLS * (CALLS - 1));
    // The last of them come after the last answer.
    let mut runs = 0;
    until(async || {
        runs = aws.bill().requests;
        used(&cloud, "requests").await >= runs as f64
    })
    .await;
    let extra = runs - u64::from(CALLS);
    println!("{CALLS} calls ran {runs} times, {} answers were dropped", cloud.stats().duplicates);
    assert!((5..40).contains(&extra), "{extra} events ran twice");
    assert!(cloud.stats().duplicates > extra, "and other records came twice");
    assert_eq!((cloud.stats().completed, cloud.stats().retried), (u64::from(CALLS), 0));
    cloud.cleanup().await.unwrap();
    assert_eq!(aws.leftovers(), Vec::<String>::new());
}

/// What each of some calls comes to, in either mode.
async fn outcomes(aws: &AwsEmulator, mode: Mode) -> Vec<Result<u32, ErrorKind>> {
    let cloud = on(&aws.endpoint()).mode(mode).memory_mb(128).concurrency(8).hedge(Hedge::Off).retries(20);
    let cloud = cloud.deploy().await.unwrap();
    let call = |n| if n % 7 == 3 { declines::call(n) } else { double::call(n) };
    let results = cloud.map((0..40).map(call)).collect().await;
    let stats = cloud.stats();
    assert_eq!((stats.completed, stats.failed), (34, 6), "{mode:?}: {stats:?}");
    cloud.cleanup().await.unwrap();
    results.into_iter().map(|result| result.map_err(|error| error.kind())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_modes_agree_under_loss_duplicates_delays_and_throttling() {
    let agree = async |seed| {
        let faults = Faults {
            drop_before: 0.005,
            drop_after: 0.005,
            slow: 0.05,
            slow_by: Duration::from_millis(100),
            duplicate_events: 0.05,
            duplicate_records: 0.05,
            ..Faults::default()
        };
        let aws = AwsEmulator::builder().faults(faults).seed(seed).caller_rate(60).start();
        let (https, queue) = tokio::join!(outcomes(&aws, Mode::Https), outcomes(&aws, Mode::Queue));
        assert_eq!(https, queue, "seed {seed}");
        assert_eq!(aws.leftovers(), Vec::<String>::new());
    };
    stream::iter(0..20).map(agree).buffer_unordered(5).collect::<()>().await;
}

#[tokio::test]
async fn an_answer_that_never_comes_ends_by_the_calls_deadline() {
    let aws = AwsEmulator::builder().faults(Faults { lost_records: 1.0, ..Faults::default() }).start();
    let cloud = queued(&aws.endpoint()).deadline(Duration::from_secs(5)).deploy().await.unwrap();
    let start = Instant::now();
    let error = cloud.run(double::call(1)).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Deadline, 1), "{error:?}");
    assert!(start.elapsed() >= Duration::from_secs(5));
    assert_eq!(aws.bill().requests, 1, "it ran");
    cloud.cleanup().await.unwrap();
}

/// Every attempt that could be used up is used up by the first failure: `retries(0)`.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_network_costs_no_call_no_attempt_and_no_answer() {
    const RUNNING: u32 = 10;
    let aws = AwsEmulator::start();
    let tap = Tap::before(&aws.endpoint());
    let cloud = queued(&tap.endpoint()).concurrency(20).retries(0).deploy().await.unwrap();
    let running = cloud.map((0..RUNNING).map(|n| slow::call(n, 3_000))).try_collect();
    let outage = async {
        until(async || aws.calls().iter().filter(|call| call.status == Some(202)).count() == RUNNING as usize).await;
        // The last word that an event was accepted is on its way.
        tokio::time::sleep(Duration::from_secs(1)).await;
        tap.cut();
        let start = Instant::now();
        // Nobody can send now, and these are not the ones that run.
        let sent = cloud.map((0..50).map(double::call)).try_collect();
        let mending = async {
            // The ones that run have ended meanwhile, and their answers wait.
            until(async || aws.bill().requests == u64::from(RUNNING)).await;
            tokio::time::sleep(Duration::from_secs(2)).await;
            let settled = cloud.stats();
            tap.mend();
            settled
        };
        let (sent, during) = tokio::join!(sent, mending);
        assert_eq!((during.completed, during.failed), (0, 0), "nothing came through, and nothing failed");
        assert_eq!(sent.unwrap(), (0..50).map(|n| n * 2).collect::<Vec<_>>());
        start.elapsed()
    };
    let (answers, took) = tokio::join!(running, outage);
    assert_eq!(answers.unwrap(), (0..RUNNING).collect::<Vec<_>>());
    let stats = cloud.stats();
    println!("{RUNNING} calls ran on and 50 waited while nothing was reached, {took:.1?} in all");
    assert_eq!((stats.retried, stats.failed), (0, 0), "{stats:?}");
    assert_eq!(aws.bill().requests, u64::from(RUNNING) + 50, "none ran twice");
    cloud.cleanup().await.unwrap();
    assert_eq!(aws.leftovers(), Vec::<String>::new());
}

#[tokio::test]
async fn while_nothing_can_be_reached_a_call_ends_by_its_deadline() {
    let aws = AwsEmulator::start();
    let tap = Tap::before(&aws.endpoint());
    let cloud = queued(&tap.endpoint()).deadline(Duration::from_secs(2)).retries(0).deploy().await.unwrap();
    tap.cut();
    let error = cloud.run(double::call(1)).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Deadline, 0), "{error:?}");
    tap.mend();
    // A first worker may need longer than the deadline on a busy machine; it is there for the call after it.
    until(async || cloud.run(double::call(2)).await.is_ok_and(|four| four == 4)).await;
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn calls_that_wait_behind_a_limit_are_neither_late_nor_slow() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes").display().to_string();
    let aws = AwsEmulator::start();
    let cloud = queued(&aws.endpoint()).concurrency(12).timeout(Duration::from_secs(5)).hedge(Hedge::On);
    let cloud = cloud.deploy().await.unwrap();
    // Samples from which a call would be taken for slow.
    cloud.map((0..12).map(|n| slow::call(n, 1))).try_collect().await.unwrap();
    reserve(&aws, &cloud, 1).await;
    let waiting = cloud.map((0..12).map(|n| slow::call(n, 800))).try_collect();
    let (waited, noted) = tokio::join!(waiting, cloud.run(noted::call(&path, 0)));
    assert_eq!((waited.unwrap().len(), noted.unwrap()), (12, 0));
    let stats = cloud.stats();
    assert_eq!((stats.hedged, stats.retried, stats.failed), (0, 0, 0), "{stats:?}");
    assert_eq!(notes::times(&path, 0..1), [1]);
    assert_eq!(aws.bill().requests, 25, "each ran once");
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn what_waited_too_long_was_throttled_and_is_sent_again() {
    let aws = AwsEmulator::start();
    let cloud = queued(&aws.endpoint()).concurrency(4).retries(0).deploy().await.unwrap();
    reserve(&aws, &cloud, 1).await;
    let calls = cloud.map((0..4).map(|n| slow::call(n, 1_000))).try_collect();
    let time_passes = async {
        until(async || aws.calls().iter().filter(|call| call.action == "Invoke").count() == 4).await;
        // Past the age at which Lambda gives an event up.
        aws.advance(Duration::from_mins(6));
    };
    let (results, ()) = tokio::join!(calls, time_passes);
    assert_eq!(results.unwrap(), [0, 1, 2, 3]);
    let stats = cloud.stats();
    assert!(stats.throttled >= 3, "{stats:?}");
    assert_eq!((stats.retried, aws.bill().requests), (0, 4), "no attempt was used, and each ran once");
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn what_does_not_fit_into_one_record_with_its_request_goes_through_a_bucket() {
    // A longer record never arrives.
    let aws = AwsEmulator::builder().record_limit(256 * 1024).start();
    let cloud = queued(&aws.endpoint()).deploy().await.unwrap();
    let buckets = || aws.calls().iter().filter(|call| call.action == "PutObject").count();
    assert!(cloud.run(large::call(noise_of(2, 50_000), 50_000)).await.unwrap() == noise_of(1, 50_000));
    assert!(cloud.run(large::call(Vec::new(), 120_000)).await.unwrap() == noise_of(1, 120_000));
    assert_eq!(buckets(), 0, "both fit");
    // Either of them would fit alone.
    assert!(cloud.run(large::call(noise_of(2, 50_000), 150_000)).await.unwrap() == noise_of(1, 150_000));
    assert_eq!(buckets(), 1, "the answer does not");
    assert!(cloud.run(large::call(noise_of(2, 300_000), 300_000)).await.unwrap() == noise_of(1, 300_000));
    assert_eq!(buckets(), 3, "neither does");
    cloud.cleanup().await.unwrap();
    assert_eq!(aws.leftovers(), Vec::<String>::new());
}

#[tokio::test]
async fn the_bill_of_the_queue_is_what_the_emulator_counts() {
    let aws = AwsEmulator::start();
    let cloud = queued(&aws.endpoint()).concurrency(4).deploy().await.unwrap();
    let before = aws.bill().queue_requests;
    cloud.map((0..40).map(double::call)).try_collect().await.unwrap();
    // The last deletions, and the polls that hear nothing, end after the last answer.
    until(async || {
        let counted = aws.bill().queue_requests - before;
        (used(&cloud, "queue").await - counted as f64).abs() < 1e-9
    })
    .await;
    let billed = cloud.cost().await;
    assert!(billed.lines.iter().any(|line| line.metric == "queue" && line.cost_usd > 0.0 && line.measured), "{billed}");
    cloud.cleanup().await.unwrap();
}
