//! Against the emulator of faast-testkit, which the tests start themselves.

use anyhow::Result;

use super::project::without_project;
use crate::command::CommandLine;
use crate::suite;

/// All tests of the provider, and the emulator's own. Not of the whole workspace: nothing of another cloud has to be built.
const TESTS: &str = "cargo test -p faast-google -p faast-testkit --features faast-testkit/emulator-google";

/// Runs them, or of them the tests whose names hold one of the filters.
pub(super) fn run(filters: &[&str]) -> Result<()> {
    suite::run(without_project(CommandLine::new(TESTS))?, filters)
}
