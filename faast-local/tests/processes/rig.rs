//! A deployment driven by hand through the contract, and functions that do what functions should not.

use std::borrow::Cow;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use faast_core::cache::CacheFolder;
use faast_core::function::{Body, Ended, FunctionEntry, Registered, build_fingerprint};
use faast_core::inventory;
use faast_core::provider::{
    self, CallFrame, CallId, CloudFunction, CloudProvider, DeployContext, DeploySpec, DeploymentId, Event, Failure,
    FunctionId, InvokeError, Metering, Outcome, Payload, Request,
};
use faast_core::wire::frame::encode_event;
use faast_core::worker::TestWorker;
use faast_core::{Error, ErrorKind};
use faast_local::Local;
use futures_util::StreamExt;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, Signal, getpid, kill_process, pidfd_getfd, pidfd_open};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// What `faast::test_worker!()` makes, but for a worker that can't start.
#[test]
fn faast_worker() {
    if let Ok(library) = std::env::var("FAAST_TEST_NO_START") {
        eprintln!("error while loading shared libraries: {library}: cannot open shared object file");
        std::process::exit(127);
    }
    if let Ok(bytes) = std::env::var("FAAST_TEST_DIE_AFTER") {
        super::cut::before_the_socket(&bytes);
    }
    faast_core::worker::test_worker();
}

inventory::submit! { TestWorker(concat!(module_path!(), "::faast_worker")) }

macro_rules! functions {
    ($($name:ident = $body:expr;)+) => {$(
        static $name: FunctionEntry = FunctionEntry {
            name: stringify!($name),
            signature: 7,
            location: "rig",
            idempotent: true,
            body: $body,
        };
        inventory::submit! { Registered(&$name) }
    )+};
}

functions! {
    ECHO = Body::Sync(echo);
    FAULT = Body::Sync(fault);
    ITEMS = Body::Iterator(items);
}

fn echo(args: &[u8], out: &mut Vec<u8>) -> Ended {
    out.extend_from_slice(args);
    Ok(())
}

/// Adds a line for each start to the file named by `FAAST_TEST_NOTES`, then does what the argument says.
fn fault(args: &[u8], out: &mut Vec<u8>) -> Ended {
    let what = String::from_utf8_lossy(args);
    let (what, number) = what.split_once(' ').unwrap_or((&what, "0"));
    let number: u64 = number.parse().unwrap();
    note(&String::from_utf8_lossy(args));
    match what {
        "ok" => out.extend_from_slice(number.to_string().as_bytes()),
        "print" => {
            println!("printed {number}");
            eprintln!("warned of {number}");
        }
        "pid" => out.extend_from_slice(std::process::id().to_string().as_bytes()),
        "note_pid" => note(&format!("pid {}", std::process::id())),
        "child" => {
            // Started by a shell that ends at once, so that nobody but faast ends it.
            let script = "sleep 600 >/dev/null 2>&1 & echo $!";
            let pid = std::process::Command::new("sh").args(["-c", script]).output().unwrap().stdout;
            out.extend_from_slice(pid.trim_ascii());
        }
        "env" => out.extend_from_slice(std::env::var("FAAST_TEST_ENV").unwrap_or_default().as_bytes()),
        "sleep" => std::thread::sleep(Duration::from_millis(number)),
        "exit" => std::process::exit(i32::try_from(number).unwrap()),
        "abort" => std::process::abort(),
        "segv" => loop {
            // Twice: std's handler returns from the first one.
            kill_process(getpid(), Signal::SEGV).unwrap();
        },
        "kill" => kill_process(getpid(), Signal::KILL).unwrap(),
        "panic" => panic!("on purpose"),
        "stack" => out.push(deep(number)),
        "alloc" => out.push(u8::try_from(vec![1u8; usize::try_from(number).unwrap()].len() % 251).unwrap()),
        "touch" => {
            let mut kept = Vec::new();
            loop {
                kept.push(vec![1u8; 1 << 20]);
                std::thread::sleep(Duration::from_millis(1));
                std::hint::black_box(&kept);
            }
        }
        "loop" => loop {
            std::hint::spin_loop();
        },
        "speaks" => speak_up(number),
        "here" => out.extend_from_slice(std::env::current_dir().unwrap().as_os_str().as_encoded_bytes()),
        "error" => return Err(Box::new(Failure::new(ErrorKind::User, "wanted"))),
        "fds" => {
            let mut fds: Vec<_> = std::fs::read_dir("/proc/self/fd")
                .unwrap()
                .filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok())
                .map(|to| to.display().to_string())
                .collect();
            fds.sort();
            out.extend_from_slice(fds.join("\n").as_bytes());
        }
        _ => panic!("no such fault: {what}"),
    }
    Ok(())
}

fn note(line: &str) {
    if let Ok(notes) = std::env::var("FAAST_TEST_NOTES") {
        let mut notes = std::fs::File::options().append(true).create(true).open(notes).unwrap();
        writeln!(notes, "{line}").unwrap();
    }
}

/// Writes an answer to the client by itself, with something behind it in the same frame that is no event, and goes on.
fn speak_up(call: u64) {
    let outcome = Outcome::Ok(Payload::Inline(Bytes::from_static(b"of its own accord")));
    let mut head = Vec::new();
    encode_event(&Event::Done { call: CallId(call), outcome, metering: Metering::default() }, &mut head);
    head.extend_from_slice(b"no event");
    let length = u32::try_from(head.len()).unwrap().to_le_bytes();
    let frame = [&1_u64.to_le_bytes()[..], &length, &[0; 12], &head].concat();
    let me = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
    for fd in std::fs::read_dir("/proc/self/fd").unwrap().map(|fd| fd.unwrap()) {
        if std::fs::read_link(fd.path()).is_ok_and(|to| to.to_string_lossy().starts_with("socket:")) {
            let number = fd.file_name().to_str().unwrap().parse().unwrap();
            let socket = pidfd_getfd(&me, number, PidfdGetfdFlags::empty()).unwrap();
            rustix::io::write(socket, &frame).unwrap();
        }
    }
    std::thread::sleep(Duration::from_mins(1));
}

