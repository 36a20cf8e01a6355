//! Where the servers and tools are.

use std::path::PathBuf;

/// What `cargo xtask test-google --independent` sets.
fn told(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `cargo xtask test-google --independent`"))
}

/// Debian's container registry, in the place of Artifact Registry.
pub(crate) fn registry() -> String {
    told("FAAST_TEST_REGISTRY")
}

/// gcp-storage-emulator, in the place of Cloud Storage.
pub(crate) fn storage() -> String {
    told("FAAST_TEST_STORAGE")
}

/// Google's own emulator of Pub/Sub.
pub(crate) fn pubsub() -> String {
    told("FAAST_TEST_PUBSUB")
}

/// A client for registries; xtask leaves its tests out where it can't be had.
pub(crate) fn skopeo() -> PathBuf {
    told("FAAST_TEST_SKOPEO").into()
}
