//! One instance of a revision: its process, from the first look at its program to SIGTERM and SIGKILL.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::super::logging::Log;
use super::super::run::Revision;
use super::super::state::Shared;
use super::{port, root};
use crate::emulator::output::Output;
use crate::emulator::process::{Process, Program, Watcher};

/// Descriptors that a process may have open.
const FILES: u64 = 25_000;

/// Between two attempts to connect to a process that does not listen yet.
const BETWEEN: Duration = Duration::from_millis(2);

/// An instance. Dropping it kills its process.
#[derive(Debug)]
pub(super) struct Instance {
    process: Process,
    pub(super) address: SocketAddr,
    revision: Arc<Revision>,
    emulator: Shared,
    /// Ends by itself, after the process.
    _log: JoinHandle<()>,
    /// Where its own files are, for as long as it lives.
    _folder: TempDir,
}

impl Instance {
    /// Starts a process and waits until it listens. Why it does not is in the log.
    pub(super) async fn start(emulator: &Shared, revision: &Arc<Revision>) -> io::Result<Self> {
        let note = |severity: &str, text: String| {
            let now_ms = emulator.clock.now_ms();
            emulator.state().logs.add(revision, Log::System, severity, now_ms, json!({ "textPayload": text }));
        };
        let command = revision.command();
        let program = command.first().map_or("", String::as_str);
        if let Some(refusal) = revision.image.refusal(program) {
            note("ERROR", refusal.clone());
            return Err(io::Error::other(refusal));
        }
        note("INFO", "Starting new instance. Reason: AUTOSCALING".into());
        let begun = Self::begin(emulator, revision);
        let mut instance = begun.inspect_err(|error| note("ERROR", error.to_string()))?;
        let start = Instant::now();
        while TcpStream::connect(instance.address).await.is_err() {
            if !instance.process.is_alive() || start.elapsed() > emulator.settings.startup_limit {
                let text = format!(
                    "Default STARTUP TCP probe failed 1 time consecutively for container \"{}-1\" on port 8080. The \
                     instance was not started.\nConnection failed with status CANCELLED.",
                    revision.key.2
                );
                note("ERROR", text.clone());
                return Err(io::Error::other(text));
            }
            // The next attempt, or the end right away.
            let _ = timeout(BETWEEN, instance.process.ended()).await;
        }
        Ok(instance)
    }

    fn begin(emulator: &Shared, revision: &Arc<Revision>) -> io::Result<Self> {
        let folder = emulator.images.temporary()?;
        let port = port::free().ok_or_else(|| io::Error::other("there is no free port"))?;
        let environment = variables(emulator, revision, port);
        let shared = emulator.settings.shared_folder.as_deref();
        let start = root::start(revision, folder.path(), shared, environment);
        let program = Program {
            executable: &start.executable,
            arguments: &start.arguments,
            folder: &start.folder,
            environment: start.environment,
            memory_mb: revision.template.memory_mib,
            files: FILES,
        };
        let (process, pipe) = Process::start(&program, &emulator.processes)?;
        let log = log(Arc::clone(emulator), Arc::clone(revision), process.watcher(), Output::new(pipe));
        let log = tokio::spawn(log);
        let (revision, emulator) = (Arc::clone(revision), Arc::clone(emulator));
        let address = (Ipv4Addr::LOCALHOST, port).into();
        Ok(Self { process, address, revision, emulator, _log: log, _folder: folder })
    }

    pub(super) fn is_alive(&self) -> bool {
        self.process.is_alive()
    }

    /// Waits for its end, so long at most.
    pub(super) async fn ends_within(&mut self, limit: Duration) -> bool {
        timeout(limit, self.process.ended()).await.is_ok()
    }

    /// Takes its CPU away, if it has none between requests.
    pub(super) fn rest(&self) {
        if self.emulator.settings.freeze && self.revision.template.cpu_idle {
            self.process.stop();
        }
    }

    pub(super) fn wake(&self) {
        self.process.go_on();
    }

    /// Asks its process to end, and kills it if it does not.
    pub(super) async fn shut_down(mut self) {
        self.process.terminate();
        // Stopped processes get signals when they go on.
        self.process.go_on();
        let grace = self.emulator.settings.grace;
        self.ends_within(grace).await;
    }
}

/// The environment of a process: the documented variables, those of the image, and the service's own.
fn variables(emulator: &Shared, revision: &Revision, port: u16) -> Vec<(String, String)> {
    let service = &revision.key.2;
    let endpoint = &emulator.endpoint;
    let fixed = [
        ("PATH", root::search_path()),
        ("HOME", "/root".into()),
        // Real ones have none of these: they find Google.
        ("GCE_METADATA_HOST", endpoint.trim_start_matches("http://").to_owned()),
        ("FAAST_GOOGLE_ENDPOINT_URL", endpoint.clone()),
    ];
    let mut all: Vec<(String, String)> = fixed.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let own = [
        ("PORT", port.to_string()),
        ("K_SERVICE", service.clone()),
        ("K_REVISION", revision.name.clone()),
        ("K_CONFIGURATION", service.clone()),
    ];
    let own = own.into_iter().map(|(name, value)| (name.to_owned(), value));
    let given = revision.image.environment.iter().chain(&revision.template.environment).cloned();
    for (name, value) in given.chain(own) {
        all.retain(|(it, _)| *it != name);
        all.push((name, value));
    }
    all
}

/// Writes what a process writes, and how it ended, into the log.
async fn log(emulator: Shared, revision: Arc<Revision>, mut watcher: Watcher, mut output: Output) {
    let write = |lines: Vec<String>| {
        let now_ms = emulator.clock.now_ms();
        let mut state = emulator.state();
        for line in lines {
            state.logs.line(&revision, &line, now_ms);
        }
    };
    let status = loop {
        tokio::select! {
            biased;
            status = watcher.ended() => break status,
            () = output.read_more() => write(output.whole()),
        }
    };
    write(output.take());
    let limit = revision.template.memory_mib;
    if let Some(text) = told(status, &watcher, limit) {
        let now_ms = emulator.clock.now_ms();
        emulator.state().logs.add(&revision, Log::System, "ERROR", now_ms, json!({ "textPayload": text }));
    }
}

/// What Cloud Run writes about an end; nothing about those that it asked for.
fn told(status: ExitStatus, watcher: &Watcher, limit_mib: u32) -> Option<String> {
    if let Some(used) = watcher.excess_mb() {
        return Some(format!(
            "Memory limit of {limit_mib} MiB exceeded with {used} MiB used. Consider increasing the memory limit, see \
             https://cloud.google.com/run/docs/configuring/memory-limits"
        ));
    }
    match (status.code(), status.signal()) {
        (Some(code), _) => Some(format!("Container called exit({code}).")),
        (None, Some(9 | 15)) => None,
        (None, signal) => Some(format!("Uncaught signal: {}.", signal.unwrap_or(0))),
    }
}
