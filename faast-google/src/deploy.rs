//! Deploying: what depends on what, everything else side by side, and nothing left if it fails.
//!
//! ```text
//! CreateRepository ─► (its operation) ─┐
//!   pack ──────────────────────────────┴─► push blobs ─► push manifest ─► CreateService ─► (its operation) ─► first call
//!                                                                           └─► SetIamPolicy: who may call
//! [queue mode: GetProject ─┐
//!  CreateTopic ×2 ─────────┴─► CreateSubscription (answers), SetIamPolicy; after the service: CreateSubscription (requests)]
//! ListSkus (prices)
//! ```
//!
//! A step that fails, or the user, fires [`Held::halt`](faast_core::control::Held::halt); the others end before their next
//! call. A call that is under way is never dropped: what it makes would come into being after the cleanup.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use faast_core::control::{Steps, given_up};
use faast_core::log::Channel;
use faast_core::provider::{CloudFunction, DeployContext, DeploySpec, Mode};
use faast_core::{Arch, CancelToken, Error, ErrorKind, Result};
use faast_packer::{Image, Limits, PackOptions, Target};
use serde_json::Value;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::check::{self, Size};
use crate::classify::control::{Cause, Refusal};
use crate::clients::Clients;
use crate::config::{Google, Settings};
use crate::credentials::Secret;
use crate::estate::{Estate, Stop};
use crate::function::{GoogleFunction, Way, log_url};
use crate::invoke::{Entry, Invoker, Plan};
use crate::queue::{Begun, Queue};
use crate::rest::again;
use crate::service::{NewService, Ready};
use crate::store::Store;
use crate::{NAME, cleanup, cost, project, registry, service, topic};

/// The longest chain of API calls that wait for each other, up to a service that can be called; tested. Operations may have
/// to be asked for more than once.
pub const LONGEST_CHAIN: [&str; 7] =
    ["CreateRepository", "GetOperation", "StartUpload", "PutBlob", "PutManifest", "CreateService", "GetOperation"];

/// Bytes of all files in an image. Cloud Run has no limit; this is a file that was included by mistake.
const MOST_FILES: u64 = 10 << 30;

/// Deploys; removes everything again if it fails.
pub(crate) async fn deploy(google: &Google, spec: &DeploySpec, cx: &DeployContext) -> Result<Arc<dyn CloudFunction>> {
    let settings = &google.settings;
    check::check(settings, spec)?;
    if cx.abort.is_canceled() {
        return Err(given_up());
    }
    let clients = google.clients().await?.clone();
    let door = Door::of(&clients, settings);
    let estate = Arc::new(Estate::new(clients, spec, cx, &settings.labels));
    let steps = Steps::new(&estate.halt);
    let made = tokio::select! {
        made = make(&steps, &estate, google, spec, cx, &door) => made,
        never = steps.watch(&cx.abort) => never,
    };
    let Some(made) = made else {
        let report = Box::pin(cleanup::remove(&estate, false)).await;
        return Err(steps.into_error(NAME, &report));
    };
    finish(estate, settings, spec, cx, door, &made)
}

/// What guards the service.
#[derive(Debug)]
enum Door {
    /// Google's IAM.
    Iam,
    /// The worker, by a secret of this deployment.
    Secret(Secret),
}

impl Door {
    fn of(clients: &Clients, settings: &Settings) -> Self {
        if settings.invoker_secret || !clients.credentials.can_identify() {
            // Each has 122 random bits.
            let random = [Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4()].map(|part| part.simple().to_string());
            Self::Secret(Secret::new(random.concat()))
        } else {
            Self::Iam
        }
    }

    fn secret(&self) -> Option<&Secret> {
        match self {
            Self::Iam => None,
            Self::Secret(secret) => Some(secret),
        }
    }
}

