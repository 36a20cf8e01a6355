//! The printed role against the permissions that are really asked for, both ways: every use of the table has a run, by a
//! developer's own login.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use faast_core::Builder;
use faast_core::cache::CacheFolder;
use faast_core::provider::{
    BlobKey, BlobRef, Checkup, CloudFunction, CloudProvider as _, DeployContext, DeploySpec, DeploymentId, Event, Mode,
    Runtime, StrayScope,
};
use faast_google::{Google, GoogleOptions, private};
use faast_testkit::emulator_google::{GoogleEmulator, Identity, Moment, ResourceKind, SERVICE_ACCOUNT, Then};
use faast_testkit::frame;
use futures_util::StreamExt as _;
use serde_json::Value;

use super::credentials::{login, on};

type Act = for<'a> fn(&'a Job) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

/// The options of a run, as the command line has them, and what is done with them.
const RUNS: [(&[&str], Act); 7] = [
    (&[], |job| Box::pin(job.plain(Mode::Https, |builder| builder))),
    (&[], |job| Box::pin(job.that_nobody_cleans_up())),
    (&["queue"], |job| Box::pin(job.plain(Mode::Queue, |builder| builder))),
    (&["spill"], |job| Box::pin(job.with_large_values())),
    (&["vpc"], |job| Box::pin(job.plain(Mode::Https, |builder| builder.vpc("net", "subnet")))),
    (&["invoker_secret"], |job| Box::pin(job.plain(Mode::Https, GoogleOptions::invoker_secret))),
    (&["quota_project"], |job| Box::pin(job.that_another_project_pays())),
];

const DEAD: &str = "6a1f0d1e-8a0e-4c5e-9a53-0d4b7f3a2c11";

/// A project, and somebody who deploys to it.
struct Job(GoogleEmulator);

impl Job {
    fn provider(&self, options: impl FnOnce(Builder<Google>) -> Builder<Google>) -> Google {
        let google = options(on(&self.0.endpoint(), login(&self.0))).provider_mut().clone();
        private::first_pause(google, Duration::from_millis(2))
    }

    /// Each answer to a creation is lost once, so that what is there has to be recognised.
    fn lose_answers(&self) {
        let creations = ["CreateRepository", "CreateService", "CreateTopic", "CreateSubscription", "InsertBucket"];
        let lost = creations.map(|action| (action, AtomicUsize::new(0)));
        self.0.on_call(move |call, moment| {
            let of_this = lost.iter().find(|(action, _)| *action == call.action);
            match of_this.filter(|_| moment == Moment::After) {
                Some((_, times)) if times.fetch_add(1, Ordering::Relaxed) == 0 => Then::Drop,
                _ => Then::Go,
            }
        });
    }

    async fn deploy(
        &self,
        mode: Mode,
        options: impl FnOnce(Builder<Google>) -> Builder<Google>,
    ) -> Arc<dyn CloudFunction> {
        self.lose_answers();
        // One for all: the image is the same.
        let home = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("faast-google-permission");
        let id = DeploymentId::random();
        let context = DeployContext::new(Arc::new(CacheFolder::at(home)), id.clone(), Runtime::start().unwrap());
        let mut spec = DeploySpec::new(id);
        (spec.mode, spec.concurrency) = (mode, 2);
        self.provider(options).deploy(&spec, &context).await.unwrap()
    }

    async fn cleaned(&self, function: Arc<dyn CloudFunction>) {
        let report = function.cleanup().await;
        assert!(report.is_clean(), "{report:?}");
        assert_eq!(self.0.leftovers(), [""; 0]);
    }

    /// The permissions that whoever deploys needed.
    fn asked(&self) -> BTreeSet<String> {
        // What workers and Pub/Sub ask for is the account's that they run as.
        let mine = self.0.permissions().into_iter().filter(|permission| permission.caller != SERVICE_ACCOUNT);
        // As refusals spell it.
        mine.map(|permission| permission.action.replace("serviceaccounts", "serviceAccounts")).collect()
    }

