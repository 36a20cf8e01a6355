//! One environment of a function: it starts the process, gives it one event at a time, and says what came of it.
//!
//! An environment outlives its process: after a crash or a time-out the next event starts another one, whose
//! initialisation then belongs to that event. What it does not do: choose who gets which event, or count who runs.

mod code;
mod environment;
mod outcome;
mod runtime_api;
mod storage;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::body::Bytes;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::{sleep_until, timeout};

pub(super) use self::code::{BadArchive, Code, CodeStore, UNZIPPED_LIMIT};
pub(super) use self::environment::RESERVED;
pub(super) use self::outcome::{Answer, Outcome};
use self::outcome::{Fault, Journal};
use self::runtime_api::{Event, RESPONSE_LIMIT, RuntimeApi, Signal};
pub(super) use self::storage::can_be_limited as storage_can_be_limited;
use super::clock::as_ms;
use super::iam::{self, Session};
use super::lambda::Version;
use super::output::Output;
use super::process::{Process, Program, ending};
use super::report::{self, Report, Status};
use super::state::Shared;

/// Descriptors that a process may have open, as in the real sandbox.
const FILES: u64 = 1024;

/// How long what a process still said may take to arrive after its end.
const LAST_WORDS: Duration = Duration::from_millis(10);

/// An environment. Dropping it ends its process.
#[derive(Debug)]
pub(super) struct Sandbox {
    emulator: Shared,
    version: Arc<Version>,
    log_stream: String,
    session: Session,
    logging: Logging,
    temporary: TempDir,
    /// Absent before the first event and after a process has ended.
    instance: Option<Instance>,
    /// Whether there was no event yet.
    fresh: bool,
}

/// What the role lets an environment do with logs. Found out once, as policies take their time in AWS too.
#[derive(Debug, Clone, Copy)]
struct Logging {
    creates: bool,
    writes: bool,
}

#[derive(Debug)]
struct Instance {
    process: Process,
    api: RuntimeApi,
    output: Output,
}

/// An event for an environment.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) request_id: String,
    pub(super) payload: Bytes,
    pub(super) client_context: Option<String>,
    /// Where streamed answers go as they arrive; without it they are collected.
    pub(super) stream: Option<mpsc::Sender<Bytes>>,
}

/// What an instance can be seen to do.
enum Happening {
    Signal(Signal),
    Ended(Option<String>),
    Late,
}

impl Sandbox {
    pub(super) fn new(emulator: &Shared, version: &Arc<Version>) -> io::Result<Self> {
        let (session, logging) = {
            let mut state = emulator.state();
            let session = iam::session(&mut state.iam, &version.config.role);
            (session, Logging::of(&state.iam, version))
        };
        let date = super::clock::iso(emulator.clock.now_ms())[..10].replace('-', "/");
        Ok(Self {
            log_stream: format!("{date}/[$LATEST]{:032x}", fastrand::u128(..)),
            session,
            logging,
            temporary: emulator.code.temporary()?,
            emulator: Arc::clone(emulator),
            version: Arc::clone(version),
            instance: None,
            fresh: true,
        })
    }

