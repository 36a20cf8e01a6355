//! Against servers that nobody of this project wrote; `cargo xtask test-aws --independent` starts them and says where
//! they are.

#![expect(clippy::panic, clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod audit;
mod freeze;
mod ministack;
mod moto;
mod permission;
mod place;
mod rie;

faast_testkit::test_worker!();
