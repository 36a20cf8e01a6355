//! The bill: what a deployment says that it cost, beside what the emulator has metered, to a billionth of a dollar.

use std::time::Duration;

use faast_aws::AwsOptions as _;
use faast_core::cost::CostReport;
use faast_core::{Cloud, Hedge};
use faast_testkit::emulator_aws::{AwsEmulator, Bill};
use futures_util::StreamExt as _;

use super::{double, on, shaky, slow, ticks, until};

/// The price list of us-west-2, as the emulator has it.
const GB_SECOND: f64 = 0.000_016_666_7;
const REQUEST: f64 = 0.000_000_2;
const STORAGE_GB_SECOND: f64 = 0.000_000_030_9;
const TRANSFER_GB: f64 = 0.09;

/// What faast reckons for the headers of an answer, in bytes.
const HEADERS: u64 = 6144;

fn usd(report: &CostReport, metric: &str) -> f64 {
    report.lines.iter().find(|line| line.metric == metric).map_or(0.0, |line| line.cost_usd)
}

/// Waits until the last attempt has ended, the losers of hedging among them, and everything is counted.
async fn settled(cloud: &Cloud, aws: &AwsEmulator) -> (CostReport, Bill) {
    let (mut cost, mut bill) = (cloud.cost().await, aws.bill());
    until(async || {
        (cost, bill) = (cloud.cost().await, aws.bill());
        (usd(&cost, "requests") - bill.requests as f64 * REQUEST).abs() < 1e-12 && cloud.stats().in_flight == 0
    })
    .await;
    (cost, bill)
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_retries_and_hedges_cost_what_the_emulator_meters() {
    const CALLS: u32 = 120;
    for seed in 0..3 {
        let aws = AwsEmulator::builder().account_concurrency(20).seed(seed).start();
        let cloud = on(&aws.endpoint()).memory_mb(512).ephemeral_storage_mb(1024).concurrency(40).hedge(Hedge::On);
        let cloud = cloud.timeout(Duration::from_secs(20)).deploy().await.unwrap();
        let calls = (0..CALLS).map(|n| shaky::call(n, seed).retry_if(|_| true));
        let sum: u32 = cloud.map(calls).try_collect().await.unwrap().iter().sum();
        assert_eq!(sum, CALLS * (CALLS - 1) / 2);

        let (cost, bill) = settled(&cloud, &aws).await;
        let stats = cloud.stats();
        let (retried, hedged, runs) = (stats.retried, stats.hedged, bill.requests);
        println!("seed {seed}: {CALLS} calls, {retried} retried, {hedged} hedged, {runs} runs\n{cost}");
        assert!(stats.retried >= 10 && stats.hedged >= 1, "{stats:?}");
        let storage = bill.storage_ms_mb as f64 / 1000.0 / 1024.0 * STORAGE_GB_SECOND;
        let transfer = (bill.answer_bytes + HEADERS * bill.requests) as f64 / f64::from(1 << 30) * TRANSFER_GB;
        for (metric, metered) in [
            ("duration", bill.gb_seconds() * GB_SECOND),
            ("requests", bill.requests as f64 * REQUEST),
            ("ephemeral storage", storage),
            ("transfer out", transfer),
        ] {
            let billed = usd(&cost, metric);
            assert!((billed - metered).abs() < 1e-9, "seed {seed}, {metric}: {billed} is not {metered}");
        }
        cloud.cleanup().await.unwrap();
    }
}

/// Lambda runs to its end what nobody waits for any more. How long that takes is not known here; that it ran is.
#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_dropped_are_on_the_bill() {
    let aws = AwsEmulator::start();
    let cloud = on(&aws.endpoint()).memory_mb(1024).concurrency(4).deploy().await.unwrap();
    assert_eq!(cloud.run(double::call(1)).await.unwrap(), 2);
    let before = cloud.cost().await;

    let mut generator = Box::pin(cloud.stream(ticks::call(20, 50)));
    assert_eq!(generator.next().await.unwrap().unwrap(), 0);
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(generator);
    until(async || usd(&cloud.cost().await, "requests") >= 1.5 * REQUEST).await;
    let after_a_generator = usd(&cloud.cost().await, "duration") - usd(&before, "duration");
    assert!(after_a_generator >= 0.3 * GB_SECOND, "{after_a_generator}");

    let waiting = tokio::spawn({
        let cloud = cloud.clone();
        async move { cloud.run(slow::call(1, 1500)).await }
    });
    until(async || cloud.stats().in_flight == 1).await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    cloud.cleanup().await.unwrap();
    assert!(waiting.await.unwrap().is_err());

    let cost = cloud.cost().await;
    assert!((usd(&cost, "requests") - 3.0 * REQUEST).abs() < 1e-12, "{cost}");
    let duration = usd(&cost, "duration") - usd(&before, "duration") - after_a_generator;
    assert!(duration >= 0.3 * GB_SECOND, "{cost}");
    assert!(cost.lines.iter().any(|line| line.metric == "duration" && !line.measured), "{cost}");
    println!("{cost}");
}
