//! Conditions of policies, as an account has them that lets its people pass one kind of role and touch what is theirs.

use faast_testkit::emulator_aws::{AwsEmulator, Credentials};
use faast_testkit::http::Answer;
use serde_json::json;

use crate::client::{Ask, TRUST, Told as _};

const ROLE: &str = "arn:aws:iam::123456789012:role/faast/worker";

/// An archive with a bootstrap that does nothing.
const ARCHIVE: &str = "UEsDBBQAAAAAAAAAIQAdnfsECgAAAAoAAAAJAAAAYm9vdHN0cmFwIyEvYmluL3NoClBLAQIUAxQAAAAAAAAAIQAdnfsECgAAAAoA\
    AAAJAAAAAAAAAAAAAADtAQAAAABib290c3RyYXBQSwUGAAAAAAEAAQA3AAAAMQAAAAAA";

/// A user with one statement, or more, and what they are.
fn user(aws: &AwsEmulator, statements: &serde_json::Value) -> Credentials {
    aws.add_user(&json!({ "Version": "2012-10-17", "Statement": statements }).to_string())
}

fn account() -> (AwsEmulator, Credentials) {
    let aws = AwsEmulator::builder().enforce_iam(true).start();
    let maker = user(&aws, &json!({ "Effect": "Allow", "Action": "*", "Resource": "*" }));
    (aws, maker)
}

fn create_role(name: &str, tags: &[(&str, &str)]) -> Ask<'static> {
    let mut fields = vec![("RoleName".to_owned(), name), ("AssumeRolePolicyDocument".to_owned(), TRUST)];
    fields.push(("Path".to_owned(), "/faast/"));
    for (at, (key, value)) in (1..).zip(tags) {
        fields.push((format!("Tags.member.{at}.Key"), key));
        fields.push((format!("Tags.member.{at}.Value"), value));
    }
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    Ask::form("iam", "CreateRole", &fields)
}

fn create_group(name: &str, tags: &serde_json::Value) -> Ask<'static> {
    Ask::json("logs", "CreateLogGroup", &json!({ "logGroupName": name, "tags": tags }))
}

fn delete_group(name: &str) -> Ask<'static> {
    Ask::json("logs", "DeleteLogGroup", &json!({ "logGroupName": name }))
}

/// The code of a refusal.
fn code(answer: &Answer) -> String {
    answer.refusal().1
}

#[test]
fn a_role_is_passed_to_the_service_that_a_condition_names() {
    let (aws, maker) = account();
    assert_eq!(create_role("worker", &[]).send_by(&aws, &maker).status, 200);
    let function = json!({
        "FunctionName": "f", "Runtime": "provided.al2023", "Role": ROLE, "Handler": "h", "Code": { "ZipFile": "AAAA" },
    });
    let create = |service: &str| {
        let passing = json!({ "StringEquals": { "iam:PassedToService": service } });
        let statements = json!([
            { "Effect": "Allow", "Action": "lambda:*", "Resource": "*" },
            { "Effect": "Allow", "Action": "iam:PassRole", "Resource": ROLE, "Condition": passing },
        ]);
        let user = user(&aws, &statements);
        Ask::new("lambda", "POST", "/2015-03-31/functions", function.to_string()).send_by(&aws, &user)
    };
    let denied = create("ec2.amazonaws.com");
    assert_eq!(code(&denied), "AccessDeniedException");
    assert!(denied.text().contains("not authorized to perform: iam:PassRole"), "{denied:?}");
    // Whoever may pass it gets as far as the archive, which is none.
    assert_eq!(code(&create("lambda.amazonaws.com")), "InvalidParameterValueException");
}

#[test]
fn what_is_made_needs_the_tags_that_a_condition_asks_for_and_no_others() {
    let (aws, _) = account();
    let condition = json!({
        "StringLike": { "aws:RequestTag/faast:deployment": "?*" },
        "ForAllValues:StringLike": { "aws:TagKeys": "faast:*" },
    });
    let actions = json!(["iam:CreateRole", "iam:TagRole", "logs:CreateLogGroup", "logs:TagResource"]);
    let user = user(&aws, &json!({ "Effect": "Allow", "Action": actions, "Resource": "*", "Condition": condition }));
    let (good, more) = (("faast:deployment", "1"), ("team", "blue"));
    assert_eq!(code(&create_role("none", &[]).send_by(&aws, &user)), "AccessDenied");
    assert_eq!(code(&create_role("more", &[good, more]).send_by(&aws, &user)), "AccessDenied");
    assert_eq!(create_role("good", &[good]).send_by(&aws, &user).status, 200);
    let denied = create_group("/faast/none", &json!({ "team": "blue" })).send_by(&aws, &user);
    assert_eq!(code(&denied), "AccessDeniedException");
    assert_eq!(create_group("/faast/good", &json!({ "faast:deployment": "1" })).send_by(&aws, &user).status, 200);
    assert_eq!(aws.leftovers().len(), 2, "{:?}", aws.leftovers());
}

