//! Google: what a call to Cloud Run costs the client, beside a bare loop of the HTTP client that it is made with.
//!
//! Both send the same calls to the same server, which answers at once, and runs in a process of its own.

mod bare;
mod client;
mod server;

use anyhow::{Result, bail};
use serde_json::Value;

use super::cloud::{self, Server};
use super::report::Row;
use super::run::{Bencher, answer, floor, number, subject};
use super::sample::{median, median_ratio};

/// Requests in flight at once.
const AT_ONCE: usize = 500;

/// Calls before the clock starts: connections are open then.
const WARM_UP: u32 = 2000;

/// What lets requests in.
const SECRET: &str = "bench";

/// Floors, by the words behind `google`.
pub(super) fn floor_main(words: &[&str]) -> Result<()> {
    match words {
        ["server"] => cloud::server::main(server::answer),
        ["reqwest", endpoint, calls] => bare::reqwest(endpoint, calls.parse()?),
        other => bail!("no floor of google {other:?}"),
    }
}

/// Maps over `calls` numbers.
pub(super) async fn map(endpoint: &str, calls: u32) -> Result<Value> {
    cloud::client::map::<faast_google::private::Invoker>(endpoint, WARM_UP, calls).await
}

pub(super) fn measure(bencher: &mut Bencher) -> Result<()> {
    let server = Server::start(&["google", "server"])?;
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
