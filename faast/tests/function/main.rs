//! What `#[faast::function]` makes of every kind of function: calls and bodies, without a cloud.
//!
//! A body is run as a worker runs it, on the bytes that the companion encoded.

#![deny(warnings, missing_docs, unreachable_pub, unused_qualifications, clippy::pedantic)]
#![forbid(unsafe_code)]
#![expect(
    clippy::needless_pass_by_value,
    clippy::needless_lifetimes,
    clippy::unused_async,
    clippy::elidable_lifetime_names,
    clippy::unwrap_used,
    clippy::panic,
    reason = "functions are as users write them, and a test may panic"
)]

mod argument;
mod generator;
mod loss;
mod name;
mod result;
mod support;
