//! Generated code passes in a crate that forbids and denies all that it can.

#![forbid(unsafe_code)]
#![deny(
    warnings,
    future_incompatible,
    let_underscore,
    missing_copy_implementations,
    missing_debug_implementations,
    missing_docs,
    nonstandard_style,
    refining_impl_trait,
    rust_2024_compatibility,
    unnameable_types,
    unreachable_pub,
    unused,
    unused_crate_dependencies,
    unused_import_braces,
    unused_lifetimes,
    unused_qualifications,
    unused_results,
    variant_size_differences,
    clippy::all,
    clippy::pedantic
)]
#![allow(unused_crate_dependencies, reason = "those of the crate that runs the test")]

/// Ordinary functions.
pub mod functions {
    use std::io;

    /// Greets.
    #[faast::function]
    #[must_use]
    pub fn hello(name: &str) -> String {
        format!("hello {name}!")
    }

    /// Reads.
    ///
    /// # Errors
    ///
    /// There is no such file.
    #[faast::function]
    pub async fn read(path: &std::path::Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    /// Counts.
    #[faast::function]
    pub fn count(to: u32) -> impl Iterator<Item = u32> {
        0..to
    }

    #[faast::function(idempotent = false)]
    #[deprecated = "not any more"]
    pub(crate) fn old() {}

    #[faast::function]
    #[expect(clippy::needless_pass_by_value, reason = "it is sent")]
    fn private(_text: String) {}
}

#[faast::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let call = functions::hello::call("world");
    assert!(call.function().ends_with("::functions::hello"));
    assert!(functions::read::error(&faast::Error::new(faast::ErrorKind::Config, "no")).is_none());
    Ok(())
}
