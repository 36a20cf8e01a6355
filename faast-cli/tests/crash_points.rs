//! A client that is killed before or after any of its API calls leaves nothing that `faast cleanup aws` does not find,
//! from the same home by its ledger and from another home by tags alone. What lives, and what others made, stays.
//!
//! The client is this test binary, started again; the emulator kills it in the middle of a request.

#![expect(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests fail, and tell, as tests do"
)]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use std::{env, fs};

use faast::Mode;
use faast::core::cache::CacheFolder;
use faast::core::stray::{Query, Reach, delete, find};
use faast::prelude::*;
use faast_testkit::emulator_aws::{ACCOUNT, ApiCall, AwsEmulator, Moment, ResourceKind, Then};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

faast::test_worker!();

/// The endpoint of the emulator, for the client that is killed; unset in a test run.
const ENDPOINT: &str = "FAAST_TEST_ENDPOINT";

/// The mode of the client that is killed.
const MODE: &str = "FAAST_TEST_MODE";

/// For so long nothing happens once all requests of a client have been read.
const QUIET: Duration = Duration::from_millis(200);

/// When the killed clients' deployments have long expired, and those of a client that has lived on have not.
const LATER: Duration = Duration::from_hours(30);

#[faast::function]
fn double(n: u32) -> u32 {
    n * 2
}

#[faast::function]
fn length(text: &str) -> usize {
    text.len()
}

/// More than Lambda carries, so that it goes through a bucket.
const LARGE: usize = 5 << 20;

fn on(endpoint: &str) -> faast::Builder<faast::Aws> {
    let builder = faast::aws().region("us-west-2").endpoint_url(endpoint).credentials("test", "test", None);
    // Only its own calls: a collection would come once a day, and end with the job.
    builder.retention_days(1).gc(faast::Gc::Off)
}

/// The client that is killed: deploys, maps, cleans up. Does nothing in a test run.
#[test]
fn program() {
    let Ok(endpoint) = env::var(ENDPOINT) else { return };
    tokio(async {
        let mode = if env::var(MODE).is_ok_and(|mode| mode == "Queue") { Mode::Queue } else { Mode::Https };
        let cloud = on(&endpoint).mode(mode).concurrency(2).deploy().await.unwrap();
        let doubled = cloud.map((0..6).map(double::call)).try_collect().await.unwrap();
        assert_eq!(doubled, [0, 2, 4, 6, 8, 10]);
        assert_eq!(cloud.run(length::call(&"x".repeat(LARGE))).await.unwrap(), LARGE);
        cloud.cleanup().await.unwrap();
    });
}

fn tokio<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn client(endpoint: &str, mode: Mode, home: &Path) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["program", "--exact", "--nocapture"]).env(ENDPOINT, endpoint).env("FAAST_HOME", home);
    command.env(MODE, format!("{mode:?}"));
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// A place to be killed at: the first call of an action, and the side of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Point {
    call: String,
    after: bool,
}

/// Sees every call; once set, kills the client at its point.
#[derive(Default)]
struct Trap {
    seen: Vec<String>,
    set: Option<(Point, u32)>,
    sprung: bool,
}

fn name(call: &ApiCall) -> String {
    format!("{}:{}", call.service, call.action)
}

/// An account in which somebody else works too, with a client of faast that lives, and the trap.
struct Scene {
    aws: AwsEmulator,
    mode: Mode,
    trap: Arc<Mutex<Trap>>,
    /// What has to stay.
    others: BTreeSet<String>,
}

impl Scene {
    fn new(mode: Mode) -> Self {
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
        let trap = Arc::<Mutex<Trap>>::default();
        let watching = Arc::clone(&trap);
        aws.on_call(move |call, moment| watching.lock().unwrap().see(call, moment));
        let others = aws.leftovers().into_iter().collect();
        Self { aws, mode, trap, others }
    }

    /// Runs a client, killed at `point` if there is one; whether it was.
    fn run(&self, point: Option<&Point>, home: &Path) -> bool {
        let mut trap = self.trap.lock().unwrap();
        let client = client(&self.aws.endpoint(), self.mode, home);
        // Its first request waits for the lock, so that the trap is there before it.
        *trap = Trap { set: point.map(|point| (point.clone(), client.id())), ..Trap::default() };
        drop(trap);
        let ended = client.wait_with_output().unwrap();
        let trap = self.trap.lock().unwrap();
        assert_eq!(ended.status.success(), !trap.sprung, "{point:?}: {}", String::from_utf8_lossy(&ended.stderr));
        let sprung = trap.sprung;
        drop(trap);
        self.until_quiet();
        sprung
    }

    /// Until what the dead client had asked for is done: requests that it had sent are carried out all the same.
    fn until_quiet(&self) {
        let seen = || (self.aws.calls().len(), self.aws.leftovers());
        let mut before = seen();
        loop {
            std::thread::sleep(QUIET);
            let now = seen();
            if now == before {
                return;
            }
            before = now;
        }
    }

