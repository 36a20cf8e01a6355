//! An emulator, a provider that talks to it, and functions to call.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use faast_aws::{Aws, AwsOptions as _};
use faast_core::cache::CacheFolder;
use faast_core::function::{Body, Emit, Ended, FunctionEntry, Registered, build_fingerprint};
use faast_core::ledger::Ledger;
use faast_core::provider::{
    CleanupReport, CloudFunction, CloudProvider, DeployContext, DeploySpec, DeploymentId, Event, FunctionId, Outcome,
    Payload, Request, Resource, Runtime, StrayScope,
};
use faast_core::{Builder, Result, inventory};
use faast_testkit::emulator_aws::{AwsEmulator, AwsEmulatorBuilder, REGION};
use faast_testkit::frame;
use futures_util::StreamExt as _;

faast_testkit::test_worker!();

static HELLO: FunctionEntry =
    FunctionEntry { name: "HELLO", signature: 7, location: "rig", idempotent: true, body: Body::Sync(hello) };

static ITEMS: FunctionEntry =
    FunctionEntry { name: "ITEMS", signature: 7, location: "rig", idempotent: true, body: Body::Iterator(items) };

inventory::submit! { Registered(&HELLO) }
inventory::submit! { Registered(&ITEMS) }

fn hello(args: &[u8], out: &mut Vec<u8>) -> Ended {
    out.extend_from_slice(b"hello ");
    out.extend_from_slice(args);
    Ok(())
}

/// As many items as there are bytes, each one of them.
fn items(args: &[u8], emit: Emit<'_>) -> Ended {
    for byte in args {
        if emit(vec![*byte]).is_break() {
            break;
        }
    }
    Ok(())
}

/// An emulator and what a deployment to it needs.
pub(crate) struct Rig {
    pub(crate) aws: AwsEmulator,
    pub(crate) home: PathBuf,
    runtime: Runtime,
}

/// A deployment by hand.
pub(crate) struct Deployed {
    pub(crate) function: Arc<dyn CloudFunction>,
    pub(crate) id: DeploymentId,
    pub(crate) ledger: PathBuf,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::of(AwsEmulator::builder())
    }

    pub(crate) fn of(builder: AwsEmulatorBuilder) -> Self {
        // One for all tests: the package is the same.
        let home = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("faast-aws-emulated");
        Self { aws: builder.start(), home, runtime: Runtime::start().unwrap() }
    }

    /// The provider with these options, pointed at the emulator.
    pub(crate) fn provider(&self, options: impl FnOnce(Builder<Aws>) -> Builder<Aws>) -> Aws {
        let builder = Builder::new(Aws::new()).region(REGION).endpoint_url(self.aws.endpoint()).credentials(
            "AKIDEXAMPLE",
            "a-secret",
            None,
        );
        options(builder).provider_mut().clone()
    }

    pub(crate) fn context(&self, id: &DeploymentId) -> DeployContext {
        DeployContext::new(Arc::new(CacheFolder::at(&self.home)), id.clone(), self.runtime.clone())
    }

    pub(crate) async fn deploy(&self, options: impl FnOnce(Builder<Aws>) -> Builder<Aws>) -> Result<Deployed> {
        self.deploy_spec(options, |spec| spec).await
    }

    pub(crate) async fn deploy_spec(
        &self,
        options: impl FnOnce(Builder<Aws>) -> Builder<Aws>,
        spec: impl FnOnce(DeploySpec) -> DeploySpec,
    ) -> Result<Deployed> {
        let id = DeploymentId::random();
        let context = self.context(&id);
        let function = self.provider(options).deploy(&spec(DeploySpec::new(id.clone())), &context).await?;
        Ok(Deployed { function, id, ledger: context.ledger.path() })
    }

    /// The services and actions seen so far.
    pub(crate) fn actions(&self) -> Vec<String> {
        self.aws.calls().iter().map(|call| format!("{}:{}", call.service, call.action)).collect()
    }

    pub(crate) async fn strays(&self, include_live: bool) -> Vec<Resource> {
        self.strays_of(&self.provider(|builder| builder), include_live).await
    }

    /// What this provider finds.
    pub(crate) async fn strays_of(&self, provider: &Aws, include_live: bool) -> Vec<Resource> {
        let mut scope = StrayScope::default();
        scope.include_live = include_live;
        provider.stray(&scope).map(Result::unwrap).collect().await
    }

    /// A client of the SDK, for what the provider has no call for.
    pub(crate) async fn sdk(&self) -> aws_config::SdkConfig {
        let keys = aws_sdk_iam::config::Credentials::new("AKIDEXAMPLE", "a-secret", None, None, "test");
        aws_config::defaults(aws_config::BehaviorVersion::latest())
            .region(aws_config::Region::new(REGION))
            .endpoint_url(self.aws.endpoint())
            .credentials_provider(keys)
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .load()
            .await
    }
}

impl Deployed {
    pub(crate) fn name(&self) -> String {
        format!("faast-{}", self.id)
    }

    pub(crate) async fn call(&self, function: &'static str, args: &[&[u8]]) -> Vec<Event> {
        let function = FunctionId { name: Cow::Borrowed(function), signature: 7 };
        let call = |(id, args): (u64, &&[u8])| frame::call(id, &function, args, Duration::from_secs(30));
        let calls = (1..).zip(args).map(call).collect();
        let request = Request { deployment: self.id.clone(), build: build_fingerprint(), calls };
        self.function.invoke(request).map(Result::unwrap).collect().await
    }

    /// The result of one call.
    pub(crate) async fn hello(&self, name: &str) -> String {
        match self.call("HELLO", &[name.as_bytes()]).await.pop() {
            Some(Event::Done { outcome: Outcome::Ok(Payload::Inline(value)), .. }) => {
                String::from_utf8(value.to_vec()).unwrap()
            }
            other => panic!("{other:?}"),
        }
    }

    /// Cleans up, completely.
    pub(crate) async fn cleanup(&self) -> CleanupReport {
        let report = self.function.cleanup().await;
        assert!(report.is_clean(), "{report:?}");
        assert!(!self.ledger.exists(), "{:?}", Ledger::read(&self.ledger));
        report
    }
}

/// That the calls of a chain came one after the other, and nothing but `others` waits for another of them.
#[track_caller]
pub(crate) fn chained(actions: &[String], chain: &[&str], others: &[&str]) {
    let (mut chained, mut beside): (Vec<_>, Vec<_>) =
        actions.iter().map(String::as_str).partition(|action| chain.contains(action));
    chained.dedup();
    assert_eq!(chained, chain);
    beside.retain(|action| !others.contains(action) && !action.starts_with("pricing:"));
    beside.sort_unstable();
    assert_eq!(
        beside,
        [
            "iam:AttachRolePolicy",
            "iam:PutRolePolicy",
            "lambda:GetAccountSettings",
            "logs:CreateLogGroup",
            "logs:PutRetentionPolicy"
        ]
    );
}
