//! What authors of providers test with: a conformance suite, a provider in memory, and one that makes faults.
//!
//! [`conformance!`] expands into one named test for each promise of the provider contract; every one of them can be
//! called singly, see [`mod@conformance`]. [`memory::Memory`] runs functions on threads of the client, with whatever
//! capabilities a test needs. [`fault::Faulty`] wraps any provider and loses, delays and repeats, by a seed.
//! [`hostile`] damages what is read from outside. [`mod@soak`] says whether what a process holds grows. [`mod@play`] has
//! functions to ask for. Whole jobs are tested with [`tap`], a wire that can be heard
//! and cut, [`notes`] of what really ran, [`matrix`], jobs by seed, and [`watch`], which waits. [`planted`] looks for
//! secrets, [`refusal`] at deployments that fail, [`analysis`] at what a comparison of configurations shows.
//! Behind feature `emulator-aws`, `emulator_aws` is the part of AWS that faast uses, on a port of this machine; behind
//! `emulator-google`, `emulator_google` that of Google Cloud; with either, `frame` has requests by hand, and
//! `http` sends them so.

#![forbid(unsafe_code)]

pub mod analysis;
pub mod conformance;
#[cfg(any(feature = "emulator-aws", feature = "emulator-google"))]
mod emulator;
#[cfg(feature = "emulator-aws")]
pub mod emulator_aws;
#[cfg(feature = "emulator-google")]
pub mod emulator_google;
pub mod fault;
#[cfg(any(feature = "emulator-aws", feature = "emulator-google"))]
pub mod frame;
pub mod hostile;
#[cfg(any(feature = "emulator-aws", feature = "emulator-google"))]
pub mod http;
pub mod matrix;
pub mod memory;
pub mod notes;
pub mod planted;
pub mod play;
pub mod probe;
pub mod refusal;
pub mod soak;
pub mod tap;
pub mod watch;

mod intercept;
mod remote;

/// What the macros expand to; not for people.
#[doc(hidden)]
pub mod __private {
    pub use faast_core::inventory;
    pub use faast_core::worker::{TestWorker, test_worker};
}
