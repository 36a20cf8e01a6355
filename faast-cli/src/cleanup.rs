//! `faast cleanup`: what would be deleted, what stays and why; with `-x`, doing it.
//!
//! A plan is made once and both printed and executed, so that a dry run says exactly what `-x` does.

use std::fmt::Write as _;
use std::path::Path;
use std::time::SystemTime;

use faast::core::cache::Clearable;
use faast::core::provider::{CleanupReport, Resource};
use faast::core::stray::{Found, Reach, State, delete};
use faast::{Error, ErrorKind};
use serde::Serialize;

use crate::account::Account;
use crate::cli;
use crate::json::{self, Item};
use crate::span::{relative, size};
use crate::{Outcome, explain, table};

/// Plans, and with `-x` executes.
///
/// # Errors
///
/// When there is no such provider.
pub(crate) async fn run(options: &cli::Cleanup) -> faast::Result<Outcome> {
    let account = Account::open(&options.place)?;
    let mut found = account.find(&options.place).await;
    let reach = if options.include_live { Reach::LiveToo } else { Reach::Expired };
    let mut failures = std::mem::take(&mut found.failures);
    let cache = cache_files(&account, options, &found).unwrap_or_else(|error| {
        failures.push(error);
        Vec::new()
    });
    let done = if options.execute {
        let report = delete(&*account.provider, &account.cache, &found, reach).await;
        failures.extend(clear(&cache));
        Some(report)
    } else {
        None
    };
    let plan =
        Plan { provider: account.provider.name(), found, reach, cache, home: account.cache.root(), done, failures };
    let output = if options.place.json { plan.machine()? } else { plan.human() };
    Ok(Outcome { output, failures: explain::errors(&plan.failures), is_clean: plan.is_clean() })
}

/// The cache files that can go. Whoever asks for some deployments only does not mean the cache, which is everybody's.
fn cache_files(account: &Account, options: &cli::Cleanup, found: &Found) -> faast::Result<Vec<Clearable>> {
    if !options.place.deployments.is_empty() {
        return Ok(Vec::new());
    }
    let files = account.cache.clearable(|deployment| found.is_live(deployment), found.at);
    files.map_err(|error| Error::new(ErrorKind::Io, "the cache folder can't be listed").with_source(error))
}

fn clear(cache: &[Clearable]) -> impl Iterator<Item = Error> {
    cache.iter().filter_map(|entry| {
        let failed = format!("`{}` can't be deleted", entry.path.display());
        entry.delete().err().map(|error| Error::new(ErrorKind::Io, failed).with_source(error))
    })
}

/// What is to be done, and what was.
struct Plan<'a> {
    provider: &'a str,
    found: Found,
    reach: Reach,
    cache: Vec<Clearable>,
    home: &'a Path,
    /// `None` in a dry run.
    done: Option<CleanupReport>,
    failures: Vec<Error>,
}

