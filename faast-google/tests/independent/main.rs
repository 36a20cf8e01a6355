//! Against servers that nobody of this project wrote; `cargo xtask test-google --independent` starts them and says where
//! they are. What they don't do is our emulator's: it runs the workers.

#![expect(clippy::panic, clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "../audit/mod.rs"]
mod audit;
mod deployment;
mod image;
mod place;
mod pubsub;
mod registry;
mod relay;
mod rig;
mod storage;

faast_testkit::test_worker!();
