//! What comes back from workers, and what each way to die gives.

use std::time::Duration;

use faast_core::ErrorKind;
use faast_core::provider::{Event, Outcome, Payload, Ran, RetryClass};
use faast_testkit::watch::is_alive;
use futures_util::{FutureExt, StreamExt};

use super::rig::{Rig, eventually, runtime};

#[test]
fn a_call_comes_back_with_the_worker_that_ran_it() {
    let rig = Rig::new(1);
    let answer = rig.run(rig.request("ECHO", [&b"hello"[..]]));
    let [Event::Started { call, instance, execution }, Event::Done { outcome: Outcome::Ok(value), .. }] =
        &answer.events[..]
    else {
        panic!("{answer:?}")
    };
    assert_eq!((call.0, &*instance.0, value), (1, "worker-0", &Payload::Inline((&b"hello"[..]).into())));
    assert!(execution.as_ref().unwrap().0.starts_with("worker-0 pid "));
    assert!(rig.function.log_url(execution.as_ref()).ends_with("/worker-0.log"));
}

#[test]
fn the_calls_of_a_frame_are_answered_in_order_by_one_worker() {
    let rig = Rig::new(2);
    let args: Vec<_> = (0..2000u32).map(|n| n.to_le_bytes().to_vec()).collect();
    let answer = rig.run(rig.request("ECHO", args));
    assert!(answer.error.is_none(), "{answer:?}");
    // A worker that is slowed down by others gives calls back; nothing is lost.
    let mut ids = answer.done();
    assert!(ids.is_sorted());
    ids.extend(answer.returned());
    ids.sort_unstable();
    assert_eq!(ids, (1..=2000).collect::<Vec<_>>());
}

#[test]
fn sixteen_mebibytes_go_both_ways() {
    let rig = Rig::new(1);
    let big: Vec<u8> = (0..16u32 << 20).map(|n| (n % 251) as u8).collect();
    for _ in 0..3 {
        let answer = rig.run(rig.request("ECHO", [big.clone()]));
        let Some(Event::Done { outcome: Outcome::Ok(Payload::Inline(bytes)), .. }) = answer.events.last() else {
            panic!("{:?}", answer.error)
        };
        assert!(*bytes == big[..]);
    }
    // Several large ones in one frame: the answers come while the rest is still being sent.
    let answer = rig.run(rig.request("ECHO", vec![big; 3]));
    assert_eq!(answer.done().len() + answer.returned().len(), 3);
}

#[test]
fn every_way_to_die_is_told_apart() {
    let rig = Rig::new(1);
    let table = [
        ("exit 0", RetryClass::Crash, "exited with status 0"),
        ("exit 1", RetryClass::Crash, "exited with status 1"),
        ("abort", RetryClass::Crash, "SIGABRT"),
        ("segv", RetryClass::Crash, "SIGSEGV"),
        ("stack 1", RetryClass::Crash, "stack overflow"),
        ("kill", RetryClass::WorkerLost, "SIGKILL"),
        ("alloc 18014398509481984", RetryClass::OutOfMemory, "could not allocate"),
    ];
    for (what, class, words) in table {
        let answer = rig.faults(&[what]);
        let error = answer.error();
        assert!(error.class == class && error.message.contains(words), "{what}: {error:?}");
        assert_eq!(error.ran, Ran::Maybe, "{what}");
        let url = rig.function.log_url(error.execution.as_ref());
        assert!(url.starts_with("file:///") && url.contains("/worker-"), "{url}");
    }
    assert_eq!(rig.ok("ok 5"), "5");
    // Each cost one worker, and was run once.
    assert_eq!(rig.notes().len(), table.len() + 1);
}

#[test]
fn a_crash_fails_its_own_call_and_repeats_no_other() {
    let rig = Rig::new(1);
    for at in [0, 1, 37, 199] {
        let mut what = vec!["ok 1"; 200];
        what[at] = "abort";
        let before = rig.notes().len();
        let answer = rig.faults(&what);
        let returned = answer.returned();
        let blamed = at as u64 + 1;
        if returned.contains(&blamed) {
            // Given back because an earlier call was slow on a busy machine: it was not started.
            assert!(answer.error.is_none(), "{answer:?}");
            continue;
        }
        assert_eq!(answer.done(), (1..blamed).collect::<Vec<_>>());
        assert_eq!(answer.started().last(), Some(&blamed));
        assert_eq!((answer.error().class, answer.error().ran), (RetryClass::Crash, Ran::Yes));
        assert_eq!(rig.notes().len() - before, at + 1, "nothing behind it was started");
    }
}

