//! Everything that exists in the emulated account, under one lock, and what requests share besides.
//!
//! Requests write, tests read; the lock is held for moments and never across an await. It ends with the emulator.

use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::bill::Bill;
use super::builder::Settings;
use super::fault::Chance;
use super::log_store::LogStore;
use super::sandbox::CodeStore;
use super::{iam, lambda, logs, s3, server, sqs, tagging};
use crate::emulator::call::Calls;
use crate::emulator::clock::Clock;
use crate::emulator::host::Emulated;
use crate::emulator::memory::watch;
use crate::emulator::process::Processes;

/// What every request can reach.
pub(super) type Shared = Arc<Emulator>;

/// One emulated account.
#[derive(Debug)]
pub(super) struct Emulator {
    pub(super) settings: Settings,
    /// Where it is.
    pub(super) endpoint: String,
    pub(super) clock: Clock,
    pub(super) calls: Calls,
    pub(super) chance: Chance,
    pub(super) processes: Arc<Processes>,
    pub(super) code: CodeStore,
    state: Mutex<State>,
}

/// A part for each service.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) bill: Bill,
    pub(super) iam: iam::State,
    pub(super) lambda: lambda::State,
    pub(super) logs: LogStore,
    pub(super) s3: s3::State,
    pub(super) sqs: sqs::State,
    pub(super) tagging: tagging::State,
}

impl Emulator {
    pub(super) fn new(settings: Settings, endpoint: String) -> Self {
        Self {
            endpoint,
            chance: Chance::new(settings.seed, settings.faults.clone()),
            settings,
            clock: Clock::default(),
            calls: Calls::default(),
            processes: Arc::default(),
            code: CodeStore::new(),
            state: Mutex::default(),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Emulated for Emulator {
    async fn serve(self: Arc<Self>, listener: TcpListener) {
        let processes = Arc::clone(&self.processes);
        // Neither ends before it is aborted.
        let _ = tokio::join!(server::serve(self, listener), watch(processes));
    }

    async fn end(&self) {
        // Environments hold on to the account, so that without this neither would ever end.
        self.state().lambda.end();
        self.processes.end().await;
    }
}

impl State {
    pub(super) fn leftovers(&self) -> Vec<String> {
        let mut names = self.lambda.leftovers();
        names.extend(self.iam.leftovers());
        names.extend(logs::leftovers(&self.logs));
        names.extend(self.s3.leftovers());
        names.extend(self.sqs.leftovers());
        names
    }
}
