//! Calls and what comes of them, good and bad, as a caller of the service sees it.

use faast_testkit::emulator_aws::AwsEmulator;
use faast_testkit::watch::{is_alive, state_of, until};
use serde_json::{Value, json};

use crate::client::{Account, Told as _, archive};

fn deployed(settings: Value) -> Account {
    let account = Account::new(AwsEmulator::start());
    account.deploy("f", settings);
    account
}

#[test]
fn calls_go_to_one_warm_environment_and_at_once_to_many() {
    let account = deployed(json!({}));
    let first = account.invoke("f", &json!({ "n": 1 }));
    assert_eq!(first.header("x-amz-executed-version"), Some("$LATEST"));
    assert_eq!(first.json()["request"].as_str(), first.header("x-amzn-requestid"));
    let second = account.invoke("f", &json!({ "n": 2 })).json();
    assert_eq!((&second["event"]["n"], &second["calls"]), (&json!(2), &json!(2)));
    assert_eq!(second["process"], first.json()["process"]);
    let gate = account.file("gate");
    let held = json!({ "do": "gate", "file": gate });
    let pending: Vec<_> = (0..3).map(|_| account.start_invoke("f", &held)).collect();
    std::fs::write(gate, "").unwrap();
    let mut processes: Vec<_> =
        pending.into_iter().map(|it| it.answer().unwrap().json()["process"].to_string()).collect();
    processes.sort();
    processes.dedup();
    assert_eq!(processes.len(), 3, "an environment has one call at a time");
}

#[test]
fn processes_are_stopped_between_calls() {
    let account = deployed(json!({}));
    let process = account.invoke("f", &json!(1)).json()["process"].as_u64().unwrap();
    until(|| state_of(process) == Some('T'));
    assert_eq!(account.invoke("f", &json!(2)).json()["process"], process);
}

#[test]
fn errors_of_the_function_are_its_own() {
    let account = deployed(json!({}));
    let answer = account.invoke("f", &json!({ "do": "error" }));
    assert_eq!(answer.function_error(), ("Mine".into(), "as wanted".into()));
    assert!(answer.log().contains("\tStatus: error\tError Type: Mine"), "{}", answer.log());
}

#[test]
fn a_process_that_ends_is_reported_and_replaced() {
    let account = deployed(json!({}));
    let cases = [
        (json!({ "do": "exit", "code": 7 }), "Runtime exited with error: exit status 7"),
        (json!({ "do": "exit", "code": 0 }), "Runtime exited without providing a reason"),
        (json!({ "do": "kill", "signal": 6 }), "Runtime exited with error: signal: aborted"),
        (json!({ "do": "kill", "signal": 11 }), "Runtime exited with error: signal: segmentation fault"),
    ];
    for (event, text) in cases {
        let answer = account.invoke("f", &event);
        let (kind, message) = answer.function_error();
        let id = answer.header("x-amzn-requestid").unwrap();
        assert_eq!(kind, "Runtime.ExitError");
        assert!(message.starts_with(&format!("RequestId: {id} Error: {text}")), "{message}");
        assert_eq!(account.invoke("f", &json!(1)).json()["calls"], 1, "the next call has a new process");
    }
}

#[test]
fn a_call_that_takes_too_long_is_ended_with_all_its_processes() {
    let account = deployed(json!({ "Timeout": 1 }));
    let started = account.invoke("f", &json!({ "do": "child" })).json();
    let answer = account.invoke("f", &json!({ "do": "sleep", "seconds": 60 }));
    let id = answer.header("x-amzn-requestid").unwrap();
    let text = format!("RequestId: {id} Error: Task timed out after 1.00 seconds");
    assert_eq!(answer.function_error(), ("Sandbox.Timedout".into(), text));
    let log = answer.log();
    assert!(log.contains(&format!("Z {id} Task timed out after 1.00 seconds\n")), "{log}");
    assert!(
        log.contains("Duration: 1000.00 ms\tBilled Duration: 1000 ms\t") && log.contains("Status: timeout"),
        "{log}"
    );
    until(|| !is_alive(started["child"].as_u64().unwrap()) && !is_alive(started["process"].as_u64().unwrap()));
    assert_eq!(account.invoke("f", &json!(1)).json()["calls"], 1);
}

#[test]
fn a_process_that_holds_too_much_memory_is_killed() {
    let account = deployed(json!({ "MemorySize": 128 }));
    assert_eq!(account.invoke("f", &json!({ "do": "allocate", "mb": 64 })).status, 200);
    let answer = account.invoke("f", &json!({ "do": "allocate", "mb": 512, "seconds": 60 }));
    let (kind, message) = answer.function_error();
    assert_eq!(kind, "Runtime.ExitError");
    assert!(message.ends_with("Error: Runtime exited with error: signal: killed"), "{message}");
    assert!(answer.log().contains("Max Memory Used: 128 MB"), "{}", answer.log());
}

