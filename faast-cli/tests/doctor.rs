//! `faast doctor` and `faast policy` as their users run them: in an account where all is well, and where one thing is not.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;
use std::time::Duration;

use faast_testkit::emulator_aws::{AwsEmulator, Credentials};
use serde_json::{Value, json};

const EVERYTHING: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

/// An account that enforces permissions, and a machine that knows nothing of it but what it is told.
struct Place {
    aws: AwsEmulator,
    home: tempfile::TempDir,
}

/// What the command said.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Said {
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap()
    }

    /// Topic and subject of what is at least so bad.
    fn findings(&self, verdicts: &[&str]) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let said = self.json();
        let findings = said["findings"].as_array().unwrap().iter();
        let bad = findings.filter(|finding| verdicts.contains(&finding["verdict"].as_str().unwrap()));
        bad.map(|finding| (text(&finding["topic"]), text(&finding["subject"]))).collect()
    }

    fn problems(&self) -> Vec<(String, String)> {
        self.findings(&["problem"])
    }

    fn finding(&self, topic: &str) -> Value {
        let said = self.json();
        said["findings"].as_array().unwrap().iter().find(|finding| finding["topic"] == topic).unwrap().clone()
    }
}

impl Place {
    fn new() -> Self {
        Self { aws: AwsEmulator::builder().enforce_iam(true).start(), home: tempfile::tempdir().unwrap() }
    }

    /// A command with these variables, and no others that AWS knows.
    fn run(&self, words: &[&str], variables: &[(&str, &str)]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_faast"));
        command.args(words).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.home.path()).env("FAAST_HOME", self.home.path());
        command.env("AWS_EC2_METADATA_DISABLED", "true").envs(variables.iter().copied());
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Said { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// As somebody, in a region of this account.
    fn as_user(&self, user: &Credentials, words: &[&str]) -> Said {
        let endpoint = self.aws.endpoint();
        let variables = [
            ("AWS_ENDPOINT_URL", endpoint.as_str()),
            ("AWS_REGION", "us-west-2"),
            ("AWS_ACCESS_KEY_ID", &user.access_key),
            ("AWS_SECRET_ACCESS_KEY", &user.secret_key),
        ];
        self.run(words, &variables)
    }
}

fn one(topic: &str, subject: &str) -> Vec<(String, String)> {
    vec![(topic.to_owned(), subject.to_owned())]
}

#[test]
fn all_is_well_where_it_is() {
    let place = Place::new();
    let user = place.aws.add_user(EVERYTHING);
    let said = place.as_user(&user, &["doctor", "aws", "--json", "--calls", "10000", "--seconds", "2"]);
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{said:?}");
    assert_eq!(said.findings(&["problem", "warning"]), []);
    assert_eq!(said.json()["ready"], true);
    assert_eq!(said.json().get("policy"), None);
    assert_eq!(said.finding("credentials")["facts"]["source"], "from environment variables");
    assert_eq!(said.finding("region")["facts"]["source"], "from the environment");
    assert_eq!(said.finding("account")["subject"], "123456789012");
    assert!(
        said.stdout.contains("10000 calls of 2s need about 4 min, 100 at once; about 20 s with"),
        "{}",
        said.stdout
    );
    assert!(!said.stdout.contains(&user.secret_key));
    assert_eq!(place.aws.leftovers(), [""; 0]);
    let said = place.as_user(&user, &["doctor", "aws"]);
    assert_eq!(said.code, Some(0));
    let end = "\naws: a deployment should work: 0 problems, 0 warnings, 0 not checked\n";
    assert!(said.stdout.ends_with(end), "{}", said.stdout);
}

#[test]
fn the_keys_for_machines_stay_as_they_are() {
    let place = Place::new();
    let lacking = place.aws.add_user(&EVERYTHING.replace("\"*\",\"Resource\"", "\"lambda:*\",\"Resource\""));
    let said = place.as_user(&lacking, &["doctor", "aws", "--json"]).json();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&said), ["findings", "policy", "provider", "ready"]);
    let missing = said["findings"].as_array().unwrap().iter().find(|it| it["subject"] == "iam:CreateRole");
    // Nobody may ask IAM, and creating can't be tried.
    assert_eq!(missing, None);
    let missing = said["findings"].as_array().unwrap().iter().find(|it| it["subject"] == "iam:GetRole").unwrap();
    assert_eq!(
        missing,
        &json!({
            "topic": "permission",
            "subject": "iam:GetRole",
            "verdict": "problem",
            "text": "`iam:GetRole` is missing",
            "hint": "`faast policy aws` prints a policy that has it",
        })
    );
    let region = said["findings"].as_array().unwrap().iter().find(|it| it["topic"] == "region").unwrap();
    assert_eq!(keys(region), ["facts", "subject", "text", "topic", "verdict"]);
    assert_eq!(said["policy"]["Version"], "2012-10-17");
}

