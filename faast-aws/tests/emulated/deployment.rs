//! From nothing to a function that answers, and back to nothing.

use std::time::Duration;

use faast_aws::AwsOptions as _;
use faast_aws::private::LONGEST_CHAIN;
use faast_core::ErrorKind;
use faast_core::provider::{CloudProvider as _, DeploySpec, DeploymentId, Event};
use faast_testkit::emulator_aws::AwsEmulator;

use crate::rig::{Rig, chained};

#[tokio::test]
async fn a_function_is_deployed_called_and_removed_without_a_trace() {
    let rig = Rig::new();
    let deployed = rig.deploy(|builder| builder).await.unwrap();
    assert!(deployed.ledger.exists());
    assert_eq!(deployed.hello("world").await, "hello world");
    let report = deployed.cleanup().await;
    let kinds: Vec<_> = report.deleted.iter().map(|resource| resource.kind.as_str()).collect();
    assert_eq!(kinds, ["function", "log group", "role"]);
    assert_eq!(rig.aws.leftovers(), Vec::<String>::new());
}

#[tokio::test]
async fn a_second_cleanup_asks_for_nothing() {
    let rig = Rig::new();
    let deployed = rig.deploy(|builder| builder).await.unwrap();
    deployed.cleanup().await;
    let before = rig.aws.calls().len();
    assert!(deployed.cleanup().await.deleted.is_empty());
    assert_eq!(rig.aws.calls().len(), before);
}

#[tokio::test]
async fn a_generators_items_and_the_calls_of_a_batch_come_in_order() {
    let rig = Rig::new();
    let deployed = rig.deploy_spec(
        |builder| builder,
        |mut spec| {
            spec.batch = 3;
            spec
        },
    );
    let deployed = deployed.await.unwrap();
    let events = deployed.call("ITEMS", &[b"abc"]).await;
    let items = events.iter().filter_map(|event| match event {
        Event::Item { seq, .. } => Some(*seq),
        _ => None,
    });
    assert_eq!(items.collect::<Vec<_>>(), [0, 1, 2]);
    let events = deployed.call("HELLO", &[b"a", b"b", b"c"]).await;
    let done = events.iter().filter(|event| matches!(event, Event::Done { .. })).map(|event| event.call().0);
    assert_eq!(done.collect::<Vec<_>>(), [1, 2, 3]);
    deployed.cleanup().await;
}

#[tokio::test]
async fn the_longest_chain_of_calls_is_as_written_down() {
    let rig = Rig::of(AwsEmulator::builder().activation(Duration::from_millis(300)));
    let deployed = rig.deploy(|builder| builder).await.unwrap();
    let actions = rig.actions();
    chained(&actions, &LONGEST_CHAIN, &[]);
    deployed.cleanup().await;
}

#[tokio::test]
async fn the_accounts_concurrency_is_the_limit() {
    let rig = Rig::of(AwsEmulator::builder().account_concurrency(110));
    let deployed = rig.deploy(|builder| builder).await.unwrap();
    let limit = deployed.function.limits().concurrency.unwrap();
    assert!((10..=110).contains(&limit), "{limit}");
    deployed.cleanup().await;
}

#[tokio::test]
async fn an_archive_of_more_than_50_mb_goes_through_the_bucket_and_does_not_stay_in_it() {
    let rig = Rig::new();
    let files = tempfile::tempdir().unwrap();
    let mut noise = vec![0; 54 << 20];
    fastrand::Rng::with_seed(1).fill(&mut noise);
    std::fs::write(files.path().join("noise"), noise).unwrap();
    let deployed = rig.deploy_spec(
        |builder| builder,
        |mut spec| {
            spec.staged = Some(files.path().to_owned());
            spec
        },
    );
    let deployed = deployed.await.unwrap();
    assert_eq!(deployed.hello("bucket").await, "hello bucket");
    deployed.cleanup().await;
    let actions = rig.actions();
    let at = |action: &str| actions.iter().position(|seen| seen == action).unwrap_or_else(|| panic!("no {action}"));
    assert!(at("s3:CreateBucket") < at("s3:PutObject") && at("s3:PutObject") < at("lambda:CreateFunction"));
    assert!(at("lambda:CreateFunction") < at("s3:DeleteObject") && at("s3:DeleteObject") < at("s3:DeleteBucket"));
    assert_eq!(rig.aws.leftovers(), Vec::<String>::new());
}

#[tokio::test]
async fn a_deployment_that_is_given_up_leaves_nothing() {
    // Longer than any test: only giving up ends it.
    let rig = Rig::of(AwsEmulator::builder().role_propagation(Duration::from_hours(1)));
    let id = DeploymentId::random();
    let context = rig.context(&id);
    let provider = rig.provider(|builder| builder);
    let spec = DeploySpec::new(id);
    let giving_up = async {
        while !rig.actions().iter().any(|action| action == "lambda:CreateFunction") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        context.abort.cancel();
    };
    let (given_up, ()) = tokio::join!(provider.deploy(&spec, &context), giving_up);
    let error = given_up.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Canceled);
    assert_eq!(rig.aws.leftovers(), Vec::<String>::new());
    assert!(!context.ledger.path().exists());
}

#[tokio::test]
async fn what_is_asked_for_is_what_lambda_is_told() {
    let rig = Rig::new();
    let options = |builder: faast_core::Builder<faast_aws::Aws>| builder.ephemeral_storage_mb(1024).tag("team", "ml");
    let deployed = rig.deploy_spec(options, |mut spec| {
        spec.memory_mb = Some(512);
        spec.env = vec![("GREETING".into(), "hi".into())];
        spec.description = Some("a test".into());
        spec
    });
    let deployed = deployed.await.unwrap();
    let lambda = aws_sdk_lambda::Client::new(&rig.sdk().await);
    let found = lambda.get_function().function_name(deployed.name()).send().await.unwrap();
    let configuration = found.configuration().unwrap();
    assert_eq!(configuration.memory_size(), Some(512));
    // A program with a generator has one time-out for all: the longest.
    assert_eq!(configuration.timeout(), Some(900));
    assert_eq!(configuration.ephemeral_storage().map(|storage| storage.size), Some(1024));
    assert_eq!(configuration.description(), Some("a test"));
    assert!(configuration.handler().unwrap().starts_with("faast-worker:aws:"));
    let variables = configuration.environment().unwrap().variables().unwrap();
    assert_eq!(variables.get("GREETING").map(String::as_str), Some("hi"));
    let mut tags: Vec<_> = found.tags().unwrap().keys().map(String::as_str).collect();
    tags.sort_unstable();
    assert_eq!(tags, ["faast:created", "faast:deployment", "faast:expires", "faast:version", "team"]);
    deployed.cleanup().await;
}

#[tokio::test]
async fn two_deployments_at_once_do_not_touch_each_other() {
    let rig = Rig::of(AwsEmulator::builder().control_plane_rate(15));
    let (one, other) = tokio::join!(rig.deploy(|builder| builder), rig.deploy(|builder| builder));
    let (one, other) = (one.unwrap(), other.unwrap());
    one.cleanup().await;
    assert_eq!(other.hello("still here").await, "hello still here");
    assert!(rig.aws.leftovers().iter().all(|left| left.contains(other.id.as_str())));
    other.cleanup().await;
    assert_eq!(rig.aws.leftovers(), Vec::<String>::new());
}
