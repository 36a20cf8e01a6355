//! What the jobs call.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};

/// Twice its argument, some time later.
#[faast::function]
pub(crate) fn double(n: u64, millis: u64) -> u64 {
    std::thread::sleep(Duration::from_millis(millis));
    n * 2
}

/// As many bytes as it was given, each one more.
#[faast::function]
pub(crate) fn next_bytes(bytes: Vec<u8>) -> Vec<u8> {
    bytes.into_iter().map(|byte| byte.wrapping_add(1)).collect()
}

/// Writes a line for each time that it runs.
#[faast::function(idempotent = false)]
pub(crate) fn once(notes: &str, n: u64) -> u64 {
    let mut file = OpenOptions::new().create(true).append(true).open(notes).unwrap();
    file.write_all(format!("{n}\n").as_bytes()).unwrap();
    n
}

/// Prints so many bytes, where there is room for them.
#[faast::function]
pub(crate) fn prints(n: u64, bytes: usize) -> u64 {
    let _ = std::io::stderr().write_all(&vec![b'.'; bytes]);
    n
}

#[faast::function]
pub(crate) fn declines(n: u64) -> Result<u64, String> {
    Err(format!("{n} is declined"))
}

#[faast::function]
pub(crate) fn panics(n: u64) -> u64 {
    panic!("{n} on purpose")
}

/// Ends its process in one way or another.
#[faast::function]
pub(crate) fn crashes(how: u64) -> u64 {
    match how % 3 {
        0 => std::process::exit(i32::try_from(how % 7).unwrap()),
        1 => std::process::abort(),
        // Twice: std's handler returns from the first one.
        _ => loop {
            kill_process(getpid(), Signal::SEGV).unwrap();
        },
    }
}

/// Takes memory until it is ended.
#[faast::function]
pub(crate) fn hogs() -> u64 {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    loop {
        kept.push(vec![1; 1 << 20]);
        std::thread::sleep(Duration::from_micros(200));
        std::hint::black_box(&kept);
    }
}

/// Numbers in order.
#[faast::function]
pub(crate) fn numbers(below: u64) -> impl Iterator<Item = u64> {
    0..below
}
