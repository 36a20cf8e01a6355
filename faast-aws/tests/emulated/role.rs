//! The forms of the workers' role.

use std::time::Duration;

use aws_sdk_iam::Client;
use faast_aws::AwsOptions as _;
use faast_testkit::emulator_aws::AwsEmulator;

use crate::rig::{Deployed, Rig};

const POLICY: &str = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";

/// The attached policies of a deployment's own role, and its inline policy as text.
async fn policies(rig: &Rig, deployed: &Deployed) -> (Vec<String>, String) {
    let iam = Client::new(&rig.sdk().await);
    let attached = iam.list_attached_role_policies().role_name(deployed.name()).send().await.unwrap();
    let attached = attached.attached_policies().iter().filter_map(|policy| policy.policy_arn.clone()).collect();
    let inline = iam.get_role_policy().role_name(deployed.name()).policy_name("faast").send().await.unwrap();
    (attached, inline.policy_document)
}

#[tokio::test]
async fn the_default_is_the_administrator_who_may_not_make_log_groups() {
    let rig = Rig::new();
    let deployed = rig.deploy(|builder| builder).await.unwrap();
    let (attached, inline) = policies(&rig, &deployed).await;
    assert_eq!(attached, ["arn:aws:iam::aws:policy/AdministratorAccess"]);
    assert!(inline.contains("Deny") && inline.contains("CreateLogGroup") && !inline.contains("Allow"), "{inline}");
    deployed.cleanup().await;
}

#[tokio::test]
async fn a_policy_takes_the_administrators_place() {
    let rig = Rig::new();
    let deployed = rig.deploy(|builder| builder.policy_arn(POLICY)).await.unwrap();
    let (attached, inline) = policies(&rig, &deployed).await;
    assert_eq!(attached, [POLICY]);
    assert!(inline.contains("Deny"), "{inline}");
    deployed.cleanup().await;
}

#[tokio::test]
async fn least_privilege_writes_its_own_logs_and_nothing_else() {
    let rig = Rig::of(AwsEmulator::builder().enforce_iam(false));
    let deployed = rig.deploy(faast_aws::AwsOptions::least_privilege).await.unwrap();
    let (attached, inline) = policies(&rig, &deployed).await;
    assert!(attached.is_empty(), "{attached:?}");
    let group = format!("log-group%3A%2Faws%2Flambda%2F{}%3A", deployed.name());
    assert!(
        inline.contains(&group) || inline.contains(&format!("log-group:/aws/lambda/{}:*", deployed.name())),
        "{inline}"
    );
    assert_eq!(deployed.hello("narrow").await, "hello narrow");
    deployed.cleanup().await;
}

#[tokio::test]
async fn a_named_role_is_used_and_left_alone() {
    let rig = Rig::new();
    let iam = Client::new(&rig.sdk().await);
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    iam.create_role().role_name("batch").assume_role_policy_document(trust).send().await.unwrap();
    let deployed = rig.deploy(|builder| builder.role_name("batch")).await.unwrap();
    assert_eq!(deployed.hello("named").await, "hello named");
    deployed.cleanup().await;
    assert!(iam.get_role().role_name("batch").send().await.is_ok());
    assert!(
        rig.actions()
            .iter()
            .filter(|action| action.starts_with("iam:"))
            .all(|action| { ["iam:CreateRole", "iam:GetRole"].contains(&action.as_str()) })
    );
}

#[tokio::test]
async fn a_role_that_does_not_exist_never_becomes_the_administrator() {
    for policy in [None, Some(POLICY)] {
        let rig = Rig::new();
        let named = |builder: faast_core::Builder<faast_aws::Aws>| {
            let builder = builder.role_name("no-such-role");
            policy.map_or(builder.clone(), |arn| builder.policy_arn(arn))
        };
        let deployed = rig.deploy(named).await.unwrap();
        let (attached, _) = policies(&rig, &deployed).await;
        assert_eq!(attached, policy.into_iter().collect::<Vec<_>>());
        deployed.cleanup().await;
        assert_eq!(rig.aws.leftovers(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_new_role_is_waited_for() {
    let known_after = Duration::from_hours(1);
    let rig = Rig::of(AwsEmulator::builder().role_propagation(known_after));
    let attempts = || rig.actions().iter().filter(|action| *action == "lambda:CreateFunction").count();
    let time_passes = async {
        while attempts() < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        rig.aws.advance(known_after);
    };
    let (deployed, ()) = tokio::join!(rig.deploy(|builder| builder), time_passes);
    let deployed = deployed.unwrap();
    assert!(attempts() >= 2);
    assert_eq!(deployed.hello("late").await, "hello late");
    deployed.cleanup().await;
}
