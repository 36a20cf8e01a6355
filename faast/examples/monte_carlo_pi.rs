//! Estimates pi by throwing darts at a square, on all cores or in a cloud.
//!
//! `cargo run --release --example monte_carlo_pi -- [CALLS] [DARTS OF EACH]`
//!
//! `cargo run --release --example monte_carlo_pi --features aws -- --provider aws 10000 1000000` does it on Lambda.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Instant;

use faast::prelude::*;

/// Throws `darts` at the square around a circle and estimates pi by those within the circle. The same seed gives the
/// same darts: a call that has to be repeated gives the same result.
#[faast::function]
fn estimate(seed: u32, darts: u32) -> f64 {
    let mut random = SplitMix(u64::from(seed) << 32);
    let hits: u32 = (0..darts).map(|_| u32::from(random.unit().powi(2) + random.unit().powi(2) < 1.0)).sum();
    4.0 * f64::from(hits) / f64::from(darts)
}

/// A small generator of random numbers, by Steele, Lea and Flood.
struct SplitMix(u64);

impl SplitMix {
    /// A number from 0 to 1.
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        f64::from((bits >> 32) as u32) / f64::from(u32::MAX)
    }
}

#[faast::main]
async fn main() -> faast::Result<()> {
    let mut args = std::env::args().skip(1).peekable();
    let provider = args.next_if(|arg| arg == "--provider").and_then(|_| args.next());
    let mut number = |default: u32| args.next().and_then(|text| text.parse().ok()).unwrap_or(default).max(1);
    let (calls, darts): (u32, u32) = (number(50), number(1_000_000));
    let cloud = faast::provider(provider.as_deref().unwrap_or("local"))?.deploy().await?;

    let start = Instant::now();
    let estimates = cloud.map((0..calls).map(|seed| estimate::call(seed, darts))).try_collect().await?;
    let pi = estimates.iter().sum::<f64>() / f64::from(calls);
    println!("pi is about {pi:.6}, by {calls} x {darts} darts in {:.1?}", start.elapsed());

    let stats = cloud.stats();
    println!("{} calls, at most {} requests at a time", stats.completed, stats.max_in_flight);
    for function in &stats.functions {
        let (median, slow) = (function.quantile(0.5), function.quantile(0.99));
        println!("`{}` took {median:.1?} in the median, {slow:.1?} at the 99th percentile", function.name());
    }
    println!("{}", cloud.cost().await);
    cloud.cleanup().await
}
