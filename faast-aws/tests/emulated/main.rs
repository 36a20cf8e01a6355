//! Deployments against the emulator, which runs the archive that was uploaded.

#![expect(clippy::unwrap_used, clippy::panic, clippy::unnecessary_wraps, reason = "these are tests")]

mod deployment;
mod leftover;
mod permission;
mod queue;
mod rig;
mod role;
