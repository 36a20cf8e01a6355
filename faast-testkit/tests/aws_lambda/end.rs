//! Nothing that was started outlives the function or the emulator.

use faast_testkit::emulator_aws::AwsEmulator;
use faast_testkit::watch::{is_alive, state_of, until};
use serde_json::{Value, json};

use crate::client::Account;

/// The processes of an environment: the runtime and a child of it.
fn processes(account: &Account, name: &str) -> [u64; 2] {
    let started = account.invoke(name, &json!({ "do": "child" })).json();
    let processes = [started["process"].as_u64().unwrap(), started["child"].as_u64().unwrap()];
    assert!(processes.iter().all(|it| is_alive(*it)));
    processes
}

#[test]
fn deleting_a_function_ends_its_environments() {
    let account = Account::new(AwsEmulator::start());
    account.deploy("f", json!({}));
    account.deploy("g", json!({}));
    let (gone, left) = (processes(&account, "f"), processes(&account, "g"));
    assert_eq!(account.lambda("DELETE", "/2015-03-31/functions/f", &Value::Null).status, 204);
    until(|| !gone.iter().any(|it| is_alive(*it)));
    assert!(left.iter().all(|it| is_alive(*it)));
}

#[test]
fn a_call_that_runs_goes_on_when_its_function_is_deleted() {
    let account = Account::new(AwsEmulator::start());
    account.deploy("f", json!({}));
    let note = account.file("started");
    let call = account.start_invoke("f", &json!({ "do": "gate", "file": account.file("gate"), "note": note }));
    until(|| note.exists());
    assert_eq!(account.lambda("DELETE", "/2015-03-31/functions/f", &Value::Null).status, 204);
    std::fs::write(account.file("gate"), "").unwrap();
    let process = call.answer().unwrap().json()["process"].as_u64().unwrap();
    until(|| !is_alive(process));
}

#[test]
fn dropping_the_emulator_ends_everything_at_once() {
    let account = Account::new(AwsEmulator::start());
    account.deploy("f", json!({}));
    let idle = processes(&account, "f");
    account.deploy("g", json!({}));
    let note = account.file("started");
    let busy = account.start_invoke("g", &json!({ "do": "gate", "file": account.file("gate"), "note": note }));
    until(|| note.exists());
    let variables = account.invoke("f", &json!({ "do": "environment" })).json()["variables"].clone();
    let folder = std::path::PathBuf::from(variables["LAMBDA_TASK_ROOT"].as_str().unwrap());
    assert!(folder.exists());
    let held = std::fs::read_to_string(note).unwrap().trim().parse::<u64>().unwrap();
    assert!(is_alive(held));
    drop(account);
    assert!(!idle.iter().any(|it| is_alive(*it)), "nothing is left to wait for");
    assert_eq!([state_of(idle[0]), state_of(held)], [None, None], "not even a zombie");
    assert!(!folder.exists() && busy.answer().is_err());
}
