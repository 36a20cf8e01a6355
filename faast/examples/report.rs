//! A report of a job in which things go wrong: `cargo run --release --example report -- run.html`
//!
//! Some calls fail and are tried again, some fail for good, one is stuck and is overtaken by a second attempt. The page
//! shows where the time went, and which calls to look at. `-- run.json` writes the same as JSON, and a number behind it is
//! how many calls there are.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use faast::Hedge;
use faast::prelude::*;

/// Counts the primes below a number for one input, on a machine that has its bad moments.
#[faast::function]
fn primes(input: u64, below: u64) -> Result<u64, String> {
    let attempt = faast::context().attempt();
    match (input, input % 100) {
        // Its first attempt is stuck, the second is not.
        (1178, _) if attempt == 1 => std::thread::sleep(Duration::from_secs(4)),
        // Works when it is tried again.
        (_, 17) if attempt == 1 => return Err(format!("the disk of input {input} did not answer")),
        // Never works.
        (_, 42) => return Err(format!("input {input} has no license")),
        _ => {}
    }
    assert!(input != 666, "input {input} is cursed");
    let is_prime = |n: u64| (2..n).take_while(|d| d * d <= n).all(|d| !n.is_multiple_of(d));
    Ok((2..below).filter(|n| is_prime(*n)).count() as u64)
}

#[faast::main]
async fn main() -> faast::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_else(|| "run.html".into());
    let calls = arguments.next().and_then(|calls| calls.parse().ok()).unwrap_or(300);
    let cloud = faast::local().concurrency(4).hedge(Hedge::On).record().deploy().await?;

    // With few calls, the two that stand out would be all that is seen.
    let standing_out: &[u64] = if calls < 100 { &[] } else { &[1178, 666] };
    let inputs = (0..calls).map(|n| n % 300 * 5 + 2).chain(standing_out.iter().copied());
    // With many, the less each has to do.
    let below = if calls <= 1_000 { 60_000 } else { 1_000 };
    let calls = inputs.map(|input| primes::call(input, below).retry_if(|error| error.message().contains("disk")));
    let mut results = cloud.map(calls).progress();
    let (mut good, mut bad) = (0, 0);
    while let Some(result) = results.next().await {
        match result {
            Ok(_) => good += 1,
            Err(_) => bad += 1,
        }
    }
    cloud.report(&path).await?;
    println!("{good} calls gave a value, {bad} failed; the report is in {path}");
    cloud.cleanup().await
}
