//! CloudWatch Logs, S3 and the tagging service.

use faast_core::ErrorKind;
use faast_core::provider::{CloudProvider as _, StrayScope};
use faast_testkit::refusal::says;
use futures_util::StreamExt as _;

use crate::account::Fault;
use crate::rig::Rig;

#[tokio::test]
async fn a_log_group_that_may_not_be_made_stops_the_deployment() {
    let text =
        "User: arn:aws:iam::123456789012:user/ann is not authorized to perform: logs:CreateLogGroup on resource: x";
    let rig = Rig::failing("logs:CreateLogGroup", Fault::new(400, "AccessDeniedException", text)).await;
    says(&rig.refused(|builder| builder).await, ErrorKind::Denied, "not authorized", "allow `logs:CreateLogGroup`");
}

#[tokio::test]
async fn a_quota_of_log_groups_is_said_to_be_used_up() {
    let rig =
        Rig::failing("logs:CreateLogGroup", Fault::new(400, "LimitExceededException", "Resource limit exceeded."));
    says(&rig.await.refused(|builder| builder).await, ErrorKind::Deploy, "limit exceeded", "quota raised");
}

#[tokio::test]
async fn conflicts_and_faults_of_the_logs_pass() {
    let rig =
        Rig::failing("logs:CreateLogGroup", Fault::new(400, "OperationAbortedException", "conflict").times(1)).await;
    rig.account.fault("logs:DeleteLogGroup", Fault::new(503, "ServiceUnavailableException", "later").times(2));
    rig.succeeds().await;
}

#[tokio::test]
async fn a_log_group_whose_answer_was_lost_is_recognised_and_one_of_others_is_left_alone() {
    let taken = || Fault::new(400, "ResourceAlreadyExistsException", "The specified log group already exists");
    Rig::failing("logs:CreateLogGroup", taken().times(1).carried_out()).await.succeeds().await;
    let rig = Rig::failing("logs:CreateLogGroup", taken()).await;
    let theirs = ("log group", format!("/aws/lambda/{}", rig.name()));
    rig.account.state().made.insert(theirs.clone(), serde_json::json!({"team": "ml"}));
    let error = rig.deploy(|builder| builder).await.err().unwrap();
    says(&error, ErrorKind::Deploy, "already exists", "did not make");
    assert_eq!(rig.account.count("logs:DeleteLogGroup"), 0);
    assert_eq!(rig.account.state().made.keys().collect::<Vec<_>>(), [&theirs]);
}

#[tokio::test]
async fn logs_that_never_expire_are_no_obstacle() {
    let denied = Fault::new(400, "AccessDeniedException", "not authorized");
    Rig::failing("logs:PutRetentionPolicy", denied).await.succeeds().await;
}

#[tokio::test]
async fn refusals_of_the_bucket_for_a_large_archive_are_explained() {
    let files = tempfile::tempdir().unwrap();
    let mut noise = vec![0; 54 << 20];
    fastrand::Rng::with_seed(2).fill(&mut noise);
    std::fs::write(files.path().join("noise"), noise).unwrap();
    let table = [
        ("s3:CreateBucket", 403, "AccessDenied", ErrorKind::Denied, "allow `s3:CreateBucket`"),
        ("s3:CreateBucket", 400, "TooManyBuckets", ErrorKind::Deploy, "quota raised"),
        ("s3:PutObject", 403, "AccessDenied", ErrorKind::Denied, "allow `s3:PutObject`"),
        ("s3:CreateBucket", 503, "SlowDown", ErrorKind::Throttled, "fewer things at once"),
    ];
    for (action, status, code, kind, hint) in table {
        let mut rig = Rig::failing(action, Fault::new(status, code, "no")).await;
        rig.spec.staged = Some(files.path().to_owned());
        says(&rig.refused(|builder| builder).await, kind, action, hint);
        assert_eq!(rig.account.count("lambda:CreateFunction"), 0);
    }
}

#[tokio::test]
async fn strays_that_can_not_be_listed_are_an_error_beside_those_that_can() {
    let rig = Rig::failing("tag:GetResources", Fault::new(400, "AccessDeniedException", "not authorized")).await;
    let found: Vec<_> = rig.provider(|builder| builder).stray(&StrayScope::default()).collect().await;
    assert_eq!(found.len(), 1);
    says(found[0].as_ref().unwrap_err(), ErrorKind::Denied, "tag:GetResources", "allow `tag:GetResources`");
    assert_eq!(rig.account.count("iam:ListRoles"), 1);
}
