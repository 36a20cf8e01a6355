//! What can be set for AWS only.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use faast_core::cost::PriceTable;
use faast_core::{Builder, Result};
use faast_packer::{CargoBuild, Source};
use tokio::sync::OnceCell;

use crate::clients::Clients;

/// AWS Lambda, with its configuration: region, network, role, and where the executable comes from.
///
/// ```
/// use faast_aws::{Aws, AwsOptions};
/// use faast_core::Builder;
///
/// let builder = Builder::new(Aws::new()).memory_mb(2048).region("eu-central-1").least_privilege().tag("team", "ml");
/// # let _ = builder;
/// ```
#[derive(Default)]
pub struct Aws {
    pub(crate) settings: Settings,
    /// Made by the first call that needs them. Never shared by clones: their options may differ, and the connections
    /// belong to the runtime that made them.
    clients: OnceCell<Clients>,
    /// Looked up beside the deployment, for the question that follows it.
    pub(crate) prices: OnceCell<PriceTable>,
}

impl Aws {
    /// AWS as the environment and the shared configuration files describe it.
    pub fn new() -> Self {
        Self::default()
    }

    /// The clients for the configured region.
    pub(crate) async fn clients(&self) -> Result<&Clients> {
        self.clients.get_or_try_init(|| Clients::load(&self.settings)).await
    }
}

impl Clone for Aws {
    fn clone(&self) -> Self {
        Self { settings: self.settings.clone(), ..Self::default() }
    }
}

impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aws").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// The options, as they were set.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    pub(crate) region: Option<String>,
    pub(crate) endpoint_url: Option<String>,
    pub(crate) credentials: Option<Keys>,
    pub(crate) ephemeral_storage_mb: Option<u32>,
    pub(crate) vpc: Option<Vpc>,
    pub(crate) layers: Vec<String>,
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) role: RoleChoice,
    /// What runs in the workers.
    pub(crate) executable: Source,
    /// The SDK's first pause between two attempts; its own unless set.
    pub(crate) first_pause: Option<Duration>,
}

/// Keys that were given in code. Prints nothing of them.
#[derive(Clone)]
pub(crate) struct Keys {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) session_token: Option<String>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(..)")
    }
}

/// The network that workers are in.
#[derive(Debug, Clone)]
pub(crate) struct Vpc {
    pub(crate) subnets: Vec<String>,
    pub(crate) security_groups: Vec<String>,
}

/// The role that workers have.
#[derive(Debug, Clone, Default)]
pub(crate) struct RoleChoice {
    /// An existing one.
    pub(crate) name: Option<String>,
    /// The policy of a role of its own; unless one is chosen, the administrator's.
    pub(crate) grant: Option<Grant>,
}

/// What a role of faast's own may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Grant {
    Policy(String),
    LeastPrivilege,
}

/// Options that only AWS has.
///
/// ```
/// use faast::prelude::*;
///
/// let builder = faast::aws().region("eu-central-1").ephemeral_storage_mb(2048).least_privilege();
/// # let _ = builder;
/// ```
pub trait AwsOptions: Sized {
    /// The region; unless set, that of the environment or the profile.
    #[must_use]
    fn region(self, region: impl Into<String>) -> Self;

    /// Access keys, where neither the environment nor the shared configuration files are to be asked.
    #[must_use]
    fn credentials(
        self,
        access_key_id: impl Into<String>,
        secret_access_key: impl Into<String>,
        session_token: Option<String>,
    ) -> Self;

    /// Where all services are, instead of AWS: an emulator, a gateway. `AWS_ENDPOINT_URL` does the same.
    #[must_use]
    fn endpoint_url(self, url: impl Into<String>) -> Self;

    /// Size of `/tmp` in MiB, 512 to 10,240; above 512 it is billed. 512 unless set.
    #[must_use]
    fn ephemeral_storage_mb(self, mebibytes: u32) -> Self;

    /// Puts the workers into a VPC. They reach the internet only if its routes say so.
    #[must_use]
    fn vpc<S: Into<String>, G: Into<String>>(
        self,
        subnets: impl IntoIterator<Item = S>,
        security_groups: impl IntoIterator<Item = G>,
    ) -> Self;

