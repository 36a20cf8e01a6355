//! The local provider's processes, driven by hand through the contract, without core's dispatcher.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unnecessary_wraps,
    reason = "these are tests, and functions that misbehave"
)]

mod cut;
mod rig;
mod trace;
mod worker;
