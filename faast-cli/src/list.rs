//! `faast list`: the deployments of which anything is there.

use std::fmt::Write as _;
use std::time::SystemTime;

use faast::core::stray::{Found, Remains, State};
use serde::Serialize;

use crate::account::Account;
use crate::cli;
use crate::json::{self, Item};
use crate::span::relative;
use crate::{Outcome, explain, table};

/// Lists.
///
/// # Errors
///
/// When there is no such provider.
pub(crate) async fn run(options: &cli::List) -> faast::Result<Outcome> {
    let account = Account::open(&options.place)?;
    let found = account.find(&options.place).await;
    let provider = account.provider.name();
    let output = if options.place.json { machine(provider, &found)? } else { human(provider, &found) };
    Ok(Outcome { output, failures: explain::errors(&found.failures), is_clean: found.failures.is_empty() })
}

fn human(provider: &str, found: &Found) -> String {
    let mut text = String::new();
    let (mut live, mut expired) = (0, 0);
    for remains in present(found) {
        // Writing to a string can't fail.
        let _ = writeln!(text, "{}", headline(remains, found.at));
        let row = |resource: &faast::core::provider::Resource| {
            vec![resource.kind.clone(), resource.id.clone(), resource.region.clone()]
        };
        text += &table::table(&remains.resources.iter().map(row).collect::<Vec<_>>(), 2);
        text.push('\n');
        match remains.state(found.at) {
            State::Expired(_) => expired += 1,
            _ => live += 1,
        }
    }
    let _ = match (live, expired) {
        (0, 0) => writeln!(text, "nothing of faast is there on {provider}"),
        (_, 0) => writeln!(text, "{live} live"),
        _ => writeln!(text, "{live} live, {expired} expired; `faast cleanup {provider}` shows what it would delete"),
    };
    text
}

fn present(found: &Found) -> impl Iterator<Item = &Remains> {
    found.deployments.iter().filter(|remains| !remains.resources.is_empty())
}

fn headline(remains: &Remains, now: SystemTime) -> String {
    let mut parts = vec![match remains.state(now) {
        State::Expired(at) => format!("expired {}", relative(at, now)),
        State::Live(at) => format!("live, expires {} unless renewed", relative(at, now)),
        _ => "live, or its tags can't be read".to_owned(),
    }];
    parts.extend(remains.created.map(|at| format!("made {}", relative(at, now))));
    parts.extend(remains.in_ledger.then(|| "in the ledger of this home".to_owned()));
    format!("{}: {}", remains.deployment, parts.join(", "))
}

#[derive(Serialize)]
struct Listing<'f> {
    provider: &'f str,
    deployments: Vec<Deployment<'f>>,
    failures: Vec<String>,
}

#[derive(Serialize)]
struct Deployment<'f> {
    id: &'f str,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<u64>,
    in_ledger: bool,
    resources: Vec<Item<'f>>,
}

fn machine(provider: &str, found: &Found) -> faast::Result<String> {
    let deployments = present(found).map(|remains| {
        let id = remains.deployment.as_str();
        let item = |resource| Item::new(id, resource, remains.state_of(resource, found.at));
        Deployment {
            id,
            state: json::name(remains.state(found.at)),
            created: remains.created.and_then(json::seconds),
            expires: remains.expires.and_then(json::seconds),
            in_ledger: remains.in_ledger,
            resources: remains.resources.iter().map(item).collect(),
        }
    });
    let failures = found.failures.iter().map(ToString::to_string).collect();
    json::document(&Listing { provider, deployments: deployments.collect(), failures })
}
