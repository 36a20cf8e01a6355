//! What [`crate::test_cloud`] runs for Google Cloud.

mod emulated;
mod independent;
mod install;
mod project;

use crate::test_cloud::Cloud;

/// `cargo xtask test-google`.
pub(crate) const GOOGLE: Cloud = Cloud { live: project::run, emulated: emulated::run, independent: independent::run };
