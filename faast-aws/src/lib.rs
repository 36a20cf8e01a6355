//! The AWS provider of faast: functions on Lambda.
//!
//! One file for each job, under the names that every provider of faast uses; `deploy.rs` has the order of the calls.

#![forbid(unsafe_code)]

mod backoff;
mod body;
mod check;
mod classify;
mod cleanup;
mod clients;
mod code;
mod config;
mod cost;
mod deploy;
mod doctor;
mod estate;
mod function;
mod invoke;
mod lambda;
mod log_group;
mod log_tail;
mod look_up;
mod permission;
#[doc(hidden)]
pub mod private;
mod provider;
mod queue;
mod resource;
mod role;
mod store;
mod stray;
mod tags;
mod worker;

pub use self::config::{Aws, AwsOptions};
pub use faast_packer::CargoBuild;

/// The provider's name: in `faast::provider("aws")`, in paths, and in the mark that makes a process its worker.
const NAME: &str = "aws";
