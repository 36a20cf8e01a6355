//! `cargo xtask test-local [filter]`: the tests that need neither an account nor an emulator of a cloud.
//!
//! A filter that no test matches is an error: what did not run did not pass.

use anyhow::{Result, ensure};
use cargo_metadata::MetadataCommand;

use crate::command::{CommandLine, root};

/// Crates whose tests are about a cloud; `test-aws` and `test-google` are for those.
const CLOUDS: &[&str] = &["faast-aws", "faast-google"];

/// Runs the local suites, or of them the tests whose name holds `filter`.
pub(crate) fn run(filter: Option<&str>) -> Result<()> {
    let metadata = MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec()?;
    let members: Vec<&str> = metadata.workspace_packages().iter().map(|package| package.name.as_str()).collect();
    let mut passed = 0;
    command(&members, filter).watch(|line| passed += count(line))?;
    ensure!(passed > 0, "no test ran: no name holds `{}`", filter.unwrap_or_default());
    println!("{passed} passed");
    Ok(())
}

fn command(members: &[&str], filter: Option<&str>) -> CommandLine {
    let mut command = CommandLine::new("cargo test --workspace");
    for cloud in CLOUDS.iter().filter(|cloud| members.contains(cloud)) {
        command = command.arg("--exclude").arg(cloud);
    }
    match filter {
        Some(filter) => command.arg("--").arg(filter),
        None => command,
    }
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
    fn clouds_are_left_out_where_they_exist() {
        let line = command(&["faast", "faast-aws"], Some("map")).to_string();
        assert_eq!(line, "cargo test --workspace --exclude faast-aws -- map");
    }
}
