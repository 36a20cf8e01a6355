//! What takes the place of faast.js's `throttle`: the page of the guide, whose snippets are the tests of this crate.
//!
//! It stands outside of the workspace, so that the crates it is about are no dependencies of faast, in tests neither.

#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/throttling.md")]
mod page {}
