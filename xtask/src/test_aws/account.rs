//! Against a real account: only one that was named, with a limit on what it may cost, and nothing left afterwards.
//!
//! The tests ask the account for its number themselves, through the SDK, before they make anything. They keep their
//! ledgers in a home folder of this run; whatever stands in there at the end is deleted, and nothing else.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use cargo_metadata::MetadataCommand;

use super::install::text;
use crate::command::{CommandLine, root};
use crate::suite;

const TESTS: &str = "cargo test --workspace --features faast-aws/live --test live";
const ACCOUNT: &str = "FAAST_TEST_AWS_ACCOUNT";
const BUDGET: &str = "FAAST_TEST_AWS_BUDGET_USD";
const DEFAULT_BUDGET: &str = "1";

/// What keeps a run against servers on loopback from reaching any account, whatever this machine is configured for.
const NO_ACCOUNT: &[(&str, &str)] = &[
    ("AWS_ACCESS_KEY_ID", "test"),
    ("AWS_SECRET_ACCESS_KEY", "test"),
    ("AWS_REGION", "us-west-2"),
    ("AWS_DEFAULT_REGION", "us-west-2"),
    ("AWS_CONFIG_FILE", "/dev/null"),
    ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
    ("AWS_EC2_METADATA_DISABLED", "true"),
];

/// A command that can reach no account.
pub(super) fn without_account(command: CommandLine) -> CommandLine {
    let command =
        ["AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"].into_iter().fold(command, CommandLine::without);
    NO_ACCOUNT.iter().fold(command, |command, (key, value)| command.env(*key, *value))
}

/// Runs the tests, or those whose name holds `filter`, and sweeps.
pub(super) fn run(filter: Option<&str>) -> Result<()> {
    let allowed = allowed(std::env::var(ACCOUNT).ok().as_deref())?;
    let budget = budget(std::env::var(BUDGET).ok().as_deref())?;
    let run = format!("faast-test-{}", SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs());
    let target = MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec()?.target_directory;
    let home = target.as_std_path().join("live-aws").join(&run);
    fs::create_dir_all(&home)?;
    println!("account {allowed}, at most ${budget}, run `{run}`");
    let tests = CommandLine::new(TESTS)
        .env(ACCOUNT, allowed)
        .env(BUDGET, budget.to_string())
        .env("FAAST_TEST_AWS_RUN", &run)
        .env("FAAST_HOME", text(&home)?);
    let tested = suite::run(tests, filter);
    let swept = sweep(&home);
    tested.and(swept)
}

/// The account that may be used.
fn allowed(account: Option<&str>) -> Result<String> {
    let account = account.filter(|account| !account.is_empty()).with_context(|| {
        format!(
            "{ACCOUNT} is not set; it names the one account that may be used, as `aws sts get-caller-identity` shows it"
        )
    })?;
    ensure!(
        account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()),
        "{ACCOUNT} is `{account}`; an account has twelve digits"
    );
    Ok(account.to_owned())
}

/// What all deployments of a run may cost together, in US dollars.
fn budget(usd: Option<&str>) -> Result<f64> {
    let usd = usd.unwrap_or(DEFAULT_BUDGET);
    match usd.parse::<f64>() {
        Ok(budget) if budget.is_finite() && budget > 0.0 => Ok(budget),
        _ => bail!("{BUDGET} is `{usd}`; it is a number of US dollars above zero"),
    }
}

/// Deletes what this run's deployments have left, live or not.
fn sweep(home: &Path) -> Result<()> {
    let ledgers = match fs::read_dir(home.join("aws/ledger")) {
        Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect::<Vec<_>>(),
        Err(_) => Vec::new(),
    };
    let deployments = ledgers.iter().filter_map(|path| path.file_name()?.to_str()?.strip_suffix(".jsonl"));
    let command = CommandLine::new("cargo run --quiet -p faast-cli -- cleanup aws -x --include-live");
    let command = command.env("FAAST_HOME", text(home)?);
    let (mut count, mut sweep) = (0, command);
    for deployment in deployments {
        count += 1;
        sweep = sweep.arg("--deployment").arg(deployment);
    }
    if count == 0 {
        println!("sweep: every deployment has cleaned up after itself");
        return Ok(());
    }
    println!("sweep: {count} deployments have left something");
    sweep.run().with_context(|| format!("something may be left; the ledgers are in {}", home.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_account_is_used_that_was_not_named() {
        for none in [None, Some("")] {
            assert!(allowed(none).unwrap_err().to_string().contains("FAAST_TEST_AWS_ACCOUNT is not set"));
        }
        for wrong in ["12345678901", "1234567890123", "12345678901x"] {
            assert!(allowed(Some(wrong)).unwrap_err().to_string().contains("twelve digits"));
        }
        assert_eq!(allowed(Some("123456789012")).unwrap(), "123456789012");
    }

    #[test]
    fn there_is_always_a_budget() {
        assert_eq!(budget(None).unwrap().to_string(), "1");
        assert_eq!(budget(Some("0.25")).unwrap().to_string(), "0.25");
        for wrong in ["", "0", "-1", "inf", "NaN", "much"] {
            assert!(budget(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
