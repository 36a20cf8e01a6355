//! Who may do what: keys, signatures, expired credentials and policies, with AWS's words.

use std::time::Duration;

use faast_testkit::emulator_aws::AwsEmulator;
use serde_json::json;

use crate::client::{Ask, TRUST, Told as _};

fn account() -> AwsEmulator {
    AwsEmulator::builder().enforce_iam(true).start()
}

fn policy(statement: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#)
}

const ALL: &str = r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#;

fn identity() -> Ask<'static> {
    Ask::form("sts", "GetCallerIdentity", &[])
}

fn create_role() -> Ask<'static> {
    let fields = [("RoleName", "worker"), ("Path", "/faast/"), ("AssumeRolePolicyDocument", TRUST)];
    Ask::form("iam", "CreateRole", &fields)
}

#[test]
fn a_user_is_known_by_key_and_signature() {
    let aws = account();
    let user = aws.add_user(&policy(ALL));
    let answer = identity().send_by(&aws, &user);
    assert!(answer.text().contains("<Arn>arn:aws:iam::123456789012:user/user-1</Arn>"), "{answer:?}");
    let wrong = identity().send_as(&aws, (&user.access_key, "another secret"));
    assert_eq!((wrong.refusal().0, wrong.refusal().1.as_str()), (403, "SignatureDoesNotMatch"));
    let unknown = identity().send_as(&aws, ("AKIAUNKNOWN", "x"));
    assert_eq!((unknown.refusal().0, unknown.refusal().1.as_str()), (403, "InvalidClientTokenId"));
}

#[test]
fn a_signature_counts_for_five_minutes() {
    let aws = account();
    let user = aws.add_user(&policy(ALL));
    aws.advance(Duration::from_mins(4));
    assert_eq!(identity().send_by(&aws, &user).status, 200);
    aws.advance(Duration::from_mins(2));
    let late = identity().send_by(&aws, &user);
    assert_eq!((late.refusal().0, late.refusal().1.as_str()), (403, "SignatureDoesNotMatch"));
    assert!(late.text().contains("Signature expired: ") && late.text().contains(" is now earlier than "), "{late:?}");
}

