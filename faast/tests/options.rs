//! Options: each does what it says in real workers, and what makes no sense is refused before anything starts.

#![expect(clippy::unwrap_used, reason = "functions and helpers of tests fail as tests do")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs};

use faast::prelude::*;
use faast::{ErrorKind, Mode};

faast::test_worker!();

#[faast::function]
fn variable(name: &str) -> Option<String> {
    env::var(name).ok()
}

/// The files below the working directory, with their texts.
#[faast::function]
fn files() -> BTreeMap<PathBuf, String> {
    fn walk(folder: &Path, found: &mut BTreeMap<PathBuf, String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else {
                let text = fs::read_to_string(&path).unwrap();
                found.insert(path, text);
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(Path::new("."), &mut found);
    found
}

#[faast::function]
fn holds(mebibytes: usize) -> usize {
    vec![1_u8; mebibytes << 20].iter().map(|byte| usize::from(*byte)).sum::<usize>() >> 20
}

#[faast::function]
fn about() -> (Option<u64>, u32, Option<Duration>, Option<String>, bool) {
    let context = faast::context();
    let call = context.call_id().map(|id| id.0);
    (call, context.attempt(), context.time_left(), context.idempotency_key(), context.is_worker())
}

#[faast::function]
fn process() -> u32 {
    std::process::id()
}

#[tokio::test]
async fn workers_see_their_environment() {
    let cloud =
        faast::local().concurrency(1).env("FAAST_TEST_A", "ä b").env("FAAST_TEST_B", "").deploy().await.unwrap();
    assert_eq!(cloud.run(variable::call("FAAST_TEST_A")).await.unwrap().as_deref(), Some("ä b"));
    assert_eq!(cloud.run(variable::call("FAAST_TEST_B")).await.unwrap().as_deref(), Some(""));
    assert_eq!(cloud.run(variable::call("FAAST_TEST_C")).await.unwrap(), None);
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn workers_start_in_a_folder_with_the_included_files() {
    let cloud =
        faast::local().concurrency(1).include("tests/ui/*/sync_*.rs").include("Cargo.toml").exclude("**/*.toml");
    let cloud = cloud.deploy().await.unwrap();
    let found = cloud.run(files::call()).await.unwrap();
    let name = PathBuf::from("./tests/ui/accepted/sync_main.rs");
    assert_eq!(found.keys().collect::<Vec<_>>(), [&name]);
    assert_eq!(found[&name], fs::read_to_string(&name).unwrap());
    cloud.cleanup().await.unwrap();

    let error = faast::local().include("no/such/file").deploy().await.unwrap_err();
    assert!(format!("{error:?}").contains("no/such/file"), "{error:?}");
}

#[tokio::test]
async fn a_call_above_its_memory_fails_and_one_below_does_not() {
    let cloud = faast::local().concurrency(1).memory_mb(200).deploy().await.unwrap();
    assert_eq!(cloud.run(holds::call(50)).await.unwrap(), 50);
    let error = cloud.run(holds::call(2000)).await.unwrap_err();
    assert!(error.is_out_of_memory() && error.message().contains("200 MiB"), "{error:?}");
    assert_eq!(cloud.run(holds::call(50)).await.unwrap(), 50);
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn a_function_knows_its_call() {
    let cloud = faast::local().concurrency(1).timeout(Duration::from_secs(30)).deploy().await.unwrap();
    let (first, attempt, left, key, is_worker) = cloud.run(about::call()).await.unwrap();
    assert!(attempt == 1 && is_worker && left.is_some_and(|left| left <= Duration::from_secs(30)), "{left:?}");
    let (second, .., other_key, _) = cloud.run(about::call()).await.unwrap();
    assert!(first != second && key.is_some() && key != other_key);
    assert!(!faast::context().is_worker());
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn in_process_functions_run_in_the_client() {
    let cloud = faast::local().in_process().deploy().await.unwrap();
    assert_eq!(cloud.run(process::call()).await.unwrap(), std::process::id());
    cloud.cleanup().await.unwrap();
    let cloud = faast::local().deploy().await.unwrap();
    assert_ne!(cloud.run(process::call()).await.unwrap(), std::process::id());
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn a_provider_is_chosen_by_name_at_run_time() {
    let cloud = faast::provider("local").unwrap().mode(Mode::Queue).concurrency(1).deploy().await.unwrap();
    assert_eq!(cloud.provider(), "local");
    assert_eq!(cloud.run(holds::call(1)).await.unwrap(), 1);
    cloud.cleanup().await.unwrap();
    let error = faast::provider("locel").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(format!("{error:?}").contains("local"), "{error:?}");
}

#[tokio::test]
async fn options_without_sense_are_refused_by_name() {
    let local = || faast::local().concurrency(1);
    let wrong = [
        ("concurrency", local().concurrency(0)),
        ("timeout", local().timeout(Duration::ZERO)),
        ("deadline", local().deadline(Duration::ZERO)),
        ("rate", local().rate(-1.0)),
        ("burst", local().burst(3)),
        ("batch", local().batch(0)),
        ("memory_mb", local().memory_mb(0)),
        ("budget_usd", local().budget_usd(f64::NAN)),
        ("A=B", local().env("A=B", "")),
    ];
    for (name, builder) in wrong {
        let error = builder.deploy().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
        assert!(error.message().contains(&format!("`{name}`")), "{error:?}");
    }
}

/// The builder says so before anything starts; a call can say it only when it is made.
#[tokio::test]
async fn a_call_without_any_time_is_refused_and_never_runs() {
    let cloud = faast::local().concurrency(1).deploy().await.unwrap();
    let calls = [holds::call(1).timeout(Duration::ZERO), holds::call(2)];
    let results = cloud.map(calls).collect().await;
    let error = results[0].as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
    assert!(error.message().contains("`timeout`") && format!("{error:?}").contains("hint"), "{error:?}");
    assert!(results[1].is_ok());
    let stats = cloud.stats();
    assert_eq!((stats.submitted, stats.completed), (1, 1), "{stats:?}");
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn two_deployments_do_not_meet() {
    let (one, other) =
        (faast::local().concurrency(1).env("WHO", "one"), faast::local().concurrency(1).env("WHO", "other"));
    let (one, other) = (one.deploy().await.unwrap(), other.deploy().await.unwrap());
    let who = |cloud: &Cloud| cloud.run(variable::call("WHO"));
    assert_eq!(who(&one).await.unwrap().as_deref(), Some("one"));
    one.cleanup().await.unwrap();
    assert_eq!(who(&other).await.unwrap().as_deref(), Some("other"));
    other.cleanup().await.unwrap();
}