#[test]
fn a_panic_is_an_answer_and_the_worker_goes_on() {
    let rig = Rig::new(1);
    let pid = rig.ok("pid");
    let answer = rig.faults(&["panic"]);
    assert_eq!(answer.failure().kind, ErrorKind::Panic);
    assert!(answer.failure().message.contains("on purpose"));
    assert_eq!(rig.ok("pid"), pid);
}

#[test]
fn an_endless_loop_ends_at_its_timeout_and_the_next_call_has_a_new_worker() {
    let rig = Rig::with(1, |spec| spec.timeout = Duration::from_millis(100)).unwrap();
    let first = rig.ok("pid");
    let answer = rig.faults(&["ok 1", "loop", "ok 2"]);
    assert_eq!(answer.failure().kind, ErrorKind::Timeout);
    assert_eq!((answer.done(), answer.returned()), (vec![1], vec![3]));
    assert!(answer.error.is_none());
    assert_ne!(rig.ok("pid"), first);
}

#[test]
fn memory_above_the_limit_is_reported_with_both_sizes() {
    let rig = Rig::with(1, |spec| spec.memory_mb = Some(64)).unwrap();
    let answer = rig.faults(&["touch"]);
    assert_eq!(answer.failure().kind, ErrorKind::OutOfMemory);
    assert!(answer.failure().message.contains("64 MiB"), "{answer:?}");
    // One allocation above the hard limit never becomes resident: the system refuses it.
    let answer = rig.faults(&["alloc 1000000000"]);
    let error = answer.error();
    assert_eq!(error.class, RetryClass::OutOfMemory, "{error:?}");
    assert!(error.message.contains("1000000000 bytes") && error.message.contains("64 MiB"), "{error:?}");
    assert_eq!(rig.ok("ok 1"), "1");
}

#[test]
fn more_requests_than_workers_wait_in_line() {
    let rig = Rig::new(2);
    let mut pids: Vec<String> = runtime().block_on(async {
        let streams = (0..20).map(|_| rig.function.invoke(rig.request("FAULT", [&b"pid"[..]])));
        let answers = futures_util::future::join_all(streams.map(StreamExt::collect::<Vec<_>>)).await;
        let pid = |answer: Vec<_>| match answer.into_iter().last() {
            Some(Ok(Event::Done { outcome: Outcome::Ok(Payload::Inline(pid)), .. })) => {
                String::from_utf8(pid.to_vec()).unwrap()
            }
            other => panic!("{other:?}"),
        };
        answers.into_iter().map(pid).collect()
    });
    pids.sort();
    pids.dedup();
    assert!(pids.len() <= 2, "{pids:?}");
}

#[test]
fn dropping_a_request_ends_its_worker_and_another_takes_over() {
    let rig = Rig::new(1);
    let pid: u32 = rig.ok("pid").parse().unwrap();
    let mut stream = rig.function.invoke(rig.request("FAULT", [&b"loop"[..]]));
    assert!(matches!(runtime().block_on(stream.next()), Some(Ok(Event::Started { .. }))));
    drop(stream);
    // Waits until the slot is free: never two processes at once.
    assert_ne!(rig.ok("pid"), pid.to_string());
    assert!(!is_alive(pid));
}

#[test]
fn a_request_that_is_dropped_in_the_line_is_never_sent() {
    let rig = Rig::new(1);
    let mut running = rig.function.invoke(rig.request("FAULT", [&b"sleep 100"[..]]));
    runtime().block_on(running.next());
    let mut waiting = rig.function.invoke(rig.request("FAULT", [&b"ok 77"[..]]));
    let _context = runtime().enter();
    assert!(waiting.next().now_or_never().is_none());
    drop(waiting);
    drop(runtime().block_on(running.collect::<Vec<_>>()));
    assert_eq!(rig.ok("ok 1"), "1");
    assert!(!rig.notes().contains(&"ok 77".to_owned()));
}

#[test]
fn a_generator_that_nobody_reads_is_held_back_and_stops_when_dropped() {
    let rig = Rig::new(1);
    let pid: u32 = rig.ok("pid").parse().unwrap();
    let mut stream = rig.function.invoke(rig.request("ITEMS", [&b"100000"[..]]));
    runtime().block_on(async {
        let mut items = 0;
        while items < 200 {
            match stream.next().await {
                Some(Ok(Event::Item { seq, body, .. })) => {
                    assert_eq!((seq, body.inline_len()), (items, 100_000));
                    items += 1;
                }
                Some(Ok(Event::Started { .. })) => {}
                other => panic!("{other:?}"),
            }
        }
    });
    drop(stream);
    eventually("the generator's worker ends", || !is_alive(pid));
    assert_eq!(rig.ok("ok 1"), "1");
}

