//! Deploying: from a provider and options to a running deployment, and nothing left behind if it fails.

use std::env::current_dir;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::Cloud;
use super::cleanup::{Phase, register};
use super::renew::{self, Renewal, SystemClock};
use super::setting;
use super::underway::{Deployed, Underway, check_budget};
use crate::cache::CacheFolder;
use crate::cancel::CancelToken;
use crate::cost::{PriceTable, Tariff};
use crate::dispatch::{Dispatcher, MAX_FLYING_BYTES, MAX_FLYING_BYTES_SPILLED, Policy};
use crate::error::{Error, ErrorKind, Result};
use crate::function::{self, FunctionEntry};
use crate::leak::Counts;
use crate::log::Channel;
use crate::options::{Elsewhere, Gc, Options, Resolved};
use crate::provider::{
    CancelSupport, Capabilities, CloudFunction, CloudProvider, DeployContext, DeploySpec, DeploymentId, ExecutionId,
};
use crate::record::{Header, Recording, Tape};
use crate::runtime::Runtime;
use crate::{entry, stage, stray, worker};

/// A deployment, shared by the clones of its handle.
pub(crate) struct Deployment {
    pub(super) id: DeploymentId,
    pub(super) provider: &'static str,
    pub(super) function: Arc<dyn CloudFunction>,
    pub(super) dispatcher: Arc<Dispatcher>,
    pub(super) runtime: Runtime,
    pub(super) staged: Option<PathBuf>,
    pub(super) abort: CancelToken,
    pub(super) phase: Arc<Phase>,
    pub(super) before: Option<Counts>,
    pub(super) recording: Option<Arc<Recording>>,
    capabilities: Capabilities,
    /// Requests in flight at most, as asked for.
    pub(super) concurrency: usize,
}

impl Deployment {
    /// Checks what the provider's mode can't do, before anything is sent.
    pub(super) fn check(&self, entry: &FunctionEntry) -> Result<()> {
        let refusal = if entry.streams() && !self.capabilities.streams {
            "has no streams in this mode, which a generator function needs"
        } else if !entry.idempotent && self.capabilities.duplicates {
            "may run a call twice in this mode, which a function with `idempotent = false` does not allow"
        } else {
            return Ok(());
        };
        Err(Error::new(ErrorKind::Unsupported, format!("`{}`: provider `{}` {refusal}", entry.name, self.provider)))
    }
}

impl fmt::Debug for Deployment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deployment").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Deploys; see [`Builder::deploy`](crate::Builder::deploy).
pub(crate) async fn deploy<P: CloudProvider>(provider: P, options: Options) -> Result<Cloud> {
    worker::check_deployable()?;
    let capabilities = provider.capabilities(options.mode);
    let resolved = options.resolve(provider.name(), &capabilities)?;
    let before = crate::log::enabled(Channel::Info).then(Counts::now).flatten();
    let runtime = Runtime::start().map_err(|error| failed("the runtime thread can't start").with_source(error))?;
    let (name, provider) = (provider.name(), Arc::new(provider));
    // Before anything is made, files among it.
    let tariff = options.priced_as.as_ref().map(|elsewhere| tariff(elsewhere, &resolved)).transpose()?;
    if options.on_signal {
        entry::listen()?;
    }
    let (context, spec) = prepare(name, &options, &resolved, &runtime)?;
    let deployed = match Underway::start(&provider, &spec, tariff.clone(), options.budget_usd, &context) {
        Ok(underway) => underway.deployed().await,
        Err(error) => Err(error),
    };
    let Deployed { function, prices, worst_case_usd } = match deployed {
        Ok(deployed) => deployed,
        Err(error) => {
            runtime.stop();
            remove_staged(spec.staged.as_ref());
            return Err(error);
        }
    };
    let policy = policy(name, &spec, &options, &resolved, &capabilities, &function);
    let tape = options.record.then(|| Tape::new(Instant::now()));
    let policy = Policy { prices, tariff, worst_case_usd, tape: tape.clone(), ..policy };
    if let Err(error) = options.budget_usd.map_or(Ok(()), |budget| check_budget(budget, policy.worst_case_usd)) {
        let _ = function.cleanup().await;
        runtime.stop();
        remove_staged(spec.staged.as_ref());
        return Err(error);
    }
    let spill_above = capabilities.spill.then(|| capabilities.max_request_bytes.unwrap_or(u64::MAX));
    let header = tape.is_some().then(|| header(name, &spec, &options, &policy, function.log_url(None)));
    let dispatcher = Dispatcher::start(Arc::clone(&function), spill_above, policy, &runtime);
    let renewal = Renewal { retention: resolved.retention, ledger: Arc::clone(&context.ledger) };
    runtime.spawn(renewal.run(Arc::downgrade(&function), context.abort.clone(), SystemClock));
    if options.gc == Gc::Auto {
        collect_beside(provider, &*function, &context, &runtime);
    }
    crate::log!(Channel::Info, "deployed {} on `{name}`, {} functions", spec.deployment, function::all().count());
    let recording = tape.zip(header).and_then(|(tape, header)| record(&context.cache, header, tape, &dispatcher));
    let deployment = Arc::new(Deployment {
        id: spec.deployment,
        provider: name,
        function,
        dispatcher,
        runtime,
        staged: spec.staged,
        abort: context.abort,
        phase: Arc::default(),
        before,
        recording,
        capabilities,
        concurrency: resolved.concurrency,
    });
    register(&deployment);
    Ok(Cloud(deployment))
}