fn deep(depth: u64) -> u8 {
    let here = std::hint::black_box([1u8; 4096]);
    if depth == u64::MAX { 0 } else { here[0].wrapping_add(deep(depth + 1)) }
}

/// Endless items of as many bytes as the argument says.
fn items(args: &[u8], emit: faast_core::function::Emit<'_>) -> Ended {
    let len: usize = String::from_utf8_lossy(args).parse().unwrap();
    while emit(vec![3; len]).is_continue() {}
    Ok(())
}

/// The runtime of all tests of a binary.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap())
}

/// The runtime that core would own.
pub(crate) fn own_runtime() -> &'static provider::Runtime {
    static RUNTIME: OnceLock<provider::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| provider::Runtime::start().unwrap())
}

/// A deployment in a home of its own.
pub(crate) struct Rig {
    pub(crate) home: TempDir,
    pub(crate) spec: DeploySpec,
    pub(crate) function: Arc<dyn CloudFunction>,
}

/// How a request ended.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) events: Vec<Event>,
    pub(crate) error: Option<InvokeError>,
}

impl Rig {
    pub(crate) fn new(concurrency: usize) -> Self {
        Self::with(concurrency, |_| {}).unwrap()
    }

    pub(crate) fn with(concurrency: usize, change: impl FnOnce(&mut DeploySpec)) -> Result<Self, Error> {
        let home = tempfile::tempdir().unwrap();
        let mut spec = DeploySpec::new(DeploymentId::random());
        spec.concurrency = concurrency;
        spec.env.push(("FAAST_TEST_NOTES".into(), home.path().join("notes").display().to_string()));
        change(&mut spec);
        let cache = Arc::new(CacheFolder::at(home.path().join("local")));
        let cx = DeployContext::new(cache, spec.deployment.clone(), own_runtime().clone());
        let function = runtime().block_on(Local::new().deploy(&spec, &cx))?;
        Ok(Self { home, spec, function })
    }

    pub(crate) fn request(&self, function: &str, args: impl IntoIterator<Item = impl Into<Bytes>>) -> Request {
        let calls = (1..).zip(args).map(|(id, args)| CallFrame {
            id: CallId(id),
            attempt: 1,
            function: FunctionId { name: Cow::Owned(function.into()), signature: 7 },
            timeout: self.spec.timeout,
            args: Payload::Inline(args.into()),
            trace: None,
        });
        Request { deployment: self.spec.deployment.clone(), build: build_fingerprint(), calls: calls.collect() }
    }

    pub(crate) fn run(&self, request: Request) -> Answer {
        let mut stream = self.function.invoke(request);
        let mut answer = Answer { events: Vec::new(), error: None };
        runtime().block_on(async {
            while let Some(event) = stream.next().await {
                match event {
                    Ok(event) => answer.events.push(event),
                    Err(error) => answer.error = Some(error),
                }
            }
        });
        answer
    }

    pub(crate) fn faults(&self, what: &[&str]) -> Answer {
        self.run(self.request("FAULT", what.iter().map(|what| what.as_bytes().to_vec())))
    }

    /// The value of a call that must succeed.
    pub(crate) fn ok(&self, what: &str) -> String {
        let answer = self.faults(&[what]);
        let Some(Event::Done { outcome: Outcome::Ok(Payload::Inline(bytes)), .. }) = answer.events.last() else {
            panic!("`{what}` failed: {answer:?}")
        };
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    /// What functions noted when they started, in order.
    pub(crate) fn notes(&self) -> Vec<String> {
        let notes = std::fs::read_to_string(self.home.path().join("notes")).unwrap_or_default();
        notes.lines().map(ToOwned::to_owned).collect()
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.home.path().join("local/logs").join(self.spec.deployment.as_str())
    }

    pub(crate) fn cleanup(&self) {
        let report = runtime().block_on(self.function.cleanup());
        assert!(report.is_clean(), "{report:?}");
    }
}

impl Answer {
    /// Ids of the calls that were answered with a value, in order.
    pub(crate) fn done(&self) -> Vec<u64> {
        let done = |event: &Event| match event {
            Event::Done { call, outcome: Outcome::Ok(_), .. } => Some(call.0),
            _ => None,
        };
        self.events.iter().filter_map(done).collect()
    }

    pub(crate) fn started(&self) -> Vec<u64> {
        let started = |event: &Event| match event {
            Event::Started { call, .. } => Some(call.0),
            _ => None,
        };
        self.events.iter().filter_map(started).collect()
    }

    pub(crate) fn returned(&self) -> Vec<u64> {
        let returned = |event: &Event| match event {
            Event::Returned { call } => Some(call.0),
            _ => None,
        };
        self.events.iter().filter_map(returned).collect()
    }

    pub(crate) fn error(&self) -> &InvokeError {
        self.error.as_ref().unwrap_or_else(|| panic!("no failure: {self:?}"))
    }

    /// The failure that the worker reported itself.
    pub(crate) fn failure(&self) -> &Failure {
        let failure = |event: &Event| matches!(event, Event::Done { outcome: Outcome::Err(_), .. });
        match self.events.iter().find(|event| failure(event)) {
            Some(Event::Done { outcome: Outcome::Err(failure), .. }) => failure,
            _ => panic!("no failure: {self:?}"),
        }
    }
}

/// Waits for something that has to come true; the test harness's own limit is the only one.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..10_000 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    panic!("never: {what}");
}