    /// Deploys, calls, renews, cleans up, and asks the doctor.
    async fn plain(&self, mode: Mode, options: impl FnOnce(Builder<Google>) -> Builder<Google>) {
        let function = self.deploy(mode, options).await;
        let last = function.invoke(frame::unknown(1)).collect::<Vec<_>>().await.pop().unwrap().unwrap();
        assert!(matches!(last, Event::Done { .. }), "{last:?}");
        function.renew(SystemTime::now() + Duration::from_hours(24)).await.unwrap();
        self.cleaned(function).await;
        self.provider(|builder| builder).tools().unwrap().preflight(&Checkup::new()).await.unwrap();
    }

    async fn that_another_project_pays(&self) {
        let mut credentials = login(&self.0);
        credentials["quota_project_id"] = "the-one-that-pays".into();
        let google = on(&self.0.endpoint(), credentials).provider_mut().clone();
        google.tools().unwrap().preflight(&Checkup::new()).await.unwrap();
    }

    async fn that_nobody_cleans_up(&self) {
        let labels =
            [("faast-deployment", DEAD), ("faast-created", "1"), ("faast-expires", "2"), ("faast-version", "0-1-0")];
        for (kind, ending) in [
            (ResourceKind::Subscription, "-requests"),
            (ResourceKind::Topic, "-requests"),
            (ResourceKind::Bucket, ""),
            (ResourceKind::Repository, ""),
            (ResourceKind::Service, ""),
        ] {
            self.0.add_someone_elses(kind, &format!("faast-{DEAD}{ending}"), &labels);
        }
        let google = self.provider(|builder| builder);
        let found: Vec<_> = google.stray(&StrayScope::default()).map(Result::unwrap).collect().await;
        assert_eq!(found.len(), 5, "{found:?}");
        for resource in &found {
            assert!(google.look_up(resource).await.unwrap().is_some(), "{resource}");
            google.delete(resource).await.unwrap();
        }
        assert_eq!(self.0.leftovers(), [""; 0]);
    }

    async fn with_large_values(&self) {
        let function = self.deploy(Mode::Https, |builder| builder).await;
        let (store, key) = (function.store().unwrap(), BlobKey("argument".into()));
        let value = Bytes::from_static(b"large");
        store.put(&key, value.clone()).await.unwrap();
        assert_eq!(store.get(&BlobRef::new(key.clone(), &value)).await.unwrap(), value);
        function.renew(SystemTime::now() + Duration::from_hours(24)).await.unwrap();
        store.delete(&key).await.unwrap();
        // What nobody deleted goes with the bucket.
        store.put(&key, value).await.unwrap();
        self.cleaned(function).await;
    }
}

/// The permissions of the role for these options.
fn printed(options: &[&str]) -> BTreeSet<String> {
    role(&options.iter().fold(Checkup::new(), |checkup, option| checkup.with(*option)))
}

fn role(checkup: &Checkup) -> BTreeSet<String> {
    let role: Value = serde_json::from_str(&Google::new().tools().unwrap().policy(checkup).unwrap()).unwrap();
    let permissions = role["includedPermissions"].as_array().unwrap().iter();
    permissions.map(|permission| permission.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_printed_role_is_enough_for_each_use_and_every_permission_in_it_is_asked_for() {
    let plain = printed(&[]);
    let mut asked_by_any = BTreeSet::new();
    for (options, act) in RUNS {
        let job = Job(GoogleEmulator::builder().identity(Identity::Required).start());
        act(&job).await;
        let asked = job.asked();
        let role = printed(options);
        assert_eq!(asked.difference(&role).collect::<Vec<_>>(), [""; 0], "{options:?}: asked for, and not printed");
        let beyond: Vec<_> = role.difference(&plain).filter(|action| !asked.contains(*action)).collect();
        assert_eq!(beyond, [""; 0], "{options:?}: added, and not asked for");
        asked_by_any.extend(asked);
    }
    let all = printed(&["queue", "spill", "vpc"]);
    assert_eq!(all.difference(&asked_by_any).collect::<Vec<_>>(), [""; 0], "printed, and never asked for");
}

/// The answer to the creation of the bucket is lost, which looks as if the other side had made it.
#[tokio::test]
async fn whose_a_bucket_is_that_the_other_side_has_made_may_be_looked_up() {
    let job = Job(GoogleEmulator::builder().identity(Identity::Required).start());
    job.with_large_values().await;
    let role = role(&Checkup::new().with("spill").without("gc").without("doctor").without("prices"));
    assert_eq!(job.asked().difference(&role).collect::<Vec<_>>(), [""; 0], "asked for, and not printed");
}
