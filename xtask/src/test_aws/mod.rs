//! `cargo xtask test-aws [filter] [--emulated | --independent]`: what faast does on AWS, against three kinds of other side.
//!
//! Without a flag that is a real account; `--emulated` is the emulator of faast-testkit; `--independent` is servers that
//! nobody of this project wrote. A filter that no test matches is an error, and so is a server that can't be had: what
//! did not run did not pass.

mod account;
mod emulated;
mod independent;
mod install;
mod server;

use anyhow::{Result, bail};

/// What the tests run against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Against {
    Account,
    Emulator,
    Independent,
}

/// Runs what these words ask for.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    let (against, filter) = parse(words)?;
    match against {
        Against::Account => account::run(filter),
        Against::Emulator => emulated::run(filter),
        Against::Independent => independent::run(filter),
    }
}

fn parse<'w>(words: &[&'w str]) -> Result<(Against, Option<&'w str>)> {
    let (mut against, mut filter) = (None, None);
    for word in words {
        let flag = match *word {
            "--emulated" => Against::Emulator,
            "--independent" => Against::Independent,
            flag if flag.starts_with('-') => bail!("there is no `{flag}`; there are --emulated and --independent"),
            name if filter.is_some() => bail!("one filter is enough, `{name}` is a second one"),
            name => {
                filter = Some(name);
                continue;
            }
        };
        if against.replace(flag).is_some() {
            bail!("--emulated and --independent are two runs");
        }
    }
    Ok((against.unwrap_or(Against::Account), filter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_say_against_what_and_which() {
        assert_eq!(parse(&[]).unwrap(), (Against::Account, None));
        assert_eq!(parse(&["basic"]).unwrap(), (Against::Account, Some("basic")));
        assert_eq!(parse(&["--emulated", "map"]).unwrap(), (Against::Emulator, Some("map")));
        assert_eq!(parse(&["rie", "--independent"]).unwrap(), (Against::Independent, Some("rie")));
        for wrong in [&["--live"][..], &["a", "b"], &["--emulated", "--independent"]] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
