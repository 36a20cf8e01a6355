//! `MiniStack`, which runs uploaded archives as processes: the whole way from deploying to nothing being left.
//!
//! It differs from Lambda where its tests would be about Lambda's own limits: it takes larger bodies, enforces neither
//! memory nor names, and adds a tenth of a second to every invocation. Those promises are RIE's and the emulator's. Of
//! asynchronous events it writes only failures into queues, so that in queue mode nothing else can be shown.

use std::process::Command;
use std::sync::Arc;
use std::time::SystemTime;

use faast_aws::{Aws, AwsOptions as _};
use faast_core::cache::CacheFolder;
use faast_core::ledger::Ledger;
use faast_core::provider::{CloudProvider, DeploymentId, Mode};
use faast_core::stray::{Query, Reach, delete, find};
use faast_core::{Builder, Cloud, ErrorKind};
use faast_testkit::conformance::{Factory, Workers};
use faast_testkit::probe;

use crate::{audit, place};

fn at(endpoint: &str) -> Builder<Aws> {
    Builder::new(Aws::new()).endpoint_url(endpoint).region("us-west-2").credentials("test", "test", None)
}

fn aws(endpoint: &str) -> Aws {
    at(endpoint).provider_mut().clone()
}

/// The promises that `MiniStack` can show, each a test.
fn conformance_factory() -> Factory {
    Factory::new(Workers::Remote, || aws(&place::ministack()))
}

faast_testkit::promises! { @tests
    a_function_returns_its_value
    values_cross_exactly
    every_result_arrives_once_under_its_index
    errors_come_back_as_their_type
    a_panic_fails_its_own_call_with_message_and_place
    a_timeout_ends_an_endless_loop
    an_abort_fails_its_own_call
    an_exit_fails_its_own_call
    a_worker_of_another_build_is_refused
    a_stale_signature_is_refused
    env_reaches_workers
    included_files_are_there
    every_attempt_is_metered
    concurrency_is_reached_and_never_exceeded
    cleanup_is_idempotent
    cleanup_settles_pending_calls_as_canceled
    two_deployments_do_not_touch_each_other
    large_arguments_and_results_cross
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

async fn sum_of(cloud: &Cloud, calls: u64) -> u64 {
    cloud.map((0..calls).map(probe::identity)).try_collect().await.unwrap().iter().sum()
}

#[test]
fn the_command_line_of_aws_sees_everything_and_afterwards_nothing() {
    let endpoint = place::ministack();
    run(async {
        let cloud = at(&endpoint).concurrency(8).deploy().await.unwrap();
        let id = cloud.deployment().to_string();
        let there = audit::of(&endpoint, &id);
        for kind in ["function", "role", "log-group", "tagged"] {
            assert!(there.iter().any(|line| line.starts_with(kind)), "no {kind} in {there:?}");
        }
        assert_eq!(sum_of(&cloud, 100).await, 99 * 100 / 2);
        cloud.cleanup().await.unwrap();
        assert_eq!(audit::of(&endpoint, &id), [""; 0]);
    });
}

#[test]
fn what_becomes_of_an_event_comes_through_a_queue_that_does_not_stay() {
    let endpoint = place::ministack();
    run(async {
        let cloud = at(&endpoint).mode(Mode::Queue).deploy().await.unwrap();
        let id = cloud.deployment().to_string();
        let there = audit::of(&endpoint, &id);
        for kind in ["function", "role", "log-group", "queue", "tagged"] {
            assert!(there.iter().any(|line| line.starts_with(kind)), "no {kind} in {there:?}");
        }
        let error = cloud.run(probe::exit(3)).await.unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Crash, 1), "{error:?}");
        cloud.cleanup().await.unwrap();
        assert_eq!(audit::of(&endpoint, &id), [""; 0]);
    });
}

#[test]
fn an_archive_that_goes_through_a_bucket_leaves_no_bucket() {
    let endpoint = place::ministack();
    let folder = tempfile::Builder::new().prefix("noise-").tempdir_in(".").unwrap();
    // What can't be compressed, so that the archive is above fifty megabytes.
    let noise: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(55 << 20).collect();
    std::fs::write(folder.path().join("noise.bin"), noise).unwrap();
    run(async {
        let name = folder.path().file_name().unwrap().to_string_lossy().into_owned();
        let include = format!("{name}/*");
        let cloud = at(&endpoint).include(include).deploy().await.unwrap();
        let id = cloud.deployment().to_string();
        assert_eq!(sum_of(&cloud, 3).await, 3);
        cloud.cleanup().await.unwrap();
        assert_eq!(audit::of(&endpoint, &id), [""; 0]);
    });
}

