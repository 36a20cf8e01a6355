//! Deciding at the start of a process whether it is a worker, and keeping programs from forking for ever.
//!
//! The rule: a process may deploy only if the workers it starts would reach [`init`] before anything else. A worker is
//! started with a [`Mark`] among its arguments; a marked process that has not gone through `init` is refused.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use crate::error::{Error, ErrorKind, Result};
use crate::function;
use crate::provider::{ProviderEntry, WorkerStart};

const NOT_CALLED: u8 = 0;
const CLIENT: u8 = 1;
const WORKER: u8 = 2;

/// Written by [`init`] and [`test_worker`], read by [`check_deployable`].
static ROLE: AtomicU8 = AtomicU8::new(NOT_CALLED);

/// The depth of this worker's mark. Written once, before the worker serves.
static DEPTH: AtomicU32 = AtomicU32::new(0);

/// Deployments within workers within workers, at most: deep enough for any job, and an end to a job that deploys itself.
const MAX_DEPTH: u32 = 4;

/// The argument that makes a process a worker: `faast-worker:<provider>:<pid of the client>:<depth>`.
///
/// A plain word without dashes, because a test binary takes it as one more name to filter by.
///
/// ```
/// # use faast_core::worker::Mark;
/// let mark = Mark::for_child("lab");
/// assert_eq!((mark.client, mark.depth), (std::process::id(), 1));
/// // It goes among the worker's arguments, behind `launch_args()`; or into its environment.
/// assert_eq!(Mark::parse(&mark.to_string()), Some(mark));
/// assert_eq!(Mark::parse("lab"), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Which provider started it.
    pub provider: String,
    /// The process that started it.
    pub client: u32,
    /// How many workers stand above it; 1 for a worker of an ordinary program.
    pub depth: u32,
}

impl Mark {
    /// The mark for a worker that this process starts.
    pub fn for_child(provider: &str) -> Self {
        Self { provider: provider.into(), client: std::process::id(), depth: depth() + 1 }
    }

    /// The mark among a process's arguments.
    pub fn find(start: &WorkerStart) -> Option<Self> {
        start.args.iter().skip(1).find_map(|arg| Self::parse(arg))
    }

    fn of_this_process() -> Option<Self> {
        Self::find(&WorkerStart::of_this_process())
    }

    /// The mark in a text that is a mark: for providers that can't give their workers arguments.
    pub fn parse(arg: &str) -> Option<Self> {
        let mut parts = arg.strip_prefix("faast-worker:")?.split(':');
        let mark = Self {
            provider: parts.next()?.into(),
            client: parts.next()?.parse().ok()?,
            depth: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(mark)
    }
}

impl std::fmt::Display for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "faast-worker:{}:{}:{}", self.provider, self.client, self.depth)
    }
}

/// The entry of a test binary, submitted by `faast::test_worker!()`: the path of its `#[test]`.
#[derive(Debug)]
pub struct TestWorker(pub &'static str);

inventory::collect!(TestWorker);

fn test_entry() -> Option<&'static str> {
    // libtest names tests without the crate.
    inventory::iter::<TestWorker>.into_iter().next().and_then(|entry| Some(entry.0.split_once("::")?.1))
}

/// Arguments that a worker made from this executable needs before its mark, so that it reaches [`init`].
pub fn launch_args() -> Vec<String> {
    match test_entry() {
        Some(test) => vec![test.into(), "--exact".into(), "--nocapture".into()],
        None => Vec::new(),
    }
}

/// Becomes a worker if this process was started as one, and then never returns.
///
/// `#[faast::main]` calls it before anything else; a program with a `main` of its own calls it first in `main`.
/// Two functions registered under one name end the program here, with a message that shows both.
///
/// ```
/// // In a worker, nothing behind this is reached.
/// faast_core::worker::init();
/// assert!(!faast_core::context().is_worker());
/// ```
pub fn init() {
    if let Err(error) = function::check_registry() {
        fail(&error);
    }
    become_worker();
    ROLE.store(CLIENT, Ordering::Relaxed);
}

/// The body of the test that `faast::test_worker!()` makes: a worker serves, an ordinary test run passes at once.
pub fn test_worker() {
    become_worker();
}

/// How many workers stand above this process, itself included.
fn depth() -> u32 {
    Mark::of_this_process().map_or_else(|| DEPTH.load(Ordering::Relaxed), |mark| mark.depth)
}

fn become_worker() {
    let start = WorkerStart::of_this_process();
    // A mark among the arguments decides alone: the environment may be inherited from a worker of another provider.
    let asked = Mark::find(&start).map(|mark| mark.provider);
    let entries = inventory::iter::<ProviderEntry>.into_iter();
    for entry in entries.filter(|entry| asked.as_deref().is_none_or(|name| name == entry.name)) {
        if let Some(transport) = (entry.worker)(&start) {
            ROLE.store(WORKER, Ordering::Relaxed);
            DEPTH.store(transport.depth(), Ordering::Relaxed);
            super::serve::serve_process(transport);
            std::process::exit(0);
        }
    }
    if let Some(mark) = Mark::find(&start) {
        let message = format!("this process was started as a worker of `{}`, which is not linked in", mark.provider);
        fail(&Error::new(ErrorKind::Config, message));
    }
}

#[expect(clippy::print_stderr, reason = "the program ends here, and nobody else can say why")]
pub(crate) fn fail(error: &Error) -> ! {
    eprintln!("faast: {error:?}");
    std::process::exit(101)
}

/// Checks that workers made from this executable would become workers, and not run `main` again.
///
/// # Errors
///
/// [`ErrorKind::Config`] with what to add to the program.
pub(crate) fn check_deployable() -> Result<()> {
    function::check_registry()?;
    let mark = Mark::of_this_process();
    if depth() >= MAX_DEPTH {
        return Err(Error::new(ErrorKind::Config, format!("deployments are nested more than {MAX_DEPTH} deep"))
            .with_hint("a function that deploys calls itself, directly or through others; call it as an ordinary function instead"));
    }
    match ROLE.load(Ordering::Relaxed) {
        NOT_CALLED if mark.is_some() => Err(Error::new(
            ErrorKind::Config,
            "this process was started as a worker, but reached `deploy()` before it looked whether it is one",
        )
        .with_hint("use #[faast::main], or call faast::worker::init() first in main")),
        NOT_CALLED if test_entry().is_none() => Err(Error::new(
            ErrorKind::Config,
            "workers made from this executable would run its `main` again instead of serving",
        )
        .with_hint("use #[faast::main], or call faast::worker::init() first in main; in a test file write faast::test_worker!(); once")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_comes_back_from_the_arguments() {
        let mark = Mark { provider: "local".into(), client: 42, depth: 1 };
        let start = WorkerStart { args: vec!["program".into(), "--exact".into(), mark.to_string()] };
        assert_eq!(Mark::find(&start), Some(mark));
    }

    #[test]
    fn other_arguments_are_no_marks() {
        for arg in ["faast-worker", "faast-worker:local", "faast-worker:local:x:1", "faast-worker:local:1:1:1", "x"] {
            assert_eq!(Mark::parse(arg), None, "{arg}");
        }
    }

    #[test]
    fn a_program_that_never_looked_is_refused_with_what_to_add() {
        let error = check_deployable().unwrap_err();
        assert!(error.hint().unwrap().contains("test_worker!"), "{error:?}");
    }
}
