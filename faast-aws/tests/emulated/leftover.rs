//! What is left of deployments that nobody cleaned up, and what never was faast's.

use std::time::{Duration, SystemTime};

use faast_aws::AwsOptions as _;
use faast_core::ErrorKind;
use faast_core::ledger::Ledger;
use faast_core::provider::{CloudProvider as _, Deleted, Resource};

use crate::rig::Rig;

#[tokio::test]
async fn what_nobody_cleaned_up_is_found_by_tags_alone_and_deleted_completely() {
    let rig = Rig::new();
    let forgotten = rig.deploy(|builder| builder).await.unwrap();
    assert_eq!(rig.strays(false).await, []);
    let found = rig.strays(true).await;
    let kinds: Vec<_> = found.iter().map(|resource| resource.kind.as_str()).collect();
    assert_eq!(kinds, ["function", "log group", "role"]);
    assert!(found.iter().all(|resource| resource.id.ends_with(&forgotten.name())));
    let provider = rig.provider(|builder| builder);
    for resource in &found {
        assert_eq!(provider.delete(resource).await.unwrap(), Deleted::Now, "{resource}");
        assert_eq!(provider.delete(resource).await.unwrap(), Deleted::Before, "{resource}");
    }
    assert_eq!(rig.aws.leftovers(), Vec::<String>::new());
    assert_eq!(rig.strays(true).await, []);
}

#[tokio::test]
async fn a_live_deployment_moves_its_expiry_and_is_no_stray() {
    let rig = Rig::new();
    let deployed = rig.deploy_spec(
        |builder| builder,
        |mut spec| {
            spec.expires = SystemTime::now() - Duration::from_hours(1);
            spec
        },
    );
    let deployed = deployed.await.unwrap();
    assert_eq!(rig.strays(false).await.len(), 3);
    deployed.function.renew(SystemTime::now() + Duration::from_hours(24)).await.unwrap();
    assert_eq!(rig.strays(false).await, []);
    assert_eq!(rig.strays(true).await.len(), 3);
    deployed.cleanup().await;
}

#[tokio::test]
async fn what_somebody_else_made_is_never_found() {
    let rig = Rig::new();
    let iam = aws_sdk_iam::Client::new(&rig.sdk().await);
    let logs = aws_sdk_cloudwatchlogs::Client::new(&rig.sdk().await);
    let id = "6a1f0d1e-8a0e-4c5e-9a53-0d4b7f3a2c11";
    let tags = [("faast:deployment", id), ("faast:created", "1700000000"), ("faast:expires", "1700086400")];
    // Three of the four tags and the right name; all four and another name.
    let group = logs.create_log_group().log_group_name(format!("/aws/lambda/faast-{id}"));
    tags.iter().fold(group, |group, (key, value)| group.tags(*key, *value)).send().await.unwrap();
    let role = iam.create_role().role_name("faast-batch").path("/faast/").assume_role_policy_document(
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#,
    );
    let tag = |key: &str, value: &str| aws_sdk_iam::types::Tag::builder().key(key).value(value).build().unwrap();
    let role = tags.iter().fold(role, |role, (key, value)| role.tags(tag(key, value)));
    role.tags(tag("faast:version", "0.1.0")).send().await.unwrap();
    assert_eq!(rig.strays(true).await, []);
}

#[tokio::test]
async fn only_names_that_faast_makes_are_deleted() {
    let rig = Rig::new();
    let provider = rig.provider(|builder| builder);
    for (kind, id) in [("function", "production"), ("role", "faast-batch"), ("log group", "faast-x"), ("table", "x")] {
        let refused = provider.delete(&Resource::new(kind, id)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Config, "{kind} {id}");
    }
    assert!(rig.aws.calls().is_empty());
}

#[tokio::test]
async fn logs_that_are_to_be_kept_are_nobodys_stray() {
    let rig = Rig::new();
    let deployed = rig.deploy_spec(
        |builder| builder,
        |mut spec| {
            spec.keep_logs = true;
            spec
        },
    );
    let deployed = deployed.await.unwrap();
    deployed.hello("log").await;
    let report = deployed.cleanup().await;
    assert!(report.notes.iter().any(|note| note.contains(&deployed.name())), "{report:?}");
    let left = rig.aws.leftovers();
    assert!(left.len() == 1 && left[0].contains("log-group"), "{left:?}");
    assert_eq!(rig.strays(true).await, []);
}

/// The same for a client that was killed: its function goes at once, and its role at a later time.
#[tokio::test]
async fn a_stray_role_of_workers_in_a_network_outlives_its_function() {
    let rig = Rig::new();
    rig.deploy(|builder| builder.vpc(["subnet-1"], ["sg-1"])).await.unwrap();
    let (provider, found) = (rig.provider(|builder| builder), rig.strays(true).await);
    let (function, role) = (&found[0], &found[2]);
    assert_eq!(provider.delete(function).await.unwrap(), Deleted::Now);
    provider.delete(&found[1]).await.unwrap();
    let stays = provider.delete(role).await.unwrap_err();
    assert!(stays.kind() == ErrorKind::Cleanup && stays.message().contains("network interfaces"), "{stays}");
    let left = rig.strays(true).await;
    let hour = SystemTime::now() + Duration::from_hours(1);
    assert!(left.len() == 1 && left[0].kind == "role", "{left:?}");
    assert!(left[0].expires.is_some_and(|at| at > hour && at < hour + Duration::from_mins(90)), "{left:?}");
    assert_eq!(rig.provider(|builder| builder).delete(role).await.unwrap(), Deleted::Now);
    assert_eq!(rig.aws.leftovers(), Vec::<String>::new());
}

/// Lambda removes the network interfaces with the role's rights, long after the function is gone.
#[tokio::test]
async fn a_role_of_workers_in_a_network_stays_for_two_hours_and_is_found_then() {
    let rig = Rig::new();
    let deployed = rig.deploy(|builder| builder.vpc(["subnet-1"], ["sg-1"])).await.unwrap();
    // Cleaning up once more changes nothing.
    for deleted in [2, 0] {
        let report = deployed.function.cleanup().await;
        assert!(report.is_clean() && report.deleted.len() == deleted, "{report:?}");
        assert!(report.notes.iter().any(|note| note.contains("network interfaces")), "{report:?}");
        let left = rig.aws.leftovers();
        assert!(left.len() == 1 && left[0].contains(":role/faast/"), "{left:?}");
    }
    let recorded = Ledger::read(&deployed.ledger).unwrap();
    assert!(recorded.len() == 1 && recorded[0].kind == "role", "{recorded:?}");
    let found = rig.strays(true).await;
    let soon = SystemTime::now() + Duration::from_hours(2) - Duration::from_mins(5);
    for expires in [found[0].expires.unwrap(), recorded[0].expires.unwrap()] {
        assert!((soon..soon + Duration::from_mins(10)).contains(&expires), "{expires:?}");
    }
    assert_eq!(rig.strays(false).await, []);
    rig.provider(|builder| builder).delete(&found[0]).await.unwrap();
    assert_eq!(rig.aws.leftovers(), Vec::<String>::new());
    std::fs::remove_file(&deployed.ledger).unwrap();
}
