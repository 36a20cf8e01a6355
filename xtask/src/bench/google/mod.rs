//! Google: what a call to Cloud Run costs the client, beside a bare loop of the HTTP client that it is made with.
//!
//! Both send the same calls to the same server, which answers at once, and runs in a process of its own.

mod bare;
mod client;
mod server;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdin, Stdio};

use anyhow::{Context as _, Result, bail};

use super::report::Row;
use super::run::{Bencher, answer, floor, number, subject};
use super::sample::{median, median_ratio};

/// Requests in flight at once.
const AT_ONCE: usize = 500;

/// What lets requests in.
const SECRET: &str = "bench";

/// Floors, by the words behind `google`.
pub(super) fn floor_main(words: &[&str]) -> Result<()> {
    match words {
        ["server"] => server::main(),
        ["reqwest", endpoint, calls] => bare::reqwest(endpoint, calls.parse()?),
        other => bail!("no floor of google {other:?}"),
    }
}

pub(super) use self::client::map;

/// The instant server; ends with this value.
struct Server {
    child: Child,
    stdin: Option<ChildStdin>,
    endpoint: String,
}

impl Server {
    fn start() -> Result<Self> {
        let mut command = floor(&["google", "server"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
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

pub(super) fn measure(bencher: &mut Bencher) -> Result<()> {
    let server = Server::start()?;
    let calls = bencher.times("10000", "2000");
    let endpoint = server.endpoint.as_str();
    let [faast, faast_cpu, bare, bare_cpu] = bencher.rounds(bencher.times(5, 1), || {
        let faast = answer(subject(&["google", endpoint, calls]))?;
        let bare = answer(floor(&["google", "reqwest", endpoint, calls]))?;
        let speed = |it| number(it, "per_second");
        let cpu = |it| number(it, "client_cpu_per_10k");
        Ok([speed(&faast)?, cpu(&faast)?, speed(&bare)?, cpu(&bare)?])
    })?;
    bencher.row(
        Row::new("map of zero work over Cloud Run, 500 in flight", median(&faast), "calls/s")
            .beside("a bare loop of reqwest", median(&bare))
            .ratio(median_ratio(&faast, &bare))
            .times_at_least(0.9),
    );
    bencher.row(
        Row::new("its client, per 10,000 calls", median(&faast_cpu), "s CPU")
            .beside("that loop", median(&bare_cpu))
            .ratio(median_ratio(&faast_cpu, &bare_cpu)),
    );
    Ok(())
}