#[test]
fn without_credentials_it_says_where_they_come_from() {
    let place = Place::new();
    let endpoint = place.aws.endpoint();
    let said = place.run(&["doctor", "aws", "--json"], &[("AWS_ENDPOINT_URL", &endpoint), ("AWS_REGION", "us-west-2")]);
    assert_eq!((said.code, said.problems()), (Some(1), one("credentials", "")), "{said:?}");
    assert!(said.finding("credentials")["hint"].as_str().unwrap().contains("AWS_PROFILE"));
    assert!(place.aws.calls().is_empty());
}

#[test]
fn an_expired_token_is_told_from_missing_permissions() {
    let place = Place::new();
    let user = place.aws.add_user(EVERYTHING);
    place.aws.expire(&user);
    let said = place.as_user(&user, &["doctor", "aws", "--json"]);
    assert_eq!((said.code, said.problems()), (Some(1), one("credentials", "sts")), "{said:?}");
    assert!(said.stdout.contains("have expired") && said.stdout.contains("aws sso login"), "{}", said.stdout);
}

#[test]
fn without_a_region_it_says_how_to_set_one() {
    let place = Place::new();
    let user = place.aws.add_user(EVERYTHING);
    let keys = [("AWS_ACCESS_KEY_ID", &*user.access_key), ("AWS_SECRET_ACCESS_KEY", &*user.secret_key)];
    let said = place.run(&["doctor", "aws", "--json"], &keys);
    assert_eq!((said.code, said.problems()), (Some(1), one("region", "")), "{said:?}");
    assert_eq!(said.finding("credentials")["verdict"], "good", "everything is said at once");
    let endpoint = place.aws.endpoint();
    let variables = [keys[0], keys[1], ("AWS_ENDPOINT_URL", &endpoint)];
    let said = place.run(&["doctor", "aws", "--json", "--region", "eu-west-1"], &variables);
    assert_eq!((said.code, said.finding("region")["facts"]["source"].as_str()), (Some(0), Some("given")), "{said:?}");
}

#[test]
fn the_profile_is_a_source_of_both() {
    let place = Place::new();
    let user = place.aws.add_user(EVERYTHING);
    std::fs::create_dir(place.home.path().join(".aws")).unwrap();
    let Credentials { access_key, secret_key, .. } = &user;
    let profile = format!("[default]\naws_access_key_id = {access_key}\naws_secret_access_key = {secret_key}\n");
    std::fs::write(place.home.path().join(".aws/credentials"), profile).unwrap();
    std::fs::write(place.home.path().join(".aws/config"), "[default]\nregion = us-west-2\n").unwrap();
    let endpoint = place.aws.endpoint();
    let said = place.run(&["doctor", "aws", "--json"], &[("AWS_ENDPOINT_URL", &endpoint)]);
    assert_eq!(said.code, Some(0), "{said:?}");
    for topic in ["credentials", "region"] {
        assert_eq!(said.finding(topic)["facts"]["source"], "from the profile");
    }
}

#[test]
fn an_endpoint_that_can_not_be_reached_is_named() {
    let place = Place::new();
    // Bound and dropped: nobody listens there.
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let endpoint = format!("http://127.0.0.1:{port}");
    let keys = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_REGION", "us-west-2")];
    let variables = [keys[0], keys[1], keys[2], ("AWS_ENDPOINT_URL", &endpoint)];
    let said = place.run(&["doctor", "aws", "--json"], &variables);
    assert_eq!((said.code, said.problems()), (Some(1), one("endpoint", "sts")), "{said:?}");
    assert!(said.stdout.contains("AWS_ENDPOINT_URL") && said.stdout.contains(&endpoint), "{}", said.stdout);
}

