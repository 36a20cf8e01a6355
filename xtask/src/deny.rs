//! `cargo deny` on the dependencies, by deny.toml: licences, sources, bans and, where their database can be had, advisories.
//!
//! Installed once, below the target folder: a check that is left out where the tool is missing is left out everywhere.

use anyhow::Result;

use crate::command::CommandLine;
use crate::install::{once, target_folder, text};

/// Pinned: a later one may know other findings.
const CARGO_DENY: &str = "cargo-deny@0.20.2";

/// Checks all that can be checked here.
pub(crate) fn check() -> Result<()> {
    let folder = target_folder()?.join("deny");
    let (root, build) = (text(&folder)?, text(&folder.join("build"))?);
    once(&folder, CARGO_DENY, || {
        // Without optimisation it is built in a third of the time, and checks in seconds all the same.
        let install = CommandLine::new("cargo install --quiet --debug --locked").arg(CARGO_DENY);
        install.arg("--root").arg(&root).arg("--target-dir").arg(&build).run()?;
        Ok(std::fs::remove_dir_all(&build)?)
    })?;
    let deny = || CommandLine::default().arg(&format!("{root}/bin/cargo-deny"));
    let with = |words: &[&str]| words.iter().fold(deny(), |line, word| line.arg(word));
    // These need no network.
    with(&["--offline", "check", "--show-stats", "bans", "licenses", "sources"]).run()?;
    if with(&["fetch", "db"]).succeeds() {
        return with(&["check", "--disable-fetch", "advisories"]).run();
    }
    println!("advisories: not checked, their database can't be reached");
    Ok(())
}
