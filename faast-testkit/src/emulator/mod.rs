//! What the emulators of clouds have in common: a port with a thread, connections that can be cut, a record of requests,
//! a clock, delays, dice for faults, rates, processes that are watched, limited and ended, and mounts of their own.
//!
//! Nothing here knows a service or an error text, and nothing here is shared with what the emulators test.

pub(crate) mod call;
pub(crate) mod clock;
pub(crate) mod connection;
pub(crate) mod dice;
pub(crate) mod hex;
pub(crate) mod host;
pub(crate) mod isolation;
pub(crate) mod latency;
pub(crate) mod limit;
pub(crate) mod md5;
pub(crate) mod memory;
pub(crate) mod output;
pub(crate) mod process;
pub(crate) mod web;
