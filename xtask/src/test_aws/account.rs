//! Against a real account: only the one that was named.
//!
//! The tests ask the account for its number themselves, through the SDK, before they make anything.

use anyhow::{Context, Result, ensure};

use crate::command::CommandLine;
use crate::test_cloud::live::Live;

const ACCOUNT: &str = "FAAST_TEST_AWS_ACCOUNT";
const LIVE: Live = Live {
    cloud: "aws",
    command: "cargo test --workspace --features faast-aws/live --test live",
    place: ACCOUNT,
    budget: "FAAST_TEST_AWS_BUDGET_USD",
    run: "FAAST_TEST_AWS_RUN",
};

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

/// Runs the tests, or those whose names hold one of the filters, and sweeps.
pub(super) fn run(filters: &[&str]) -> Result<()> {
    LIVE.test(&allowed(std::env::var(ACCOUNT).ok().as_deref())?, filters)
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
}
