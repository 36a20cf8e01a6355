//! The services of the Google Cloud emulator that run nothing, over raw HTTP.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod account;
mod billing;
mod client;
mod pubsub;
mod push;
mod somebody;
mod storage;
mod update;
