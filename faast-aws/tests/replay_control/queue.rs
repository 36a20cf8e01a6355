//! What queue mode makes more, and how that fails.

use faast_aws::AwsOptions as _;
use faast_core::provider::Mode;
use faast_core::{Error, ErrorKind};
use faast_testkit::refusal::says;

use crate::account::Fault;
use crate::rig::Rig;

const UNKNOWN_RIGHT: &str = "The provided execution role does not have permissions to call SendMessage on SQS";

async fn failing(action: &str, fault: Fault) -> Rig {
    let mut rig = Rig::failing(action, fault).await;
    rig.spec.mode = Mode::Queue;
    rig
}

async fn refused(action: &str, fault: Fault) -> Error {
    failing(action, fault).await.refused(|builder| builder).await
}

#[tokio::test]
async fn a_queue_that_may_not_be_made_is_said_to_be_and_nothing_is_left() {
    let text = "User: arn:aws:iam::123456789012:user/ann is not authorized to perform: sqs:createqueue on resource: x";
    let error = refused("sqs:CreateQueue", Fault::new(403, "AccessDeniedException", text)).await;
    says(
        &error,
        ErrorKind::Denied,
        "sqs:CreateQueue",
        "allow `sqs:createqueue` to `arn:aws:iam::123456789012:user/ann`",
    );
}

#[tokio::test]
async fn a_queue_whose_making_was_lost_on_the_way_back_is_ours_all_the_same() {
    let rig = failing("sqs:CreateQueue", Fault::new(500, "InternalFailure", "no").times(1).carried_out()).await;
    rig.succeeds().await;
    assert_eq!(rig.account.count("sqs:CreateQueue"), 2);
}

#[tokio::test]
async fn a_right_that_is_not_known_yet_is_waited_for() {
    let fault = Fault::new(400, "InvalidParameterValueException", UNKNOWN_RIGHT).times(1);
    let rig = failing("lambda:PutFunctionEventInvokeConfig", fault).await;
    rig.succeeds().await;
    assert_eq!(rig.account.count("lambda:PutFunctionEventInvokeConfig"), 2);
}

#[tokio::test]
async fn a_role_of_the_users_that_may_not_write_answers_is_explained() {
    let fault = Fault::new(400, "InvalidParameterValueException", UNKNOWN_RIGHT);
    let rig = failing("lambda:PutFunctionEventInvokeConfig", fault).await;
    rig.account.state().made.insert(("role", "batch".into()), serde_json::json!({}));
    let error = rig.deploy(|builder| builder.role_name("batch")).await.err().unwrap();
    let hint = format!("allow `sqs:SendMessage` on `arn:aws:sqs:us-west-2:123456789012:{}`", rig.name());
    says(&error, ErrorKind::Denied, "may not write to the queue", &hint);
    assert_eq!(rig.account.left().into_iter().collect::<Vec<_>>(), ["role"]);
}

#[tokio::test]
async fn destinations_that_lambda_refuses_leave_nothing() {
    let fault = Fault::new(400, "InvalidParameterValueException", "MaximumEventAgeInSeconds is odd");
    let error = refused("lambda:PutFunctionEventInvokeConfig", fault).await;
    says(&error, ErrorKind::Config, "lambda:PutFunctionEventInvokeConfig", "options");
}

#[tokio::test]
async fn a_queue_that_can_not_be_deleted_is_reported() {
    let rig = failing("sqs:DeleteQueue", Fault::new(403, "AccessDeniedException", "no")).await;
    let function = rig.deploy(|builder| builder).await.unwrap();
    let report = function.cleanup().await;
    let left: Vec<_> = report.left.iter().map(|(resource, _)| resource.kind.as_str()).collect();
    assert_eq!(left, ["queue"], "{report:?}");
    assert_eq!(rig.account.left().into_iter().collect::<Vec<_>>(), ["queue"]);
}

#[tokio::test]
async fn a_new_queue_that_is_not_known_everywhere_is_not_forgotten() {
    let mut rig = Rig::new().await;
    rig.spec.mode = Mode::Queue;
    let function = rig.deploy(|builder| builder).await.unwrap();
    let unknown = Fault::new(400, "QueueDoesNotExist", "The specified queue does not exist.").times(2);
    rig.account.fault("sqs:GetQueueUrl", unknown);
    let report = function.cleanup().await;
    assert!(report.is_clean() && rig.account.left().is_empty(), "{report:?}, left: {:?}", rig.account.left());
    assert_eq!(rig.account.count("sqs:DeleteQueue"), 1);
}