    /// Adds a layer by the ARN of its version; five at most.
    #[must_use]
    fn layer(self, arn: impl Into<String>) -> Self;

    /// Adds a tag to everything that is made.
    #[must_use]
    fn tag(self, key: impl Into<String>, value: impl Into<String>) -> Self;

    /// Gives the workers' role this policy, instead of the administrator's; and what faast itself needs for large payloads.
    #[must_use]
    fn policy_arn(self, arn: impl Into<String>) -> Self;

    /// Gives the workers' role only what faast needs: writing their own logs, and large payloads in the deployment's own
    /// bucket.
    #[must_use]
    fn least_privilege(self) -> Self;

    /// Uses a role that exists, which is neither changed nor deleted. There is no wait for a new role to be known
    /// everywhere. If there is no such role, a warning says so and the deployment gets one of its own, with the policy
    /// of [`policy_arn`](Self::policy_arn) or with least privilege.
    #[must_use]
    fn role_name(self, name: impl Into<String>) -> Self;

    /// Deploys this executable instead of the running one. It has to be built from the same source.
    #[must_use]
    fn executable(self, path: impl Into<PathBuf>) -> Self;

    /// Builds the executable for Lambda, where the running one can't run there.
    #[must_use]
    fn build(self, build: CargoBuild) -> Self;
}

fn set(mut builder: Builder<Aws>, set: impl FnOnce(&mut Settings)) -> Builder<Aws> {
    set(&mut builder.provider_mut().settings);
    builder
}

fn strings<S: Into<String>>(items: impl IntoIterator<Item = S>) -> Vec<String> {
    items.into_iter().map(Into::into).collect()
}

impl AwsOptions for Builder<Aws> {
    fn region(self, region: impl Into<String>) -> Self {
        set(self, |settings| settings.region = Some(region.into()))
    }

    fn credentials(
        self,
        access_key_id: impl Into<String>,
        secret_access_key: impl Into<String>,
        session_token: Option<String>,
    ) -> Self {
        let keys = Keys { id: access_key_id.into(), secret: secret_access_key.into(), session_token };
        set(self, |settings| settings.credentials = Some(keys))
    }

    fn endpoint_url(self, url: impl Into<String>) -> Self {
        set(self, |settings| settings.endpoint_url = Some(url.into()))
    }

    fn ephemeral_storage_mb(self, mebibytes: u32) -> Self {
        set(self, |settings| settings.ephemeral_storage_mb = Some(mebibytes))
    }

    fn vpc<S: Into<String>, G: Into<String>>(
        self,
        subnets: impl IntoIterator<Item = S>,
        security_groups: impl IntoIterator<Item = G>,
    ) -> Self {
        let vpc = Vpc { subnets: strings(subnets), security_groups: strings(security_groups) };
        set(self, |settings| settings.vpc = Some(vpc))
    }

    fn layer(self, arn: impl Into<String>) -> Self {
        set(self, |settings| settings.layers.push(arn.into()))
    }

    fn tag(self, key: impl Into<String>, value: impl Into<String>) -> Self {
        let (key, value) = (key.into(), value.into());
        set(self, |settings| {
            settings.tags.retain(|(known, _)| *known != key);
            settings.tags.push((key, value));
        })
    }

    fn policy_arn(self, arn: impl Into<String>) -> Self {
        set(self, |settings| settings.role.grant = Some(Grant::Policy(arn.into())))
    }

    fn least_privilege(self) -> Self {
        set(self, |settings| settings.role.grant = Some(Grant::LeastPrivilege))
    }

    fn role_name(self, name: impl Into<String>) -> Self {
        set(self, |settings| settings.role.name = Some(name.into()))
    }

    fn executable(self, path: impl Into<PathBuf>) -> Self {
        set(self, |settings| settings.executable = Source::Executable(path.into()))
    }

    fn build(self, build: CargoBuild) -> Self {
        set(self, |settings| settings.executable = Source::Build(build))
    }
}
