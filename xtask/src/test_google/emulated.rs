//! Against the emulator of faast-testkit, which the tests start themselves.

use anyhow::Result;

use super::project::without_project;
use crate::command::CommandLine;
use crate::suite;

/// The tests that are about Google Cloud, the emulator's own among them. Of the whole workspace, because another selection
/// has other features, for which the SDK would be built once more.
const TESTS: &str = "cargo test --workspace --test google_conformance --test google_jobs --test google_replay_control \
    --test google_replay_invoke --test google_replay_queue --test google_replay_store --test worker_http --test google_run \
    --test google_services --test google_crash_points";

/// Runs them, or of them the tests whose names hold one of the filters.
pub(super) fn run(filters: &[&str]) -> Result<()> {
    suite::run(without_project(CommandLine::new(TESTS))?, filters)
}
