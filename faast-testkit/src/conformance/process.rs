//! Promises that only workers with a process of their own can keep: crashes, memory, environment, files, logs.

use std::fs;

use faast_core::provider::MemoryLimit;
use faast_core::{Error, ErrorKind, Result};

use super::Factory;
use super::factory::{cleaned, deployed, error_of};
use crate::remote::{Crash, add, allocate, crash, die_once, explode, identity, read_file, variable};

/// Each way to end the process fails its own call as a crash, once, and the others of its map succeed.
async fn costs_only_its_own_call(factory: &Factory, how: Crash) {
    let cloud = deployed(factory.builder().concurrency(2)).await;
    let call = |n| crash::call(if n == 7 { how } else { Crash::No });
    for (n, result) in cloud.map((0..30).map(call)).collect().await.into_iter().enumerate() {
        if n == 7 {
            let error = error_of(ErrorKind::Crash, result);
            assert_eq!(error.attempts(), 1, "{error:?}");
            assert!(error.log_url().is_some(), "{error:?}");
        } else {
            result.expect("only the seventh crashes");
        }
    }
    assert_eq!(cloud.run(add::call(1, 1)).await.expect("a worker serves again"), 2);
    cleaned(cloud).await;
}

/// `process::exit`, with success or without, is a crash of the call that did it.
pub async fn an_exit_fails_its_own_call(factory: &Factory) {
    costs_only_its_own_call(factory, Crash::Exit(0)).await;
    costs_only_its_own_call(factory, Crash::Exit(1)).await;
}

/// So is `process::abort`.
pub async fn an_abort_fails_its_own_call(factory: &Factory) {
    costs_only_its_own_call(factory, Crash::Abort).await;
}

/// So is a segfault.
pub async fn a_segfault_fails_its_own_call(factory: &Factory) {
    costs_only_its_own_call(factory, Crash::Segfault).await;
}

/// So is a stack that overflows.
pub async fn a_stack_overflow_fails_its_own_call(factory: &Factory) {
    costs_only_its_own_call(factory, Crash::StackOverflow).await;
}

/// Of the calls that shared a request with one that crashes, only that one is lost.
pub async fn of_a_request_that_crashes_only_the_started_call_is_lost(factory: &Factory) {
    let most = factory.capabilities().max_batch;
    let builder = factory.builder().concurrency(1);
    let cloud = deployed(if most > 1 { builder.batch(most.min(8)) } else { builder }).await;
    let call = |n| crash::call(if n == 3 { Crash::Abort } else { Crash::No });
    let results = cloud.map((0..16).map(call)).collect().await;
    let lost: Vec<_> = (0..16).zip(&results).filter(|(_, result)| result.is_err()).map(|(n, _)| n).collect();
    assert_eq!(lost, [3], "{results:?}");
    cleaned(cloud).await;
}

/// A worker that is killed from outside is replaced, and its call tried again.
pub async fn a_killed_worker_is_replaced_and_its_call_retried(factory: &Factory) {
    let cloud = deployed(factory.builder().concurrency(1)).await;
    let detail = cloud.run(die_once::call()).detail().await.expect("the second attempt succeeds");
    assert_eq!((detail.value, detail.attempts), (2, 2));
    let error = error_of(ErrorKind::WorkerLost, cloud.run(die_once::call().retries(0)).await);
    assert_eq!(error.attempts(), 1, "{error:?}");
    cleaned(cloud).await;
}

/// A call that needs more than `memory_mb` fails as out of memory; its neighbours do not.
pub async fn memory_above_the_limit_fails_its_own_call(factory: &Factory) {
    let capabilities = factory.capabilities();
    if capabilities.memory_limit != MemoryLimit::Enforced {
        return super::limits_of_time_and_memory_are_kept(factory).await;
    }
    let (least, most) = capabilities.memory_mb.unwrap_or((1, u32::MAX));
    let limit = 256.clamp(least, most);
    let cloud = deployed(factory.builder().concurrency(1).memory_mb(limit)).await;
    let wanted = usize::try_from(limit).expect("a small number") * 2;
    error_of(ErrorKind::OutOfMemory, cloud.run(allocate::call(wanted)).await);
    assert_eq!(cloud.run(allocate::call(8)).await.expect("within the limit it runs"), 8);
    cleaned(cloud).await;
}

