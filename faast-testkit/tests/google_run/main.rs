//! The part of the Google Cloud emulator that runs images, over raw HTTP and with a program that knows nothing of faast, so
//! that nothing of faast judges itself.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod client;
mod deploy;
mod end;
mod fault;
mod identity;
mod invoke;
mod limit;
mod push;
mod registry;
