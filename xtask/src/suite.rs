//! A run of tests with filters. If no test matches any of them that is an error: what did not run did not pass.

use anyhow::{Result, ensure};

use crate::command::CommandLine;

/// Set for a test binary, shows what its tests print.
pub(crate) const SHOW: &str = "RUST_TEST_NOCAPTURE";

/// Runs a `cargo test`, or of it the tests whose names hold one of the filters.
pub(crate) fn run(command: CommandLine, filters: &[&str]) -> Result<()> {
    let command = match filters {
        [] => command,
        filters => filters.iter().fold(command.arg("--"), |command, filter| command.arg(filter)),
    };
    let mut passed = 0;
    command.watch(|line| passed += count(line))?;
    ensure!(passed > 0, "no test ran: no name holds `{}`", filters.join("` or `"));
    println!("{passed} passed");
    Ok(())
}

/// Tests that passed, by the closing line of one test binary; 0 for any other line.
fn count(line: &str) -> u64 {
    let Some(rest) = line.strip_prefix("test result: ok. ") else { return 0 };
    rest.split_once(" passed").and_then(|(number, _)| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_closing_lines_count() {
        assert_eq!(count("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out"), 12);
        assert_eq!(count("test twelve_passed ... ok"), 0);
        assert_eq!(count("test result: FAILED. 3 passed; 1 failed"), 0);
    }

    #[test]
    fn a_filter_that_matches_nothing_is_an_error() {
        let nothing = CommandLine::new("echo test result: ok. 0 passed; 0 failed");
        assert!(run(nothing, &["no-such-test"]).unwrap_err().to_string().contains("`no-such-test`"));
    }
}
