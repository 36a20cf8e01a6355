//! The leak detector counts what a process really holds. One test in a file of its own: other tests of the same process
//! open files and start threads.

#![cfg(target_os = "linux")]

use std::process::{Command, Stdio};

use faast_core::leak::Counts;

#[test]
fn descriptors_threads_and_children_are_counted_and_gone_afterwards() {
    let before = Counts::now().unwrap();
    assert_eq!(Counts::now(), Some(before));

    let file = std::fs::File::open("/dev/null").unwrap();
    let (send, receive) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || receive.recv());
    let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let held = Counts::now().unwrap().difference(before).unwrap();
    assert_eq!(held.to_string(), "2 descriptors, 1 thread, 1 child process");

    drop(child.stdin.take());
    drop(send);
    drop(file);
    assert!(thread.join().unwrap().is_err());
    child.wait().unwrap();
    // A joined thread may stay in /proc for a moment.
    while Counts::now().unwrap().threads > before.threads {
        std::thread::yield_now();
    }
    assert_eq!(Counts::now().unwrap().difference(before), None);
}
