//! Servers and tools that nobody of this project wrote: installed once, below the target folder, nowhere else.
//!
//! Versions are pinned where that can be done: another one may differ from the cloud in other places, and the tests say
//! where these do.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cargo_metadata::MetadataCommand;

use crate::command::{CommandLine, root};

/// What is written once everything is there.
const DONE: &str = "installed";

/// The folder for what cargo makes.
pub(crate) fn target_folder() -> Result<PathBuf> {
    let metadata = MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec()?;
    Ok(metadata.target_directory.into_std_path_buf())
}

/// A path as an argument or a variable.
pub(crate) fn text(path: &Path) -> Result<String> {
    path.to_str().map(str::to_owned).with_context(|| format!("`{}` is not UTF-8", path.display()))
}

/// Fills a folder, unless what is wanted is in it already.
pub(crate) fn once(folder: &Path, wanted: &str, install: impl FnOnce() -> Result<()>) -> Result<()> {
    if fs::read_to_string(folder.join(DONE)).is_ok_and(|done| done == wanted) {
        return Ok(());
    }
    println!("installing into {}: {}", folder.display(), wanted.replace('\n', " "));
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    install()?;
    Ok(fs::write(folder.join(DONE), wanted)?)
}

/// A Python environment.
#[derive(Debug, Clone)]
pub(crate) struct Venv(PathBuf);

impl Venv {
    /// The one in a folder, there or not.
    pub(crate) fn at(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// Makes it, with packages from the package registry.
    pub(crate) fn install(&self, packages: &[&str]) -> Result<()> {
        CommandLine::new("python3 -m venv").arg(&text(&self.0)?).run()?;
        let install = CommandLine::default().arg(&text(&self.program("pip"))?).arg("install").arg("--quiet");
        packages.iter().fold(install, |command, package| command.arg(package)).run()
    }

    /// A program of it.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.0.join("bin").join(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_not_installed_again_and_another_version_is() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("tools");
        let install = |wanted: &str| {
            let mut was_run = false;
            once(&folder, wanted, || {
                was_run = true;
                Ok(fs::write(folder.join(format!("tool {wanted}")), "")?)
            })
            .unwrap();
            was_run
        };
        assert!(install("1"));
        assert!(!install("1"));
        assert!(install("2"));
        assert!(!folder.join("tool 1").exists(), "nothing of the older one is left");
        let failed = once(&folder, "3", || anyhow::bail!("no network"));
        assert!(failed.is_err() && install("3"), "what failed is tried again");
    }
}
