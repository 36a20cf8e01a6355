//! A worker that dies after every single byte of an exchange, in either direction.

use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::thread;

use faast_core::provider::{Ran, RetryClass};
use rustix::process::{Signal, getpid, kill_process};

use super::rig::Rig;

/// In a worker: puts itself between its socket and what reads it, and dies after so many bytes to or from the client.
///
/// `to 17` or `from 17`.
pub(crate) fn before_the_socket(what: &str) {
    let (direction, bytes) = what.split_once(' ').unwrap();
    let bytes: usize = bytes.parse().unwrap();
    let client = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap());
    let (near, far) = UnixStream::pair().unwrap();
    rustix::stdio::dup2_stdin(OwnedFd::from(far)).unwrap();
    let (to, from) = if direction == "to" { (bytes, usize::MAX) } else { (usize::MAX, bytes) };
    let (client_again, near_again) = (client.try_clone().unwrap(), near.try_clone().unwrap());
    thread::spawn(move || pass(near, client, to));
    thread::spawn(move || pass(client_again, near_again, from));
}

fn pass(mut from: UnixStream, mut to: UnixStream, mut left: usize) {
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let passed = read.min(left);
        if to.write_all(&buffer[..passed]).is_err() {
            break;
        }
        left -= passed;
        if left == 0 {
            kill_process(getpid(), Signal::KILL).unwrap();
        }
    }
    // The end of either side is the end of both.
    let _ = to.shutdown(std::net::Shutdown::Both);
}

#[test]
fn a_worker_that_dies_after_any_byte_loses_no_answer_and_never_denies_that_a_call_ran() {
    for direction in ["from", "to"] {
        let mut deaths = 0;
        for bytes in 1.. {
            let cut = format!("{direction} {bytes}");
            let rig = Rig::with(1, |spec| spec.env.push(("FAAST_TEST_DIE_AFTER".into(), cut.clone()))).unwrap();
            let answer = rig.faults(&["ok 1", "ok 2", "ok 3"]);
            let (done, returned, ran) = (answer.done(), answer.returned(), rig.notes().len() as u64);
            assert!(done.is_sorted() && done.iter().all(|call| *call <= ran), "{cut}: {done:?}, {ran} ran");
            let Some(error) = &answer.error else {
                assert_eq!(done.len() + returned.len(), 3, "{cut}: {answer:?}");
                break;
            };
            deaths += 1;
            assert_eq!(error.class, RetryClass::WorkerLost, "{cut}: {error:?}");
            // The first call without an answer is the one that the failure is about.
            let blamed = (1..=3).find(|call| !done.contains(call) && !returned.contains(call)).unwrap();
            assert!(error.ran != Ran::No || ran < blamed, "{cut}: call {blamed} ran, {error:?}");
            // What ran before it has its answer: it is not run again.
            assert_eq!(done.len() as u64, blamed - 1, "{cut}: {answer:?}");
        }
        println!("a worker died after each of {deaths} bytes {direction} the client");
        assert!(deaths > 40, "{direction}: {deaths}");
    }
}
