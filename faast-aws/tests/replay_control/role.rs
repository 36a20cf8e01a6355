//! IAM.

use faast_aws::AwsOptions as _;
use faast_core::ErrorKind;
use faast_testkit::refusal::says;

use crate::account::Fault;
use crate::rig::Rig;

#[tokio::test]
async fn a_denied_action_is_named_with_the_principal() {
    let text = "User: arn:aws:iam::123456789012:user/ann is not authorized to perform: iam:CreateRole on resource: \
                arn:aws:iam::123456789012:role/faast/x because no identity-based policy allows the iam:CreateRole action";
    let rig = Rig::failing("iam:CreateRole", Fault::new(403, "AccessDenied", text)).await;
    let error = rig.refused(|builder| builder).await;
    says(&error, ErrorKind::Denied, "not authorized", "allow `iam:CreateRole` to `arn:aws:iam::123456789012:user/ann`");
    // Nothing to delete: it was never made.
    assert_eq!(rig.account.count("iam:DeleteRole"), 0);
}

#[tokio::test]
async fn expired_credentials_are_told_apart_from_wrong_ones() {
    let expired = Fault::new(403, "ExpiredToken", "The security token included in the request is expired");
    let error = Rig::failing("iam:CreateRole", expired).await.refused(|builder| builder).await;
    says(&error, ErrorKind::Denied, "have expired", "aws sso login");
    let unknown = Fault::new(403, "InvalidClientTokenId", "The security token included in the request is invalid");
    let error = Rig::failing("iam:CreateRole", unknown).await.refused(|builder| builder).await;
    says(&error, ErrorKind::Denied, "InvalidClientTokenId", "check the access key");
}

