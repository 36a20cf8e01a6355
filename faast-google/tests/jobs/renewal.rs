//! A deployment that lives on: the time of expiry in its labels moves, and it goes on working.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use faast_core::Result;
use faast_core::cache::CacheFolder;
use faast_core::function::{Body, Ended, FunctionEntry, Registered, build_fingerprint};
use faast_core::inventory;
use faast_core::provider::{
    BlobKey, CallFrame, CallId, CloudFunction, CloudProvider as _, DeployContext, DeploySpec, DeploymentId, Event,
    FunctionId, Mode, Outcome, Payload, Request, Resource, Runtime, StrayScope,
};
use faast_google::Google;
use faast_testkit::emulator_google::GoogleEmulator;
use futures_util::StreamExt as _;

use super::on;

static HELLO: FunctionEntry =
    FunctionEntry { name: "HELLO", signature: 7, location: "renewal", idempotent: true, body: Body::Sync(hello) };

inventory::submit! { Registered(&HELLO) }

#[expect(clippy::unnecessary_wraps, reason = "the signature of every function")]
fn hello(args: &[u8], out: &mut Vec<u8>) -> Ended {
    out.extend_from_slice(b"hello ");
    out.extend_from_slice(args);
    Ok(())
}

async fn says_hello(function: &Arc<dyn CloudFunction>, id: &DeploymentId) -> bool {
    let frame = CallFrame {
        id: CallId(1),
        attempt: 1,
        function: FunctionId { name: Cow::Borrowed("HELLO"), signature: 7 },
        timeout: Duration::from_secs(30),
        args: Payload::Inline(b"world".as_slice().into()),
        trace: None,
    };
    let request = Request { deployment: id.clone(), build: build_fingerprint(), calls: vec![frame] };
    let events: Vec<_> = function.invoke(request).map(Result::unwrap).collect().await;
    let Some(Event::Done { outcome: Outcome::Ok(Payload::Inline(value)), .. }) = events.last() else {
        panic!("{events:?}");
    };
    **value == *b"hello world"
}

async fn strays(provider: &Google) -> Vec<Resource> {
    let mut scope = StrayScope::default();
    scope.include_live = true;
    provider.stray(&scope).map(Result::unwrap).collect().await
}

async fn renewed(mode: Mode, kinds: &[&str]) {
    let google = GoogleEmulator::start();
    let provider = on(&google.endpoint()).provider_mut().clone();
    // One for all tests: the image is the same.
    let home = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("faast-google-jobs");
    let id = DeploymentId::random();
    let context = DeployContext::new(Arc::new(CacheFolder::at(home)), id.clone(), Runtime::start().unwrap());
    let mut spec = DeploySpec::new(id.clone());
    (spec.mode, spec.memory_mb, spec.concurrency) = (mode, Some(512), 2);
    let function = provider.deploy(&spec, &context).await.unwrap();
    let key = BlobKey("a/payload".into());
    function.store().unwrap().put(&key, b"payload".as_slice().into()).await.unwrap();

    let expires = |resources: &[Resource], at: SystemTime| {
        let second = Duration::from_secs(1);
        resources.iter().all(|it| it.expires.is_some_and(|it| it + second > at && it < at + second))
    };
    let before = strays(&provider).await;
    assert!(expires(&before, spec.expires), "{before:?}");
    let until = SystemTime::now() + Duration::from_hours(50);
    function.renew(until).await.unwrap();
    let after = strays(&provider).await;
    assert!(expires(&after, until), "{after:?}");
    let found: Vec<_> = after.iter().map(|it| it.kind.as_str()).collect();
    assert_eq!(found, kinds, "everything that takes labels has them");
    assert!(after.iter().all(|it| it.deployment.as_ref() == Some(&id) && it.created.is_some()), "{after:?}");

    assert!(says_hello(&function, &id).await, "it goes on");
    let report = function.cleanup().await;
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(google.leftovers(), Vec::<String>::new());
    // A renewal that comes late makes nothing.
    let late = function.renew(until).await;
    assert_eq!(google.leftovers(), Vec::<String>::new(), "{late:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_a_live_deployment_has_is_renewed() {
    renewed(Mode::Https, &["bucket", "repository", "service"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_queue_mode_topics_and_subscriptions_too() {
    let queues = ["subscription", "subscription", "topic", "topic"];
    let all: Vec<_> = queues.into_iter().chain(["bucket", "repository", "service"]).collect();
    renewed(Mode::Queue, &all).await;
}
