//! `cargo xtask test-local [filter]`: the tests that need neither an account nor an emulator of a cloud.

use anyhow::Result;
use cargo_metadata::MetadataCommand;

use crate::command::{CommandLine, root};
use crate::suite;

/// Crates whose tests are about a cloud; `test-aws` and `test-google` are for those.
const CLOUDS: &[&str] = &["faast-aws", "faast-google"];

/// Runs the local suites, or of them the tests whose name holds `filter`.
pub(crate) fn run(filter: Option<&str>) -> Result<()> {
    let metadata = MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec()?;
    let members: Vec<&str> = metadata.workspace_packages().iter().map(|package| package.name.as_str()).collect();
    suite::run(command(&members), filter.as_slice())
}

fn command(members: &[&str]) -> CommandLine {
    let mut command = CommandLine::new("cargo test --workspace");
    for cloud in CLOUDS.iter().filter(|cloud| members.contains(cloud)) {
        command = command.arg("--exclude").arg(cloud);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clouds_are_left_out_where_they_exist() {
        let line = command(&["faast", "faast-aws"]).to_string();
        assert_eq!(line, "cargo test --workspace --exclude faast-aws");
    }
}
