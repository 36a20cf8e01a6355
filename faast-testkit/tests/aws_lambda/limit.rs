//! What is refused because it is too much at once, with the reason that AWS gives.

use std::time::Duration;

use faast_testkit::emulator_aws::AwsEmulator;
use faast_testkit::http::{Answer, Pending};
use faast_testkit::watch::until;
use serde_json::{Value, json};

use crate::client::Account;

/// So many calls that run until the file exists.
fn hold(account: &Account, name: &str, count: usize) -> Vec<Pending> {
    let event = json!({ "do": "gate", "file": account.file("gate"), "note": account.file("started") });
    let pending = (0..count).map(|_| account.start_invoke(name, &event)).collect();
    let started = || std::fs::read_to_string(account.file("started")).unwrap_or_default().lines().count();
    until(|| started() == count);
    pending
}

fn throttled(answer: &Answer, reason: &str) {
    assert_eq!(
        (answer.status, answer.header("x-amzn-errortype")),
        (429, Some("TooManyRequestsException")),
        "{answer:?}"
    );
    assert_eq!((answer.json()["Reason"].as_str(), answer.header("retry-after")), (Some(reason), Some("1")));
    assert_eq!(answer.json()["message"], "Rate Exceeded.");
}

#[test]
fn the_account_runs_no_more_at_once_than_it_may() {
    let account = Account::new(AwsEmulator::builder().account_concurrency(3).start());
    account.deploy("f", json!({}));
    let pending = hold(&account, "f", 3);
    throttled(&account.invoke("f", &json!(1)), "ConcurrentInvocationLimitExceeded");
    std::fs::write(account.file("gate"), "").unwrap();
    for call in pending {
        assert_eq!(call.answer().unwrap().status, 200);
    }
    assert_eq!(account.invoke("f", &json!(1)).status, 200);
}

#[test]
fn a_reservation_limits_its_function_and_no_other() {
    let account = Account::new(AwsEmulator::start());
    account.deploy("f", json!({}));
    account.deploy("g", json!({}));
    let body = json!({ "ReservedConcurrentExecutions": 2 });
    assert_eq!(account.lambda("PUT", "/2017-10-31/functions/f/concurrency", &body).status, 200);
    let pending = hold(&account, "f", 2);
    throttled(&account.invoke("f", &json!(1)), "ReservedFunctionConcurrentInvocationLimitExceeded");
    assert_eq!(account.invoke("g", &json!(1)).status, 200);
    std::fs::write(account.file("gate"), "").unwrap();
    for call in pending {
        assert_eq!(call.answer().unwrap().status, 200);
    }
    let body = json!({ "ReservedConcurrentExecutions": 0 });
    assert_eq!(account.lambda("PUT", "/2017-10-31/functions/f/concurrency", &body).status, 200);
    throttled(&account.invoke("f", &json!(1)), "ReservedFunctionConcurrentInvocationLimitExceeded");
}

#[test]
fn new_environments_come_at_a_limited_rate() {
    let account = Account::new(AwsEmulator::builder().scale_up(2).start());
    account.deploy("f", json!({}));
    let pending = hold(&account, "f", 2);
    throttled(&account.invoke("f", &json!(1)), "FunctionInvocationRateLimitExceeded");
    account.aws.advance(Duration::from_secs(5));
    assert_eq!(account.invoke("f", &json!(1)).status, 200, "half of the time gives half of them");
    std::fs::write(account.file("gate"), "").unwrap();
    for call in pending {
        assert_eq!(call.answer().unwrap().status, 200);
    }
}

#[test]
fn environments_take_a_limited_number_of_requests_in_a_second() {
    // One request in a second, so that real time passing does not matter.
    let account = Account::new(AwsEmulator::builder().account_concurrency(1).requests_per_environment(1).start());
    account.deploy("f", json!({}));
    account.aws.advance(Duration::from_secs(10));
    let answers: Vec<Answer> = (0..3).map(|_| account.invoke("f", &json!(1))).collect();
    let refused: Vec<&Answer> = answers.iter().filter(|it| it.status != 200).collect();
    assert!(!refused.is_empty(), "three within a second");
    for answer in refused {
        throttled(answer, "FunctionInvocationRateLimitExceeded");
    }
}

#[test]
fn the_control_plane_has_a_rate_for_all_its_operations_together() {
    let account = Account::new(AwsEmulator::builder().control_plane_rate(3).start());
    let requests = || -> Vec<Answer> {
        let paths = ["/2015-03-31/functions/", "/2016-08-19/account-settings/"];
        (0..30).map(|index| account.lambda("GET", paths[index % 2], &Value::Null)).collect()
    };
    let answers = requests();
    let refused = answers.iter().filter(|it| it.status != 200).collect::<Vec<_>>();
    assert!(!refused.is_empty());
    for answer in refused {
        throttled(answer, "CallerRateLimitExceeded");
    }
    // Others have buckets of their own.
    assert_eq!(account.lambda("GET", "/2015-03-31/functions/f", &Value::Null).status, 404);
    account.aws.advance(Duration::from_secs(1));
    assert_eq!(account.lambda("GET", "/2015-03-31/functions/", &Value::Null).status, 200);
}

#[test]
fn callers_can_have_a_rate() {
    let account = Account::new(AwsEmulator::builder().caller_rate(1).start());
    account.deploy("f", json!({}));
    let answers: Vec<Answer> = (0..20).map(|_| account.invoke("f", &json!(1))).collect();
    assert_eq!(answers[0].status, 200);
    let refused = answers.iter().filter(|it| it.status != 200).collect::<Vec<_>>();
    assert!(!refused.is_empty());
    for answer in refused {
        throttled(answer, "CallerRateLimitExceeded");
    }
}
