//! A client that is killed before or after any of its API calls leaves nothing on Google Cloud that `faast cleanup google`
//! does not find, from the same home by its ledger and from another home by labels alone. What lives, and what others
//! made, stays.

#![expect(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests fail, and tell, as tests do"
)]

mod scene;

use std::collections::BTreeSet;
use std::env;
use std::process::Command;

use faast::Mode;
use faast_testkit::emulator_google::{ApiCall, GoogleEmulator, Moment, PROJECT, REGION, ResourceKind, Then};

use self::scene::{ENDPOINT, Site, job, killed_at_every_call, tokio};

faast::test_worker!();

/// More than Cloud Run takes, so that it goes through a bucket.
const LARGE: usize = 33 << 20;

/// The client that is killed. Does nothing in a test run.
#[test]
fn program() {
    if env::var_os(ENDPOINT).is_some() {
        tokio(job(faast::google(), LARGE));
    }
}

/// Does nothing in a test run.
#[test]
fn sweep() {
    if env::var_os(ENDPOINT).is_some() {
        tokio(scene::sweep(Google::NAME));
    }
}

#[test]
fn a_client_killed_at_any_call_leaves_nothing_that_cleanup_does_not_find() {
    killed_at_every_call::<Google>(Mode::Https);
}

#[test]
fn nor_does_one_that_is_killed_in_queue_mode() {
    killed_at_every_call::<Google>(Mode::Queue);
}

struct Google {
    google: GoogleEmulator,
    /// In which no login of gcloud is found.
    home: tempfile::TempDir,
}

impl Site for Google {
    const NAME: &'static str = "google";

    const CALLS: &'static [&'static str] =
        &["run:CreateService", "run:DeleteService", "artifactregistry:CreateRepository", "storage:InsertBucket"];

    fn start() -> Self {
        let google = GoogleEmulator::builder().write_quota(10_000).start();
        let uuid = "0b8f5bb2-94a5-4b3e-9a51-5e2f7e1fb7aa";
        let (named, labels) = (format!("faast-{uuid}"), [("faast-deployment", uuid), ("faast-expires", "1")]);
        // Named as faast names, with none or some of its labels, or with all of them and another name.
        google.add_someone_elses(ResourceKind::Service, &named, &labels[..1]);
        google.add_someone_elses(ResourceKind::Repository, &named, &[]);
        google.add_someone_elses(ResourceKind::Topic, &format!("{named}-requests"), &labels);
        google.add_someone_elses(ResourceKind::Subscription, &format!("{named}-responses"), &labels[1..]);
        google.add_someone_elses(ResourceKind::Bucket, "faast-of-somebody", &[("faast-deployment", "x")]);
        let all = [labels[0], labels[1], ("faast-created", "1"), ("faast-version", "0-1-0")];
        google.add_someone_elses(ResourceKind::Service, "not-of-faast", &all);
        google.add_someone_elses(ResourceKind::Repository, "faast-images", &all);
        google.add_someone_elses(ResourceKind::Topic, "faast-queue", &[("team", "faast")]);
        Self { google, home: tempfile::tempdir().unwrap() }
    }

    fn lead(&self, command: &mut Command) {
        command.env("FAAST_GOOGLE_ENDPOINT_URL", self.endpoint()).env("HOME", self.home.path());
        command.env("GOOGLE_CLOUD_PROJECT", PROJECT).env("GOOGLE_CLOUD_REGION", REGION);
        for other in ["GOOGLE_APPLICATION_CREDENTIALS", "GCE_METADATA_HOST", "CLOUDSDK_CONFIG"] {
            command.env_remove(other);
        }
    }

    fn endpoint(&self) -> String {
        self.google.endpoint()
    }

    fn on_call(&self, hook: impl Fn(&ApiCall, Moment) -> Then + Send + Sync + 'static) {
        self.google.on_call(hook);
    }

    fn calls(&self) -> usize {
        self.google.calls().len()
    }

    fn leftovers(&self) -> BTreeSet<String> {
        // What is in a bucket goes with it.
        self.google.leftovers().into_iter().filter(|left| !left.contains("/objects/")).collect()
    }

    fn name(kind: &str, id: &str) -> String {
        match kind {
            "service" => format!("projects/{PROJECT}/locations/{REGION}/services/{id}"),
            "repository" => format!("projects/{PROJECT}/locations/{REGION}/repositories/{id}"),
            "topic" => format!("projects/{PROJECT}/topics/{id}"),
            "subscription" => format!("projects/{PROJECT}/subscriptions/{id}"),
            "bucket" => format!("projects/_/buckets/{id}"),
            other => panic!("a resource of kind `{other}`"),
        }
    }
}