/// Starts the record; a run that can't be recorded goes on without.
fn record(
    cache: &Arc<CacheFolder>,
    header: Header,
    tape: Tape,
    dispatcher: &Arc<Dispatcher>,
) -> Option<Arc<Recording>> {
    let dispatcher = Arc::downgrade(dispatcher);
    let look = Box::new(move || Some(dispatcher.upgrade()?.with_state(|state| state.snapshot())));
    match Recording::start(Arc::clone(cache), header, tape, look) {
        Ok(recording) => Some(Arc::new(recording)),
        Err(error) => {
            crate::log!(Channel::Warning, "{error:?}");
            None
        }
    }
}

fn header(provider: &str, spec: &DeploySpec, options: &Options, policy: &Policy, log_url: String) -> Header {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Header {
        provider: provider.to_owned(),
        deployment: spec.deployment.to_string(),
        program: setting::program(),
        started_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
        concurrency: policy.concurrency as u64,
        batch: policy.batch.unwrap_or(0) as u64,
        max_batch: policy.batch.map_or(0, |_| policy.max_batch) as u64,
        memory_limit: policy.memory_limit,
        log_url,
        options: setting::options(spec, options, policy),
        environment: setting::environment(),
        ..Header::default()
    }
}

/// Takes away what others left behind, in the background, until the cleanup begins. Dropping it in the middle does no
/// harm: each step is whole, and the next deployment goes on.
fn collect_beside<P: CloudProvider>(
    provider: Arc<P>,
    function: &dyn CloudFunction,
    cx: &DeployContext,
    runtime: &Runtime,
) {
    let (cache, account, abort) = (Arc::clone(&cx.cache), function.account(), cx.abort.clone());
    runtime.spawn(async move {
        tokio::select! {
            biased;
            () = abort.canceled() => {}
            _ = stray::collect(&*provider, &cache, &account, SystemTime::now()) => {}
        }
    });
}

fn failed(message: &str) -> Error {
    Error::new(ErrorKind::Deploy, message)
}

fn prepare(
    provider: &'static str,
    options: &Options,
    resolved: &Resolved,
    runtime: &Runtime,
) -> Result<(DeployContext, DeploySpec)> {
    let deployment = DeploymentId::random();
    let cache = Arc::new(CacheFolder::open(provider));
    let staged = staged_files(options, &cache, &deployment)?;
    let spec = DeploySpec { staged, ..spec(options, resolved, deployment.clone()) };
    Ok((DeployContext::new(cache, deployment, runtime.clone()), spec))
}

