//! Runs in a cloud itself: one place that was named, with a limit on what they may cost, and nothing left afterwards.
//!
//! Deployments keep their ledgers in a home folder of this run; whatever stands in there at the end is deleted, and nothing
//! else.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

use crate::command::CommandLine;
use crate::{install, suite};

const DEFAULT_BUDGET: &str = "1";

/// A cloud, and what its tests are told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Live {
    /// The provider's name.
    pub(crate) cloud: &'static str,
    /// The tests.
    pub(crate) command: &'static str,
    /// The variable with the one account, or project, that may be used.
    pub(crate) place: &'static str,
    /// The variable with what all deployments of a run may cost together, in US dollars.
    pub(crate) budget: &'static str,
    /// The variable with this run's name, which is on all that it makes.
    pub(crate) run: &'static str,
}

impl Live {
    /// Runs tests in the place that was named, and sweeps.
    pub(crate) fn test(&self, place: &str, filters: &[&str]) -> Result<()> {
        let budget = self.parse_budget(std::env::var(self.budget).ok().as_deref())?;
        let run = format!("faast-test-{}", SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs());
        let home = install::target_folder()?.join(format!("live-{}", self.cloud)).join(&run);
        fs::create_dir_all(&home)?;
        println!("{place}, at most ${budget}, run `{run}`");
        let tests = CommandLine::new(self.command)
            .env(self.place, place)
            .env(self.budget, budget.to_string())
            .env(self.run, &run)
            .env("FAAST_HOME", install::text(&home)?);
        let tested = suite::run(tests, filters);
        let swept = self.sweep(&home);
        tested.and(swept)
    }

    fn parse_budget(&self, usd: Option<&str>) -> Result<f64> {
        let usd = usd.unwrap_or(DEFAULT_BUDGET);
        match usd.parse::<f64>() {
            Ok(budget) if budget.is_finite() && budget > 0.0 => Ok(budget),
            _ => bail!("{} is `{usd}`; it is a number of US dollars above zero", self.budget),
        }
    }

    /// Deletes what this run's deployments have left, live or not.
    fn sweep(&self, home: &Path) -> Result<()> {
        let ledgers = match fs::read_dir(home.join(self.cloud).join("ledger")) {
            Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect::<Vec<_>>(),
            Err(_) => Vec::new(),
        };
        let deployments = ledgers.iter().filter_map(|path| path.file_name()?.to_str()?.strip_suffix(".jsonl"));
        let command = CommandLine::new("cargo run --quiet -p faast-cli -- cleanup").arg(self.cloud);
        let command = command.arg("-x").arg("--include-live").env("FAAST_HOME", install::text(home)?);
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_always_a_budget() {
        let live = Live { cloud: "some", command: "true", place: "PLACE", budget: "BUDGET", run: "RUN" };
        assert_eq!(live.parse_budget(None).unwrap().to_string(), "1");
        assert_eq!(live.parse_budget(Some("0.25")).unwrap().to_string(), "0.25");
        for wrong in ["", "0", "-1", "inf", "NaN", "much"] {
            let error = live.parse_budget(Some(wrong)).unwrap_err().to_string();
            assert!(error.starts_with("BUDGET is "), "{wrong}: {error}");
        }
    }
}