#[test]
fn payloads_have_their_limits_on_both_ways() {
    let account = deployed(json!({}));
    let path = "/2015-03-31/functions/f/invocations";
    let of_size = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2)).into_bytes();
    assert_eq!(account.send("lambda", "POST", path, &[], &of_size(6_291_456)).status, 200);
    let answer = account.send("lambda", "POST", path, &[], &of_size(6_291_457));
    let text = "6291457 byte payload is too large for the RequestResponse invocation type (limit 6291456 bytes)";
    assert_eq!(answer.refusal(), (413, "RequestTooLargeException", text.into()));
    let event = [("x-amz-invocation-type", "Event")];
    let answer = account.send("lambda", "POST", path, &event, &of_size(1_048_577));
    let text = "1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)";
    assert_eq!(answer.refusal(), (413, "RequestTooLargeException", text.into()));
    assert_eq!(account.invoke("f", &json!({ "do": "large", "bytes": 6_291_554 })).body.len(), 6_291_556);
    let answer = account.invoke("f", &json!({ "do": "large", "bytes": 6_291_555 }));
    let text = "Response payload size exceeded maximum allowed payload size (6291556 bytes).";
    assert_eq!(answer.function_error(), ("Function.ResponseSizeTooLarge".into(), text.into()));
    let refused = "answered with 413 {\"errorMessage\":\"Exceeded maximum allowed payload size (6291556 bytes).\"";
    assert!(answer.log().contains(refused), "{}", answer.log());
}

#[test]
fn what_is_no_json_or_no_function_is_refused() {
    let account = deployed(json!({}));
    let invoke = |name: &str, headers: &[(&str, &str)], body: &[u8]| {
        let path = format!("/2015-03-31/functions/{name}/invocations");
        let answer = account.send("lambda", "POST", &path, headers, body);
        (answer.status, answer.header("x-amzn-errortype").unwrap_or("").to_owned())
    };
    assert_eq!(invoke("f", &[], b"{no"), (400, "InvalidRequestContentException".into()));
    assert_eq!(invoke("f", &[("x-amz-client-context", "???")], b"1"), (400, "InvalidRequestContentException".into()));
    assert_eq!(invoke("f", &[("x-amz-invocation-type", "Later")], b"1"), (400, "ValidationException".into()));
    assert_eq!(invoke("nobody", &[], b"1"), (404, "ResourceNotFoundException".into()));
    assert_eq!(invoke("f?Qualifier=7", &[], b"1"), (404, "UnknownOperationException".into()));
    assert_eq!(invoke("f", &[("x-amz-invocation-type", "DryRun")], b"1"), (204, String::new()));
}

#[test]
fn the_log_has_what_the_function_wrote_and_what_it_cost() {
    let account = deployed(json!({ "MemorySize": 256, "EphemeralStorage": { "Size": 1024 } }));
    let cold = account.invoke("f", &json!({ "do": "print", "text": "one\ntwo" }));
    let id = cold.header("x-amzn-requestid").unwrap();
    let log = cold.log();
    let lines: Vec<&str> = log.lines().collect();
    let start = format!("START RequestId: {id} Version: $LATEST");
    assert_eq!(lines[..4], [start.as_str(), "one", "two", format!("END RequestId: {id}").as_str()]);
    assert!(lines[4].starts_with(&format!("REPORT RequestId: {id}\tDuration: ")), "{log}");
    let warm = account.invoke("f", &json!(1)).log();
    assert!(lines[4].contains("\tInit Duration: ") && !warm.contains("Init Duration"), "{log}{warm}");
    let billed = |log: &str| -> u64 {
        let after = log.split("Billed Duration: ").nth(1).unwrap();
        after.split(' ').next().unwrap().parse().unwrap()
    };
    let sum = billed(&log) + billed(&warm);
    let bill = account.aws.bill();
    assert_eq!((bill.requests, bill.billed_ms, bill.ms_mb), (2, sum, sum * 256));
    assert_eq!(bill.storage_ms_mb, sum * 512);
}

#[test]
fn logs_are_kept_in_the_group_if_the_role_may() {
    let account = deployed(json!({}));
    account.invoke("f", &json!({ "do": "print", "text": "kept" }));
    let has_group = |name: &str| account.aws.leftovers().iter().any(|it| it.ends_with(name));
    assert!(has_group("log-group:/aws/lambda/f"));
    let headers = [("x-amz-target", "Logs_20140328.FilterLogEvents"), ("content-type", "application/x-amz-json-1.1")];
    let events = account.send("logs", "POST", "/", &headers, br#"{"logGroupName":"/aws/lambda/f"}"#).json();
    let messages: Vec<&str> =
        events["events"].as_array().unwrap().iter().map(|it| it["message"].as_str().unwrap()).collect();
    assert!(messages[0].starts_with("INIT_START Runtime Version: provided:al2023"), "{messages:?}");
    assert!(messages.contains(&"kept\n"), "{messages:?}");
    let deny = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"logs:CreateLogGroup","Resource":"*"},{"Effect":"Allow","Action":"logs:*","Resource":"*"}]}"#;
    account.put_policy("worker", deny);
    account.deploy("quiet", json!({}));
    account.invoke("quiet", &json!(1));
    assert!(!has_group("/aws/lambda/quiet"));
}

#[test]
fn programs_that_cannot_start_are_reported() {
    let account = Account::new(AwsEmulator::start());
    let cases: [(&str, &[u8], u32, &str); 3] = [
        ("other", b"#!/bin/sh\n", 0o755, "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"),
        ("bootstrap", b"\x7fELF nonsense", 0o755, "fork/exec /var/task/bootstrap: exec format error"),
        ("bootstrap", b"#!/bin/sh\n", 0o644, "fork/exec /var/task/bootstrap: permission denied"),
    ];
    for (index, (file, content, mode, text)) in cases.into_iter().enumerate() {
        use base64::Engine as _;
        let zip = base64::prelude::BASE64_STANDARD.encode(archive(&[(file, mode, content)]));
        let name = format!("f{index}");
        account.deploy(&name, json!({ "Code": { "ZipFile": zip } }));
        let (kind, message) = account.invoke(&name, &json!(1)).function_error();
        assert_eq!(kind, "Runtime.InvalidEntrypoint");
        assert!(message.ends_with(&format!("Error: {text}")), "{message}");
    }
}