#[test]
fn what_is_there_is_touched_by_its_tags_and_a_deny_keeps_the_rest() {
    let (aws, maker) = account();
    for (name, owner) in [("/theirs", "red"), ("/ours", "blue"), ("/kept", "blue")] {
        assert_eq!(create_group(name, &json!({ "owner": owner, "name": name })).send_by(&aws, &maker).status, 200);
    }
    let ours = json!({ "StringEquals": { "aws:ResourceTag/owner": "blue" } });
    let kept = json!({ "StringEquals": { "aws:ResourceTag/name": "/kept" } });
    let user = user(
        &aws,
        &json!([
            { "Effect": "Allow", "Action": "logs:*", "Resource": "*", "Condition": ours },
            { "Effect": "Deny", "Action": "logs:DeleteLogGroup", "Resource": "*", "Condition": kept },
        ]),
    );
    let theirs = delete_group("/theirs").send_by(&aws, &user);
    assert!(
        code(&theirs) == "AccessDeniedException" && theirs.text().contains("no identity-based policy"),
        "{theirs:?}"
    );
    let kept = delete_group("/kept").send_by(&aws, &user);
    assert!(kept.text().contains("with an explicit deny"), "{kept:?}");
    assert_eq!(delete_group("/ours").send_by(&aws, &user).status, 200);
    assert_eq!(aws.leftovers().len(), 2, "{:?}", aws.leftovers());
}

#[test]
fn a_policy_is_attached_that_a_condition_names() {
    let (aws, maker) = account();
    assert_eq!(create_role("worker", &[]).send_by(&aws, &maker).status, 200);
    let only = json!({ "ArnLike": { "iam:PolicyARN": "arn:aws:iam::aws:policy/service-role/AWSLambda*" } });
    let user =
        user(&aws, &json!({ "Effect": "Allow", "Action": "iam:AttachRolePolicy", "Resource": "*", "Condition": only }));
    let attach = |arn: &str| {
        let fields = [("RoleName", "worker"), ("PolicyArn", arn)];
        Ask::form("iam", "AttachRolePolicy", &fields).send_by(&aws, &user)
    };
    assert_eq!(code(&attach("arn:aws:iam::aws:policy/AdministratorAccess")), "AccessDenied");
    let basic = attach("arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole");
    assert_eq!(basic.status, 200, "{basic:?}");
}

#[test]
fn what_nothing_here_knows_allows_nothing_and_denies() {
    let (aws, _) = account();
    let from = json!({ "StringNotEqualsIfExists": { "aws:SourceVpc": "vpc-1" } });
    let all = |effect: &str, condition: &serde_json::Value| json!({ "Effect": effect, "Action": "logs:*", "Resource": "*", "Condition": condition });
    let allowed = user(&aws, &all("Allow", &from));
    assert_eq!(code(&create_group("/faast/1", &json!({})).send_by(&aws, &allowed)), "AccessDeniedException");
    let denied = user(&aws, &json!([all("Allow", &json!({})), all("Deny", &from)]));
    let answer = create_group("/faast/1", &json!({})).send_by(&aws, &denied);
    assert!(answer.text().contains("with an explicit deny"), "{answer:?}");
    assert!(aws.leftovers().is_empty());
}

#[test]
fn a_condition_of_no_known_kind_is_a_malformed_policy() {
    let (aws, maker) = account();
    assert_eq!(create_role("worker", &[]).send_by(&aws, &maker).status, 200);
    let condition = json!({ "stringEquals": { "aws:RequestedRegion": "us-west-2" } });
    let statement = json!({ "Effect": "Allow", "Action": "logs:*", "Resource": "*", "Condition": condition });
    let policy = json!({ "Version": "2012-10-17", "Statement": statement }).to_string();
    let fields = [("RoleName", "worker"), ("PolicyName", "p"), ("PolicyDocument", policy.as_str())];
    let refused = Ask::form("iam", "PutRolePolicy", &fields).send_by(&aws, &maker);
    assert_eq!(code(&refused), "MalformedPolicyDocument");
    assert!(refused.text().contains("Invalid Condition type : stringEquals"), "{refused:?}");
}

#[test]
fn a_role_that_lambda_may_assume_for_another_account_only_is_no_role_for_this_one() {
    let (aws, maker) = account();
    let create = |name: &str, account: &str| {
        let trust = json!({ "Version": "2012-10-17", "Statement": {
            "Effect": "Allow", "Principal": { "Service": "lambda.amazonaws.com" }, "Action": "sts:AssumeRole",
            "Condition": { "StringEquals": { "aws:SourceAccount": account } },
        }});
        let fields = [("RoleName", name), ("AssumeRolePolicyDocument", &trust.to_string())];
        assert_eq!(Ask::form("iam", "CreateRole", &fields).send_by(&aws, &maker).status, 200);
        aws.advance(std::time::Duration::from_mins(1));
        let function = json!({
            "FunctionName": name, "Runtime": "provided.al2023", "Handler": "h",
            "Role": format!("arn:aws:iam::123456789012:role/{name}"), "Code": { "ZipFile": ARCHIVE },
        });
        Ask::new("lambda", "POST", "/2015-03-31/functions", function.to_string()).send_by(&aws, &maker)
    };
    let refused = create("theirs", "210987654321");
    assert!(refused.text().contains("cannot be assumed by Lambda"), "{refused:?}");
    let made = create("ours", "123456789012");
    assert_eq!(made.status, 201, "{made:?}");
}
