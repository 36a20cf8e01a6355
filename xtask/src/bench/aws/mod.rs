//! AWS: what a call to Lambda costs the client, beside the SDK's own client and beside the least that it can cost.
//!
//! All of them send the same calls to the same server, which answers at once, and runs in a process of its own.

mod bare;
mod client;
mod emulated;
mod server;
mod start;

use anyhow::{Result, bail};
use serde_json::Value;

use super::cloud::{self, Server};
use super::report::Row;
use super::run::{Bencher, answer, floor, number, subject};
use super::sample::{median, median_ratio};

/// Requests in flight at once.
const AT_ONCE: usize = 1000;

/// Calls before the clock starts: connections are open then.
const WARM_UP: u32 = 5000;

/// The function's name in paths.
const FUNCTION: &str = "faast-bench";

const REGION: &str = "us-west-2";

/// Floors, by the words behind `aws`.
pub(super) fn floor_main(words: &[&str]) -> Result<()> {
    match words {
        ["server"] => cloud::server::main(server::answer),
        ["emulator", rest @ ..] => emulated::floor_main(!rest.is_empty()),
        ["sdk", endpoint, calls] => bare::sdk(endpoint, calls.parse()?),
        ["hyper", endpoint, calls] => bare::hyper(endpoint, calls.parse()?),
        other => bail!("no floor of aws {other:?}"),
    }
}

pub(super) use self::emulated::{batched, first_result};
pub(super) use self::start::packing;

/// Maps over `calls` numbers.
pub(super) async fn map(endpoint: &str, calls: u32) -> Result<Value> {
    cloud::client::map::<faast_aws::private::Invoker>(endpoint, WARM_UP, calls).await
}

pub(super) fn measure(bencher: &mut Bencher) -> Result<()> {
    let server = Server::start(&["aws", "server"])?;
    let calls = bencher.times("100000", "5000");
    let endpoint = server.endpoint.as_str();
    let [faast, faast_cpu, sdk, sdk_cpu, hyper, hyper_cpu] = bencher.rounds(bencher.times(3, 1), || {
        let faast = answer(subject(&["aws", endpoint, calls]))?;
        let sdk = answer(floor(&["aws", "sdk", endpoint, calls]))?;
        let hyper = answer(floor(&["aws", "hyper", endpoint, calls]))?;
        let speed = |it| number(it, "per_second");
        let cpu = |it| number(it, "client_cpu_per_10k");
        Ok([speed(&faast)?, cpu(&faast)?, speed(&sdk)?, cpu(&sdk)?, speed(&hyper)?, cpu(&hyper)?])
    })?;
    bencher.row(
        Row::new("map of zero work over Lambda, 1,000 in flight", median(&faast), "calls/s")
            .beside("a bare loop of aws-sdk-lambda", median(&sdk))
            .ratio(median_ratio(&faast, &sdk))
            .times_at_least(0.9),
    );
    bencher.row(
        Row::new("its client, per 10,000 calls", median(&faast_cpu), "s CPU")
            .beside("that loop", median(&sdk_cpu))
            .ratio(median_ratio(&faast_cpu, &sdk_cpu))
            .times_at_most(1.15),
    );
    bencher.row(
        Row::new("the same map", median(&faast), "calls/s")
            .beside("hyper, signed by aws-sigv4", median(&hyper))
            .ratio(median_ratio(&faast, &hyper)),
    );
    bencher.row(
        Row::new("its client, per 10,000 calls", median(&faast_cpu), "s CPU")
            .beside("that loop", median(&hyper_cpu))
            .ratio(median_ratio(&faast_cpu, &hyper_cpu)),
    );
    starts(bencher)?;
    emulated::deployment(bencher)?;
    emulated::batches(bencher)
}

fn starts(bencher: &mut Bencher) -> Result<()> {
    let lives = bencher.times(20, 3);
    let [next, cold, warm, executable, archive] = bencher.rounds(bencher.times(3, 1), || {
        let nexts = (0..lives).map(|_| start::first_next()).collect::<Result<Vec<_>>>()?;
        let packed = answer(subject(&["aws-pack"]))?;
        let of = |key| number(&packed, key);
        Ok([median(&nexts), of("cold")?, of("warm")?, of("executable_mb")?, of("archive_mb")?])
    })?;
    bencher.row(Row::new("worker: exec to the first next", median(&next), "ms").at_most(5.0));
    bencher.row(Row::new("this executable, with all of AWS linked", median(&executable), "MB"));
    bencher.row(Row::new("its archive, stripped and compressed", median(&archive), "MB"));
    bencher.row(Row::new("packing it, cold", median(&cold), "ms").at_most(1000.0));
    bencher.row(Row::new("packing it again", median(&warm), "ms").at_most(20.0));
    Ok(())
}
