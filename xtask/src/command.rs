//! Child processes: run one in the root of the workspace, and fail when it fails.
//!
//! Every other module names a command line; how it is started, and what its end means, is decided here.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// A command line with the environment it needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CommandLine {
    words: Vec<String>,
    env: Vec<(String, String)>,
    /// Variables of this process that the child does not get.
    without: Vec<String>,
}

impl CommandLine {
    /// The command of these words, separated by blanks.
    pub(crate) fn new(line: &str) -> Self {
        Self { words: line.split_whitespace().map(str::to_owned).collect(), ..Self::default() }
    }

    /// Adds one argument as it is.
    #[must_use]
    pub(crate) fn arg(mut self, word: &str) -> Self {
        self.words.push(word.to_owned());
        self
    }

    /// Sets an environment variable of the child.
    #[must_use]
    pub(crate) fn env(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((key.into(), value.into()));
        self
    }

    /// Keeps an environment variable of this process from the child.
    #[must_use]
    pub(crate) fn without(mut self, key: impl Into<String>) -> Self {
        self.without.push(key.into());
        self
    }

    /// Runs it with the terminal of this process; an exit code other than 0 is an error.
    pub(crate) fn run(&self) -> Result<()> {
        let status = self.command()?.status().with_context(|| format!("can't start `{self}`"))?;
        self.check(status)
    }

    /// Runs it and gives what it printed to standard output.
    pub(crate) fn output(&self) -> Result<String> {
        let output =
            self.command()?.stderr(Stdio::inherit()).output().with_context(|| format!("can't start `{self}`"))?;
        self.check(output.status)?;
        String::from_utf8(output.stdout).with_context(|| format!("`{self}` printed something else than UTF-8"))
    }

    /// Runs it, passes on each line of its standard output, and shows it to `look` as well.
    pub(crate) fn watch(&self, mut look: impl FnMut(&str)) -> Result<()> {
        let mut child =
            self.command()?.stdout(Stdio::piped()).spawn().with_context(|| format!("can't start `{self}`"))?;
        let stdout = child.stdout.take().context("the child has no standard output")?;
        for line in BufReader::new(stdout).lines() {
            let line = line.with_context(|| format!("can't read what `{self}` prints"))?;
            println!("{line}");
            look(&line);
        }
        self.check(child.wait()?)
    }

    /// Whether it can be started at all and ends well; prints nothing.
    pub(crate) fn succeeds(&self) -> bool {
        let Ok(mut command) = self.command() else { return false };
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    }

    fn command(&self) -> Result<Command> {
        let (program, arguments) = self.words.split_first().context("an empty command line")?;
        let mut command = Command::new(program);
        command.args(arguments).current_dir(root()).stdin(Stdio::null());
        for key in &self.without {
            command.env_remove(key);
        }
        command.envs(self.env.iter().map(|(key, value)| (key, value)));
        Ok(command)
    }

    fn check(&self, status: std::process::ExitStatus) -> Result<()> {
        if !status.success() {
            bail!("`{self}` failed: {status}");
        }
        Ok(())
    }
}

impl std::fmt::Display for CommandLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (key, value) in &self.env {
            write!(f, "{key}={value:?} ")?;
        }
        f.write_str(&self.words.join(" "))
    }
}

/// The root of the workspace. As cargo says it now: checkouts that share a target folder share this executable.
pub(crate) fn root() -> PathBuf {
    let here = env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    here.parent().unwrap_or(&here).to_path_buf()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_command_is_an_error_that_names_it() {
        let error = CommandLine::new("false --really").run().unwrap_err();
        assert!(error.to_string().starts_with("`false --really` failed"), "{error}");
    }

    #[test]
    fn a_command_that_does_not_exist_is_an_error() {
        assert!(CommandLine::new("no-such-program-here").run().is_err());
        assert!(!CommandLine::new("no-such-program-here").succeeds());
    }

    #[test]
    fn every_line_is_seen() {
        let mut seen = Vec::new();
        CommandLine::new("printf").arg("one\\ntwo\\n").watch(|line| seen.push(line.to_owned())).unwrap();
        assert_eq!(seen, ["one", "two"]);
    }
}
