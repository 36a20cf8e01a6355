//! `faast doctor local`: what this machine has for worker processes.

use std::fs;

use async_trait::async_trait;
use faast_core::cache::CacheFolder;
use faast_core::provider::{Checkup, Finding, ProviderTools, cores};
use faast_core::{Error, ErrorKind, Result};
use rustix::process::{Resource, getrlimit};

use crate::Local;
use crate::config::NAME;
use crate::deploy::affordable;

/// A worker is this program once more, and its smallest kind takes so much memory.
const WORKER_MB: u64 = 16;

#[async_trait]
impl ProviderTools for Local {
    async fn preflight(&self, checkup: &Checkup) -> Result<Vec<Finding>> {
        refuse_options(checkup)?;
        let workers = checkup.concurrency.unwrap_or_else(cores);
        Ok(vec![of_cores(cores(), workers), of_memory(available_mb(), workers), of_descriptors(workers), of_home()])
    }

    fn policy(&self, _: &Checkup) -> Result<String> {
        Err(Error::new(ErrorKind::Unsupported, "local workers may do what the user may; there is no policy"))
    }
}

fn refuse_options(checkup: &Checkup) -> Result<()> {
    match checkup.with.iter().chain(&checkup.without).chain(&checkup.region).next() {
        None => Ok(()),
        Some(option) => Err(Error::new(ErrorKind::Config, format!("`local` has no option `{option}` here"))
            .with_hint("leave `--with`, `--without` and `--region` out: nothing here depends on them")),
    }
}

fn of_cores(cores: usize, workers: usize) -> Finding {
    let text = format!("{cores} cores, for {workers} workers");
    let finding = if workers > cores {
        Finding::warning("cores", "", text).with_hint("more workers than cores help only where calls wait for others")
    } else {
        Finding::good("cores", "", text)
    };
    finding.with_fact("cores", &cores).with_fact("workers", &workers)
}

fn of_memory(available_mb: Option<u64>, workers: usize) -> Finding {
    let Some(available) = available_mb else {
        return Finding::unknown("memory", "", "the system does not say how much memory is free");
    };
    let each = available / (workers as u64).max(1);
    let text = format!("{available} MiB are free, {each} for each worker");
    let finding = if each < WORKER_MB {
        Finding::warning("memory", "", text).with_hint("lower `concurrency`")
    } else {
        Finding::good("memory", "", text)
    };
    finding.with_fact("available_mb", &available)
}

/// What programs may still take, by the kernel's own estimate.
fn available_mb() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? / 1024)
}

fn of_descriptors(workers: usize) -> Finding {
    let limit = getrlimit(Resource::Nofile).current.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string());
    let allowed = affordable(workers);
    let text = format!("the limit of open files is {limit}");
    let finding = if allowed < workers {
        let text = format!("{text}, which allows for {allowed} workers");
        Finding::warning("descriptors", "", text).with_hint("raise it: `ulimit -n`")
    } else {
        Finding::good("descriptors", "", text)
    };
    finding.with_fact("limit", &limit)
}

fn of_home() -> Finding {
    let cache = CacheFolder::open(NAME);
    let wanted = cache.folder(CacheFolder::LOGS);
    let place = cache.root().display().to_string();
    match wanted {
        Ok(_) if cache.is_in_home() => Finding::good("home", &place, format!("`{place}` can be written to")),
        Ok(_) => Finding::warning("home", &place, format!("`{place}` takes the place of the home folder"))
            .with_hint("`FAAST_HOME` moves `~/.faast` to where it can be written to"),
        Err(error) => {
            Finding::warning("home", &place, format!("`{place}` can't be written to: {error}; logs are lost"))
                .with_hint("`FAAST_HOME` moves `~/.faast` to where it can be written to")
        }
    }
}

#[cfg(test)]
mod tests {
    use faast_core::provider::Verdict;

    use super::*;

    #[test]
    fn too_many_workers_are_a_warning() {
        assert_eq!(of_cores(4, 4).verdict, Verdict::Good);
        assert_eq!(of_cores(4, 5).verdict, Verdict::Warning);
        assert_eq!(of_memory(Some(1600), 100).verdict, Verdict::Good);
        assert_eq!(of_memory(Some(1599), 100).verdict, Verdict::Warning);
        assert_eq!(of_memory(None, 1).verdict, Verdict::Unknown);
    }

    #[test]
    fn there_are_no_options() {
        assert_eq!(refuse_options(&Checkup::new().with("vpc")).unwrap_err().kind(), ErrorKind::Config);
        assert!(refuse_options(&Checkup::new().concurrency(3)).is_ok());
    }
}
