//! Promises that depend on what a provider can do: kept where it can, refused without a side effect where it can't.

use std::time::Duration;

use faast_core::provider::{CancelSupport, Capabilities, CloudProvider, MemoryLimit, Mode};
use faast_core::{Builder, ErrorKind};

use super::Factory;
use super::factory::{cleaned, deployed, error_of};
use super::spy::Spy;
use super::witness::Witness;
use crate::remote::{add, add_undecodable, echo, explode, heartbeat, identity, noise, noisy, once, read_file};

/// Deploying with these options is refused before the provider is asked for anything.
async fn refused(factory: &Factory, set: impl FnOnce(Builder<Spy>) -> Builder<Spy>) {
    let (builder, seen) = factory.spied();
    error_of(ErrorKind::Unsupported, set(builder).deploy().await);
    assert_eq!(seen.deployments(), 0, "nothing was made");
}

/// Every mode works, or deploying in it is refused.
pub async fn a_mode_works_or_is_refused(factory: &Factory) {
    for mode in [Mode::Https, Mode::Queue] {
        if factory.provider().capabilities(mode).supported {
            let cloud = deployed(factory.builder().mode(mode)).await;
            let sums = cloud.map((0..20).map(|n| add::call(n, 1))).try_collect().await.expect("all succeed");
            assert_eq!(sums, (1..=20).collect::<Vec<_>>());
            cleaned(cloud).await;
        } else {
            refused(factory, |builder| builder.mode(mode)).await;
        }
    }
}

/// A request of several calls answers each; where requests hold one call, `batch` is refused.
pub async fn a_batch_answers_each_call(factory: &Factory) {
    let most = factory.capabilities().max_batch;
    refused(factory, |builder| builder.batch(most + 1)).await;
    if most > 1 {
        let cloud = deployed(factory.builder().batch(most.min(4)).concurrency(1)).await;
        let results = cloud.map((0..40).map(identity::call)).try_collect().await.expect("all succeed");
        assert_eq!(results, (0..40).collect::<Vec<_>>());
        cleaned(cloud).await;
    }
}

/// Calls that share a request with one that fails are not touched by it.
pub async fn one_poisoned_call_of_a_batch_fails_alone(factory: &Factory) {
    let most = factory.capabilities().max_batch;
    if most == 1 {
        return refused(factory, |builder| builder.batch(2)).await;
    }
    let cloud = deployed(factory.builder().batch(most.min(4)).concurrency(1)).await;
    let call = |n: u64| match n % 8 {
        2 => explode::call(Some("poison".into())),
        5 => add_undecodable().map(|_| 0),
        _ => identity::call(n),
    };
    for (n, result) in (0..24_u64).zip(cloud.map((0..24).map(call)).collect().await) {
        match n % 8 {
            2 => assert_eq!(error_of(ErrorKind::Panic, result).attempts(), 1),
            5 => assert_eq!(error_of(ErrorKind::Decode, result).attempts(), 1),
            _ => assert_eq!(result.expect("only the poisoned calls fail"), n),
        }
    }
    cleaned(cloud).await;
}

/// One byte more than the limit, or three mebibytes where there is none.
fn too_much(limit: Option<u64>) -> usize {
    limit.map_or(3 << 20, |limit| usize::try_from(limit).unwrap_or(usize::MAX - 1) + 1)
}

fn crosses(capabilities: &Capabilities, limit: Option<u64>) -> bool {
    capabilities.spill || limit.is_none()
}

/// Arguments and results above the transport's limit go through the store; without one they fail as too large.
pub async fn large_arguments_and_results_cross(factory: &Factory) {
    let capabilities = factory.capabilities();
    let (builder, seen) = factory.spied();
    let cloud = deployed(builder).await;

    let argument = "a".repeat(too_much(capabilities.max_request_bytes));
    let echoed = cloud.run(echo::call(argument.clone()).map(|text| text.len())).await;
    if crosses(&capabilities, capabilities.max_request_bytes) && crosses(&capabilities, capabilities.max_response_bytes)
    {
        assert_eq!(echoed.expect("it crosses both ways"), argument.len());
    } else if !crosses(&capabilities, capabilities.max_request_bytes) {
        let error = error_of(ErrorKind::TooLarge, echoed);
        assert_eq!((error.attempts(), seen.requests()), (0, 0), "{error:?}");
    }

    let bytes = too_much(capabilities.max_response_bytes);
    let result = cloud.run(noise::call(7, bytes)).await;
    if crosses(&capabilities, capabilities.max_response_bytes) {
        assert!(result.expect("it crosses") == noisy(7, bytes), "other bytes came back");
    } else {
        let error = error_of(ErrorKind::TooLarge, result);
        assert_eq!(error.attempts(), 1, "{error:?}");
    }
    assert_eq!(cloud.run(add::call(1, 1)).await.expect("others go on"), 2);
    cleaned(cloud).await;
}

