//! Where the servers and tools are.

use std::path::PathBuf;

/// What `cargo xtask test-aws --independent` sets.
fn told(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `cargo xtask test-aws --independent`"))
}

/// `MiniStack`, without permissions.
pub(crate) fn ministack() -> String {
    told("FAAST_TEST_MINISTACK")
}

/// `MiniStack`, which enforces permissions.
pub(crate) fn ministack_iam() -> String {
    told("FAAST_TEST_MINISTACK_IAM")
}

/// moto, which runs no code.
pub(crate) fn moto() -> String {
    told("FAAST_TEST_MOTO")
}

/// AWS's own runtime interface emulator.
pub(crate) fn rie() -> PathBuf {
    told("FAAST_TEST_RIE").into()
}

/// The program around `lambda-simulator`.
pub(crate) fn simulator() -> PathBuf {
    told("FAAST_TEST_SIMULATOR").into()
}

/// The AWS command line.
pub(crate) fn aws_cli() -> PathBuf {
    told("FAAST_TEST_AWS_CLI").into()
}

/// The script that lists with it what is there.
pub(crate) fn leftovers() -> PathBuf {
    told("FAAST_TEST_LEFTOVERS").into()
}
