//! A program for Lambda with faast's own worker in it, and functions whose threads outlive their calls.
//!
//! The worker is not linked but taken in, file by file: these are the files of `faast-aws`, which as a crate brings in
//! the SDKs, and those take minutes to build for a test of seconds.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use faast_core::function::{Body, FunctionEntry, Registered};
use faast_core::provider::{Failure, WorkerStart};
use faast_core::{ErrorKind, inventory};

#[path = "../../../faast-aws/src"]
#[expect(dead_code, reason = "of what both sides share, a worker uses its own half")]
mod aws {
    pub(crate) mod body;
    pub(crate) mod worker;
}

// Where the worker's files look for it.
use self::aws::body;

/// The provider's name, which the worker finds in its mark.
pub const NAME: &str = "aws";

/// How often the thread of [`START`] has run on, as the worker sees it.
static TICKS: AtomicU64 = AtomicU64::new(0);

/// Starts a thread that appends a byte to a file every millisecond, for ever.
pub static START: FunctionEntry = FunctionEntry {
    name: "simulated_lambda::start",
    signature: 1,
    location: "lib.rs:1:1",
    idempotent: true,
    body: Body::Sync(|path, _| {
        let path = String::from_utf8_lossy(path).into_owned();
        let file = OpenOptions::new()
            .append(true)
            .open(&path)
            .map_err(|error| Failure::new(ErrorKind::Io, format!("`{path}` can't be opened: {error}")))?;
        thread::spawn(move || tick(file));
        Ok(())
    }),
};

/// Gives the number of ticks, once there has been one since the call began.
pub static COUNT: FunctionEntry = FunctionEntry {
    name: "simulated_lambda::count",
    signature: 1,
    location: "lib.rs:1:1",
    idempotent: true,
    body: Body::Sync(|_, result| {
        let before = TICKS.load(Ordering::Relaxed);
        while TICKS.load(Ordering::Relaxed) == before {
            thread::yield_now();
        }
        result.extend_from_slice(&TICKS.load(Ordering::Relaxed).to_le_bytes());
        Ok(())
    }),
};

inventory::submit! { Registered(&START) }
inventory::submit! { Registered(&COUNT) }

fn tick(mut file: File) {
    while file.write_all(b".").is_ok() {
        TICKS.fetch_add(1, Ordering::Relaxed);
        thread::sleep(Duration::from_millis(1));
    }
}

/// Serves until there is nothing more to do, if Lambda has started this process as a worker.
///
/// Says whether it has.
pub fn serve() -> bool {
    let transport = aws::worker::worker_transport(&WorkerStart::of_this_process());
    transport.map(faast_core::worker::serve).is_some()
}
