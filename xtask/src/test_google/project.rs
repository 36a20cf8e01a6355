//! In a real project: only the one that was named. The tests name it in all that they ask for.

use anyhow::{Context, Result, ensure};

use crate::command::CommandLine;
use crate::install::{target_folder, text};
use crate::test_cloud::live::Live;

const PROJECT: &str = "FAAST_TEST_GOOGLE_PROJECT";
const LIVE: Live = Live {
    cloud: "google",
    command: "cargo test --workspace --features faast-google/live --test google_live",
    place: PROJECT,
    budget: "FAAST_TEST_GOOGLE_BUDGET_USD",
    run: "FAAST_TEST_GOOGLE_RUN",
};

/// What leads to credentials, to a project, or elsewhere.
const LEADS: &[&str] = &[
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_CLOUD_PROJECT",
    "GOOGLE_CLOUD_QUOTA_PROJECT",
    "GOOGLE_CLOUD_REGION",
    "CLOUDSDK_COMPUTE_REGION",
    "CLOUDSDK_CONFIG",
    "GCE_METADATA_HOST",
    "FAAST_GOOGLE_ENDPOINT_URL",
];

/// What is looked for below `HOME` by a build, and where it is unless a variable says so.
const OF_BUILDS: [(&str, &str); 2] = [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")];

/// A command that can reach no project, whatever this machine is configured for: a login of gcloud is below `HOME`.
pub(super) fn without_project(command: CommandLine) -> Result<CommandLine> {
    let home = target_folder()?.join("no-google-login");
    std::fs::create_dir_all(&home)?;
    let command = LEADS.iter().copied().fold(command, CommandLine::without).env("HOME", text(&home)?);
    OF_BUILDS.into_iter().try_fold(command, |command, (variable, folder)| {
        let there = std::env::var_os(variable).map(Into::into);
        let there = there.or_else(|| Some(std::env::home_dir()?.join(folder))).context("there is no home folder")?;
        Ok(command.env(variable, text(&there)?))
    })
}

/// Runs the tests, or those whose names hold one of the filters, and sweeps.
pub(super) fn run(filters: &[&str]) -> Result<()> {
    LIVE.test(&allowed(std::env::var(PROJECT).ok().as_deref())?, filters)
}

/// The project that may be used.
fn allowed(project: Option<&str>) -> Result<String> {
    let project = project.filter(|project| !project.is_empty()).with_context(|| {
        format!(
            "{PROJECT} is not set; it names the one project that may be used, as `gcloud projects list` shows its id"
        )
    })?;
    let is_of = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    ensure!(
        (6..=30).contains(&project.len()) && project.bytes().all(is_of) && project.as_bytes()[0].is_ascii_lowercase(),
        "{PROJECT} is `{project}`; a project's id has 6 to 30 lower-case letters, digits and hyphens, a letter first"
    );
    Ok(project.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_project_is_used_that_was_not_named() {
        for none in [None, Some("")] {
            assert!(allowed(none).unwrap_err().to_string().contains("FAAST_TEST_GOOGLE_PROJECT is not set"));
        }
        // The second is a project's number, which is not its id.
        for wrong in ["short", "123456789012", "My-Project", "a-project-whose-id-is-far-too-long", "example.com:job"] {
            assert!(allowed(Some(wrong)).unwrap_err().to_string().contains("6 to 30"), "{wrong}");
        }
        assert_eq!(allowed(Some("my-project-123")).unwrap(), "my-project-123");
    }

    #[test]
    fn builds_go_on_where_no_login_is_found() {
        let command = without_project(CommandLine::new("cargo --version")).unwrap();
        assert!(command.to_string().contains("HOME=") && command.succeeds(), "{command}");
    }
}
