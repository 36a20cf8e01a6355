//! Memory: each function's own peak in real workers, in the statistics and in the report, with what it would need.

use std::time::Duration;

use faast::prelude::*;
use serde_json::Value;

faast::test_worker!();

/// Uses so much memory for a moment.
#[faast::function]
fn large(mebibytes: usize) -> usize {
    let memory = vec![1_u8; mebibytes << 20];
    std::thread::sleep(Duration::from_millis(5));
    memory.iter().step_by(1 << 20).map(|byte| usize::from(*byte)).sum()
}

/// Uses next to none.
#[faast::function]
fn small(n: u64) -> u64 {
    std::thread::sleep(Duration::from_millis(5));
    n
}

#[tokio::test]
async fn each_function_has_its_own_peak_and_the_memory_that_it_fits_into() {
    let cloud = faast::local().concurrency(1).record().deploy().await.unwrap();
    // On the same worker, the small one afterwards too.
    for n in [1, 2] {
        assert_eq!(cloud.run(small::call(n)).await.unwrap(), n);
        assert_eq!(cloud.run(large::call(200)).await.unwrap(), 200);
    }
    assert_eq!(cloud.run(small::call(3)).await.unwrap(), 3);
    let stats = cloud.stats();
    let [small, large] = [&stats.functions[0], &stats.functions[1]];
    let mebibytes = |bytes: Option<u64>| bytes.unwrap() >> 20;
    assert!((200..300).contains(&mebibytes(large.peak_memory())), "{large:?}");
    assert!(mebibytes(small.peak_memory()) < 100, "{small:?}");
    assert!(large.fitting_memory_mb().is_some_and(|fits| (256..=384).contains(&fits)), "{large:?}");
    assert_eq!(small.fitting_memory_mb(), Some(128), "{small:?}");

    let folder = tempfile::tempdir().unwrap();
    let [json, page] = ["run.json", "run.html"].map(|name| folder.path().join(name));
    cloud.report(&json).await.unwrap();
    cloud.report(&page).await.unwrap();
    let run: Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    assert_eq!(run["functions"][0]["peak_memory"].as_u64(), small.peak_memory());
    assert_eq!(run["functions"][1]["peak_memory"].as_u64(), large.peak_memory());
    assert_eq!(run["functions"][1]["fitting_memory_mb"].as_u64(), large.fitting_memory_mb().map(u64::from));
    let page = std::fs::read_to_string(page).unwrap();
    let fits = large.fitting_memory_mb().unwrap();
    assert!(page.contains("memory_mb that fits") && page.contains(&format!("data-value=\"{fits}\">{fits}")));
    cloud.cleanup().await.unwrap();
}
