//! `cargo xtask faults --provider <name> [--seeds A..B]`: the fault matrix of a provider, seed by seed.
//!
//! The matrix itself is a test of each provider, with a few seeds in an ordinary run; this passes it more of them. It
//! prints which faults were injected how often.

use anyhow::{Result, bail};

use crate::command::CommandLine;
use crate::suite;

/// Set for the test: the seeds, as `from..to`.
const SEEDS: &str = "FAAST_TEST_SEEDS";

/// Where a provider's matrix is.
struct Matrix {
    provider: &'static str,
    test: &'static str,
    filter: &'static str,
    seeds: &'static str,
}

const MATRICES: &[Matrix] = &[
    Matrix {
        provider: "local",
        test: "cargo test -p faast --test faults",
        filter: "every_call_of_every_seed",
        seeds: "0..1000",
    },
    Matrix {
        provider: "google",
        test: "cargo test --workspace --test google_jobs",
        filter: "matrix::",
        seeds: "0..200",
    },
    Matrix { provider: "aws", test: "cargo test --workspace --test jobs", filter: "matrix::", seeds: "0..200" },
];

/// Runs it.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    let (provider, seeds) = match words {
        ["--provider", provider] => (*provider, None),
        ["--provider", provider, "--seeds", seeds] | ["--seeds", seeds, "--provider", provider] => {
            (*provider, Some(*seeds))
        }
        _ => bail!("which provider? `cargo xtask faults --provider local --seeds 0..1000`"),
    };
    let Some(matrix) = MATRICES.iter().find(|matrix| matrix.provider == provider) else {
        let known: Vec<_> = MATRICES.iter().map(|matrix| matrix.provider).collect();
        bail!("there is no matrix of `{provider}`; there are {}", known.join(", "));
    };
    let seeds = seeds.unwrap_or(matrix.seeds);
    if !is_range(seeds) {
        bail!("`{seeds}` is no range of seeds such as `0..1000`");
    }
    suite::run(CommandLine::new(matrix.test).env(SEEDS, seeds).env(suite::SHOW, "1"), &[matrix.filter])
}

fn is_range(text: &str) -> bool {
    let ends = text.split_once("..").map(|(from, to)| (from.parse::<u64>(), to.parse::<u64>()));
    matches!(ends, Some((Ok(from), Ok(to))) if from < to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ranges_with_seeds_in_them_are_ranges() {
        assert!(is_range("0..1000") && is_range("7..8"));
        assert!(!["", "7", "8..7", "7..7", "a..b", "0...9"].into_iter().any(is_range));
    }

    #[test]
    fn an_unknown_provider_says_which_there_are() {
        let error = run(&["--provider", "moon"]).unwrap_err().to_string();
        assert!(error.contains("`moon`") && error.contains("local"), "{error}");
    }
}
