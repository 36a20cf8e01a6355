//! The analyzer over real workers: every configuration has its row, and a broken one does not stop the others.

use std::time::Duration;

use faast::ErrorKind;
use faast::cost::Analyzer;
use faast::prelude::*;

faast::test_worker!();

#[faast::function]
fn nap(millis: u64) -> u64 {
    std::thread::sleep(Duration::from_millis(millis));
    millis
}

async fn workload(cloud: Cloud) -> faast::Result<()> {
    cloud.map((0..12).map(|_| nap::call(50))).try_collect().await.map(drop)
}

#[tokio::test]
async fn configurations_are_compared_and_a_broken_one_is_told_apart() {
    let analyzer = Analyzer::new()
        .repetitions(2)
        .configuration("one", faast::local().concurrency(1))
        .configuration("broken", faast::local().concurrency(0))
        .configuration("four", faast::local().concurrency(4));
    let analysis = analyzer.analyze(workload).await.unwrap();
    let names: Vec<_> = analysis.rows().iter().map(|row| (row.name.as_str(), row.measured.is_ok())).collect();
    assert_eq!(names, [("one", true), ("broken", false), ("four", true)]);
    let one = analysis.rows()[0].measured.as_ref().unwrap();
    // Twelve calls of 50 ms, one at a time, twice.
    assert!(one.calls == 24 && one.fastest >= Duration::from_millis(600) && one.fastest <= one.slowest, "{one:?}");
    assert!(analysis.rows()[1].measured.as_ref().unwrap_err().contains("`concurrency`"));
    assert_eq!(analysis.recommendation().unwrap().name, "four");
    let text = analysis.to_string();
    assert!(text.contains("take four: the fastest of those that cost nothing"), "{text}");
    assert_eq!(analysis.to_csv().lines().count(), 4);
    assert!(analysis.chart().contains(">four</text>"));
}

#[tokio::test]
async fn nothing_is_no_analysis() {
    let error = Analyzer::new().analyze(workload).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
}
