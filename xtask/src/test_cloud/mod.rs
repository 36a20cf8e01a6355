//! `cargo xtask test-<cloud> [filter | --fast] [--emulated | --independent]`: what a provider does, against three kinds of
//! other side.
//!
//! Without a flag that is the cloud itself; `--emulated` is the emulator of faast-testkit; `--independent` is servers that
//! nobody of this project wrote. What differs between clouds is in their own modules. A filter that no test matches is an
//! error, and so is a server that can't be had: what did not run did not pass.

pub(crate) mod live;
pub(crate) mod server;

use anyhow::{Result, bail, ensure};

/// The tests of the conformance suite that are done in seconds and cost next to nothing, one or two of each kind.
const FAST: &[&str] = &[
    "a_function_returns_its_value",
    "an_async_function_returns_its_value",
    "values_cross_exactly",
    "every_result_arrives_once_under_its_index",
    "one_map_can_mix_functions",
    "errors_come_back_as_their_type",
    "a_panic_fails_its_own_call_with_message_and_place",
    "log_urls_are_in_errors_and_details",
    "detail_names_the_instance",
    "every_attempt_is_metered",
    "cleanup_is_idempotent",
    "cleanup_leaves_nothing",
];

/// What the tests run against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Against {
    Cloud,
    Emulator,
    Independent,
}

/// Runs the tests whose names hold one of these, or all of them.
pub(crate) type Run = fn(&[&str]) -> Result<()>;

/// What a cloud's own modules do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cloud {
    pub(crate) live: Run,
    pub(crate) emulated: Run,
    pub(crate) independent: Run,
}

impl Cloud {
    /// Runs what these words ask for.
    pub(crate) fn run(self, words: &[&str]) -> Result<()> {
        let (against, filters) = parse(words)?;
        match against {
            Against::Cloud => (self.live)(&filters),
            Against::Emulator => (self.emulated)(&filters),
            Against::Independent => (self.independent)(&filters),
        }
    }
}

fn parse<'w>(words: &[&'w str]) -> Result<(Against, Vec<&'w str>)> {
    let (mut against, mut filters, mut is_fast) = (None, Vec::new(), false);
    for word in words {
        let flag = match *word {
            "--emulated" => Against::Emulator,
            "--independent" => Against::Independent,
            "--fast" => {
                is_fast = true;
                continue;
            }
            flag if flag.starts_with('-') => {
                bail!("there is no `{flag}`; there are --fast, --emulated and --independent")
            }
            name if !filters.is_empty() => bail!("one filter is enough, `{name}` is a second one"),
            name => {
                filters.push(name);
                continue;
            }
        };
        if against.replace(flag).is_some() {
            bail!("--emulated and --independent are two runs");
        }
    }
    if is_fast {
        ensure!(filters.is_empty(), "--fast is a filter, `{}` is a second one", filters[0]);
        filters.extend(FAST);
    }
    Ok((against.unwrap_or(Against::Cloud), filters))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::root;

    #[test]
    fn words_say_against_what_and_which() {
        assert_eq!(parse(&[]).unwrap(), (Against::Cloud, vec![]));
        assert_eq!(parse(&["basic"]).unwrap(), (Against::Cloud, vec!["basic"]));
        assert_eq!(parse(&["--emulated", "map"]).unwrap(), (Against::Emulator, vec!["map"]));
        assert_eq!(parse(&["rie", "--independent"]).unwrap(), (Against::Independent, vec!["rie"]));
        assert_eq!(parse(&["--fast"]).unwrap(), (Against::Cloud, FAST.to_vec()));
        for wrong in [&["--live"][..], &["a", "b"], &["--emulated", "--independent"], &["--fast", "map"]] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_fast_tests_are_promises_of_the_suite() {
        let suite = std::fs::read_to_string(root().join("faast-testkit/src/conformance/mod.rs")).unwrap();
        let promises: Vec<&str> = suite.lines().map(str::trim).collect();
        for name in FAST {
            assert!(promises.contains(name), "there is no promise `{name}`");
        }
    }
}
