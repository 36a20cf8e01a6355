//! The builder: a provider with options, on its way to a [`Cloud`]. The same methods for every provider.

use std::sync::Arc;
use std::time::Duration;

use crate::cloud::{Cloud, deploy};
use crate::error::Result;
use crate::options::{Arch, Elsewhere, Gc, Hedge, Options};
use crate::provider::{CloudProvider, Mode};

/// A provider and the options of a deployment.
///
/// Methods that only one provider has come by its extension trait.
///
/// What is not set has the provider's default; see [`Defaults`](crate::provider::Defaults).
///
/// ```
/// # use faast_core::{Builder, Hedge, Result, provider::CloudProvider};
/// # use std::time::Duration;
/// # async fn example<P: CloudProvider>(builder: Builder<P>) -> Result<()> {
/// // `builder` is `faast::local()`, `faast::aws()`, `faast::google()`, ..
/// let builder = builder.memory_mb(2048).timeout(Duration::from_mins(5)).concurrency(500).hedge(Hedge::Off);
/// let cloud = builder.budget_usd(5.0).deploy().await?;
/// # cloud.cleanup().await
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing is deployed until `.deploy().await`"]
pub struct Builder<P> {
    provider: P,
    options: Options,
}

impl<P: CloudProvider> Builder<P> {
    /// Starts with a provider's defaults.
    pub fn new(provider: P) -> Self {
        Self { provider, options: Options::default() }
    }

    /// The provider's own configuration; for extension traits.
    pub fn provider_mut(&mut self) -> &mut P {
        &mut self.provider
    }

    fn with(mut self, set: impl FnOnce(&mut Options)) -> Self {
        set(&mut self.options);
        self
    }

    /// Memory of one worker in MiB.
    pub fn memory_mb(self, mebibytes: u32) -> Self {
        self.with(|options| options.memory_mb = Some(mebibytes))
    }

    /// The time from start to reply of one attempt; for generators, between two items. 60 s unless set.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.with(|options| options.timeout = Some(timeout))
    }

    /// The time from submission to the end of a call, with waiting, retries and pauses.
    ///
    /// Unless set, a call may wait for its start without limit, and then has as long as all its attempts and pauses may
    /// take; a generator has as long as it gives items.
    pub fn deadline(self, deadline: Duration) -> Self {
        self.with(|options| options.deadline = Some(deadline))
    }

    /// Requests in flight at most, which is the number of workers.
    pub fn concurrency(self, requests: usize) -> Self {
        self.with(|options| options.concurrency = Some(requests))
    }

    /// Calls that start in a second; with [`burst`](Self::burst), at most `rate + burst - 1` in any second.
    pub fn rate(self, calls_per_second: f64) -> Self {
        self.with(|options| options.rate = Some(calls_per_second))
    }

    /// Calls that may start at once after a pause; needs [`rate`](Self::rate).
    pub fn burst(self, calls: u32) -> Self {
        self.with(|options| options.burst = Some(calls))
    }

    /// Attempts after the first, for failures that are retried; 2 unless set.
    pub fn retries(self, retries: u32) -> Self {
        self.with(|options| options.retries = Some(retries))
    }

    /// Whether calls that run far longer than others are sent a second time.
    ///
    /// On for clouds, off for local workers and where a platform's queue does not tell when a call starts.
    pub fn hedge(self, hedge: Hedge) -> Self {
        self.with(|options| options.hedge = Some(hedge))
    }

    /// How requests reach the workers.
    pub fn mode(self, mode: Mode) -> Self {
        self.with(|options| options.mode = mode)
    }

    /// The processor that workers run on; this machine's unless set, where the provider has it.
    pub fn arch(self, arch: Arch) -> Self {
        self.with(|options| options.arch = Some(arch))
    }

    /// Calls in one request, where the provider does not fill requests by itself.
    pub fn batch(self, calls: usize) -> Self {
        self.with(|options| options.batch = Some(calls))
    }

    /// Sets a variable in the environment of the workers.
    pub fn env(self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.with(|options| options.env.push((key.into(), value.into())))
    }

    /// Adds files that workers find under their working directory: a path or a glob, relative to here.
    pub fn include(self, pattern: impl Into<String>) -> Self {
        self.with(|options| options.include.push(pattern.into()))
    }

    /// Leaves files out that [`include`](Self::include) would add.
    pub fn exclude(self, pattern: impl Into<String>) -> Self {
        self.with(|options| options.exclude.push(pattern.into()))
    }

    /// No call starts whose worst case could take the cost of the deployment above this sum in US dollars.
    pub fn budget_usd(self, dollars: f64) -> Self {
        self.with(|options| options.budget_usd = Some(dollars))
    }

    /// Gives [`Cloud::cost`](crate::Cloud::cost) the prices of another provider, as if the run were there.
    ///
    /// A rehearsal on this machine: it says what the job would cost with these options, and where its budget would end.
    /// An estimate by how long calls run here; nothing is made there. For providers that cost nothing themselves.
    pub fn priced_as<Q: CloudProvider>(self, elsewhere: Builder<Q>) -> Self {
        let elsewhere = Elsewhere { provider: Arc::new(elsewhere.provider), options: Box::new(elsewhere.options) };
        self.with(|options| options.priced_as = Some(elsewhere))
    }

    /// Days after the client's last sign of life until what was never cleaned up expires; 1 unless set.
    ///
    /// It is written into the deployment's own tags, so that it holds for whoever collects.
    pub fn retention_days(self, days: u32) -> Self {
        self.with(|options| options.retention_days = Some(days))
    }

    /// Whether this deployment also takes away what dead ones have left behind: [`Gc::Auto`] unless set.
    ///
    /// Dead are those that were never cleaned up and have expired. It happens in the background, ends with the cleanup,
    /// and fails nothing.
    pub fn gc(self, gc: Gc) -> Self {
        self.with(|options| options.gc = gc)
    }

    /// Keeps the logs when the deployment is cleaned up.
    pub fn keep_logs(self) -> Self {
        self.with(|options| options.keep_logs = true)
    }

    /// A description for people, where the provider shows one.
    pub fn description(self, description: impl Into<String>) -> Self {
        self.with(|options| options.description = Some(description.into()))
    }

    /// Records the run, for [`Cloud::report`](crate::Cloud::report) and `faast report`.
    ///
    /// Records are folders below `~/.faast/<provider>/runs/`.
    ///
    /// Two files of bounded size, at most a few megabytes, however many calls there are; the newest 50 runs are kept.
    /// They can be read while the run goes on, and after the client was killed. They hold messages of errors and labels of
    /// calls, but no arguments, no results, and of the workers' environment the names only.
    pub fn record(self) -> Self {
        self.with(|options| options.record = true)
    }

    /// Cleans every deployment of the program up at Ctrl-C, and ends the program with 130; a second Ctrl-C ends it at once.
    ///
    /// For programs with a `main` of their own: `#[faast::main]` on an async `main` does it by itself. Without either,
    /// nothing listens to signals, and what they leave behind is found by `faast cleanup`. From then on the program is ended
    /// by Ctrl-C in this way only, deployments or not. What is being deployed at that moment is not waited for.
    pub fn on_signal(self) -> Self {
        self.with(|options| options.on_signal = true)
    }

    /// Deploys this program's functions.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) and [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported)
    /// before anything is made, then what the provider says. Nothing is left behind.
    pub async fn deploy(self) -> Result<Cloud> {
        deploy(self.provider, self.options).await
    }
}
