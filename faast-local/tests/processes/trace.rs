//! What is left behind: nothing. These run in a process of their own each, because they count what a process has.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use faast_core::provider::{Event, RetryClass};
use faast_testkit::watch::is_alive;
use futures_util::{FutureExt, StreamExt};
use rustix::process::{Pid, Signal, kill_process};

use super::rig::{Rig, eventually, own_runtime, runtime};

#[derive(Debug, PartialEq, Eq)]
struct Counts {
    descriptors: usize,
    threads: usize,
    children: Vec<u32>,
}

fn counts() -> Counts {
    let threads: Vec<_> = fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path()).collect();
    let children = threads.iter().filter_map(|task| fs::read_to_string(task.join("children")).ok());
    let mut children: Vec<u32> =
        children.flat_map(|list| list.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<_>>()).collect();
    children.sort_unstable();
    Counts { descriptors: fs::read_dir("/proc/self/fd").unwrap().count(), threads: threads.len(), children }
}

/// Says in which process a test really runs.
const ALONE: &str = "FAAST_TEST_ALONE";

/// This binary, running one test of this file alone.
fn alone(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([&format!("trace::{test}"), "--exact", "--nocapture", "--test-threads=1"]).env(ALONE, "1");
    command
}

/// In a process of its own, runs `leave` and compares what there is with what was there before.
fn leaves_no_trace(test: &str, leave: impl Fn()) {
    if std::env::var_os(ALONE).is_none() {
        let output = alone(test).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    // The runtimes' own threads and descriptors.
    runtime().block_on(runtime().spawn(async {})).unwrap();
    assert!(own_runtime().handle().is_some());
    let before = counts();
    leave();
    assert_eq!(counts(), before);
}

#[test]
fn cleanup_leaves_what_was_there_before() {
    leaves_no_trace("cleanup_leaves_what_was_there_before", || {
        let rig = Rig::new(8);
        let answers = runtime().block_on(async {
            let streams = (0..8).map(|_| rig.function.invoke(rig.request("FAULT", [&b"sleep 20"[..]])));
            futures_util::future::join_all(streams.map(StreamExt::collect::<Vec<_>>)).await
        });
        assert_eq!(answers.len(), 8);
        rig.faults(&["segv"]);
        rig.run(rig.request("ECHO", [vec![1; 4 << 20]]));
        assert!(rig.logs().exists());
        rig.cleanup();
        assert!(!rig.logs().exists());
        rig.cleanup();
    });
}

#[test]
fn cleanup_in_the_middle_settles_every_request_as_canceled() {
    leaves_no_trace("cleanup_in_the_middle_settles_every_request_as_canceled", || {
        let rig = Rig::new(2);
        let _context = runtime().enter();
        let mut streams: Vec<_> =
            (0..6).map(|_| rig.function.invoke(rig.request("FAULT", [&b"loop"[..], b"ok 1"]))).collect();
        for stream in &mut streams {
            let _ = stream.next().now_or_never();
        }
        rig.cleanup();
        for stream in streams {
            let end = runtime().block_on(stream.collect::<Vec<_>>()).pop();
            assert!(matches!(&end, Some(Err(error)) if error.class == RetryClass::Canceled), "{end:?}");
        }
        let late = rig.faults(&["ok 1"]);
        assert_eq!(late.error().class, RetryClass::Canceled);
    });
}

#[test]
fn dropping_the_deployment_is_a_cleanup() {
    leaves_no_trace("dropping_the_deployment_is_a_cleanup", || {
        let rig = Rig::new(3);
        assert_eq!(rig.ok("ok 1"), "1");
        let mut stream = rig.function.invoke(rig.request("FAULT", [&b"loop"[..]]));
        assert!(matches!(runtime().block_on(stream.next()), Some(Ok(Event::Started { .. }))));
        drop(stream);
        drop(rig);
    });
}

#[test]
fn children_of_functions_end_with_their_worker() {
    let rig = Rig::new(1);
    let child: u32 = rig.ok("child").parse().unwrap();
    assert!(is_alive(child));
    rig.cleanup();
    eventually("the grandchild ends", || !is_alive(child));
}

/// Not a test of its own: the client that the next one kills. An ordinary run passes at once.
#[test]
fn victim() {
    if std::env::var_os(ALONE).is_none() {
        return;
    }
    let rig = Rig::new(2);
    let idle = rig.ok("pid");
    let mut streams: Vec<_> =
        (0..2).map(|_| rig.function.invoke(rig.request("FAULT", [&b"note_pid"[..], b"loop"]))).collect();
    runtime().block_on(async {
        for stream in &mut streams {
            stream.next().await;
        }
    });
    eventually("both workers loop", || rig.notes().iter().filter(|note| note.starts_with("loop")).count() == 2);
    let mut pids: Vec<_> = rig.notes().iter().filter_map(|note| note.strip_prefix("pid ").map(str::to_owned)).collect();
    pids.push(idle);
    println!("\nworkers {}", pids.join(" "));
    std::thread::sleep(std::time::Duration::from_mins(10));
}

#[test]
fn workers_end_when_their_client_is_killed() {
    let mut client = alone("victim").stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(client.stdout.take().unwrap()).lines();
    let line = lines.map(Result::unwrap).find(|line| line.starts_with("workers ")).unwrap();
    let workers: Vec<u32> = line.split(' ').skip(1).map(|pid| pid.parse().unwrap()).collect();
    assert!(workers.len() >= 3 && workers.iter().all(|pid| is_alive(*pid)), "{line}");
    kill_process(Pid::from_child(&client), Signal::KILL).unwrap();
    client.wait().unwrap();
    eventually("its workers end", || workers.iter().all(|pid| !is_alive(*pid)));
}
