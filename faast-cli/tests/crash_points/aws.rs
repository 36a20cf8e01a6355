//! A client that is killed before or after any of its API calls leaves nothing on AWS that `faast cleanup aws` does not
//! find, from the same home by its ledger and from another home by tags alone. What lives, and what others made, stays.

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
use faast_testkit::emulator_aws::{ACCOUNT, ApiCall, AwsEmulator, Moment, ResourceKind, Then};

use self::scene::{ENDPOINT, Site, job, killed_at_every_call, tokio};

faast::test_worker!();

/// More than Lambda carries, so that it goes through a bucket.
const LARGE: usize = 5 << 20;

/// The client that is killed. Does nothing in a test run.
#[test]
fn program() {
    if env::var_os(ENDPOINT).is_some() {
        tokio(job(faast::aws(), LARGE));
    }
}

/// Does nothing in a test run.
#[test]
fn sweep() {
    if env::var_os(ENDPOINT).is_some() {
        tokio(scene::sweep(Aws::NAME));
    }
}

#[test]
fn a_client_killed_at_any_call_leaves_nothing_that_cleanup_does_not_find() {
    killed_at_every_call::<Aws>(Mode::Https);
}

#[test]
fn nor_does_one_that_is_killed_in_queue_mode() {
    killed_at_every_call::<Aws>(Mode::Queue);
}

struct Aws(AwsEmulator);

impl Site for Aws {
    const NAME: &'static str = "aws";

    const CALLS: &'static [&'static str] = &["lambda:CreateFunction", "lambda:DeleteFunction", "s3:CreateBucket"];

    fn start() -> Self {
        let aws = AwsEmulator::builder().account_concurrency(100).start();
        let uuid = "0b8f5bb2-94a5-4b3e-9a51-5e2f7e1fb7aa";
        let (named, tags) = (format!("faast-{uuid}"), [("faast:deployment", uuid), ("faast:expires", "1")]);
        // Named as faast names, with none or some of its tags, or with all of them and another name.
        aws.add_someone_elses(ResourceKind::Function, &named, &[]);
        aws.add_someone_elses(ResourceKind::LogGroup, &format!("/aws/lambda/{named}"), &tags[..1]);
        aws.add_someone_elses(ResourceKind::Role, &format!("/faast/{named}"), &tags);
        aws.add_someone_elses(ResourceKind::Bucket, "faast-of-somebody", &[("faast:deployment", "x")]);
        let all = [tags[0], tags[1], ("faast:created", "1"), ("faast:version", "0.1.0")];
        aws.add_someone_elses(ResourceKind::Function, "not-of-faast", &all);
        aws.add_someone_elses(ResourceKind::Queue, "faast-queue", &[("team", "faast")]);
        Self(aws)
    }

    fn lead(&self, command: &mut Command) {
        command.env("AWS_ENDPOINT_URL", self.endpoint()).env("AWS_REGION", "us-west-2");
        command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test").env_remove("AWS_SESSION_TOKEN");
        command.env("AWS_CONFIG_FILE", "/dev/null").env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
    }

    fn endpoint(&self) -> String {
        self.0.endpoint()
    }

    fn on_call(&self, hook: impl Fn(&ApiCall, Moment) -> Then + Send + Sync + 'static) {
        self.0.on_call(hook);
    }

    fn calls(&self) -> usize {
        self.0.calls().len()
    }

    fn leftovers(&self) -> BTreeSet<String> {
        self.0.leftovers().into_iter().collect()
    }

    fn name(kind: &str, id: &str) -> String {
        match kind {
            "function" => format!("arn:aws:lambda:us-west-2:{ACCOUNT}:function:{id}"),
            "log group" => format!("arn:aws:logs:us-west-2:{ACCOUNT}:log-group:{id}"),
            "role" => format!("arn:aws:iam::{ACCOUNT}:role/faast/{id}"),
            "bucket" => format!("arn:aws:s3:::{id}"),
            "queue" => format!("arn:aws:sqs:us-west-2:{ACCOUNT}:{id}"),
            other => panic!("a resource of kind `{other}`"),
        }
    }
}
