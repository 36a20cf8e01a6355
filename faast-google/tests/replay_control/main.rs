//! Replayed failures of the control plane: what a user reads, and that everything that was made is removed again.

#![expect(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod credentials;
mod doctor;
mod image;
mod project;
mod queue;
mod rig;
mod service;
mod stray;
