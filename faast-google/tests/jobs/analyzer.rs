//! What a configuration is worth its money, on the emulator, on this machine, and on this machine as if it were there.

use std::time::Duration;

use faast_core::cost::{Analysis, Analyzer};
use faast_core::provider::CloudProvider as _;
use faast_core::{Cloud, ErrorKind, Hedge};
use faast_google::GoogleOptions as _;
use faast_testkit::analysis::stands_in_csv_and_chart;
use faast_testkit::emulator_google::GoogleEmulator;

use super::{on, slow};

const CALLS: u32 = 6;

/// Prices as the emulator's catalog has them: twice the real ones.
const CPU_SECOND: f64 = 0.000_048;
const GIB_SECOND: f64 = 0.000_005;
const REQUEST: f64 = 0.000_000_8;

async fn workload(cloud: Cloud) -> faast_core::Result<()> {
    cloud.map((0..CALLS).map(|n| slow::call(n, 40))).try_collect().await.map(drop)
}

async fn analyzed(google: &GoogleEmulator) -> Analysis {
    let run = |memory, cpu| on(&google.endpoint()).memory_mb(memory).cpu(cpu).concurrency(3).hedge(Hedge::Off);
    let analyzer = Analyzer::new()
        .repetitions(2)
        .configuration("google, 1 processor", run(1024, 1.0))
        .configuration("google, 2 processors", run(2048, 2.0))
        .configuration("local", faast::local().concurrency(3))
        .configuration("local, as if on google", faast::local().concurrency(3).priced_as(run(2048, 2.0)));
    analyzer.analyze(workload).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn configurations_of_cloud_run_and_of_this_machine_are_compared() {
    let google = GoogleEmulator::start();
    let analysis = analyzed(&google).await;
    println!("{analysis}\n{}", analysis.to_csv());
    let rows: Vec<_> = analysis.rows().iter().map(|row| row.measured.as_ref().unwrap()).collect();
    assert_eq!(rows.len(), 4);
    for row in &rows {
        assert_eq!((row.calls, row.retried), (2 * u64::from(CALLS), 0), "{row:?}");
        assert!(row.median >= Some(Duration::from_millis(40)) && row.time >= Duration::from_millis(80), "{row:?}");
    }
    // Each call is billed for a tenth of a second at least.
    let least = |size: f64| f64::from(CALLS) * (0.1 * size * (CPU_SECOND + GIB_SECOND) + REQUEST);
    assert!(rows[0].usd > least(1.0) && rows[1].usd > least(2.0), "{analysis}");
    assert!(rows[2].usd == 0.0 && rows[3].usd > least(2.0) && !rows[3].is_measured, "{analysis}");
    assert!(analysis.recommendation().is_some_and(|it| it.name == "local"), "{analysis}");
    stands_in_csv_and_chart(&analysis);
    assert_eq!(google.leftovers(), Vec::<String>::new());
}

/// By hand: so many requests, as many tenths of seconds as calls took here, and the headers of their answers.
#[tokio::test(flavor = "multi_thread")]
async fn a_rehearsal_on_this_machine_costs_what_cloud_run_would_take() {
    let google = GoogleEmulator::start();
    let elsewhere = on(&google.endpoint()).memory_mb(2048).cpu(2.0);
    let cloud = faast::local().concurrency(2).priced_as(elsewhere).deploy().await.unwrap();
    let mut steps = 0;
    for n in 0..5 {
        let detail = cloud.run(slow::call(n, 20)).detail().await.unwrap();
        steps += detail.timings.execution.as_nanos().div_ceil(100_000_000);
    }
    let report = cloud.cost().await;
    println!("{report}\n{}", report.to_csv());
    let line = |metric: &str| report.lines.iter().find(|line| line.metric == metric).unwrap();
    let seconds = steps as f64 / 10.0;
    let by_hand = [
        ("vCPU", seconds * 2.0 * CPU_SECOND),
        ("memory", seconds * 2.0 * GIB_SECOND),
        ("requests", 5.0 * REQUEST),
        ("transfer out", 5.0 * 512.0 / f64::from(1 << 30) * 0.12),
    ];
    for (metric, usd) in by_hand {
        let line = line(metric);
        assert!((line.cost_usd - usd).abs() < 1e-12, "{metric}: {} is not {usd}", line.cost_usd);
        assert!(!line.measured && line.note.starts_with("as if on google: "), "{line:?}");
    }
    assert_eq!(report.lines.len(), by_hand.len());
    cloud.cleanup().await.unwrap();
    assert!(google.calls().iter().all(|call| call.action == "ListSkus"), "nothing is made there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_below_one_call_is_refused_before_anything_is_made() {
    let google = GoogleEmulator::start();
    let error = on(&google.endpoint()).memory_mb(2048).budget_usd(0.000_01).deploy().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Budget, "{error:?}");
    assert!(google.calls().iter().all(|call| call.action == "ListSkus"), "{:?}", google.calls());
}

/// The catalog is asked for each region, whose tier it tells by a SKU of its own.
#[tokio::test]
async fn prices_of_two_regions_come_from_the_catalog() {
    let google = GoogleEmulator::start();
    let provider = on(&google.endpoint()).provider_mut().clone();
    for (region, cpu, memory) in
        [("us-central1", CPU_SECOND, GIB_SECOND), ("europe-west3", 1.4 * CPU_SECOND, 1.4 * GIB_SECOND)]
    {
        let table = provider.prices(region).await.unwrap();
        for (metric, usd) in [("vCPU", cpu), ("memory", memory), ("requests", REQUEST), ("image", 0.2)] {
            let price = &table.prices[metric];
            assert!((price.usd - usd).abs() < 1e-12, "{region}, {metric}: {} is not {usd}", price.usd);
            assert_eq!(price.source, format!("Cloud Billing Catalog, {region}"));
        }
        assert!((table.prices["messages"].usd - 80.0 / 1024.0).abs() < 1e-12);
    }
}
