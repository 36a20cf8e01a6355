//! Deploying: what depends on what, everything else side by side, and nothing left if it fails.
//!
//! ```text
//! CreateRole ──────┬─► CreateFunction (again while the role is unknown) ─► GetFunction until Active ─► first Invoke
//!   pack ──────────┤
//!   [> 50 MB: pack ─► CreateBucket ─► PutObject; DeleteObject after the function]
//!                  └─► PutRolePolicy ─► AttachRolePolicy
//! [queue mode: CreateFunction, CreateQueue and PutRolePolicy ─► PutFunctionEventInvokeConfig, beside GetFunction]
//! CreateLogGroup ─► PutRetentionPolicy
//! GetAccountSettings
//! GetProducts (prices)
//! ```
//!
//! A step that fails, or the user, fires [`Held::halt`](faast_core::control::Held::halt); the others end before their next call. A call that is under
//! way is never dropped: what it makes would come into being after the cleanup.

use std::sync::Arc;

use faast_core::control::{Steps, given_up};
use faast_core::log::Channel;
use faast_core::provider::{CloudFunction, DeployContext, DeploySpec, Mode};
use faast_core::{Arch, Error, ErrorKind, Result};
use faast_packer::{PackOptions, Package, Target};
use tokio::sync::oneshot;

use crate::classify::control::Meaning as _;
use crate::clients::Clients;
use crate::code::Code;
use crate::config::{Aws, Settings};
use crate::estate::{Estate, Stop};
use crate::function::{AwsFunction, Way};
use crate::invoke::{Invoker, Plan};
use crate::lambda::{FREE_STORAGE_MB, NewFunction, ONE_VCPU_MB};
use crate::queue::Queue;
use crate::role::{Needs, Role};
use crate::{NAME, check, cleanup, code, cost, lambda, log_group, queue, role};

/// The longest chain of API calls that wait for each other, up to a function that can be called; tested. Lambda may
/// have to be asked more than once to make the function and whether it is active.
pub const LONGEST_CHAIN: [&str; 3] = ["iam:CreateRole", "lambda:CreateFunction", "lambda:GetFunction"];

/// Another chain of queue mode, which is as long; its end is beside the other's.
pub const LONGEST_CHAIN_QUEUE: [&str; 3] =
    ["iam:CreateRole", "lambda:CreateFunction", "lambda:PutFunctionEventInvokeConfig"];

/// glibc of `provided.al2023`.
pub(crate) const GLIBC: (u32, u32) = (2, 34);

/// Deploys; removes everything again if it fails.
pub(crate) async fn deploy(aws: &Aws, spec: &DeploySpec, cx: &DeployContext) -> Result<Arc<dyn CloudFunction>> {
    let settings = &aws.settings;
    check::check(settings, spec)?;
    if cx.abort.is_canceled() {
        return Err(given_up());
    }
    let clients = aws.clients().await?.clone();
    let estate = Arc::new(Estate::new(clients, spec, cx, settings));
    let steps = Steps::new(&estate.halt);
    let made = tokio::select! {
        made = make(&steps, &estate, aws, spec, cx) => made,
        never = steps.watch(&cx.abort) => never,
    };
    if let Some(made) = made {
        return made.into_function(estate, spec, cx);
    }
    let report = Box::pin(cleanup::remove(&estate, None)).await;
    Err(steps.into_error(NAME, &report))
}

/// What a deployment is made of, once all steps have ended well.
struct Made {
    role: Role,
    function_arn: String,
    /// Where the answers are, in queue mode.
    queue_url: Option<String>,
    archive_is_stored: bool,
    concurrency: Option<usize>,
    arch: Arch,
    ephemeral_mb: u32,
}

impl Made {
    fn into_function(
        self,
        estate: Arc<Estate>,
        spec: &DeploySpec,
        cx: &DeployContext,
    ) -> Result<Arc<dyn CloudFunction>> {
        let plan = Plan {
            concurrency: self.concurrency.map_or(spec.concurrency, |most| spec.concurrency.min(most)),
            timeout: spec.timeout,
            memory_mb: spec.memory_mb.unwrap_or(ONE_VCPU_MB),
            ephemeral_mb: self.ephemeral_mb,
            arch: self.arch,
            runtime: cx.runtime.clone(),
        };
        let (sdk, name) = (&estate.clients.sdk, estate.name.clone());
        let way = match self.queue_url {
            Some(url) => Way::Queued(Queue::new(sdk, name, plan.clone(), url)?),
            None => Way::Direct(Invoker::new(sdk, name, plan.clone())?),
        };
        if self.archive_is_stored {
            // The function has its copy of the archive; nothing waits for it to go.
            let archive = Arc::clone(&estate);
            cx.runtime.spawn(async move { code::remove(&archive).await });
        }
        Ok(Arc::new(AwsFunction {
            estate,
            way,
            plan,
            account: self.role.account,
            arn: self.function_arn,
            concurrency: self.concurrency,
        }))
    }
}

