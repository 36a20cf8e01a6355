//! `cargo xtask soak [--seconds N]`: many calls for long, on local workers and against the emulators under faults.
//!
//! The soak itself is a test of each provider, short in an ordinary run. On local workers it is a million calls, and as
//! long as asked at least; against an emulator it is as long as asked.

use anyhow::{Context as _, Result, bail};

use crate::command::CommandLine;
use crate::suite;

/// Set for the tests: for how many seconds at least.
const SECONDS: &str = "FAAST_TEST_SOAK_SECONDS";

/// Set for the test of local workers: how many calls at least.
const CALLS: &str = "FAAST_TEST_SOAK_CALLS";

const SOAKS: &[(&str, &str)] = &[
    ("cargo test -p faast --test soak", "what_a_client_holds"),
    ("cargo test --workspace --test jobs", "soak::what_a_client_holds"),
];

/// Runs it.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    let seconds: u64 = match words {
        [] => 60,
        ["--seconds", seconds] => seconds.parse().with_context(|| format!("`{seconds}` is no number of seconds"))?,
        _ => bail!("for how long? `cargo xtask soak --seconds 60`"),
    };
    for (test, filter) in SOAKS {
        let command = CommandLine::new(test).env(SECONDS, seconds.to_string()).env(CALLS, "1000000");
        suite::run(command.env(suite::SHOW, "1"), &[filter])?;
    }
    Ok(())
}
