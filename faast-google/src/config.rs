//! What can be set for Google Cloud only.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use faast_core::cost::PriceTable;
use faast_core::{Builder, Result};
use faast_packer::{CargoBuild, Source};
use tokio::sync::OnceCell;

use crate::clients::Clients;

/// Google Cloud Run, with its configuration.
///
/// That is project, region, processors, network, and where the executable comes from.
///
/// ```
/// use faast_core::Builder;
/// use faast_google::{Google, GoogleOptions};
///
/// let builder = Builder::new(Google::new()).memory_mb(2048).region("europe-west1").cpu(2.0).label("team", "ml");
/// # let _ = builder;
/// ```
#[derive(Default)]
pub struct Google {
    pub(crate) settings: Settings,
    /// Made by the first call that needs them. Never shared by clones: their options may differ, and the connections
    /// belong to the runtime that made them.
    clients: OnceCell<Clients>,
    /// Looked up beside the deployment, for the question that follows it.
    pub(crate) prices: OnceCell<PriceTable>,
}

impl Google {
    /// Google Cloud as the environment and the application default credentials describe it.
    pub fn new() -> Self {
        Self::default()
    }

    /// The clients for the configured project and region.
    pub(crate) async fn clients(&self) -> Result<&Clients> {
        self.clients.get_or_try_init(|| Clients::load(&self.settings)).await
    }
}

impl Clone for Google {
    fn clone(&self) -> Self {
        Self { settings: self.settings.clone(), ..Self::default() }
    }
}

impl fmt::Debug for Google {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Google").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// The options, as they were set.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    pub(crate) project: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) endpoint_url: Option<String>,
    /// Endpoints of single services, by the names of [`Service`](crate::endpoint::Service).
    pub(crate) endpoint_urls: BTreeMap<String, String>,
    pub(crate) cpu: Option<f64>,
    pub(crate) max_instances: Option<u32>,
    pub(crate) service_account: Option<String>,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) vpc: Option<Vpc>,
    pub(crate) invoker_secret: bool,
    /// What runs in the workers.
    pub(crate) executable: Source,
    /// Instead of what is found on this machine.
    pub(crate) credentials: Option<Given>,
    /// The first pause between two attempts of a call of the control plane; its own unless set.
    pub(crate) first_pause: Option<Duration>,
}

/// Credentials that are not looked for. Prints nothing of them.
#[derive(Clone)]
pub(crate) enum Given {
    Anonymous,
    /// The content of a file.
    File(serde_json::Value),
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Given(..)")
    }
}

/// The network that workers are in.
#[derive(Debug, Clone)]
pub(crate) struct Vpc {
    pub(crate) network: String,
    pub(crate) subnet: String,
}

/// Options that only Google Cloud has.
///
/// ```
/// use faast::prelude::*;
///
/// let builder = faast::google().project("my-project").region("europe-west1").cpu(2.0);
/// # let _ = builder;
/// ```
pub trait GoogleOptions: Sized {
    /// The project's id; unless set, `GOOGLE_CLOUD_PROJECT`, or the project that the credentials name.
    #[must_use]
    fn project(self, id: impl Into<String>) -> Self;

    /// The region; unless set, `GOOGLE_CLOUD_REGION`, `CLOUDSDK_COMPUTE_REGION` or `us-central1`.
    #[must_use]
    fn region(self, region: impl Into<String>) -> Self;

    /// Where all services are, instead of Google's: an emulator, a gateway. `FAAST_GOOGLE_ENDPOINT_URL` does the same.
    #[must_use]
    fn endpoint_url(self, url: impl Into<String>) -> Self;

    /// Where one service is: `run`, `artifactregistry`, `registry`, `storage`, `pubsub`, `billing`, `serviceusage`,
    /// `resourcemanager`. `FAAST_GOOGLE_ENDPOINT_URL_RUN` and so on do the same.
    #[must_use]
    fn endpoint_url_of(self, service: impl Into<String>, url: impl Into<String>) -> Self;

