//! A generator function: its items arrive while it still makes more, and it stops when nobody wants them any more.
//!
//! `cargo run --release --example generator`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use faast::prelude::*;

/// The primes from `start` on. It has no end: whoever has seen enough breaks off.
#[faast::function]
fn primes(start: u64) -> impl Iterator<Item = u64> {
    (start.max(2)..).filter(|n| (2..=n.isqrt()).all(|d| n % d != 0))
}

#[faast::main]
async fn main() -> faast::Result<()> {
    let cloud = faast::local().deploy().await?;
    let start = 1_000_000_000_000;

    let mut stream = cloud.stream(primes::call(start));
    let mut before = None;
    while let Some(prime) = stream.next().await {
        let prime = prime?;
        println!("{prime}");
        if before.is_some_and(|before| prime - before == 2) {
            println!("twins, {} from {start}", prime - start);
            break;
        }
        before = Some(prime);
    }
    // The worker stops searching.
    drop(stream);

    cloud.cleanup().await
}