impl Plan<'_> {
    fn is_clean(&self) -> bool {
        let left = self.done.as_ref().map_or(self.doomed().next().is_some(), |done| !done.is_clean());
        self.failures.is_empty() && !left
    }

    fn doomed(&self) -> impl Iterator<Item = &Resource> {
        self.found.doomed(self.reach)
    }

    /// Every resource with its deployment and its state.
    fn all(&self) -> impl Iterator<Item = (&str, &Resource, State)> {
        self.found.deployments.iter().flat_map(|remains| {
            let state = |resource| (remains.deployment.as_str(), resource, remains.state_of(resource, self.found.at));
            remains.resources.iter().map(state)
        })
    }

    fn stays(&self) -> impl Iterator<Item = (&str, &Resource, State)> {
        self.all().filter(|(_, _, state)| !self.reach.takes(*state))
    }

    fn human(&self) -> String {
        let mut text = String::new();
        match &self.done {
            None => {
                section(&mut text, "would be deleted:", &self.rows(self.doomed()));
                section(&mut text, "stays:", &self.staying());
                section(&mut text, "cache files that would be deleted:", &self.cached());
            }
            Some(done) => {
                section(&mut text, "deleted:", &self.rows(done.deleted.iter()));
                let left = done.left.iter().map(|(resource, why)| row(resource, why.clone()));
                section(&mut text, "could not be deleted:", &left.collect::<Vec<_>>());
                section(&mut text, "stays:", &self.staying());
                section(&mut text, "cache files deleted:", &self.cached());
            }
        }
        text + &self.summary()
    }

    fn rows<'r>(&self, resources: impl Iterator<Item = &'r Resource>) -> Vec<Vec<String>> {
        let now = self.found.at;
        resources.map(|resource| row(resource, expiry(resource.expires, now))).collect()
    }

    fn staying(&self) -> Vec<Vec<String>> {
        self.stays().map(|(_, resource, state)| row(resource, why(state, self.found.at))).collect()
    }

    fn cached(&self) -> Vec<Vec<String>> {
        self.cache.iter().map(|entry| vec![entry.path.display().to_string(), size(entry.bytes)]).collect()
    }

    fn summary(&self) -> String {
        let (provider, stays) = (self.provider, self.stays().count());
        let failed =
            if self.failures.is_empty() { "" } else { "; more may be left, not everything could be looked at" };
        match &self.done {
            None if self.doomed().next().is_none() && self.cache.is_empty() => {
                format!("nothing to clean up on {provider}, {stays} stay{failed}\n")
            }
            None => {
                let doomed = self.doomed().count();
                format!(
                    "{doomed} would be deleted, {stays} stay{failed}; nothing was changed: the same command with -x does it\n"
                )
            }
            Some(done) => {
                let (deleted, left) = (done.deleted.len(), done.left.len());
                format!("{deleted} deleted, {left} could not be deleted, {stays} stay{failed}\n")
            }
        }
    }

    fn machine(&self) -> faast::Result<String> {
        let (done, now) = (self.done.as_ref(), self.found.at);
        let item = |resource| {
            let (deployment, _, state) =
                self.all().find(|(_, it, _)| *it == resource).unwrap_or(("", resource, State::Unknown));
            Item::new(deployment, resource, state)
        };
        json::document(&Document {
            provider: self.provider,
            executed: done.is_some(),
            would_delete: done.is_none().then(|| self.doomed().map(item).collect()),
            deleted: done.map(|done| done.deleted.iter().map(item).collect()),
            left: done.map(|done| done.left.iter().map(|(it, why)| item(it).because(why)).collect()),
            stays: self.stays().map(|(id, it, state)| Item::new(id, it, state).because(why(state, now))).collect(),
            cache: Cache {
                folder: self.home.display().to_string(),
                entries: self.cache.iter().map(|entry| entry.path.display().to_string()).collect(),
                bytes: self.cache.iter().map(|entry| entry.bytes).sum(),
            },
            failures: self.failures.iter().map(ToString::to_string).collect(),
        })
    }
}

fn section(text: &mut String, heading: &str, rows: &[Vec<String>]) {
    if !rows.is_empty() {
        // Writing to a string can't fail.
        let _ = writeln!(text, "{heading}\n{}", table::table(rows, 2));
    }
}

fn row(resource: &Resource, remark: String) -> Vec<String> {
    vec![resource.kind.clone(), resource.id.clone(), resource.region.clone(), remark]
}

fn expiry(expires: Option<SystemTime>, now: SystemTime) -> String {
    expires.map_or_else(String::new, |at| {
        let verb = if at <= now { "expired" } else { "live, expires" };
        format!("{verb} {}", relative(at, now))
    })
}

/// Why something stays.
fn why(state: State, now: SystemTime) -> String {
    match state {
        State::Live(at) => format!("live, expires {} unless renewed; --include-live takes it too", relative(at, now)),
        State::Expired(at) => format!("expired {}", relative(at, now)),
        _ => "does not say when it expires: a client uses it, or its tags can't be read".to_owned(),
    }
}

#[derive(Serialize)]
struct Document<'p> {
    provider: &'p str,
    executed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    would_delete: Option<Vec<Item<'p>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted: Option<Vec<Item<'p>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<Vec<Item<'p>>>,
    stays: Vec<Item<'p>>,
    cache: Cache,
    failures: Vec<String>,
}

#[derive(Serialize)]
struct Cache {
    folder: String,
    entries: Vec<String>,
    bytes: u64,
}