fn finish(
    estate: Arc<Estate>,
    settings: &Settings,
    spec: &DeploySpec,
    cx: &DeployContext,
    door: Door,
    made: &Made,
) -> Result<Arc<dyn CloudFunction>> {
    let Made { ready, accounts } = made;
    let Size { cpu, memory_mb } = Size::of(settings, spec);
    let instances = usize::try_from(ready.instances).unwrap_or(usize::MAX);
    let plan = Plan {
        concurrency: spec.concurrency.min(instances),
        timeout: spec.timeout,
        memory_mb,
        cpu,
        runtime: cx.runtime.clone(),
    };
    let clients = &estate.clients;
    let way = match (accounts, door) {
        (Some(accounts), door) => {
            let (rest, secret) = (clients.rest.clone(), door.secret().cloned());
            let begun = Begun::new(accounts.advice(&estate, &door));
            Way::Queued(Queue::new(plan.clone(), rest, &clients.project, &estate.name, secret, begun))
        }
        (None, Door::Iam) => {
            let entry = Entry::Identity(clients.credentials.clone());
            Way::Direct(Invoker::new(plan.clone(), &ready.uri, entry)?)
        }
        (None, Door::Secret(secret)) => Way::Direct(Invoker::new(plan.clone(), &ready.uri, Entry::Secret(secret))?),
    };
    let (rest, labels) = (clients.rest.clone(), estate.labels.clone());
    let store = Store::new(rest, &clients.project, estate.name.clone(), &clients.region, labels);
    Ok(Arc::new(GoogleFunction { way, plan, store: Arc::new(store), instances: ready.instances, estate }))
}

/// All steps, side by side as far as they can be. `None` if one of them failed.
async fn make(
    steps: &Steps<'_>,
    estate: &Estate,
    google: &Google,
    spec: &DeploySpec,
    cx: &DeployContext,
    door: &Door,
) -> Option<Made> {
    let settings = &google.settings;
    let created = Notify::new();
    let accounts = steps.run(accounts(estate, settings, spec));
    let image = steps.run(pack(settings, spec, cx));
    let repository = steps.run(registry::make(estate));
    let prices = google.prices.get_or_init(|| cost::prices(&estate.clients, &cx.cache));
    let made = async {
        let (image, repository) = tokio::join!(image, repository);
        let (image, ()) = (image?, repository?);
        let reference = steps.run(registry::push(estate, &image)).await?;
        let new = NewService {
            settings,
            spec,
            size: Size::of(settings, spec),
            image: &reference,
            launch_args: &image.launch_args,
            secret: door.secret(),
            created: &created,
        };
        Box::pin(steps.run(new.make(estate))).await
    };
    let beside = async {
        let accounts = accounts.await?;
        let topics = steps.run(async {
            if let Some(accounts) = &accounts {
                topic::make(estate, accounts).await?;
            }
            Ok(())
        });
        let callers = steps.run(async {
            if door.secret().is_none() {
                let_callers_in(estate, accounts.as_ref(), &created).await?;
            }
            Ok(())
        });
        let (topics, callers) = tokio::join!(topics, callers);
        topics.and(callers).map(|()| accounts)
    };
    let (ready, accounts, _) = tokio::join!(made, beside, prices);
    let (ready, accounts) = (ready?, accounts?);
    if let Some(accounts) = &accounts {
        let pusher = door.secret().is_none().then_some(accounts.worker.as_str());
        steps.run(topic::lead(estate, &ready.uri, pusher, accounts)).await?;
    }
    Some(Made { ready, accounts })
}

/// What was made.
#[derive(Debug)]
struct Made {
    ready: Ready,
    /// In queue mode.
    accounts: Option<Accounts>,
}

/// The accounts that act in queue mode.
#[derive(Debug)]
pub(crate) struct Accounts {
    /// What workers run as; it publishes answers, and its tokens come with pushed requests.
    pub(crate) worker: String,
    /// Pub/Sub's own, which forwards requests that are not taken.
    pub(crate) agent: String,
}

