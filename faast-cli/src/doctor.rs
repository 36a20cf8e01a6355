//! `faast doctor`: whether a deployment would work from here; and `faast policy`: the least permissions for it.
//!
//! Nothing is decided or looked at here; the provider says what it finds.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use faast::core::provider::{Checkup, CloudProvider, Finding, ProviderTools, Verdict, by_name};
use faast::{Error, ErrorKind};
use serde::Serialize;

use crate::{Outcome, cli, json};

/// Looks at everything.
///
/// # Errors
///
/// When there is no such provider or option.
pub(crate) async fn run(options: &cli::Doctor) -> faast::Result<Outcome> {
    let provider = by_name(&options.job.provider)?;
    let tools = tools_of(&*provider)?;
    let mut checkup = checkup(&options.job);
    if let Some(calls) = options.calls {
        checkup = checkup.calls(calls, Duration::from_secs_f64(options.seconds));
    }
    if let Some(concurrency) = options.concurrency {
        checkup = checkup.concurrency(concurrency);
    }
    let findings = tools.preflight(&checkup).await?;
    let lacks = |finding: &Finding| finding.topic == "permission" && finding.verdict >= Verdict::Warning;
    let policy = findings.iter().any(lacks).then(|| tools.policy(&checkup)).transpose()?;
    let is_ready = !findings.iter().any(|finding| finding.verdict == Verdict::Problem);
    let report = Report { provider: provider.name(), is_ready, findings: &findings, policy: policy.as_deref() };
    let output = if options.json { report.machine()? } else { report.human() };
    Ok(Outcome { output, failures: String::new(), is_clean: is_ready })
}

/// Prints the least policy.
///
/// # Errors
///
/// When there is no such provider or option, or the provider has no permissions.
pub(crate) fn policy(options: &cli::Policy) -> faast::Result<Outcome> {
    let provider = by_name(&options.job.provider)?;
    let output = tools_of(&*provider)?.policy(&checkup(&options.job))?;
    Ok(Outcome { output, failures: String::new(), is_clean: true })
}

fn tools_of(provider: &dyn CloudProvider) -> faast::Result<&dyn ProviderTools> {
    provider.tools().ok_or_else(|| {
        let text = format!("provider `{}` has nothing to look at before a deployment", provider.name());
        Error::new(ErrorKind::Unsupported, text)
    })
}

fn checkup(job: &cli::Job) -> Checkup {
    let checkup = job.with.iter().fold(Checkup::new(), Checkup::with);
    let checkup = job.without.iter().fold(checkup, Checkup::without);
    job.region.iter().fold(checkup, Checkup::region)
}

struct Report<'r> {
    provider: &'r str,
    is_ready: bool,
    findings: &'r [Finding],
    policy: Option<&'r str>,
}

impl Report<'_> {
    fn human(&self) -> String {
        let mut text = String::new();
        for finding in self.findings {
            // Writing to a string can't fail.
            let _ = writeln!(text, "{:<8}  {:<11}  {}", word(finding.verdict), finding.topic, finding.text);
            if let Some(hint) = &finding.hint {
                let _ = writeln!(text, "{:23}hint: {hint}", "");
            }
        }
        if let Some(policy) = self.policy {
            let _ = write!(text, "\na policy with all that is needed:\n{policy}");
        }
        let count = |verdict| self.findings.iter().filter(|finding| finding.verdict == verdict).count();
        let (problems, warnings, unknown) = (count(Verdict::Problem), count(Verdict::Warning), count(Verdict::Unknown));
        let ready = if self.is_ready { "a deployment should work" } else { "a deployment does not work" };
        let _ = writeln!(
            text,
            "\n{}: {ready}: {problems} problems, {warnings} warnings, {unknown} not checked",
            self.provider
        );
        text
    }

    fn machine(&self) -> faast::Result<String> {
        json::document(&Document {
            provider: self.provider,
            ready: self.is_ready,
            findings: self.findings.iter().map(Item::of).collect(),
            // Most providers' policies are JSON; one that is not is a text in there.
            policy: self.policy.map(|policy| {
                serde_json::from_str(policy).unwrap_or_else(|_| serde_json::Value::String(policy.to_owned()))
            }),
        })
    }
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Good => "good",
        Verdict::Note => "note",
        Verdict::Unknown => "unknown",
        Verdict::Warning => "warning",
        Verdict::Problem => "problem",
    }
}

#[derive(Serialize)]
struct Document<'r> {
    provider: &'r str,
    ready: bool,
    findings: Vec<Item<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<serde_json::Value>,
}

#[derive(Serialize)]
struct Item<'r> {
    topic: &'r str,
    #[serde(skip_serializing_if = "str::is_empty")]
    subject: &'r str,
    verdict: &'static str,
    text: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'r str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    facts: &'r BTreeMap<&'static str, String>,
}

impl<'r> Item<'r> {
    fn of(finding: &'r Finding) -> Self {
        Self {
            topic: finding.topic,
            subject: &finding.subject,
            verdict: word(finding.verdict),
            text: &finding.text,
            hint: finding.hint.as_deref(),
            facts: &finding.facts,
        }
    }
}