#[test]
fn what_a_dead_client_left_is_found_from_two_homes_and_nothing_else_is_touched() {
    let endpoint = place::ministack();
    let theirs = someone_elses(&endpoint);
    run(async {
        let other = at(&endpoint).deploy().await.unwrap();
        let cloud = at(&endpoint).deploy().await.unwrap();
        let id = cloud.deployment().clone();
        // As if it had been killed: nobody cleans up.
        std::mem::forget(cloud);
        // By tags alone; MiniStack's tagging service does not know log groups, as AWS's does.
        let elsewhere = tempfile::tempdir().unwrap();
        let elsewhere = Arc::new(CacheFolder::at(elsewhere.path()));
        assert_eq!(removed(&endpoint, &elsewhere, &id).await, ["function", "role"]);
        // By the ledger of the client's own home, which looks up what the tagging service does not list.
        let own = Arc::new(CacheFolder::open("aws"));
        assert_eq!(removed(&endpoint, &own, &id).await, ["log group"]);
        assert_eq!(audit::of(&endpoint, id.as_str()), [""; 0]);
        assert!(Ledger::all(&own).unwrap().iter().all(|ledger| ledger.deployment != id), "the ledger is closed");
        assert_eq!(sum_of(&other, 3).await, 3, "the other deployment serves on");
        other.cleanup().await.unwrap();
    });
    let there = audit::everything(&endpoint);
    for name in theirs {
        assert!(there.iter().any(|line| line.contains(&name)), "`{name}` is gone: {there:?}");
    }
}

/// The kinds of what is found and removed from that home, though it has not expired.
async fn removed(endpoint: &str, home: &Arc<CacheFolder>, id: &DeploymentId) -> Vec<String> {
    let provider = aws(endpoint);
    let found = find(&provider, home, &Query::default().deployment(id.clone()), SystemTime::now()).await;
    assert!(found.failures.is_empty(), "{:?}", found.failures);
    assert_eq!(found.doomed(Reach::Expired).count(), 0, "it has not expired: {found:?}");
    let report = delete(&provider, home, &found, Reach::LiveToo).await;
    assert!(report.is_clean(), "{report:?}");
    report.deleted.into_iter().map(|resource| resource.kind).collect()
}

/// What somebody else has, with names and tags like faast's.
fn someone_elses(endpoint: &str) -> Vec<String> {
    let named = format!("faast-{}", DeploymentId::random());
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    cli(
        endpoint,
        &["iam", "create-role", "--path", "/faast/", "--role-name", &named, "--assume-role-policy-document", trust],
    );
    let group = format!("/aws/lambda/{named}");
    // All tags but one.
    let tags = format!("faast:deployment={},faast:created=1,faast:expires=2", &named["faast-".len()..]);
    cli(endpoint, &["logs", "create-log-group", "--log-group-name", &group, "--tags", &tags]);
    vec![named, group]
}

fn cli(endpoint: &str, words: &[&str]) {
    let output = Command::new(place::aws_cli())
        .args(["--endpoint-url", endpoint])
        .args(words)
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_narrow_role_is_enough_where_permissions_are_enforced() {
    let endpoint = place::ministack_iam();
    run(async {
        let cloud = at(&endpoint).least_privilege().deploy().await.unwrap();
        let id = cloud.deployment().to_string();
        assert_eq!(sum_of(&cloud, 5).await, 10);
        cloud.cleanup().await.unwrap();
        assert_eq!(audit::of(&endpoint, &id), [""; 0]);
    });
}

#[test]
fn a_result_goes_through_a_bucket_that_a_worker_with_a_narrow_role_makes() {
    for endpoint in [place::ministack(), place::ministack_iam()] {
        run(async {
            let cloud = at(&endpoint).least_privilege().deploy().await.unwrap();
            let id = cloud.deployment().to_string();
            assert!(audit::of(&endpoint, &id).iter().all(|line| !line.starts_with("bucket")));
            assert_eq!(cloud.run(probe::noise(1, 7 << 20)).await.unwrap().len(), 7 << 20);
            let there = audit::of(&endpoint, &id);
            assert!(there.iter().any(|line| line.starts_with("bucket")), "no bucket in {there:?}");
            cloud.cleanup().await.unwrap();
            assert_eq!(audit::of(&endpoint, &id), [""; 0]);
        });
    }
}

#[test]
fn keys_that_nobody_knows_are_refused_before_anything_is_made() {
    let endpoint = place::ministack_iam();
    let builder = Builder::new(Aws::new()).endpoint_url(&endpoint).region("us-west-2");
    let error = run(builder.credentials("AKIANOBODYKNOWSTHIS", "secret", None).deploy()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Denied | ErrorKind::Config), "{error:?}");
    assert!(!format!("{error:?}").contains("secret\""), "{error:?}");
}

#[test]
fn prices_are_never_missing() {
    // It has no price service.
    let prices = run(aws(&place::ministack()).prices("us-west-2")).unwrap();
    assert!(prices.prices.values().all(|price| price.usd > 0.0) && !prices.prices.is_empty());
}
