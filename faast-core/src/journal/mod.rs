//! Journals: the results of a map on disk, so that the same program, started again, does only what is missing.
//!
//! Responsible for one file: what is in it, that it is whole, and that a result in it is found again by function,
//! signature and arguments. Not for what a map does with it; see [`Map::journal`](crate::Map::journal). Invariant: what
//! is read from a journal is, byte for byte, what a worker answered to that very call, or it is not read at all. Damage
//! costs the results that it touches, which are made again.

mod build;
mod export;
mod file;
mod index;
mod key;
mod record;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use self::build::Build;
pub use self::export::export;
pub(crate) use self::key::{Key, key};
pub(crate) use self::record::Record;
pub(crate) use self::writer::{Journal, Queue, flush_all};