/// What to deploy, without files.
fn spec(options: &Options, resolved: &Resolved, deployment: DeploymentId) -> DeploySpec {
    DeploySpec {
        mode: options.mode,
        memory_mb: resolved.memory_mb,
        timeout: resolved.timeout,
        concurrency: resolved.concurrency,
        batch: resolved.batch.unwrap_or(1),
        arch: options.arch,
        env: options.env.clone(),
        description: options.description.clone(),
        expires: renew::until(SystemTime::now(), resolved.retention),
        keep_logs: options.keep_logs,
        ..DeploySpec::new(deployment)
    }
}

/// The tariff of another provider; calls have the same time there as here, unless it is told otherwise.
fn tariff(elsewhere: &Elsewhere, here: &Resolved) -> Result<Tariff> {
    let Elsewhere { provider, options } = elsewhere;
    let options = Options { timeout: options.timeout.or(Some(here.timeout)), ..(**options).clone() };
    let resolved = options.resolve(provider.name(), &provider.capabilities(options.mode))?;
    Ok(Tariff::new(Arc::clone(provider), spec(&options, &resolved, DeploymentId::random())))
}

fn staged_files(options: &Options, cache: &CacheFolder, deployment: &DeploymentId) -> Result<Option<PathBuf>> {
    if options.include.is_empty() {
        return Ok(None);
    }
    let io = |error| Error::new(ErrorKind::Io, "included files can't be staged").with_source(error);
    let into = cache.folder(CacheFolder::STAGE).map_err(io)?.join(deployment.as_str());
    let root = current_dir().map_err(io)?;
    match stage::stage(&options.include, &options.exclude, &root, &into) {
        Ok(_) => Ok(Some(into)),
        Err(error) => {
            remove_staged(Some(&into));
            Err(error)
        }
    }
}

pub(super) fn remove_staged(folder: Option<&PathBuf>) {
    if let Some(folder) = folder
        && let Err(error) = std::fs::remove_dir_all(folder)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        crate::log!(Channel::Warning, "staged files are left in {}: {error}", folder.display());
    }
}

fn policy(
    provider: &'static str,
    spec: &DeploySpec,
    options: &Options,
    resolved: &Resolved,
    capabilities: &Capabilities,
    function: &Arc<dyn CloudFunction>,
) -> Policy {
    let allowed = function.limits().concurrency.unwrap_or(resolved.concurrency);
    if allowed < resolved.concurrency {
        let asked = resolved.concurrency;
        crate::log!(
            Channel::Warning,
            "`{provider}` lets {allowed} requests run at once; `concurrency` asks for {asked}"
        );
    }
    let logs = Arc::clone(function);
    Policy {
        deployment: spec.deployment.clone(),
        build: spec.build,
        provider,
        concurrency: resolved.concurrency.min(allowed),
        rate: resolved.rate,
        timeout: resolved.timeout,
        deadline: options.deadline,
        retries: resolved.retries,
        hedge: resolved.hedge,
        batch: resolved.batch,
        max_batch: capabilities.max_batch,
        max_request_bytes: capabilities.max_request_bytes.filter(|_| !capabilities.spill),
        max_flying_bytes: if capabilities.spill { MAX_FLYING_BYTES_SPILLED } else { MAX_FLYING_BYTES },
        cancel_kills: capabilities.cancel == CancelSupport::Kills,
        timeout_grace: capabilities.timeout_grace,
        start_grace: capabilities.start_grace,
        queued: capabilities.queued,
        memory_limit: resolved.memory_mb.map(|mebibytes| u64::from(mebibytes) << 20),
        prices: PriceTable::default(),
        tariff: None,
        budget_usd: options.budget_usd,
        worst_case_usd: 0.0,
        log_url: Box::new(move |execution: Option<&ExecutionId>| logs.log_url(execution)),
        tape: None,
    }
}
