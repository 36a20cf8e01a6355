//! Functions that end their process, and those that look at what only a process has: environment, folder, memory.

use std::fs;
use std::process;
use std::thread;
use std::time::Duration;

use faast_core::worker::context;
use rustix::process::{Signal, getpid, kill_process};
use serde::{Deserialize, Serialize};

use super::functions;

/// Ways to end a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Crash {
    No,
    Exit(i32),
    Abort,
    Segfault,
    StackOverflow,
}

fn signal(signal: Signal) {
    // Again and again: the standard library's own handler returns from the first segfault, and signals that are sent in
    // quick succession arrive as one.
    for _ in 0..1000 {
        let _ = kill_process(getpid(), signal);
        thread::sleep(Duration::from_millis(1));
    }
}

#[expect(unconditional_recursion, reason = "this is how a stack overflows")]
fn overflow(depth: u64) -> u64 {
    let padding = std::hint::black_box([depth; 512]);
    overflow(depth + 1) + padding[0]
}

functions! {
    /// Ends its process in that way, or returns.
    value fn crash(how: Crash) -> u32 {
        match how {
            Crash::No => {}
            Crash::Exit(code) => process::exit(code),
            Crash::Abort => process::abort(),
            Crash::Segfault => signal(Signal::SEGV),
            Crash::StackOverflow => drop(std::hint::black_box(overflow(0))),
        }
        process::id()
    }

    /// Is killed from outside in the first attempt, and returns in the second.
    value fn die_once() -> u32 {
        let attempt = context().attempt();
        if attempt == 1 {
            signal(Signal::KILL);
        }
        attempt
    }

    /// A variable of the worker's environment.
    value fn variable(name: String) -> Option<String> {
        std::env::var(name).ok()
    }

    /// A file's text, by its path from the folder in which workers start.
    value fn read_file(path: String) -> Option<String> {
        fs::read_to_string(path).ok()
    }

    /// Holds so many mebibytes of memory for a moment.
    value fn allocate(mebibytes: usize) -> usize {
        let mut held = Vec::new();
        for _ in 0..mebibytes {
            // Written to, so that it is really there.
            held.push(std::hint::black_box(vec![1_u8; 1 << 20]));
        }
        thread::sleep(Duration::from_millis(100));
        held.len()
    }
}