/// The processor of the workers.
pub(crate) fn arch(spec: &DeploySpec) -> Arch {
    spec.arch.or_else(Arch::of_this_machine).unwrap_or(Arch::X86_64)
}

/// All steps, side by side as far as they can be. `None` if one of them failed.
async fn make(steps: &Steps<'_>, estate: &Estate, aws: &Aws, spec: &DeploySpec, cx: &DeployContext) -> Option<Made> {
    let (settings, queued) = (&aws.settings, spec.mode == Mode::Queue);
    let arch = arch(spec);
    let (tell_role, role_told) = oneshot::channel::<Arc<Role>>();
    let role = steps.run(async {
        let role = Arc::new(role::find_or_make(estate, &settings.role).await?);
        // Nobody listens if the other side has failed.
        let _ = tell_role.send(Arc::clone(&role));
        role::give(estate, &role, Needs { vpc: settings.vpc.is_some(), queue: queued }).await?;
        Ok(role)
    });
    let (tell_queue, queue_told) = oneshot::channel::<()>();
    let queue = steps.run(async {
        if !queued {
            return Ok(None);
        }
        let url = queue::make(estate).await?;
        let _ = tell_queue.send(());
        Ok(Some(url))
    });
    let function = steps.run(async {
        let package = pack(settings, spec, cx, arch).await?;
        let code = code::upload(estate, package.bytes).await?;
        let role = role_told.await.map_err(|_| Stop::Halted)?;
        let new = NewFunction { settings, spec, arch, code: &code, sha256: package.sha256 };
        let made = new.create(estate, &role).await?;
        let led = steps.run(async {
            if queued {
                queue_told.await.map_err(|_| Stop::Halted)?;
                queue::lead(estate, &role).await?;
            }
            Ok(())
        });
        let (led, active) = tokio::join!(led, steps.run(lambda::until_active(estate, &made)));
        led.and(active).ok_or(Stop::Halted)?;
        Ok((made.function_arn.unwrap_or_default(), matches!(code, Code::Stored)))
    });
    let logs = steps.run(log_group::make(estate));
    let prices = aws.prices.get_or_init(|| cost::prices(&estate.clients.sdk, &estate.clients.region, &cx.cache));
    let (role, queue_url, function, logs, concurrency, _) =
        tokio::join!(role, queue, function, logs, account_concurrency(&estate.clients), prices);
    let (role, queue_url, (function_arn, archive_is_stored), ()) = (role?, queue_url?, function?, logs?);
    Some(Made {
        role: Arc::into_inner(role)?,
        function_arn,
        queue_url,
        archive_is_stored,
        concurrency,
        arch,
        ephemeral_mb: settings.ephemeral_storage_mb.unwrap_or(FREE_STORAGE_MB),
    })
}

/// Packs on a thread of its own: it reads, hashes and compresses megabytes.
async fn pack(settings: &Settings, spec: &DeploySpec, cx: &DeployContext, arch: Arch) -> Result<Package> {
    let mut options = PackOptions::new(Target::new(arch, GLIBC)).source(settings.executable.clone());
    if let Some(staged) = &spec.staged {
        options = options.staged(staged);
    }
    let cache = Arc::clone(&cx.cache);
    let packed = tokio::task::spawn_blocking(move || faast_packer::pack(&options, &cache)).await;
    packed.unwrap_or_else(|error| Err(Error::new(ErrorKind::Internal, "the packer panicked").with_source(error)))
}

/// How many executions the account lets run at once, if it may be asked.
async fn account_concurrency(clients: &Clients) -> Option<usize> {
    clients.pace.turn().await;
    match clients.lambda.get_account_settings().send().await.meaning("lambda:GetAccountSettings") {
        Ok(settings) => {
            let limit = settings.account_limit?;
            limit.unreserved_concurrent_executions.and_then(|most| usize::try_from(most).ok()).filter(|most| *most > 0)
        }
        Err(refusal) => {
            faast_core::log!(Channel::Provider, "the account's concurrency is unknown: {refusal}");
            None
        }
    }
}