#[test]
fn a_clock_that_is_wrong_is_the_only_thing_that_is_said_of_it() {
    let place = Place::new();
    let user = place.aws.add_user(EVERYTHING);
    place.aws.advance(Duration::from_mins(20));
    let said = place.as_user(&user, &["doctor", "aws", "--json"]);
    assert_eq!((said.code, said.problems()), (Some(1), one("clock", "")), "{said:?}");
    let off: u64 = said.finding("clock")["facts"]["seconds_off"].as_str().unwrap().parse().unwrap();
    assert!((1100..=1200).contains(&off), "{off}");
}

#[test]
fn every_missing_permission_is_said_at_once_with_a_policy_that_has_them() {
    let place = Place::new();
    let some = r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Action":"*","Resource":"*"},
        {"Effect":"Deny","Action":["iam:PassRole","lambda:CreateFunction"],"Resource":"*"}]}"#;
    let user = place.aws.add_user(some);
    let said = place.as_user(&user, &["doctor", "aws", "--json"]);
    let missing = |action: &str| ("permission".to_owned(), action.to_owned());
    assert_eq!(said.problems(), [missing("iam:PassRole"), missing("lambda:CreateFunction")], "{said:?}");
    let policy = said.json()["policy"].to_string();
    assert!(policy.contains("iam:PassRole") && policy.contains("lambda:CreateFunction"), "{policy}");
    let said = place.as_user(&user, &["doctor", "aws"]);
    assert!(said.stdout.contains("a policy with all that is needed:\n{"), "{}", said.stdout);
    let end = "\naws: a deployment does not work: 2 problems, 0 warnings, 0 not checked\n";
    assert!(said.stdout.ends_with(end), "{}", said.stdout);
}

#[test]
fn less_concurrency_than_asked_for_is_a_warning() {
    let aws = AwsEmulator::builder().account_concurrency(110).start();
    let place = Place { aws, home: tempfile::tempdir().unwrap() };
    let user = place.aws.add_user(EVERYTHING);
    let said = place.as_user(&user, &["doctor", "aws", "--json", "--concurrency", "500"]);
    assert_eq!((said.code, said.findings(&["warning"])), (Some(0), one("quota", "concurrency")), "{said:?}");
}

#[test]
fn the_policy_needs_neither_an_account_nor_a_region() {
    let place = Place::new();
    let plain = place.run(&["policy", "aws"], &[]);
    assert_eq!((plain.code, plain.stderr.as_str()), (Some(0), ""), "{plain:?}");
    assert!(plain.stdout.contains("arn:aws:lambda:*:*:function:faast-*"), "{}", plain.stdout);
    assert!(!plain.stdout.contains("sqs:CreateQueue") && !plain.stdout.contains("s3:CreateBucket"));
    let more = place.run(&["policy", "aws", "--with", "queue", "--with", "spill", "--region", "eu-west-1"], &[]);
    assert!(more.stdout.contains("sqs:CreateQueue") && more.stdout.contains("s3:CreateBucket"));
    assert!(more.stdout.contains("arn:aws:sqs:eu-west-1:*:faast-*"), "{}", more.stdout);
    let less = place.run(&["policy", "aws", "--without", "gc", "--with", "role_name=batch"], &[]);
    assert!(!less.stdout.contains("tag:GetResources") && !less.stdout.contains("iam:CreateRole"), "{}", less.stdout);
    assert!(less.stdout.contains("role/batch"), "{}", less.stdout);
}

#[test]
fn what_there_is_not_is_a_wrong_command_line() {
    let place = Place::new();
    for words in [&["doctor", "azure"][..], &["doctor", "aws", "--with", "sns"], &["policy", "aws", "--without", "x"]] {
        let said = place.run(words, &[]);
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.stderr.contains("hint: "), "{said:?}");
    }
    assert_eq!(place.run(&["doctor", "aws", "--seconds", "-1"], &[]).code, Some(2));
}

#[test]
fn this_machine_is_looked_at_too() {
    let place = Place::new();
    let said = place.run(&["doctor", "local", "--json", "--concurrency", "1"], &[]);
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{said:?}");
    let topics: Vec<_> = said.findings(&["good", "unknown"]).into_iter().map(|(topic, _)| topic).collect();
    assert_eq!(topics, ["cores", "memory", "descriptors", "home"]);
    let none = place.run(&["policy", "local"], &[]);
    assert_eq!((none.code, none.stdout.as_str()), (Some(1), ""));
    assert_eq!(place.run(&["doctor", "local", "--with", "vpc"], &[]).code, Some(2));
}
