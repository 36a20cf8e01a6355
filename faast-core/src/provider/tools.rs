//! What a provider can say before anything is deployed: whether a deployment would work from here, and the least
//! permissions for it. `faast doctor` and `faast policy` show it; a provider without accounts may have none of it.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::Result;

/// Looking before deploying. Changes nothing but the cache folder, which may be made.
///
/// ```
/// # use faast_core::{Error, ErrorKind, Result, provider::{Checkup, Finding, ProviderTools, Verdict}};
/// struct Lab {
///     machines: usize,
/// }
///
/// #[async_trait::async_trait]
/// impl ProviderTools for Lab {
///     async fn preflight(&self, checkup: &Checkup) -> Result<Vec<Finding>> {
///         let (machines, asked) = (self.machines, checkup.concurrency.unwrap_or(1));
///         let finding = if asked <= machines {
///             Finding::good("quota", "machines", format!("{machines} machines are free"))
///         } else {
///             Finding::warning("quota", "machines", format!("{machines} of {asked} machines are free"))
///                 .with_hint("ask for less `concurrency`, or wait longer")
///         };
///         Ok(vec![finding.with_fact("free", &machines)])
///     }
///     fn policy(&self, _: &Checkup) -> Result<String> {
///         Err(Error::new(ErrorKind::Unsupported, "the lab has no permissions"))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// let findings = Lab { machines: 8 }.preflight(&Checkup::new().concurrency(20)).await?;
/// let worst = findings.iter().map(|finding| finding.verdict).max(); // the worst comes last
/// assert_eq!((worst, findings[0].facts["free"].as_str()), (Some(Verdict::Warning), "8"));
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait ProviderTools: Send + Sync {
    /// What [`Checkup::with`] and [`Checkup::without`] may name, each with what it means.
    fn options(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// Everything that would keep a deployment from working, or make it slow, all at once; and what is as it should be.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for an option that there is not. That something can't be looked at
    /// is a finding.
    async fn preflight(&self, checkup: &Checkup) -> Result<Vec<Finding>>;

    /// The least permissions of whoever deploys with these options, as a document of the provider's own format.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for an option that there is not,
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) where there are no permissions.
    fn policy(&self, checkup: &Checkup) -> Result<String>;
}

/// What is meant to be deployed and done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checkup {
    /// Options that are in use beyond the defaults, as the provider names them: `vpc`, `role_name=batch`.
    pub with: Vec<String>,
    /// What is done by default and is not meant to be.
    pub without: Vec<String>,
    /// The region; `None`: the configured one.
    pub region: Option<String>,
    /// Calls of the job.
    pub calls: Option<u64>,
    /// How long one call runs; a second unless known.
    pub call_time: Option<Duration>,
    /// Requests in flight that the job asks for; `None`: the provider's default.
    pub concurrency: Option<usize>,
}

impl Checkup {
    /// A job with the provider's defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an option that is in use.
    #[must_use]
    pub fn with(mut self, option: impl Into<String>) -> Self {
        self.with.push(option.into());
        self
    }

    /// Leaves out what is done by default.
    #[must_use]
    pub fn without(mut self, option: impl Into<String>) -> Self {
        self.without.push(option.into());
        self
    }

    /// Sets the region.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Sets how many calls there are, and how long one runs.
    #[must_use]
    pub fn calls(mut self, calls: u64, call_time: Duration) -> Self {
        (self.calls, self.call_time) = (Some(calls), Some(call_time));
        self
    }

    /// Sets the concurrency that is asked for.
    #[must_use]
    pub fn concurrency(mut self, requests: usize) -> Self {
        self.concurrency = Some(requests);
        self
    }
}

/// How something is. The worst comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// As it should be.
    Good,
    /// Nothing is wrong, and it is good to know.
    Note,
    /// It could not be looked at.
    Unknown,
    /// A deployment works, and something about it does not, or it is slower than asked for.
    Warning,
    /// A deployment does not work.
    Problem,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What it is about, as one word: `credentials`, `region`, `permission`, `quota`.
    pub topic: &'static str,
    /// Which of them, for machines: the action that is missing, the quota, the tool.
    pub subject: String,
    /// How it is.
    pub verdict: Verdict,
    /// For people: a fragment without final period.
    pub text: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Numbers and names in the text, for machines.
    pub facts: BTreeMap<&'static str, String>,
}

impl Finding {
    fn new(verdict: Verdict, topic: &'static str, subject: impl Into<String>, text: impl Into<String>) -> Self {
        let (subject, text) = (subject.into(), text.into());
        Self { topic, subject, verdict, text, hint: None, facts: BTreeMap::new() }
    }

    /// Something is as it should be.
    pub fn good(topic: &'static str, subject: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(Verdict::Good, topic, subject, text)
    }

    /// Something that is good to know.
    pub fn note(topic: &'static str, subject: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(Verdict::Note, topic, subject, text)
    }

    /// Something could not be looked at.
    pub fn unknown(topic: &'static str, subject: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(Verdict::Unknown, topic, subject, text)
    }

    /// A deployment works, but not as well as it could.
    pub fn warning(topic: &'static str, subject: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(Verdict::Warning, topic, subject, text)
    }

    /// A deployment does not work.
    pub fn problem(topic: &'static str, subject: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(Verdict::Problem, topic, subject, text)
    }

    /// Says what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds a number or name for machines.
    #[must_use]
    pub fn with_fact(mut self, name: &'static str, value: &(impl ToString + ?Sized)) -> Self {
        self.facts.insert(name, value.to_string());
        self
    }
}