#[test]
fn every_family_of_services_has_its_own_codes_for_doubts() {
    let aws = account();
    let user = aws.add_user(&policy(ALL));
    let asks: [fn() -> Ask<'static>; 5] = [
        identity,
        || Ask::new("lambda", "GET", "/2015-03-31/functions/", ""),
        || Ask::new("s3", "GET", "/", ""),
        || Ask::json("logs", "DescribeLogGroups", &json!({})),
        || Ask::json("sqs", "ListQueues", &json!({})),
    ];
    let codes = |send: &dyn Fn(Ask<'static>) -> (u16, String)| asks.map(|ask| send(ask()));
    let found = codes(&|ask| {
        let answer = ask.send_as(&aws, ("AKIAUNKNOWN", "x"));
        (answer.status, answer.refusal().1)
    });
    let named = |expected: [(u16, &str); 5]| expected.map(|(status, code)| (status, code.to_owned()));
    assert_eq!(
        found,
        named([
            (403, "InvalidClientTokenId"),
            (403, "UnrecognizedClientException"),
            (403, "InvalidAccessKeyId"),
            (400, "UnrecognizedClientException"),
            (403, "UnrecognizedClientException"),
        ])
    );
    aws.expire(&user);
    let found = codes(&|ask| {
        let answer = ask.send_by(&aws, &user);
        (answer.status, answer.refusal().1)
    });
    assert_eq!(
        found,
        named([
            (403, "ExpiredToken"),
            (403, "ExpiredTokenException"),
            (400, "ExpiredToken"),
            (400, "ExpiredTokenException"),
            (403, "ExpiredTokenException"),
        ])
    );
}

#[test]
fn what_no_policy_allows_is_denied_with_the_words_of_aws() {
    let aws = account();
    let user = aws.add_user(&policy(r#"{"Effect":"Allow","Action":"iam:GetRole","Resource":"*"}"#));
    let answer = create_role().send_by(&aws, &user);
    let (status, code, body) = answer.refusal();
    assert_eq!((status, code.as_str()), (403, "AccessDenied"));
    assert!(
        body.contains(
            "User: arn:aws:iam::123456789012:user/user-1 is not authorized to perform: iam:CreateRole on resource: \
             arn:aws:iam::123456789012:role/faast/worker because no identity-based policy allows the iam:CreateRole action"
        ),
        "{body}"
    );
    assert!(aws.leftovers().is_empty());
}

#[test]
fn a_deny_for_some_resources_leaves_the_others() {
    let aws = account();
    let deny = r#"{"Effect":"Deny","Action":"logs:*","Resource":"arn:aws:logs:*:*:log-group:/aws/lambda/*"}"#;
    let user = aws.add_user(&policy(&format!("{ALL},{deny}")));
    let create =
        |name: &str| Ask::json("logs", "CreateLogGroup", &json!({ "logGroupName": name })).send_by(&aws, &user);
    let refused = create("/aws/lambda/faast-1");
    assert_eq!((refused.refusal().0, refused.refusal().1.as_str()), (400, "AccessDeniedException"));
    assert!(refused.text().contains("with an explicit deny in an identity-based policy"), "{refused:?}");
    assert_eq!(create("/faast/1").status, 200);
    assert_eq!(aws.leftovers(), ["arn:aws:logs:us-west-2:123456789012:log-group:/faast/1"]);
}

#[test]
fn a_role_is_passed_by_those_who_may() {
    let aws = account();
    let maker = aws.add_user(&policy(ALL));
    assert_eq!(create_role().send_by(&aws, &maker).status, 200);
    let user = aws.add_user(&policy(r#"{"Effect":"Allow","Action":"lambda:*","Resource":"*"}"#));
    let role = "arn:aws:iam::123456789012:role/faast/worker";
    let function = json!({
        "FunctionName": "f", "Runtime": "provided.al2023", "Role": role, "Handler": "h", "Code": { "ZipFile": "AAAA" },
    });
    let create = |user| Ask::new("lambda", "POST", "/2015-03-31/functions", function.to_string()).send_by(&aws, user);
    let denied = create(&user);
    assert_eq!((denied.refusal().0, denied.refusal().1.as_str()), (403, "AccessDeniedException"));
    assert!(
        denied.text().contains(&format!("not authorized to perform: iam:PassRole on resource: {role}")),
        "{denied:?}"
    );
    // Whoever may pass it gets as far as the archive, which is none.
    let unzipped = create(&maker);
    assert_eq!(unzipped.refusal().1, "InvalidParameterValueException", "{unzipped:?}");
}

#[test]
fn decisions_can_be_asked_for_without_doing_anything() {
    let aws = AwsEmulator::start();
    assert_eq!(create_role().send_to(&aws).status, 200);
    let inline = policy(r#"{"Effect":"Allow","Action":"logs:Put*","Resource":"*"}"#);
    let put = [("RoleName", "worker"), ("PolicyName", "p"), ("PolicyDocument", inline.as_str())];
    assert_eq!(Ask::form("iam", "PutRolePolicy", &put).send_to(&aws).status, 200);
    let simulate = [
        ("PolicySourceArn", "arn:aws:iam::123456789012:role/faast/worker"),
        ("ActionNames.member.1", "logs:PutLogEvents"),
        ("ActionNames.member.2", "logs:CreateLogGroup"),
    ];
    let answer = Ask::form("iam", "SimulatePrincipalPolicy", &simulate).send_to(&aws);
    let text = answer.text();
    let decisions: Vec<&str> =
        text.split("<EvalDecision>").skip(1).map(|rest| rest.split('<').next().unwrap()).collect();
    assert_eq!(decisions, ["allowed", "implicitDeny"], "{answer:?}");
}
