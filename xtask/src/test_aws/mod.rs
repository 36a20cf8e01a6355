//! What [`crate::test_cloud`] runs for AWS.

mod account;
mod emulated;
mod independent;
mod install;

use crate::test_cloud::Cloud;

/// `cargo xtask test-aws`.
pub(crate) const AWS: Cloud = Cloud { live: account::run, emulated: emulated::run, independent: independent::run };