    /// Carries an event out, and writes its log and its bill.
    pub(super) async fn run(&mut self, call: &Call) -> Outcome {
        let mut journal = Journal::default();
        if self.instance.as_ref().is_some_and(|it| !it.process.is_alive()) {
            self.instance = None;
        }
        let mut init = None;
        if self.fresh {
            self.fresh = false;
            init = Some(self.first_init(&mut journal).await);
        }
        journal.begin(report::start(&call.request_id));
        let start = Instant::now();
        let result = self.carry_out(call, start + self.version.config.timeout, &mut journal).await;
        let duration = start.elapsed();
        let memory_mb = self.version.config.memory_mb;
        let max_memory_mb = self.instance.as_ref().map_or(memory_mb, |it| it.process.max_memory_mb());
        self.drain(&mut journal);
        let kind = match &result {
            Ok(Answer::Failed { kind, .. }) => Some(kind.clone()),
            Ok(_) | Err(Fault::Late) => None,
            Err(fault) => Some(fault.kind().to_owned()),
        };
        if let Err(fault) = &result {
            let now = super::clock::iso(self.emulator.clock.now_ms());
            journal.fault(fault, &call.request_id, &now, self.version.config.timeout);
            self.instance = None;
        }
        let is_late = matches!(result, Err(Fault::Late));
        let report = Report {
            request_id: &call.request_id,
            duration: if is_late { self.version.config.timeout } else { duration },
            init,
            memory_mb,
            max_memory_mb,
            status: match (&kind, is_late) {
                (_, true) => Status::Timeout,
                (Some(kind), _) => Status::Error(kind),
                (None, false) => Status::Success,
            },
        };
        journal.end(&report);
        self.write(&journal, report.billed_ms());
        if let Some(instance) = self.instance.as_ref().filter(|_| self.emulator.settings.freeze) {
            instance.process.stop();
        }
        let answer = result.unwrap_or_else(|fault| fault.answer(&call.request_id, self.version.config.timeout));
        Outcome { answer, log_tail: journal.tail() }
    }

    /// Initialises for the first time, with a limit of its own; a failure is tried again with the event. The time counts
    /// in any case.
    async fn first_init(&mut self, journal: &mut Journal) -> Duration {
        journal.line(report::init_start(&self.version.region));
        let start = Instant::now();
        let result = self.initialise(start + self.emulator.settings.init_limit).await;
        let took = start.elapsed();
        self.drain(journal);
        if let Err(fault) = result {
            journal.line(report::init_report(took, "init", fault.status()));
            self.instance = None;
        }
        took
    }

    /// From the event to the next request for one, with another initialisation before it if there has to be one.
    async fn carry_out(&mut self, call: &Call, deadline: Instant, journal: &mut Journal) -> Result<Answer, Fault> {
        if self.instance.is_none() {
            let start = Instant::now();
            if let Err(fault) = self.initialise(deadline).await {
                self.drain(journal);
                journal.line(report::init_report(start.elapsed(), "invoke", fault.status()));
                return Err(fault);
            }
        }
        let event = self.event(call);
        if let Some(instance) = &self.instance {
            instance.api.give(event);
            instance.process.go_on();
        }
        let answer = self.answer(call, deadline).await?;
        // The answer stands; what its process does from here on concerns the next event.
        match self.happening(deadline).await {
            Happening::Signal(Signal::Next) => {}
            Happening::Signal(_) | Happening::Ended(_) | Happening::Late => self.instance = None,
        }
        Ok(answer)
    }

    /// Starts a process and waits until it wants an event.
    async fn initialise(&mut self, deadline: Instant) -> Result<(), Fault> {
        let api = RuntimeApi::start().await.map_err(|error| Fault::entrypoint(&error))?;
        let place = environment::Place {
            port: api.port,
            endpoint: &self.emulator.endpoint,
            log_stream: &self.log_stream,
            temporary: self.temporary.path(),
            session: &self.session,
        };
        let (bootstrap, size_mb) = (self.version.code.folder.join("bootstrap"), self.version.config.storage_mb);
        let limited = self.emulator.settings.limit_storage;
        let limited = limited.then(|| storage::limited(&bootstrap, self.temporary.path(), size_mb)).flatten();
        let (executable, arguments) = limited.unwrap_or((bootstrap.as_path(), Vec::new()));
        let program = Program {
            executable,
            arguments: &arguments,
            folder: &self.version.code.folder,
            environment: environment::variables(&self.version, &place),
            memory_mb: self.version.config.memory_mb,
            files: FILES,
        };
        let started = Process::start(&program, &self.emulator.processes);
        let (process, pipe) = started.map_err(|error| Fault::entrypoint(&error))?;
        self.instance = Some(Instance { process, api, output: Output::new(pipe) });
        match self.happening(deadline).await {
            Happening::Signal(Signal::Next) => Ok(()),
            Happening::Signal(Signal::InitError { kind, body }) => Err(Fault::Reported { kind, body }),
            // The server lets nothing else through before the first request for an event.
            Happening::Signal(_) => Err(Fault::Exited(None)),
            Happening::Ended(how) => Err(Fault::Exited(how)),
            Happening::Late => Err(Fault::Late),
        }
    }

