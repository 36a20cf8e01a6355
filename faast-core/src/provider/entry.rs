//! Registration of providers: one `inventory` entry makes a provider known by name and lets its workers start.

use super::{CloudProvider, WorkerTransport};
use crate::error::{Error, ErrorKind, Result};

/// How a process was started, for a provider to see whether it is one of its workers.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WorkerStart {
    /// The command line, the program's name first.
    pub args: Vec<String>,
}

impl WorkerStart {
    /// This process.
    pub(crate) fn of_this_process() -> Self {
        Self { args: std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect() }
    }
}

/// A provider, known at run time. Submitted with [`inventory::submit!`](crate::inventory::submit).
///
/// ```
/// # use faast_core::{ErrorKind, provider::{ProviderEntry, by_name}};
/// # use faast_testkit::memory::Memory;
/// faast_core::inventory::submit! {
///     // Its workers are threads: no process is one.
///     ProviderEntry { name: "memory", provider: || Box::new(Memory::new()), worker: |_| None }
/// }
///
/// assert_eq!(by_name("memory")?.name(), "memory");
/// let error = by_name("nimbus").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Config);
/// assert!(error.hint().unwrap().contains("known here: memory"));
/// # Ok::<(), faast_core::Error>(())
/// ```
#[derive(Debug)]
pub struct ProviderEntry {
    /// The provider's name.
    pub name: &'static str,
    /// Makes it with its default configuration.
    pub provider: fn() -> Box<dyn CloudProvider>,
    /// The transport, if this process was started by this provider to be a worker. Only the provider's own mark may
    /// decide that, never a variable that others set too.
    pub worker: fn(&WorkerStart) -> Option<Box<dyn WorkerTransport>>,
}

inventory::collect!(ProviderEntry);

/// The provider of that name.
///
/// # Errors
///
/// [`ErrorKind::Config`] with the names that are known, when no such provider is linked.
pub fn by_name(name: &str) -> Result<Box<dyn CloudProvider>> {
    let entries = || inventory::iter::<ProviderEntry>.into_iter();
    if let Some(entry) = entries().find(|entry| entry.name == name) {
        return Ok((entry.provider)());
    }
    let mut known: Vec<_> = entries().map(|entry| entry.name).collect();
    known.sort_unstable();
    Err(Error::new(ErrorKind::Config, format!("there is no provider `{name}`"))
        .with_hint(format!("known here: {}; others need their cargo feature of faast", known.join(", "))))
}
