//! `cargo xtask soak [--provider <name>] [--seconds N]`: many calls for long, on local workers and against the emulators
//! under faults, or in one of these places.
//!
//! The soak itself is a test of each provider, short in an ordinary run. On local workers it is a million calls, and as
//! long as asked at least; against an emulator it is as long as asked.

use anyhow::{Context as _, Result, bail};

use crate::command::CommandLine;
use crate::suite;

/// Set for the tests: for how many seconds at least.
const SECONDS: &str = "FAAST_TEST_SOAK_SECONDS";

/// Set for the test of local workers: how many calls at least.
const CALLS: &str = "FAAST_TEST_SOAK_CALLS";

/// Provider, test and filter.
const SOAKS: &[(&str, &str, &str)] = &[
    ("local", "cargo test -p faast --test soak", "what_a_client_holds"),
    ("aws", "cargo test --workspace --test jobs", "soak::what_a_client_holds"),
    ("google", "cargo test --workspace --test google_jobs", "soak::what_a_client_holds"),
];

/// Runs it.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    let (provider, seconds) = asked(words)?;
    for (_, test, filter) in SOAKS.iter().filter(|(name, ..)| provider.is_none_or(|wanted| wanted == *name)) {
        let command = CommandLine::new(test).env(SECONDS, seconds.to_string()).env(CALLS, "1000000");
        suite::run(command.env(suite::SHOW, "1"), &[filter])?;
    }
    Ok(())
}

/// The provider, if it is only one, and for how long.
fn asked<'w>(words: &[&'w str]) -> Result<(Option<&'w str>, u64)> {
    let (mut provider, mut seconds) = (None, 60);
    for pair in words.chunks(2) {
        match *pair {
            ["--provider", name] if SOAKS.iter().any(|(known, ..)| *known == name) => provider = Some(name),
            ["--provider", name] => {
                let known: Vec<_> = SOAKS.iter().map(|(known, ..)| *known).collect();
                bail!("there is no soak of `{name}`; there are {}", known.join(", "));
            }
            ["--seconds", text] => {
                seconds = text.parse().with_context(|| format!("`{text}` is no number of seconds"))?;
            }
            _ => bail!("where, and for how long? `cargo xtask soak --provider aws --seconds 60`"),
        }
    }
    Ok((provider, seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_times_are_asked_for_in_any_order() {
        assert_eq!(asked(&[]).unwrap(), (None, 60));
        assert_eq!(asked(&["--seconds", "9"]).unwrap(), (None, 9));
        assert_eq!(asked(&["--seconds", "9", "--provider", "google"]).unwrap(), (Some("google"), 9));
        for wrong in [&["--provider", "moon"][..], &["--seconds", "long"], &["--seconds"], &["aws"]] {
            assert!(asked(wrong).is_err(), "{wrong:?}");
        }
    }
}