    /// Waits for the answer to the event that runs.
    async fn answer(&mut self, call: &Call, deadline: Instant) -> Result<Answer, Fault> {
        let mut collected = Vec::new();
        loop {
            match self.happening(deadline).await {
                Happening::Ended(how) => return Err(Fault::Exited(how)),
                Happening::Late => return Err(Fault::Late),
                Happening::Signal(signal) => match signal {
                    Signal::Response(body) => return Ok(Answer::Body(body)),
                    Signal::Error { kind, body } | Signal::InitError { kind, body } => {
                        return Ok(Answer::Failed { kind, body });
                    }
                    Signal::TooLarge => return Ok(Answer::too_large()),
                    Signal::Chunk(chunk) => match &call.stream {
                        // Nobody may listen any more, and the function runs to its end all the same.
                        Some(stream) => drop(stream.send(chunk).await),
                        None => collected.extend_from_slice(&chunk),
                    },
                    Signal::StreamEnd(Some(error)) => {
                        return Ok(Answer::Failed { kind: error.kind, body: error.body.into() });
                    }
                    Signal::StreamEnd(None) if collected.len() > RESPONSE_LIMIT => return Ok(Answer::too_large()),
                    Signal::StreamEnd(None) => return Ok(Answer::Body(collected.into())),
                    // It may not ask again before it has answered; the server sees to that.
                    Signal::Next => {}
                },
            }
        }
    }

    /// The next thing that the process does. What it writes is read meanwhile.
    async fn happening(&mut self, deadline: Instant) -> Happening {
        let Some(Instance { process, api, output }) = &mut self.instance else { return Happening::Ended(None) };
        loop {
            tokio::select! {
                biased;
                Some(signal) = api.signals.recv() => return Happening::Signal(signal),
                status = process.ended() => {
                    return match timeout(LAST_WORDS, api.signals.recv()).await {
                        Ok(Some(signal)) => Happening::Signal(signal),
                        Ok(None) | Err(_) => Happening::Ended(ending(status)),
                    };
                }
                () = sleep_until(deadline.into()) => return Happening::Late,
                () = output.read_more() => {}
            }
        }
    }

    fn event(&self, call: &Call) -> Event {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (root, parent) = (fastrand::u128(..) >> 32, fastrand::u64(..));
        Event {
            request_id: call.request_id.clone(),
            deadline_ms: as_ms(now + self.version.config.timeout),
            function_arn: self.version.arn.clone(),
            trace_id: format!("Root=1-{:08x}-{root:024x};Parent={parent:016x};Sampled=0", now.as_secs()),
            invocation_id: super::protocol::new_id(),
            client_context: call.client_context.clone(),
            payload: call.payload.clone(),
        }
    }

    /// Moves what the process wrote into the journal.
    fn drain(&mut self, journal: &mut Journal) {
        if let Some(instance) = &mut self.instance {
            instance.output.take().into_iter().for_each(|line| journal.line(line));
        }
    }

    /// Meters the event, and appends its lines to the function's log if the role lets it.
    fn write(&self, journal: &Journal, billed_ms: u64) {
        let now_ms = self.emulator.clock.now_ms();
        let config = &self.version.config;
        let mut state = self.emulator.state();
        state.bill.add(billed_ms, config.memory_mb, config.storage_mb);
        let group = &config.log_group;
        if self.logging.creates {
            state.logs.create(group, &self.version.region, now_ms);
        }
        if self.logging.writes {
            state.logs.append(group, &self.log_stream, journal.events(now_ms));
        }
    }
}

impl Logging {
    fn of(iam: &iam::State, version: &Version) -> Self {
        let (region, group) = (&version.region, &version.config.log_group);
        let resource = format!("arn:aws:logs:{region}:{}:log-group:{group}:*", super::ACCOUNT);
        let may = |action| iam::role_allows(iam, &version.config.role, action, &resource);
        Self { creates: may("logs:CreateLogGroup"), writes: may("logs:PutLogEvents") }
    }
}
