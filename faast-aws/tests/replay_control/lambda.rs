//! Lambda's management calls.

use faast_aws::AwsOptions as _;
use faast_core::ErrorKind;
use faast_testkit::refusal::says;

use crate::account::Fault;
use crate::rig::Rig;

async fn create_fails(status: u16, code: &'static str, text: &'static str) -> faast_core::Error {
    let rig = Rig::failing("lambda:CreateFunction", Fault::new(status, code, text)).await;
    rig.refused(|builder| builder).await
}

#[tokio::test]
async fn a_missing_right_to_pass_roles_is_explained() {
    let text = "User: arn:aws:iam::123456789012:user/ann is not authorized to perform: iam:PassRole on resource: \
                arn:aws:iam::123456789012:role/faast/x because no identity-based policy allows the iam:PassRole action";
    let error = create_fails(403, "AccessDeniedException", text).await;
    let hint =
        "allow `iam:PassRole` to `arn:aws:iam::123456789012:user/ann` on `arn:aws:iam::123456789012:role/faast/x`";
    says(&error, ErrorKind::Denied, "iam:PassRole", hint);
}

#[tokio::test]
async fn code_storage_that_is_full_is_said_to_be() {
    let error = create_fails(400, "CodeStorageExceededException", "Code storage limit exceeded.").await;
    says(&error, ErrorKind::Deploy, "Code storage", "faast cleanup aws -x");
}

#[tokio::test]
async fn an_archive_that_is_too_large_is_said_to_be() {
    let error =
        create_fails(413, "RequestEntityTooLargeException", "Request must be smaller than 69905067 bytes").await;
    says(&error, ErrorKind::Deploy, "69905067", "250 MB");
    let text = "Unzipped size must be smaller than 262144000 bytes";
    says(&create_fails(400, "InvalidParameterValueException", text).await, ErrorKind::Deploy, "262144000", "250 MB");
}

#[tokio::test]
async fn a_role_that_lambda_may_not_assume_is_explained() {
    let text = "The role defined for the function cannot be assumed by Lambda.";
    let rig = Rig::failing("lambda:CreateFunction", Fault::new(400, "InvalidParameterValueException", text)).await;
    rig.account.state().made.insert(("role", "batch".into()), serde_json::json!({}));
    // It was made years ago: there is nothing to wait for.
    let error = rig.deploy(|builder| builder.role_name("batch")).await.err().unwrap();
    says(&error, ErrorKind::Deploy, "cannot be assumed", "trust policy");
    assert_eq!(rig.account.left().into_iter().collect::<Vec<_>>(), ["role"]);
    assert_eq!(rig.account.count("lambda:CreateFunction"), 1);
}

#[tokio::test]
async fn a_new_role_that_is_not_known_yet_is_waited_for() {
    let text = "The role defined for the function cannot be assumed by Lambda.";
    let fault = Fault::new(400, "InvalidParameterValueException", text).times(1);
    let rig = Rig::failing("lambda:CreateFunction", fault).await;
    rig.succeeds().await;
    assert_eq!(rig.account.count("lambda:CreateFunction"), 2);
}

#[tokio::test]
async fn values_that_lambda_refuses_lead_to_the_option() {
    let invalid = "InvalidParameterValueException";
    let table = [
        (
            "Error occurred while DescribeSubnets. EC2 Error Message: The subnet ID 'subnet-1' does not exist",
            ".vpc(..)",
        ),
        ("Layer version arn:aws:lambda:us-west-2:1:layer:x:1 does not exist.", ".layer(..)"),
        (
            "'MemorySize' value failed to satisfy constraint: Member must have value less than or equal to 3008",
            ".memory_mb(..)",
        ),
    ];
    for (text, hint) in table {
        says(&create_fails(400, invalid, text).await, ErrorKind::Config, &text[..20], hint);
    }
}

#[tokio::test]
async fn a_value_that_a_service_repeats_is_not_shown() {
    let text = "Value '{PASSWORD=planted-value-of-env}' at 'environment.variables' failed to satisfy constraint";
    let error = create_fails(400, "ValidationException", text).await;
    says(&error, ErrorKind::Config, "PASSWORD=***", ".env(..)");
}

#[tokio::test]
async fn throttling_and_faults_are_reported_after_six_attempts() {
    for (status, code, kind) in
        [(429, "TooManyRequestsException", ErrorKind::Throttled), (500, "ServiceException", ErrorKind::Unavailable)]
    {
        let rig = Rig::failing("lambda:CreateFunction", Fault::new(status, code, "again later")).await;
        says(&rig.refused(|builder| builder).await, kind, "again later", "");
        assert_eq!(rig.account.count("lambda:CreateFunction"), 6);
        assert_eq!(rig.account.count("lambda:DeleteFunction"), 1);
    }
}

#[tokio::test]
async fn a_function_of_somebody_else_with_the_same_name_is_left_to_them() {
    let text = "Function already exist: faast-x";
    let rig = Rig::failing("lambda:CreateFunction", Fault::new(409, "ResourceConflictException", text)).await;
    let theirs = ("function", rig.name());
    rig.account.state().made.insert(theirs.clone(), serde_json::json!({}));
    let error = rig.deploy(|builder| builder).await.err().unwrap();
    says(&error, ErrorKind::Deploy, "already exist", "did not make");
    assert_eq!(rig.account.count("lambda:DeleteFunction"), 0);
    assert_eq!(rig.account.state().made.keys().collect::<Vec<_>>(), [&theirs]);
}

#[tokio::test]
async fn a_function_whose_answer_was_lost_is_recognised() {
    let lost = Fault::new(409, "ResourceConflictException", "Function already exist: faast-x").times(1).carried_out();
    let rig = Rig::failing("lambda:CreateFunction", lost).await;
    rig.succeeds().await;
    assert_eq!(rig.account.count("lambda:GetFunction"), 1);
}

#[tokio::test]
async fn a_function_that_fails_says_why() {
    let rig = Rig::new().await;
    let reason = ["Failed", "The subnet has no free IP addresses", "SubnetOutOfIPAddresses"];
    rig.account.state().stuck = Some(reason);
    let error = rig.refused(|builder| builder).await;
    says(&error, ErrorKind::Deploy, "no free IP addresses (SubnetOutOfIPAddresses)", "a subnet needs free addresses");
}

#[tokio::test]
async fn an_archive_that_arrives_damaged_is_not_run() {
    let rig = Rig::new().await;
    rig.account.state().damages = true;
    says(&rig.refused(|builder| builder).await, ErrorKind::Deploy, "arrived damaged", "proxy");
}

#[tokio::test]
async fn an_account_that_may_not_be_asked_for_its_limits_is_no_obstacle() {
    let denied = Fault::new(403, "AccessDeniedException", "not authorized");
    let rig = Rig::failing("lambda:GetAccountSettings", denied).await;
    let function = rig.deploy(|builder| builder).await.unwrap();
    assert_eq!(function.limits().concurrency, None);
    assert!(function.cleanup().await.is_clean());
}

#[tokio::test]
async fn in_a_network_a_role_whose_function_never_was_goes_with_the_deployment() {
    let rig = Rig::failing("lambda:CreateFunction", Fault::new(400, "InvalidParameterValueException", "odd")).await;
    let error = rig.refused(|builder| builder.vpc(["subnet-1"], ["sg-1"])).await;
    says(&error, ErrorKind::Config, "odd", "options");
    assert_eq!(rig.account.count("iam:DeleteRole"), 1);
}
