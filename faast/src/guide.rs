//! The guide and its neighbours in `docs/`: rustdoc compiles their snippets as tests of this crate.
//!
//! Nothing else sees this module: the pages lie outside of the crate's folder, and are not in its package. The README is
//! the documentation of the crate itself, and compiled with it.

#[cfg(feature = "aws")]
#[doc = include_str!("../../docs/guide/aws.md")]
mod aws {}
#[doc = include_str!("../../docs/guide/calls.md")]
mod calls {}
#[doc = include_str!("../../docs/guide/cleanup.md")]
mod cleanup {}
#[cfg(feature = "aws")]
#[doc = include_str!("../../docs/guide/cost.md")]
mod cost {}
#[doc = include_str!("../../docs/errors.md")]
mod errors {}
#[cfg(feature = "google")]
#[doc = include_str!("../../docs/guide/google.md")]
mod google {}
#[doc = include_str!("../../docs/guide/idempotency.md")]
mod idempotency {}
#[cfg(all(feature = "aws", feature = "google"))]
#[doc = include_str!("../../docs/guide/limits.md")]
mod limits {}
#[cfg(feature = "aws")]
#[doc = include_str!("../../docs/guide/migrating.md")]
mod migrating {}
#[doc = include_str!("../../docs/mistakes.md")]
mod mistakes {}
#[doc = include_str!("../../docs/guide/observing.md")]
mod observing {}
#[doc = include_str!("../../docs/guide/options.md")]
mod options {}
#[doc = include_str!("../../docs/guide/resume.md")]
mod resume {}
#[doc = include_str!("../../docs/guide/troubleshooting.md")]
mod troubleshooting {}
#[doc = include_str!("../../docs/guide/values.md")]
mod values {}
#[cfg(feature = "aws")]
#[doc = include_str!("../../docs/guide/workflow.md")]
mod workflow {}