#[test]
fn what_functions_print_is_in_the_log_of_their_worker() {
    let rig = Rig::with(1, |spec| spec.keep_logs = true).unwrap();
    rig.faults(&["print 12345"]);
    rig.cleanup();
    let log = std::fs::read_to_string(rig.logs().join("worker-0.log")).unwrap();
    assert!(log.contains("printed 12345") && log.contains("warned of 12345"), "{log}");
}

#[test]
fn a_log_stays_after_a_crash_and_the_next_worker_has_its_own() {
    let rig = Rig::with(1, |spec| spec.keep_logs = true).unwrap();
    rig.faults(&["print 1"]);
    assert_eq!(rig.faults(&["exit 0"]).error().class, RetryClass::Crash);
    rig.faults(&["print 2"]);
    rig.cleanup();
    for (name, words) in [("worker-0.log", "printed 1"), ("worker-1.log", "printed 2")] {
        let log = std::fs::read_to_string(rig.logs().join(name)).unwrap();
        assert!(log.contains(words), "{name}: {log}");
    }
}

#[test]
fn functions_see_their_environment_and_nothing_of_faasts_plumbing() {
    let _held = Rig::new(1);
    let rig = Rig::with(1, |spec| spec.env.push(("FAAST_TEST_ENV".into(), "x=1".into()))).unwrap();
    assert_eq!(rig.ok("env"), "x=1");
    let fds = rig.ok("fds");
    // Their own socket, and nothing of another worker; the journal is memory.
    assert_eq!(fds.matches("socket:").count(), 1, "{fds}");
    assert_eq!(fds.matches("faast-journal").count(), 0, "{fds}");
    assert!(fds.contains("/dev/null"), "{fds}");
}

#[test]
fn an_answer_counts_whatever_lies_behind_it() {
    let rig = Rig::new(1);
    let answer = rig.faults(&["speaks 1"]);
    assert!(answer.done() == [1] && answer.error.is_none(), "{answer:?}");
    assert_eq!(rig.ok("ok 2"), "2", "by another worker");
}

#[test]
fn an_unknown_function_and_another_build_are_typed_answers() {
    let rig = Rig::new(1);
    assert_eq!(rig.run(rig.request("NOWHERE", [&b""[..]])).failure().kind, ErrorKind::UnknownFunction);
    let mut request = rig.request("ECHO", [&b""[..]]);
    request.build ^= 1;
    assert_eq!(rig.run(request).failure().kind, ErrorKind::StaleBuild);
}

#[test]
fn a_worker_that_cannot_start_says_why_and_is_not_started_for_ever() {
    let rig = Rig::with(2, |spec| spec.env.push(("FAAST_TEST_NO_START".into(), "libnowhere.so".into()))).unwrap();
    for _ in 0..20 {
        let answer = rig.faults(&["ok 1", "ok 2"]);
        let error = answer.error();
        assert_eq!((error.kind, error.class, error.ran), (ErrorKind::Deploy, RetryClass::Permanent, Ran::No));
        assert!(error.message.contains("status 127") && error.message.contains("libnowhere.so"), "{error}");
        assert!(error.message.contains("file:///"), "{error}");
    }
    let started = std::fs::read_dir(rig.logs()).unwrap().count();
    assert!(started < 8, "{started} log files");
}

#[test]
fn a_deployment_that_cannot_start_a_process_fails_at_once() {
    let error = Rig::with(1, |spec| spec.staged = Some("/nowhere".into())).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Deploy);
}

#[test]
fn many_workers_at_once_serve_and_go() {
    let rig = Rig::new(60);
    let pids: Vec<u32> = runtime().block_on(async {
        let streams = (0..60).map(|_| rig.function.invoke(rig.request("FAULT", [&b"pid"[..], b"sleep 50"])));
        let answers = futures_util::future::join_all(streams.map(StreamExt::collect::<Vec<_>>)).await;
        let pid = |event: &Result<Event, _>| match event {
            Ok(Event::Done { call, outcome: Outcome::Ok(Payload::Inline(pid)), .. }) if call.0 == 1 => {
                String::from_utf8_lossy(pid).parse().ok()
            }
            _ => None,
        };
        answers.iter().flatten().filter_map(pid).collect()
    });
    assert_eq!(pids.len(), 60);
    rig.cleanup();
    assert!(pids.iter().all(|pid| !is_alive(*pid)));
}