    /// Processors of one worker: 1, 2, 4, 6 or 8, or 0.08 to 1. More memory needs more of them: above 4 GiB two, above 8
    /// GiB four, above 16 GiB six, above 24 GiB eight. Unless set, the least that the memory needs, and one at least.
    #[must_use]
    fn cpu(self, processors: f64) -> Self;

    /// Workers at most; unless set, the concurrency. If the region's quota is below it, the deployment gets what the quota
    /// allows, and a warning says so.
    #[must_use]
    fn max_instances(self, instances: u32) -> Self;

    /// The service account that workers run as, by its e-mail address; unless set, Compute Engine's default one.
    #[must_use]
    fn service_account(self, email: impl Into<String>) -> Self;

    /// Adds a label to everything that is made and takes labels. Keys and values are lower-case letters, digits, `-` and `_`.
    #[must_use]
    fn label(self, key: impl Into<String>, value: impl Into<String>) -> Self;

    /// Connects the workers to a subnet of a VPC network, for what is in private ranges of addresses.
    #[must_use]
    fn vpc(self, network: impl Into<String>, subnet: impl Into<String>) -> Self;

    /// Lets requests in by a secret of the deployment, which the worker checks, instead of by Google's IAM: for credentials
    /// that may deploy and not invoke. The secret is made for each deployment.
    #[must_use]
    fn invoker_secret(self) -> Self;

    /// Deploys this executable instead of the running one. It has to be built from the same source.
    #[must_use]
    fn executable(self, path: impl Into<PathBuf>) -> Self;

    /// Builds the executable for Cloud Run, where the running one can't run there.
    #[must_use]
    fn build(self, build: CargoBuild) -> Self;
}

fn set(mut builder: Builder<Google>, set: impl FnOnce(&mut Settings)) -> Builder<Google> {
    set(&mut builder.provider_mut().settings);
    builder
}

impl GoogleOptions for Builder<Google> {
    fn project(self, id: impl Into<String>) -> Self {
        set(self, |settings| settings.project = Some(id.into()))
    }

    fn region(self, region: impl Into<String>) -> Self {
        set(self, |settings| settings.region = Some(region.into()))
    }

    fn endpoint_url(self, url: impl Into<String>) -> Self {
        set(self, |settings| settings.endpoint_url = Some(url.into()))
    }

    fn endpoint_url_of(self, service: impl Into<String>, url: impl Into<String>) -> Self {
        set(self, |settings| {
            settings.endpoint_urls.insert(service.into(), url.into());
        })
    }

    fn cpu(self, processors: f64) -> Self {
        set(self, |settings| settings.cpu = Some(processors))
    }

    fn max_instances(self, instances: u32) -> Self {
        set(self, |settings| settings.max_instances = Some(instances))
    }

    fn service_account(self, email: impl Into<String>) -> Self {
        set(self, |settings| settings.service_account = Some(email.into()))
    }

    fn label(self, key: impl Into<String>, value: impl Into<String>) -> Self {
        let (key, value) = (key.into(), value.into());
        set(self, |settings| {
            settings.labels.retain(|(known, _)| *known != key);
            settings.labels.push((key, value));
        })
    }

    fn vpc(self, network: impl Into<String>, subnet: impl Into<String>) -> Self {
        let vpc = Vpc { network: network.into(), subnet: subnet.into() };
        set(self, |settings| settings.vpc = Some(vpc))
    }

    fn invoker_secret(self) -> Self {
        set(self, |settings| settings.invoker_secret = true)
    }

    fn executable(self, path: impl Into<PathBuf>) -> Self {
        set(self, |settings| settings.executable = Source::Executable(path.into()))
    }

    fn build(self, build: CargoBuild) -> Self {
        set(self, |settings| settings.executable = Source::Build(build))
    }
}