impl Accounts {
    /// What to do where the service lets nothing in that is pushed.
    fn advice(&self, estate: &Estate, door: &Door) -> String {
        let Self { worker, agent } = self;
        let Clients { project, region, .. } = &estate.clients;
        let log = format!("the log says what was refused: {}", log_url(project, region, &estate.name, None));
        match door {
            Door::Iam => format!(
                "`{worker}` needs the role `roles/run.invoker` on `{}`, and Pub/Sub's own account `{agent}` the role \
                 `roles/iam.serviceAccountTokenCreator`; {log}",
                estate.name
            ),
            Door::Secret(_) => log,
        }
    }
}

async fn accounts(estate: &Estate, settings: &Settings, spec: &DeploySpec) -> Result<Option<Accounts>, Stop> {
    if spec.mode != Mode::Queue {
        return Ok(None);
    }
    let number = project::number(&estate.clients).await?;
    let worker = settings.service_account.clone().unwrap_or_else(|| project::default_account(&number));
    Ok(Some(Accounts { worker, agent: project::pubsub_agent(&number) }))
}

/// Lets whoever deploys call the service, as soon as it is known to be made. Who may not say so may be allowed to call it
/// all the same, by a role in the project: the first call tells.
async fn let_callers_in(estate: &Estate, accounts: Option<&Accounts>, created: &Notify) -> Result<(), Stop> {
    let caller = caller(&estate.clients, &estate.halt).await;
    let emails = caller.iter().map(String::as_str).chain(accounts.map(|accounts| accounts.worker.as_str()));
    let members: Vec<_> = emails.map(project::member).collect();
    tokio::select! {
        () = created.notified() => {}
        () = estate.halt.canceled() => return Err(Stop::Halted),
    }
    if members.is_empty() {
        return Ok(());
    }
    match service::let_in(estate, &members).await {
        Err(refusal) if refusal.cause() == Cause::Denied && accounts.is_none() => {
            faast_core::log!(
                Channel::Provider,
                "who may call the service stays as the project's roles have it: {refusal}"
            );
            Ok(())
        }
        done => done.map_err(Stop::from),
    }
}

/// The e-mail address of whoever deploys: in the credentials, else in a token of theirs.
async fn caller(clients: &Clients, halt: &CancelToken) -> Option<String> {
    if let Some(email) = clients.credentials.email() {
        return Some(email.to_owned());
    }
    let token = again(clients.patience, halt, || async {
        let token = clients.credentials.identity_token("https://run.googleapis.com").await;
        token.map_err(|error| Refusal::no_token("run.routes.invoke", &error))
    });
    email_in(token.await.ok()?.expose())
}

/// The address in a token's claims, which are not checked: they are this side's own.
fn email_in(token: &str) -> Option<String> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    claims.get("email")?.as_str().map(ToOwned::to_owned)
}

/// Packs on a thread of its own: it reads, hashes and compresses megabytes.
async fn pack(settings: &Settings, spec: &DeploySpec, cx: &DeployContext) -> Result<Image, Stop> {
    let mut options = PackOptions::new(Target::bare(Arch::X86_64))
        .source(settings.executable.clone())
        .limits(Limits::new(MOST_FILES));
    if let Some(staged) = &spec.staged {
        options = options.staged(staged);
    }
    let cache = Arc::clone(&cx.cache);
    let packed = tokio::task::spawn_blocking(move || faast_packer::image(&options, &cache)).await;
    let packed =
        packed.unwrap_or_else(|error| Err(Error::new(ErrorKind::Internal, "the packer panicked").with_source(error)));
    packed.map_err(Stop::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caller_is_read_from_a_token() {
        let claims = URL_SAFE_NO_PAD.encode(br#"{"email":"ann@example.com","aud":"x"}"#);
        assert_eq!(email_in(&format!("h.{claims}.s")).as_deref(), Some("ann@example.com"));
        assert_eq!(project::member("ann@example.com"), "user:ann@example.com");
        assert_eq!(email_in("nonsense"), None);
    }
}
