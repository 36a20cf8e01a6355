//! The local provider of faast: functions run in worker processes on this machine, made from the running executable.
//!
//! [`Local`] is the provider. A deployment is a pool of processes that are started when they are needed; each is fed
//! through a socket pair by the thread that polls the request, and read by one thread of its own. A crash of a function
//! costs its worker and nothing else.
//!
//! Works on Linux. Unsafe code is denied but for one module, `journal::map`.

mod classify;
mod cleanup;
mod config;
mod deploy;
mod doctor;
mod frame;
mod in_process;
mod invoke;
mod job;
mod journal;
mod logs;
mod peer;
mod pool;
mod process;
mod provider;
mod reader;
mod stream;
mod worker;

pub use self::config::LocalOptions;
pub use self::provider::Local;

faast_core::inventory::submit! {
    faast_core::provider::ProviderEntry {
        name: config::NAME,
        provider: || Box::new(Local::new()),
        worker: worker::transport,
    }
}
