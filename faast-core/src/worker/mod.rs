//! The worker's side: is this process a worker, and if so, serve until there is nothing more to do.
//!
//! A process is a worker only by faast's own mark, never because a variable that others set too happens to be there.
//! Deadlines, panics, spilling and metering are here, written once for all providers; a provider brings only the
//! [`WorkerTransport`].

mod context;
mod init;
mod memory;
mod panic;
mod run;
mod serve;
mod spill;
mod start;
mod watch;

pub use self::context::{Context, context};
pub use self::init::{Mark, TestWorker, init, launch_args, test_worker};
pub(crate) use self::init::{check_deployable, fail};
pub use self::memory::watched_memory;
pub(crate) use self::run::block_on;
pub use self::serve::serve;
pub use self::start::since_start;
pub(crate) use self::watch::SLOW;
pub use self::watch::WorkerControl;
#[cfg(doc)]
use crate::provider::WorkerTransport;
