//! Against the emulator of faast-testkit, which the tests start themselves.

use anyhow::Result;

use super::account::without_account;
use crate::command::CommandLine;
use crate::suite;

/// The tests that are about AWS, the emulator's own among them. Of the whole workspace, because another selection has
/// other features, for which all SDKs would be built once more.
const TESTS: &str = "cargo test --workspace --test conformance --test emulated --test jobs --test replay_control \
    --test replay_invoke --test replay_queue --test runtime_api --test aws --test crash_points --test doctor --test gc --test aws_lambda --test aws_services";

/// Runs them, or of them the tests whose names hold one of the filters.
pub(super) fn run(filters: &[&str]) -> Result<()> {
    suite::run(without_account(CommandLine::new(TESTS)), filters)
}
