//! Errors and partial results: in one map, each call ends in its own way, and the good ones are not lost.
//!
//! `cargo run --example errors`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use faast::ErrorKind;
use faast::prelude::*;
use serde::{Deserialize, Serialize};

/// What is wrong with an input. It crosses the wire, so the caller gets it back with its fields.
#[derive(Debug, Serialize, Deserialize)]
enum BadInput {
    /// There is something else than digits.
    NotANumber { character: char, position: usize },
}

impl std::fmt::Display for BadInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self::NotANumber { character, position } = self;
        write!(f, "`{character}` at {position} is no digit")
    }
}

/// Steps of the Collatz sequence from a number down to 1: halve what is even, else triple it and add one.
#[faast::function]
fn collatz(number: &str) -> Result<u32, BadInput> {
    if let Some((position, character)) = number.char_indices().find(|(_, c)| !c.is_ascii_digit()) {
        return Err(BadInput::NotANumber { character, position });
    }
    let mut n: u64 = number.parse().expect("more than 64 bits");
    let mut steps = 0;
    // From 0, this goes on for ever.
    while n != 1 {
        n = if n.is_multiple_of(2) { n / 2 } else { n.checked_mul(3).expect("64 bits are not enough") + 1 };
        steps += 1;
    }
    Ok(steps)
}

#[faast::main]
async fn main() -> faast::Result<()> {
    let cloud = faast::local().timeout(Duration::from_millis(500)).deploy().await?;
    let inputs = ["27", "12x4", "0", "12297829382473034411", "97", "871"];

    let mut results = cloud.map_keyed(inputs.map(|input| (input, collatz::call(input))));
    let (mut good, mut longest) = (0, 0);
    while let Some((input, result)) = results.next().await {
        match result {
            Ok(steps) => {
                println!("{input}: {steps} steps");
                good += 1;
                longest = longest.max(steps);
            }
            Err(error) => match (collatz::error(&error), error.kind()) {
                (Some(BadInput::NotANumber { position, .. }), _) => {
                    println!("{input}: refused, the digits end at {position}");
                }
                (None, ErrorKind::Timeout) => println!("{input}: gave up, {}", error.message()),
                (None, ErrorKind::Panic) => {
                    println!("{input}: {} at {}", error.message(), error.location().unwrap_or("?"));
                }
                // Whatever else can happen: message, causes, what to do and where the logs are.
                (None, _) => println!("{input}: {error:?}"),
            },
        }
    }
    println!("{good} of {} succeeded, the longest took {longest} steps", inputs.len());
    cloud.cleanup().await
}
