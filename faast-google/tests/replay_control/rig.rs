//! A deployment to a project with failures in it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use faast_core::cache::CacheFolder;
use faast_core::provider::{CloudFunction, CloudProvider as _, DeployContext, DeploySpec, DeploymentId, Mode, Runtime};
use faast_core::{Builder, Error, Result};
use faast_google::{Google, GoogleOptions as _, private};
use faast_testkit::refusal;
use serde_json::json;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer};

use crate::project::{Fault, Project};

faast_testkit::test_worker!();

/// What is looked for in everything that a user can read.
pub(crate) const SECRETS: [&str; 2] = ["planted-refresh-token", "planted-value-of-env"];

pub(crate) struct Rig {
    pub(crate) project: Project,
    pub(crate) server: MockServer,
    pub(crate) context: DeployContext,
    pub(crate) spec: DeploySpec,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        let server = MockServer::start().await;
        let project = Project::at(&server.uri());
        Mock::given(any()).respond_with(project.clone()).mount(&server).await;
        let runtime = Runtime::start().unwrap();
        let id = DeploymentId::random();
        // One for all tests: the image is the same.
        let home = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("faast-google-replay");
        let context = DeployContext::new(Arc::new(CacheFolder::at(home)), id.clone(), runtime);
        let mut spec = DeploySpec::new(id);
        spec.env = vec![("PASSWORD".into(), SECRETS[1].into())];
        spec.concurrency = 100;
        Self { project, server, context, spec }
    }

    pub(crate) async fn failing(action: &str, fault: Fault) -> Self {
        let rig = Self::new().await;
        rig.project.fault(action, fault);
        rig
    }

    pub(crate) async fn queued() -> Self {
        let mut rig = Self::new().await;
        rig.spec.mode = Mode::Queue;
        rig
    }

    pub(crate) fn name(&self) -> String {
        format!("faast-{}", self.spec.deployment)
    }

    /// A developer's own login.
    pub(crate) fn login(&self) -> serde_json::Value {
        json!({
            "type": "authorized_user",
            "client_id": "client",
            "client_secret": "client-secret",
            "refresh_token": SECRETS[0],
            "token_uri": format!("{}/token", self.server.uri()),
        })
    }

    pub(crate) fn provider(&self, options: impl FnOnce(Builder<Google>) -> Builder<Google>) -> Google {
        let builder = Builder::new(Google::new()).project("p1").endpoint_url(self.server.uri());
        let google = options(builder.region(crate::project::REGION)).provider_mut().clone();
        private::first_pause(private::credentials(google, self.login()), Duration::from_millis(2))
    }

    pub(crate) async fn deploy(
        &self,
        options: impl FnOnce(Builder<Google>) -> Builder<Google>,
    ) -> Result<Arc<dyn CloudFunction>> {
        self.provider(options).deploy(&self.spec, &self.context).await
    }

    /// Deploys, which has to fail, leave nothing, and say nothing secret.
    pub(crate) async fn refused(&self, options: impl FnOnce(Builder<Google>) -> Builder<Google>) -> Error {
        let error = refusal::refused(&self.provider(options), &self.spec, &self.context, &SECRETS).await;
        assert!(self.project.left().is_empty(), "left: {:?} after {error:?}", self.project.left());
        error
    }

    /// Deploys with default options, which has to succeed, and cleans up.
    pub(crate) async fn succeeds(&self) {
        let function = self.deploy(|builder| builder).await.unwrap();
        let report = function.cleanup().await;
        assert!(report.is_clean(), "{report:?}");
        assert!(self.project.left().is_empty(), "left: {:?}", self.project.left());
        assert!(!self.context.ledger.path().exists());
    }
}
