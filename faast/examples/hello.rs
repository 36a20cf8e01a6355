//! The smallest job: one function, one call.
//!
//! `cargo run --example hello`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use faast::prelude::*;

/// An ordinary function: it can be called, tested and documented as one.
#[faast::function]
pub fn hello(name: &str) -> String {
    format!("hello {name}!")
}

#[faast::main]
async fn main() -> faast::Result<()> {
    // Worker processes on this machine. Nothing else in the program knows which cloud it is.
    let cloud = faast::local().deploy().await?;
    println!("{}", cloud.run(hello::call("world")).await?);
    cloud.cleanup().await
}
