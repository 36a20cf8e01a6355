//! What a configuration is worth its money, on the emulator, on this machine, and on this machine as if it were there.

use std::time::Duration;

use faast_aws::AwsOptions as _;
use faast_core::cost::{Analysis, Analyzer};
use faast_core::{Cloud, ErrorKind, Hedge};
use faast_testkit::analysis::stands_in_csv_and_chart;
use faast_testkit::emulator_aws::AwsEmulator;

use super::{on, slow};

const CALLS: u32 = 6;

async fn workload(cloud: Cloud) -> faast_core::Result<()> {
    cloud.map((0..CALLS).map(|n| slow::call(n, 40))).try_collect().await.map(drop)
}

async fn analyzed(aws: &AwsEmulator) -> Analysis {
    let lambda = |memory| on(&aws.endpoint()).memory_mb(memory).concurrency(3).hedge(Hedge::Off);
    let analyzer = Analyzer::new()
        .repetitions(2)
        .configuration("aws, 1024", lambda(1024))
        .configuration("aws, 2048", lambda(2048))
        .configuration("local", faast::local().concurrency(3))
        .configuration("local, as if on aws", faast::local().concurrency(3).priced_as(lambda(2048)));
    analyzer.analyze(workload).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn configurations_of_lambda_and_of_this_machine_are_compared() {
    let aws = AwsEmulator::start();
    let analysis = analyzed(&aws).await;
    println!("{analysis}\n{}", analysis.to_csv());
    let rows: Vec<_> = analysis.rows().iter().map(|row| row.measured.as_ref().unwrap()).collect();
    assert_eq!(rows.len(), 4);
    for row in &rows {
        assert_eq!((row.calls, row.retried), (2 * u64::from(CALLS), 0), "{row:?}");
        assert!(row.median >= Some(Duration::from_millis(40)) && row.time >= Duration::from_millis(80), "{row:?}");
    }
    // Each call is billed for at least 40 ms: so many GB-seconds, and a request, by the list of us-west-2.
    let least = |gb: f64| f64::from(CALLS) * (gb * 0.04 * 0.000_016_666_7 + 0.000_000_2);
    assert!(rows[0].usd > least(1.0) && rows[1].usd > least(2.0), "{analysis}");
    assert!(rows[2].usd == 0.0 && rows[3].usd > least(2.0) && !rows[3].is_measured, "{analysis}");
    assert!(analysis.recommendation().is_some_and(|it| it.name == "local"), "{analysis}");
    stands_in_csv_and_chart(&analysis);
    assert_eq!(aws.leftovers(), Vec::<String>::new());
}

/// By hand: so many requests, as many GB-seconds as calls took here, and the headers of their answers.
#[tokio::test(flavor = "multi_thread")]
async fn a_rehearsal_on_this_machine_costs_what_lambda_would_take() {
    let aws = AwsEmulator::start();
    let elsewhere = on(&aws.endpoint()).memory_mb(2048).ephemeral_storage_mb(1024);
    let cloud = faast::local().concurrency(2).priced_as(elsewhere).deploy().await.unwrap();
    let mut durations = Duration::ZERO;
    for n in 0..5 {
        let detail = cloud.run(slow::call(n, 20)).detail().await.unwrap();
        durations +=
            Duration::from_millis(u64::try_from(detail.timings.execution.as_nanos().div_ceil(1_000_000)).unwrap());
    }
    let report = cloud.cost().await;
    println!("{report}\n{}", report.to_csv());
    let line = |metric: &str| report.lines.iter().find(|line| line.metric == metric).unwrap();
    let seconds = durations.as_secs_f64();
    let by_hand = [
        ("duration", seconds * 2.0 * 0.000_016_666_7),
        ("requests", 5.0 * 0.000_000_2),
        ("ephemeral storage", seconds * 0.5 * 0.000_000_030_9),
        ("transfer out", 5.0 * 6144.0 / f64::from(1 << 30) * 0.09),
    ];
    for (metric, usd) in by_hand {
        let line = line(metric);
        assert!((line.cost_usd - usd).abs() < 1e-12, "{metric}: {} is not {usd}", line.cost_usd);
        assert!(!line.measured && line.note.starts_with("as if on aws: "), "{line:?}");
    }
    assert_eq!(report.lines.len(), by_hand.len());
    cloud.cleanup().await.unwrap();
    assert!(aws.calls().iter().all(|call| call.action == "GetProducts"), "nothing is made there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_below_one_call_is_refused_before_anything_is_made() {
    let aws = AwsEmulator::start();
    let error = on(&aws.endpoint()).memory_mb(2048).budget_usd(0.001).deploy().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Budget, "{error:?}");
    println!("{error:?}");
    assert!(aws.calls().iter().all(|call| call.action == "GetProducts"), "{:?}", aws.calls());
}
