//! What the benches of all clouds share: a server that answers at once, faast's own map over the part of a provider that
//! invokes, and the same calls without faast.

pub(super) mod bare;
pub(super) mod client;
pub(super) mod server;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdin, Stdio};

use anyhow::{Context as _, Result};

use super::run::floor;

/// A server that prints where it is; ends with this value.
pub(super) struct Server {
    child: Child,
    stdin: Option<ChildStdin>,
    pub(super) endpoint: String,
}

impl Server {
    /// Starts the floor of these words.
    pub(super) fn start(words: &[&str]) -> Result<Self> {
        let mut child = floor(words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no standard output")?).read_line(&mut line)?;
        Ok(Self { stdin: child.stdin.take(), child, endpoint: line.trim().into() })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It serves until its input is closed.
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}
