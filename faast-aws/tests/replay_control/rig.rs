//! A deployment to an account with failures in it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use faast_aws::{Aws, AwsOptions as _, private};
use faast_core::cache::CacheFolder;
use faast_core::provider::{CloudFunction, CloudProvider as _, DeployContext, DeploySpec, DeploymentId, Runtime};
use faast_core::{Builder, Error, Result};
use faast_testkit::refusal;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer};

use crate::account::{Account, Fault};

faast_testkit::test_worker!();

/// Keys that are looked for in everything that a user can read.
pub(crate) const SECRETS: [&str; 3] = ["planted-secret-key", "planted-session-token", "planted-value-of-env"];

pub(crate) struct Rig {
    pub(crate) account: Account,
    pub(crate) server: MockServer,
    pub(crate) context: DeployContext,
    pub(crate) spec: DeploySpec,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        let (account, server) = (Account::default(), MockServer::start().await);
        Mock::given(any()).respond_with(account.clone()).mount(&server).await;
        let runtime = Runtime::start().unwrap();
        let id = DeploymentId::random();
        // One for all tests: the package is the same.
        let home = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("faast-aws-replay");
        let context = DeployContext::new(Arc::new(CacheFolder::at(home)), id.clone(), runtime);
        let mut spec = DeploySpec::new(id);
        spec.env = vec![("PASSWORD".into(), SECRETS[2].into())];
        Self { account, server, context, spec }
    }

    pub(crate) async fn failing(action: &str, fault: Fault) -> Self {
        let rig = Self::new().await;
        rig.account.fault(action, fault);
        rig
    }

    pub(crate) fn name(&self) -> String {
        format!("faast-{}", self.spec.deployment)
    }

    pub(crate) fn provider(&self, options: impl FnOnce(Builder<Aws>) -> Builder<Aws>) -> Aws {
        let builder = Builder::new(Aws::new()).region("us-west-2").endpoint_url(self.server.uri()).credentials(
            "AKIDEXAMPLE",
            SECRETS[0],
            Some(SECRETS[1].into()),
        );
        private::first_pause(options(builder).provider_mut().clone(), Duration::from_millis(5))
    }

    pub(crate) async fn deploy(
        &self,
        options: impl FnOnce(Builder<Aws>) -> Builder<Aws>,
    ) -> Result<Arc<dyn CloudFunction>> {
        self.provider(options).deploy(&self.spec, &self.context).await
    }

    /// Deploys, which has to fail, leave nothing, and say nothing secret.
    pub(crate) async fn refused(&self, options: impl FnOnce(Builder<Aws>) -> Builder<Aws>) -> Error {
        let error = refusal::refused(&self.provider(options), &self.spec, &self.context, &SECRETS).await;
        assert!(self.account.left().is_empty(), "left: {:?} after {error:?}", self.account.left());
        error
    }

    /// Deploys with default options, which has to succeed, and cleans up.
    pub(crate) async fn succeeds(&self) {
        let function = self.deploy(|builder| builder).await.unwrap();
        let report = function.cleanup().await;
        assert!(report.is_clean(), "{report:?}");
        assert!(self.account.left().is_empty(), "left: {:?}", self.account.left());
    }
}