/// Variables of `env` are in the workers' environment, beside those that programs are used to.
pub async fn env_reaches_workers(factory: &Factory) {
    let builder = factory.builder().env("FAAST_CONFORMANCE", "größer = better").env("FAAST_EMPTY", "");
    let cloud = deployed(builder).await;
    let get = |name: &str| cloud.run(variable::call(name.into()));
    assert_eq!(get("FAAST_CONFORMANCE").await.expect("variable succeeds").as_deref(), Some("größer = better"));
    assert_eq!(get("FAAST_EMPTY").await.expect("variable succeeds").as_deref(), Some(""));
    assert_eq!(get("FAAST_NOT_SET").await.expect("variable succeeds"), None);
    assert!(get("PATH").await.expect("variable succeeds").is_some_and(|path| !path.is_empty()));
    cleaned(cloud).await;
}

/// Included files lie under the folder that workers start in; excluded ones do not.
///
/// `Cargo.toml` is in every package.
pub async fn included_files_are_there(factory: &Factory) {
    let expected = fs::read_to_string("Cargo.toml").expect("tests run in the folder of their package");
    let cloud = deployed(factory.builder().include("Cargo.toml").include("src/**").exclude("src/lib.rs")).await;
    let read = |path: &str| cloud.run(read_file::call(path.into()));
    assert_eq!(read("Cargo.toml").await.expect("read_file succeeds"), Some(expected));
    assert_eq!(read("src/lib.rs").await.expect("read_file succeeds"), None);
    cleaned(cloud).await;
}

/// Workers have processes of their own, and not one for each call.
pub async fn a_worker_serves_many_calls(factory: &Factory) {
    let cloud = deployed(factory.builder().concurrency(2)).await;
    let calls = (0..50).map(|_| crash::call(Crash::No));
    let mut processes = cloud.map(calls).try_collect().await.expect("all succeed");
    processes.sort_unstable();
    processes.dedup();
    assert!(processes.len() <= 2, "{processes:?}");
    assert!(!processes.contains(&std::process::id()));
    cleaned(cloud).await;
}

/// The log that an error names has the words of the failure. On the client's machine it is a file.
pub async fn the_log_of_a_failure_has_its_words(factory: &Factory) {
    let cloud = deployed(factory.builder().concurrency(1)).await;
    let error = error_of(ErrorKind::Panic, cloud.run(explode::call(Some("words for the log".into()))).await);
    let url = error.log_url().expect("every error names its log");
    let path = url.strip_prefix("file://").expect("workers on this machine log to a file");
    let log = fs::read_to_string(path).expect("the log is there until the cleanup");
    assert!(log.contains("words for the log"), "{log}");
    cleaned(cloud).await;
}

/// Hundreds of short calls on a few workers all come back, while some of them crash.
pub async fn crashes_among_many_calls_lose_nothing(factory: &Factory) {
    let cloud = deployed(factory.builder().concurrency(3)).await;
    let call = |n: u64| if n % 100 == 50 { crash::call(Crash::Exit(3)).map(u64::from) } else { identity::call(n) };
    let results: Vec<Result<u64, Error>> = cloud.map((0..400).map(call)).collect().await;
    let crashed = results.iter().filter(|result| result.is_err()).count();
    let sum: u64 = results.iter().flatten().sum();
    assert_eq!((crashed, sum), (4, (0..400).sum::<u64>() - (50 + 150 + 250 + 350)));
    cleaned(cloud).await;
}