    /// What there is beyond what has to stay.
    fn left(&self) -> BTreeSet<String> {
        let all: BTreeSet<_> = self.aws.leftovers().into_iter().collect();
        assert!(all.is_superset(&self.others), "something of somebody else is gone: {all:?}");
        all.difference(&self.others).cloned().collect()
    }

    fn provider(&self) -> faast::Aws {
        on(&self.aws.endpoint()).provider_mut().clone()
    }

    /// What `faast cleanup aws` says.
    fn command(&self, home: &Path, args: &[&str]) -> Value {
        let mut command = Command::new(env!("CARGO_BIN_EXE_faast"));
        command.args(["cleanup", "aws", "--json"]).args(args).env("FAAST_HOME", home);
        command.env("AWS_ENDPOINT_URL", self.aws.endpoint()).env("AWS_REGION", "us-west-2");
        command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"))
    }
}

impl Trap {
    fn see(&mut self, call: &ApiCall, moment: Moment) -> Then {
        if moment == Moment::Before {
            self.seen.push(name(call));
        }
        let Some((point, client)) = &self.set else { return Then::Go };
        if point.call != name(call) || point.after != (moment == Moment::After) {
            return Then::Go;
        }
        kill_process(Pid::from_raw(i32::try_from(*client).unwrap()).unwrap(), Signal::KILL).unwrap();
        self.set = None;
        self.sprung = true;
        Then::Drop
    }
}

/// ARNs as the emulator lists them, for what the command names.
fn arns<'v>(items: impl IntoIterator<Item = &'v Value>) -> BTreeSet<String> {
    let arn = |item: &Value| {
        let (kind, id) = (item["kind"].as_str().unwrap(), item["id"].as_str().unwrap());
        arn_of(kind, id)
    };
    items.into_iter().map(arn).collect()
}

fn arn_of(kind: &str, id: &str) -> String {
    match kind {
        "function" => format!("arn:aws:lambda:us-west-2:{ACCOUNT}:function:{id}"),
        "log group" => format!("arn:aws:logs:us-west-2:{ACCOUNT}:log-group:{id}"),
        "role" => format!("arn:aws:iam::{ACCOUNT}:role/faast/{id}"),
        "bucket" => format!("arn:aws:s3:::{id}"),
        "queue" => format!("arn:aws:sqs:us-west-2:{ACCOUNT}:{id}"),
        other => panic!("a resource of kind `{other}`"),
    }
}

#[test]
fn a_client_killed_at_any_call_leaves_nothing_that_cleanup_does_not_find() {
    killed_at_every_call(Mode::Https);
}

#[test]
fn nor_does_one_that_is_killed_in_queue_mode() {
    killed_at_every_call(Mode::Queue);
}

fn killed_at_every_call(mode: Mode) {
    let homes = tempfile::tempdir().unwrap();
    let scene = Scene::new(mode);
    // A run that is not killed says which calls there are.
    assert!(!scene.run(None, &homes.path().join("first")));
    assert_eq!(scene.left(), BTreeSet::new(), "a run to its end leaves nothing");
    let calls: BTreeSet<String> = scene.trap.lock().unwrap().seen.iter().cloned().collect();
    let points = calls.iter().flat_map(|call| [false, true].map(|after| Point { call: call.clone(), after }));

    let (mut hit, mut found) = (0, 0);
    for (number, point) in points.enumerate() {
        // One home for all, so that the archive is packed once; and one that has seen nothing.
        let (same, other) = (homes.path().join("first"), homes.path().join(format!("other-{number}")));
        // Prices are asked for once a day.
        let _ = fs::remove_dir_all(same.join("aws/prices"));
        assert!(scene.run(Some(&point), &same), "{point:?} was not reached");
        let left = scene.left();
        hit += 1;
        found += left.len();
        for home in [&same, &other] {
            let early = scene.command(home, &[]);
            assert_eq!(early["would_delete"], Value::Array(Vec::new()), "{point:?}: it may still live");
            assert_eq!(arns(early["stays"].as_array().unwrap()), left, "{point:?}, home {}", home.display());
        }
        let home = if number % 2 == 0 { &same } else { &other };
        tokio(async {
            let (provider, cache) = (scene.provider(), Arc::new(CacheFolder::at(home.join("aws"))));
            let expired = find(&provider, &cache, &Query::default(), SystemTime::now() + LATER).await;
            let doomed = expired.doomed(Reach::Expired).map(|it| arn_of(&it.kind, &it.id)).collect::<BTreeSet<_>>();
            assert_eq!(doomed, left, "{point:?}");
            let report = delete(&provider, &cache, &expired, Reach::Expired).await;
            assert_eq!((report.deleted.len(), report.left.len()), (left.len(), 0), "{point:?}: {report:?}");
        });
        assert_eq!(scene.left(), BTreeSet::new(), "{point:?}");
        let after = scene.command(&same, &[]);
        assert_eq!(after["stays"], Value::Array(Vec::new()), "{point:?}: the ledger is closed");
        println!(
            "{:6} {:40} {} left, all removed",
            if point.after { "after" } else { "before" },
            point.call,
            left.len()
        );
    }
    println!("{hit} crash points hit, {found} resources left by them and found");
}
