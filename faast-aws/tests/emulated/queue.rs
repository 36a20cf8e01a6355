//! Deployments in queue mode: what they have more, what waits for what, and that it all goes again.

use std::time::{Duration, SystemTime};

use faast_aws::Aws;
use faast_aws::private::{LONGEST_CHAIN_QUEUE, prices};
use faast_core::cache::CacheFolder;
use faast_core::provider::{CloudProvider as _, Deleted, Mode};
use faast_core::{Builder, Result};
use faast_testkit::emulator_aws::AwsEmulator;

use crate::rig::{Deployed, Rig, chained};

async fn queued(rig: &Rig, options: impl FnOnce(Builder<Aws>) -> Builder<Aws>) -> Result<Deployed> {
    rig.deploy_spec(options, |mut spec| {
        spec.mode = Mode::Queue;
        spec
    })
    .await
}

#[tokio::test]
async fn a_queue_is_made_used_and_removed_without_a_trace() {
    let rig = Rig::new();
    let deployed = queued(&rig, |builder| builder).await.unwrap();
    assert_eq!(deployed.hello("queue").await, "hello queue");
    let report = deployed.cleanup().await;
    let kinds: Vec<_> = report.deleted.iter().map(|resource| resource.kind.as_str()).collect();
    assert_eq!(kinds, ["queue", "function", "log group", "role"]);
    assert_eq!(rig.aws.leftovers(), Vec::<String>::new());
    let calls = rig.aws.calls();
    // A poll that was under way finds its queue gone, and there never was a bucket.
    let mut others = calls.iter().filter(|call| call.action != "ReceiveMessage" && call.service != "s3");
    assert!(others.all(|call| call.error.is_none()), "{calls:?}");
}

#[tokio::test]
async fn the_longest_chain_is_no_longer_than_without_a_queue() {
    let rig = Rig::of(AwsEmulator::builder().activation(Duration::from_millis(300)));
    let deployed = queued(&rig, |builder| builder).await.unwrap();
    let actions = rig.actions();
    let at = |action: &str| actions.iter().position(|seen| seen == action).unwrap();
    let active = actions.iter().rposition(|seen| seen == "lambda:GetFunction").unwrap();
    assert!(at("lambda:PutFunctionEventInvokeConfig") < active, "beside the wait for the function: {actions:?}");
    assert!(at("sqs:CreateQueue") < at("lambda:CreateFunction"), "beside the role: {actions:?}");
    chained(&actions, &LONGEST_CHAIN_QUEUE, &["lambda:GetFunction", "sqs:CreateQueue"]);
    deployed.cleanup().await;
}

#[tokio::test]
async fn lambda_tries_nothing_again_and_keeps_what_waits_for_five_minutes() {
    let rig = Rig::new();
    let deployed = queued(&rig, |builder| builder).await.unwrap();
    let lambda = aws_sdk_lambda::Client::new(&rig.sdk().await);
    let config = lambda.get_function_event_invoke_config().function_name(deployed.name()).send().await.unwrap();
    assert_eq!((config.maximum_retry_attempts(), config.maximum_event_age_in_seconds()), (Some(0), Some(300)));
    let arn = format!("arn:aws:sqs:us-west-2:123456789012:{}", deployed.name());
    let destinations = config.destination_config().unwrap();
    assert_eq!(destinations.on_success().unwrap().destination(), Some(arn.as_str()));
    assert_eq!(destinations.on_failure().unwrap().destination(), Some(arn.as_str()));
    // No generator can be called, so that the function's own time-out is that of a call.
    let found = lambda.get_function().function_name(deployed.name()).send().await.unwrap();
    assert_eq!(found.configuration().unwrap().timeout(), Some(62));
    deployed.cleanup().await;
}

#[tokio::test]
async fn a_forgotten_queue_is_found_by_its_tags_and_deleted_first() {
    let rig = Rig::new();
    queued(&rig, |builder| builder).await.unwrap();
    let found = rig.strays(true).await;
    let kinds: Vec<_> = found.iter().map(|resource| resource.kind.as_str()).collect();
    assert_eq!(kinds, ["queue", "function", "log group", "role"]);
    let provider = rig.provider(|builder| builder);
    assert_eq!(provider.look_up(&found[0]).await.unwrap().as_ref(), Some(&found[0]));
    for resource in &found {
        assert_eq!(provider.delete(resource).await.unwrap(), Deleted::Now, "{resource}");
        assert_eq!(provider.delete(resource).await.unwrap(), Deleted::Before, "{resource}");
    }
    assert_eq!(provider.look_up(&found[0]).await.unwrap(), None);
    assert_eq!(rig.aws.leftovers(), Vec::<String>::new());
}

#[tokio::test]
async fn a_live_queue_moves_its_expiry() {
    let rig = Rig::new();
    let deployed = rig
        .deploy_spec(
            |builder| builder,
            |mut spec| {
                spec.mode = Mode::Queue;
                spec.expires = SystemTime::now() - Duration::from_hours(1);
                spec
            },
        )
        .await
        .unwrap();
    assert_eq!(rig.strays(false).await.len(), 4);
    deployed.function.renew(SystemTime::now() + Duration::from_hours(24)).await.unwrap();
    assert_eq!(rig.strays(false).await, []);
    deployed.cleanup().await;
}

#[tokio::test]
async fn what_a_request_of_the_queue_costs_is_asked_for() {
    let rig = Rig::new();
    let folder = tempfile::tempdir().unwrap();
    let cache = CacheFolder::at(folder.path());
    for region in ["us-west-2", "us-east-1"] {
        let prices = prices(&rig.sdk().await, region, &cache).await;
        let queue = &prices.prices["queue"];
        assert_eq!((&*queue.unit, queue.source.as_str()), ("request", &*format!("AWS price list of {region}")));
        assert!((queue.usd - 0.000_000_4).abs() < 1e-12, "{queue:?}");
    }
}

#[tokio::test]
async fn a_narrow_role_may_write_the_answers() {
    let rig = Rig::new();
    let deployed = queued(&rig, faast_aws::AwsOptions::least_privilege).await.unwrap();
    assert_eq!(deployed.hello("narrow").await, "hello narrow");
    deployed.cleanup().await;
}
