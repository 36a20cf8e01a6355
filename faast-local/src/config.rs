//! The numbers and names of the local provider, and the options that only it has.

use std::time::Duration;

use faast_core::Builder;

use crate::provider::Local;

/// The provider's name, in marks, paths and `faast::provider("local")`.
pub(crate) const NAME: &str = "local";

/// Set for workers: `memory_mb` of the deployment. Read by [`crate::worker`] alone.
pub(crate) const FAAST_MEMORY_MB: &str = "FAAST_MEMORY_MB";

/// How long a canceled function may take to notice before the worker ends itself.
pub(crate) const GRACE: Duration = Duration::from_millis(100);

/// How long after telling it to end the client ends a worker that has not done so.
pub(crate) const KILL_AFTER: Duration = Duration::from_millis(200);

/// Calls in one request at most.
pub(crate) const MAX_BATCH: usize = 2048;

/// Where functions run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Place {
    /// In worker processes.
    #[default]
    Processes,
    /// On threads of the client.
    Threads,
}

/// What only the local provider can be told.
///
/// ```
/// use faast_core::Builder;
/// use faast_local::{Local, LocalOptions};
///
/// // As `faast::local().in_process()`.
/// let builder = Builder::new(Local::new()).in_process();
/// # let _ = builder;
/// ```
pub trait LocalOptions: Sized {
    /// Functions run on threads of the client instead of processes, so that a debugger sees both in one process.
    ///
    /// A crash of a function takes the client down, memory is not limited, and a call that is canceled or over its
    /// time goes on in an abandoned thread.
    #[must_use]
    fn in_process(self) -> Self;
}

impl LocalOptions for Builder<Local> {
    fn in_process(mut self) -> Self {
        self.provider_mut().place = Place::Threads;
        self
    }
}
