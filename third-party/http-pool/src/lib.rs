//! A provider by a third party: workers are processes of this program that listen for HTTP on the loopback interface.
//!
//! It exists to be copied. One file for each job, under the names that every provider of faast uses:
//!
//! | file | job |
//! |---|---|
//! | `provider.rs` | what the provider can do, deploying, what is left behind |
//! | `pool.rs` | starting workers, reusing and ending them |
//! | `invoke.rs` | one request: sent by HTTP, answered by a stream of events |
//! | `classify.rs` | what a failure means, the only place that decides it |
//! | `worker.rs` | the other side: takes requests, sends events |
//!
//! Deadlines, panics, retries, batching, statistics and budgets are faast's; none of them is here.

mod classify;
mod invoke;
/// How a provider is written, with a smaller one as its example: the tests of the page are this crate's.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/providers.md")]
mod page {}
mod pool;
mod provider;
mod worker;

pub use provider::HttpPool;

/// The provider's name: in `faast::provider("http-pool")`, in paths, and in the mark that makes a process its worker.
const NAME: &str = "http-pool";

// Makes the provider known by name, and lets its workers start: `#[faast::main]` and `test_worker!` ask every entry
// whether this process is one of its workers.
faast_core::inventory::submit! {
    faast_core::provider::ProviderEntry {
        name: NAME,
        provider: || Box::new(HttpPool::new()),
        worker: worker::transport,
    }
}
