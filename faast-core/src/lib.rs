//! The heart of faast: the provider contract, and everything that is no cloud.
//!
//! Users write against the `faast` crate; authors of providers write against [`provider`]. This crate knows no cloud,
//! links no HTTP client and starts no process. ARCHITECTURE.md in the repository tells the life of a call.

#![forbid(unsafe_code)]

pub mod cache;
pub mod control;
pub mod cost;
pub mod dispatch;
pub mod function;
pub mod journal;
pub mod leak;
pub mod ledger;
pub mod log;
#[doc(hidden)]
pub mod private;
pub mod provider;
pub mod queue;
pub mod record;
pub mod report;
pub mod stray;
pub mod wire;
pub mod worker;

mod builder;
mod call;
mod cancel;
mod cloud;
mod entry;
mod env;
mod error;
mod event;
mod options;
mod progress;
mod runtime;
mod stage;
mod stats;

pub use inventory;

pub use self::builder::Builder;
pub use self::call::{Call, StreamCall};
pub use self::cancel::CancelToken;
pub use self::cloud::{
    Bound, Cloud, Detail, Estimate, FromIter, FromStream, Indexed, Interval, Items, Keyed, Map, Ordered, Quote, Run,
    Sampled, Timings,
};
pub use self::error::{Error, ErrorKind, Result};
pub use self::event::{CloudEvent, CloudEventKind, Events};
pub use self::options::{Arch, Gc, Hedge};
pub use self::stats::{FunctionStats, Stats};
pub use self::worker::{Context, context};
