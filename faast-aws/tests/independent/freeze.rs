//! Between two calls Lambda stops the whole sandbox. Here `lambda-simulator` does it, with signals, to a real worker.
//!
//! The simulator is in a program of its own, `third-party/lambda-simulator`: its events and answers are lines.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use faast_core::ErrorKind;
use faast_core::function::{Body, FunctionEntry, Registered};
use faast_core::inventory;
use faast_core::provider::{Event, Failure};
use faast_core::worker::{Mark, launch_args};
use faast_testkit::frame;
use faast_testkit::play::{ECHO, SLEEP};

use crate::place;

/// What a call may take that takes next to nothing, and its sandbox with it.
const SHORT: Duration = Duration::from_secs(1);

/// For so long it is frozen, so that both are over long before it goes on.
const FROZEN: Duration = Duration::from_secs(2);

/// For whatever takes as long as it takes.
const LONG: Duration = Duration::from_mins(2);

/// How often the thread of [`START`] has run on, as the worker sees it.
static TICKS: AtomicU64 = AtomicU64::new(0);

/// Starts a thread that appends a byte to a file every millisecond, for ever.
static START: FunctionEntry = FunctionEntry {
    name: "independent::freeze::START",
    signature: 1,
    location: concat!(file!(), ":", line!(), ":", column!()),
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
static COUNT: FunctionEntry = FunctionEntry {
    name: "independent::freeze::COUNT",
    signature: 1,
    location: concat!(file!(), ":", line!(), ":", column!()),
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

/// The simulator, with this test binary as the worker in it.
struct Sandbox {
    simulator: Child,
    /// Closed, it ends the simulator, which ends the worker.
    input: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
    worker: u32,
    calls: u64,
}

impl Sandbox {
    fn start() -> Self {
        let mut command = Command::new(place::simulator());
        command.arg(Mark::for_child("aws").to_string()).arg(std::env::current_exe().unwrap()).args(launch_args());
        command.env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut simulator = command.spawn().unwrap();
        let input = simulator.stdin.take();
        let mut lines = BufReader::new(simulator.stdout.take().unwrap()).lines();
        let worker = lines.next().unwrap().unwrap().parse().unwrap();
        Self { simulator, input, lines, worker, calls: 0 }
    }

    /// One call, its events, and a freeze that has been ordered.
    fn call(&mut self, function: &FunctionEntry, args: &[u8], timeout: Duration, deadline: Duration) -> Vec<Event> {
        self.calls += 1;
        let request = frame::request(vec![frame::call(self.calls, &function.id(), args, timeout)]);
        let event = STANDARD.encode(frame::encoded(&request));
        writeln!(self.input.as_mut().unwrap(), "{} \"{event}\"", deadline.as_millis()).unwrap();
        let answer = self.line();
        let (status, response) = answer.split_once(' ').unwrap();
        assert_eq!(status, "Success", "{answer}");
        let response: String = serde_json::from_str(response).unwrap();
        assert_eq!(self.line(), "frozen");
        frame::opened(&STANDARD.decode(response).unwrap())
    }

    fn line(&mut self) -> String {
        self.lines.next().unwrap().unwrap()
    }

    /// Stays frozen for a while; gives the number of ticks, which does not change meanwhile.
    fn does_nothing_while_frozen(&self, ticks: &Path) -> u64 {
        // A signal was sent; `T` in the third field says that it has arrived.
        let stat = format!("/proc/{}/stat", self.worker);
        let stopped = || fs::read_to_string(&stat).unwrap().contains(") T ");
        while !stopped() {
            thread::yield_now();
        }
        let written = || fs::metadata(ticks).unwrap().len();
        let (since, before) = (Instant::now(), written());
        while since.elapsed() < FROZEN {
            // Nothing to wait for: what is looked for is that nothing happens.
            thread::sleep(Duration::from_millis(20));
            assert_eq!(written(), before, "the worker runs while it is frozen");
        }
        assert!(stopped());
        before
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.simulator.wait();
    }
}

#[test]
fn a_worker_goes_on_after_each_freeze_and_the_time_of_it_counts_for_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let ticks = folder.path().join("ticks");
    fs::write(&ticks, "").unwrap();
    let mut sandbox = Sandbox::start();
    sandbox.call(&START, ticks.to_str().unwrap().as_bytes(), LONG, LONG);
    let mut last = sandbox.does_nothing_while_frozen(&ticks);
    for turn in 0..3_u8 {
        // Its time-out and its deadline pass in the freeze; neither is of any call any more.
        let events = sandbox.call(&ECHO, &[turn], SHORT, SHORT * 2);
        assert_eq!(frame::value(&events[1]), [turn]);
        sandbox.does_nothing_while_frozen(&ticks);
        let events = sandbox.call(&COUNT, b"", LONG, LONG);
        // It has run on in between, and it is the same process: a new one would begin with none.
        let counted = u64::from_le_bytes(frame::value(&events[1]).try_into().unwrap());
        assert!(counted > last, "{counted} after {last}");
        let Event::Done { metering, .. } = &events[1] else { unreachable!("{events:?}") };
        assert!(metering.duration < FROZEN, "the freeze before it was counted: {metering:?}");
        last = sandbox.does_nothing_while_frozen(&ticks);
        assert!(last >= counted, "{last} written, {counted} counted");
    }
    // And a time that is over while a call runs is over.
    let events = sandbox.call(&SLEEP, b"", Duration::from_millis(50), LONG);
    assert_eq!(frame::failure(&events[1]).kind, ErrorKind::Timeout);
}
