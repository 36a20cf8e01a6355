//! Everything that exists in the emulated projects, under one lock, and what requests share besides.
//!
//! Requests write, tests read; the lock is held for moments and never across an await. It ends with the emulator.

use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::bill::Bill;
use super::builder::Settings;
use super::fault::Chance;
use super::image::ImageStore;
use super::logging::Logs;
use super::oauth::Tokens;
use super::operation::Operations;
use super::{project, pubsub, registry, repository, run, server, storage};
use crate::emulator::call::Calls;
use crate::emulator::clock::Clock;
use crate::emulator::host::Emulated;
use crate::emulator::memory::watch;
use crate::emulator::process::Processes;

/// What every request can reach.
pub(super) type Shared = Arc<Emulator>;

/// Google, as far as it is here.
#[derive(Debug)]
pub(super) struct Emulator {
    pub(super) settings: Settings,
    /// Where it is.
    pub(super) endpoint: String,
    pub(super) clock: Clock,
    pub(super) calls: Calls,
    pub(super) chance: Chance,
    pub(super) processes: Arc<Processes>,
    pub(super) images: ImageStore,
    state: Mutex<State>,
}

/// A part for each service.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) bill: Bill,
    pub(super) logs: Logs,
    pub(super) operations: Operations,
    pub(super) project: project::State,
    pub(super) pubsub: pubsub::State,
    pub(super) registry: registry::State,
    pub(super) repositories: repository::State,
    pub(super) run: run::State,
    pub(super) storage: storage::State,
    pub(super) tokens: Tokens,
}

impl Emulator {
    pub(super) fn new(settings: Settings, endpoint: String) -> Self {
        let state = State { project: project::State::new(&settings.disabled_apis), ..State::default() };
        Self {
            endpoint,
            chance: Chance::new(settings.seed, settings.faults.clone()),
            settings,
            clock: Clock::default(),
            calls: Calls::default(),
            processes: Arc::default(),
            images: ImageStore::new(),
            state: Mutex::new(state),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Emulated for Emulator {
    async fn serve(self: Arc<Self>, listener: TcpListener) {
        let processes = Arc::clone(&self.processes);
        // None of them ends before it is aborted.
        let _ = tokio::join!(server::serve(Arc::clone(&self), listener), watch(processes), pubsub::push_all(self));
    }

    async fn end(&self) {
        // Instances hold on to the emulator, so that without this neither would ever end.
        self.state().run.end();
        self.processes.end().await;
    }
}

impl State {
    pub(super) fn leftovers(&self) -> Vec<String> {
        let mut names = self.run.leftovers();
        names.extend(self.repositories.leftovers());
        names.extend(self.pubsub.leftovers());
        names.extend(self.storage.leftovers());
        names
    }
}
