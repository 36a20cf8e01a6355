//! Everything that exists in the emulated account, under one lock, and what requests share besides.
//!
//! Requests write, tests read; the lock is held for moments and never across an await. It ends with the emulator.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::bill::Bill;
use super::builder::Settings;
use super::call::Calls;
use super::clock::Clock;
use super::fault::Dice;
use super::log_store::LogStore;
use super::sandbox::{CodeStore, Processes};
use super::{iam, lambda, logs, s3, sqs, tagging};

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
    pub(super) dice: Dice,
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
            dice: Dice::new(settings.seed, settings.faults.clone()),
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

    /// Ends every process that runs for this account, and waits until none is left.
    pub(super) async fn end(&self) {
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
