//! `cargo xtask ci`: everything that has to pass before a merge, in order, up to the first failure.
//!
//! One table says what that is. `.ci/run` calls it after the README's test command, so the plain test run is not here,
//! nor are the emulators' suites, which are in it (`cargo xtask test-aws --emulated` runs them alone).

use std::time::Instant;

use anyhow::{Context, Result};

use crate::command::{CommandLine, root};
use crate::deny;
use crate::test_aws::AWS;
use crate::test_google::GOOGLE;
use crate::tidy;
use crate::tidy::readme::SET_UP;

/// One line of the table.
struct Step {
    name: &'static str,
    what: What,
}

enum What {
    Run(&'static str),
    /// A command with one environment variable.
    RunWith(&'static str, &'static str, &'static str),
    /// A command that has to print this.
    Prints(&'static str, &'static str),
    /// `cargo xtask tidy`, in this process.
    Tidy,
    /// `cargo xtask test-aws` with this word, in this process.
    Aws(&'static str),
    /// `cargo xtask test-google` with this word, in this process.
    Google(&'static str),
    /// The suite under nextest, where that is installed.
    Nextest,
    /// `cargo deny` on the dependencies.
    Deny,
    /// A crate that is no member of the workspace, by its manifest.
    Outside(&'static str),
}

const STEPS: &[Step] = &[
    Step { name: "format", what: What::Run("cargo fmt --all --check") },
    Step {
        name: "lints",
        what: What::Run(
            "cargo clippy --workspace --all-targets --features faast-aws/independent,faast-aws/live,faast-google/independent,faast-google/live,xtask/bench-aws,xtask/bench-google -- -D warnings",
        ),
    },
    Step {
        name: "lints of the benches",
        what: What::Run("cargo clippy -p xtask --all-targets --features bench -- -D warnings"),
    },
    Step {
        name: "documentation",
        what: What::RunWith("RUSTDOCFLAGS", "-Dwarnings", "cargo doc --workspace --no-deps"),
    },
    Step { name: "tidy", what: What::Tidy },
    Step { name: "dependencies", what: What::Deny },
    Step { name: "macro diagnostics", what: What::Run("cargo test -p faast --test ui") },
    Step { name: "tests under nextest", what: What::Nextest },
    Step { name: "aws, independent", what: What::Aws("--independent") },
    Step { name: "google, independent", what: What::Google("--independent") },
    Step { name: "a third party's provider", what: What::Outside("third-party/http-pool/Cargo.toml") },
    Step { name: "in place of throttle", what: What::Outside("third-party/throttling/Cargo.toml") },
    Step { name: "features: none", what: What::Run("cargo check -p faast --no-default-features") },
    Step { name: "features: local", what: What::Run("cargo check -p faast --no-default-features --features local") },
    Step { name: "features: aws", what: What::Run("cargo check -p faast --no-default-features --features aws") },
    Step { name: "features: google", what: What::Run("cargo check -p faast --no-default-features --features google") },
    Step { name: "features: macros", what: What::Run("cargo check -p faast --no-default-features --features macros") },
    Step {
        name: "a typed error where panics abort",
        what: What::Prints(
            "cargo run -q -p faast --example errors --profile abort",
            "panicked: 64 bits are not enough",
        ),
    },
    Step { name: "examples", what: What::Run("cargo build -p faast --examples") },
    Step { name: "the README's first command", what: What::Run(SET_UP[0]) },
];

/// Runs every step of the table.
pub(crate) fn run() -> Result<()> {
    let start = Instant::now();
    for (index, step) in STEPS.iter().enumerate() {
        println!("\n==== {}/{} {}: {}", index + 1, STEPS.len(), step.name, step.what);
        step.run().with_context(|| format!("step {} ({}) of {}", index + 1, step.name, STEPS.len()))?;
    }
    println!("\n==== all {} steps done in {:.0?}", STEPS.len(), start.elapsed());
    Ok(())
}

impl Step {
    fn run(&self) -> Result<()> {
        match self.what {
            What::Run(line) => CommandLine::new(line).run(),
            What::RunWith(key, value, line) => CommandLine::new(line).env(key, value).run(),
            What::Prints(line, wanted) => {
                let mut found = false;
                CommandLine::new(line).watch(|printed| found |= printed.contains(wanted))?;
                anyhow::ensure!(found, "it did not print `{wanted}`");
                Ok(())
            }
            What::Tidy => tidy::check(),
            What::Aws(against) => AWS.run(&[against]),
            What::Google(against) => GOOGLE.run(&[against]),
            What::Nextest if CommandLine::new("cargo nextest --version").succeeds() => CommandLine::new(NEXTEST).run(),
            What::Nextest => {
                println!("not run: cargo-nextest is not installed (`cargo install --locked cargo-nextest`)");
                Ok(())
            }
            What::Deny => deny::check(),
            What::Outside(manifest) => {
                anyhow::ensure!(root().join(manifest).is_file(), "there is no `{manifest}`");
                CommandLine::new("cargo test --manifest-path").arg(manifest).run()
            }
        }
    }
}

/// A process for each test shows what tests share. Without the packages whose tests start emulators, a whole job each.
const NEXTEST: &str =
    "cargo nextest run --workspace --no-fail-fast -E all()-package(faast-aws)-package(faast-google)-package(faast-cli)";

impl std::fmt::Display for What {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Run(line) | Self::Prints(line, _) => f.write_str(line),
            Self::RunWith(key, value, line) => write!(f, "{key}={value} {line}"),
            Self::Tidy => f.write_str("cargo xtask tidy"),
            Self::Aws(against) => write!(f, "cargo xtask test-aws {against}"),
            Self::Google(against) => write!(f, "cargo xtask test-google {against}"),
            Self::Nextest => f.write_str(NEXTEST),
            Self::Deny => f.write_str("cargo deny check"),
            Self::Outside(manifest) => write!(f, "cargo test --manifest-path {manifest}"),
        }
    }
}
