//! The Lambda part of the AWS emulator, over raw HTTP and with a runtime in Python, so that nothing of faast judges itself.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

mod client;
mod deploy;
mod end;
mod event;
mod fault;
mod invoke;
mod limit;
mod runtime;
mod stream;