/// A time-out or an amount of memory beyond the provider's is refused.
pub async fn limits_of_time_and_memory_are_kept(factory: &Factory) {
    let capabilities = factory.capabilities();
    if let Some(most) = capabilities.max_timeout {
        refused(factory, |builder| builder.timeout(most + Duration::from_secs(1))).await;
    }
    if capabilities.memory_limit == MemoryLimit::None {
        refused(factory, |builder| builder.memory_mb(512)).await;
    }
    if let Some((least, most)) = capabilities.memory_mb {
        refused(factory, |builder| builder.memory_mb(least - 1)).await;
        refused(factory, |builder| builder.memory_mb(most + 1)).await;
    }
    let cloud = deployed(factory.builder().timeout(Duration::from_secs(30))).await;
    assert_eq!(cloud.run(add::call(1, 1)).await.expect("within the limits it runs"), 2);
    cleaned(cloud).await;
}

/// Where canceling ends a call it stops at once; where it does not, the call runs to its own end.
pub async fn canceling_a_call_does_what_the_capability_says(factory: &Factory) {
    const BEATS: u32 = 200;
    let kills = factory.capabilities().cancel == CancelSupport::Kills;
    let witness = Witness::new();
    let cloud = deployed(factory.builder().concurrency(1)).await;
    {
        let run = cloud.run(heartbeat::call(witness.path(), if kills { u32::MAX } else { BEATS }));
        tokio::select! {
            result = run => result.map(drop).expect_err("it runs longer than this"),
            () = witness.wait_for("beat", 3) => faast_core::Error::new(ErrorKind::Canceled, "dropped"),
        };
    }
    if kills {
        witness.wait_for_quiet().await;
    } else {
        witness.wait_for("end", 1).await;
        assert_eq!(witness.count("beat"), BEATS as usize);
    }
    assert_eq!(cloud.run(add::call(1, 1)).await.expect("a worker serves again"), 2);
    cleaned(cloud).await;
}

/// A function that may not run twice runs once; where the platform itself may run it twice, it is refused.
pub async fn non_idempotent_functions_run_once(factory: &Factory) {
    let witness = Witness::new();
    let (builder, seen) = factory.spied();
    let cloud = deployed(builder.concurrency(2)).await;
    let results = cloud.map((0..6).map(|_| once::call(witness.path()))).collect().await;
    if factory.capabilities().duplicates {
        for result in results {
            assert_eq!(error_of(ErrorKind::Unsupported, result).attempts(), 0);
        }
        assert_eq!((witness.count("ran"), seen.requests()), (0, 0));
    } else {
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        assert_eq!(witness.count("ran"), 6);
    }
    cleaned(cloud).await;
}

/// Whatever the platform delivers twice, each call gives one result, and what came too often is counted.
pub async fn a_duplicate_answer_is_counted_and_dropped(factory: &Factory) {
    let cloud = deployed(factory.builder().concurrency(2)).await;
    let results = cloud.map((0..60).map(identity::call)).try_collect().await.expect("all succeed");
    assert_eq!(results, (0..60).collect::<Vec<_>>());
    let stats = cloud.stats();
    assert_eq!(stats.completed, 60, "{stats:?}");
    if !factory.capabilities().duplicates {
        assert_eq!(stats.duplicates, 0, "{stats:?}");
    }
    cleaned(cloud).await;
}

/// Threads of the client have no environment and no folder of their own: an environment is refused, and so are included
/// files unless they are there anyway, because the client runs where they lie.
pub async fn what_threads_can_not_have_is_refused(factory: &Factory) {
    error_of(ErrorKind::Unsupported, factory.builder().env("FAAST_TEST", "1").deploy().await);
    match factory.builder().include("Cargo.toml").deploy().await {
        Err(error) => assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}"),
        Ok(cloud) => {
            let text = cloud.run(read_file::call("Cargo.toml".into())).await.expect("read_file succeeds");
            assert!(text.is_some(), "included files are not there");
            cleaned(cloud).await;
        }
    }
}
