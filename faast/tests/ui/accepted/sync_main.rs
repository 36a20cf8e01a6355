//! `main` need not be async, and may return anything that ends a process.

use std::process::ExitCode;

/// Kept.
#[faast::main]
#[allow(clippy::unnecessary_wraps)]
fn main() -> ExitCode {
    fn answer() -> Option<u8> {
        Some(0)
    }
    let Some(code) = answer() else { return ExitCode::FAILURE };
    ExitCode::from(code)
}
