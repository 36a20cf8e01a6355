//! The Google Cloud provider of faast: functions on Cloud Run.
//!
//! One file for each job, under the names that every provider of faast uses; `deploy.rs` has the order of the calls.

#![forbid(unsafe_code)]

mod check;
mod classify;
mod cleanup;
mod clients;
mod config;
mod cost;
mod credentials;
mod deploy;
mod doctor;
mod endpoint;
mod estate;
mod function;
mod invoke;
mod label;
mod look_up;
mod operation;
mod permission;
#[doc(hidden)]
pub mod private;
mod project;
mod provider;
mod queue;
mod registry;
mod resource;
mod rest;
mod service;
mod store;
mod stray;
mod topic;
mod worker;

pub use self::config::{Google, GoogleOptions};
pub use faast_packer::CargoBuild;

/// The provider's name: in `faast::provider("google")`, in paths, and in the mark that makes a process its worker.
const NAME: &str = "google";
