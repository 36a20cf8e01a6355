//! Faults of the service, and hooks around its requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use faast_testkit::emulator_aws::{AwsEmulator, FaultScope, Faults, Latency, Moment, Then};
use serde_json::{Value, json};

use crate::client::Account;

/// An account whose invocations meet these faults, and how often its function ran after one call.
fn called(faults: Faults) -> (Account, std::io::Result<u16>, usize) {
    let account = Account::new(AwsEmulator::builder().faults(faults).start());
    account.deploy("f", json!({}));
    let event = json!({ "do": "note", "note": account.file("ran") });
    let status = account.start_invoke("f", &event).answer().map(|it| it.status);
    let runs = std::fs::read_to_string(account.file("ran")).unwrap_or_default().lines().count();
    (account, status, runs)
}

#[test]
fn a_fault_before_the_call_does_not_run_it_and_one_after_does() {
    let none = Faults::default();
    let (account, status, runs) = called(Faults { error_before: 1.0, ..none.clone() });
    assert_eq!((status.unwrap(), runs), (500, 0));
    assert_eq!(account.aws.calls().last().unwrap().error.as_deref(), Some("ServiceException"));
    let (_, status, runs) = called(Faults { error_after: 1.0, ..none.clone() });
    assert_eq!((status.unwrap(), runs), (500, 1));
    let (_, status, runs) = called(Faults { drop_before: 1.0, ..none.clone() });
    assert!(status.is_err() && runs == 0, "{status:?} {runs}");
    let (_, status, runs) = called(Faults { drop_after: 1.0, ..none.clone() });
    assert!(status.is_err() && runs == 1, "{status:?} {runs}");
    let (_, status, runs) = called(none);
    assert_eq!((status.unwrap(), runs), (200, 1));
}

#[test]
fn slow_answers_and_latency_take_their_time() {
    let slow_by = Duration::from_millis(150);
    let faults = Faults { slow: 1.0, slow_by, scope: FaultScope::All, ..Faults::default() };
    let latency = Latency::none().action("lambda", "ListFunctions", Duration::from_millis(100));
    let account = Account::new(AwsEmulator::builder().faults(faults).latency(latency).start());
    let start = Instant::now();
    assert_eq!(account.lambda("GET", "/2015-03-31/functions/", &Value::Null).status, 200);
    assert!(start.elapsed() >= slow_by + Duration::from_millis(100));
}

#[test]
fn hooks_see_every_request_twice_and_can_drop_it() {
    let account = Account::new(AwsEmulator::start());
    account.deploy("f", json!({}));
    let seen = Arc::new([AtomicU32::new(0), AtomicU32::new(0)]);
    let counter = Arc::clone(&seen);
    account.aws.on_call(move |call, moment| {
        if call.action != "DeleteFunction" {
            return Then::Go;
        }
        let after = usize::from(moment == Moment::After);
        assert_eq!(call.status.is_some(), moment == Moment::After);
        // The first is dropped before, the second after it was carried out.
        let count = counter[after].fetch_add(1, Ordering::Relaxed);
        if (moment, count) == (Moment::Before, 0) || (moment, count) == (Moment::After, 0) {
            Then::Drop
        } else {
            Then::Go
        }
    });
    let delete = || account.start("lambda", "DELETE", "/2015-03-31/functions/f", &[], b"").answer();
    let exists = || account.aws.leftovers().iter().any(|it| it.ends_with(":function:f"));
    assert!(delete().is_err() && exists());
    assert!(delete().is_err() && !exists());
    assert_eq!(delete().unwrap().status, 404);
    assert_eq!([seen[0].load(Ordering::Relaxed), seen[1].load(Ordering::Relaxed)], [3, 2]);
    let deletions: Vec<_> = account.aws.calls().into_iter().filter(|it| it.action == "DeleteFunction").collect();
    assert_eq!(deletions.iter().map(|it| it.status).collect::<Vec<_>>(), [None, Some(204), Some(404)]);
    assert!(deletions.iter().all(|it| it.function.as_deref() == Some("f") && it.service == "lambda"));
}