#[tokio::test]
async fn what_a_service_says_about_a_signature_is_not_shown() {
    let text =
        "The Canonical String for this request should have been 'POST / x-amz-security-token:planted-session-token'";
    let rig = Rig::failing("iam:CreateRole", Fault::new(403, "SignatureDoesNotMatch", text)).await;
    let error = rig.refused(|builder| builder).await;
    says(&error, ErrorKind::Denied, "SignatureDoesNotMatch", "check the access key");
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_said_to_be() {
    let text = "Signature expired: 20261122T120000Z is now earlier than 20261122T121000Z";
    let rig = Rig::failing("iam:CreateRole", Fault::new(403, "SignatureDoesNotMatch", text)).await;
    says(&rig.refused(|builder| builder).await, ErrorKind::Denied, "was refused", "set this machine's clock");
}

#[tokio::test]
async fn a_quota_of_roles_is_said_to_be_used_up() {
    let rig = Rig::failing(
        "iam:CreateRole",
        Fault::new(409, "LimitExceeded", "Cannot exceed quota for RolesPerAccount: 1000"),
    );
    says(&rig.await.refused(|builder| builder).await, ErrorKind::Deploy, "RolesPerAccount", "quota raised");
}

#[tokio::test]
async fn a_fault_that_stays_is_reported_after_six_attempts() {
    let rig = Rig::failing("iam:CreateRole", Fault::new(500, "ServiceFailure", "internal")).await;
    says(&rig.refused(|builder| builder).await, ErrorKind::Unavailable, "ServiceFailure", "try again");
    assert_eq!(rig.account.count("iam:CreateRole"), 6);
    // It may have been made all the same.
    assert_eq!(rig.account.count("iam:DeleteRole"), 1);
}

#[tokio::test]
async fn throttling_passes_or_is_reported() {
    let fault = || Fault::new(400, "Throttling", "Rate exceeded");
    Rig::failing("iam:CreateRole", fault().times(3)).await.succeeds().await;
    let error = Rig::failing("iam:CreateRole", fault()).await.refused(|builder| builder).await;
    says(&error, ErrorKind::Throttled, "Rate exceeded", "fewer things at once");
}

#[tokio::test]
async fn a_name_that_somebody_else_has_is_left_to_them() {
    let rig =
        Rig::failing("iam:CreateRole", Fault::new(409, "EntityAlreadyExists", "Role with name x already exists."));
    let rig = rig.await;
    let theirs = ("role", rig.name());
    rig.account.state().made.insert(theirs.clone(), serde_json::json!({"team": "ml"}));
    let error = rig.deploy(|builder| builder).await.err().unwrap();
    says(&error, ErrorKind::Deploy, "already exists", "deploy again");
    assert_eq!(rig.account.count("iam:DeleteRole"), 0);
    assert_eq!(rig.account.state().made.keys().collect::<Vec<_>>(), [&theirs]);
}

#[tokio::test]
async fn a_role_whose_answer_was_lost_is_recognised() {
    let rig =
        Rig::failing("iam:CreateRole", Fault::new(500, "ServiceFailure", "internal").times(1).carried_out()).await;
    // The second attempt finds the name taken.
    rig.succeeds().await;
    assert_eq!((rig.account.count("iam:CreateRole"), rig.account.count("iam:GetRole")), (2, 1));
}

#[tokio::test]
async fn a_policy_that_can_not_be_given_takes_the_function_with_it() {
    let text =
        "User: arn:aws:iam::123456789012:user/ann is not authorized to perform: iam:AttachRolePolicy on resource: x";
    let rig = Rig::failing("iam:AttachRolePolicy", Fault::new(403, "AccessDenied", text)).await;
    says(&rig.refused(|builder| builder).await, ErrorKind::Denied, "not authorized", "allow `iam:AttachRolePolicy`");
}

#[tokio::test]
async fn a_policy_that_does_not_exist_is_named() {
    let arn = "arn:aws:iam::123456789012:policy/no-such";
    let rig = Rig::failing("iam:AttachRolePolicy", Fault::new(404, "NoSuchEntity", "Policy does not exist")).await;
    says(&rig.refused(|builder| builder.policy_arn(arn)).await, ErrorKind::Config, arn, ".policy_arn(..)");
}

#[tokio::test]
async fn changes_at_the_same_time_and_roles_that_are_not_known_yet_pass() {
    let rig =
        Rig::failing("iam:PutRolePolicy", Fault::new(404, "NoSuchEntity", "The role cannot be found").times(2)).await;
    rig.account.fault("iam:AttachRolePolicy", Fault::new(409, "ConcurrentModification", "being modified").times(1));
    rig.succeeds().await;
}

#[tokio::test]
async fn a_role_that_can_not_be_deleted_is_in_the_report() {
    let rig = Rig::failing("iam:DeleteRole", Fault::new(403, "AccessDenied", "not allowed")).await;
    let function = rig.deploy(|builder| builder).await.unwrap();
    let report = function.cleanup().await;
    assert_eq!(report.left.len(), 1, "{report:?}");
    assert_eq!(report.left[0].0.kind, "role");
    assert!(report.left[0].1.contains("`iam:DeleteRole` was refused"), "{report:?}");
    // The ledger still has it, and a later attempt takes it.
    assert!(rig.context.ledger.path().exists());
    rig.account.fault("iam:DeleteRole", Fault::new(403, "AccessDenied", "").times(0));
    assert!(function.cleanup().await.is_clean());
    assert!(rig.account.left().is_empty() && !rig.context.ledger.path().exists());
}

#[tokio::test]
async fn a_new_role_that_is_not_known_everywhere_is_not_forgotten() {
    let rig = Rig::new().await;
    let function = rig.deploy(|builder| builder).await.unwrap();
    let unknown = Fault::new(404, "NoSuchEntity", "The role with name x cannot be found.").times(2);
    rig.account.fault("iam:ListAttachedRolePolicies", unknown);
    let report = function.cleanup().await;
    assert!(report.is_clean() && rig.account.left().is_empty(), "{report:?}, left: {:?}", rig.account.left());
}
