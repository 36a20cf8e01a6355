//! Garbage collection beside a deployment: what dead clients left goes once a day, whoever runs, and whatever happens to
//! them; what lives and what others made stays.
//!
//! The client is this test binary, started again.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{env, fs, thread};

use faast::Gc;
use faast::prelude::*;
use faast_testkit::emulator_aws::{AwsEmulator, Latency, Moment, ResourceKind, Then};
use rustix::process::{Pid, Signal, kill_process};

faast::test_worker!();

/// The endpoint of the emulator, for a client; unset in a test run.
const ENDPOINT: &str = "FAAST_TEST_ENDPOINT";

/// What a client does; unset, it waits until a collection has come to its end.
const WAY: &str = "FAAST_TEST_WAY";

const LIVE: &str = "6a1f0d1e-8a0e-4c5e-9a53-0d4b7f3a2c12";
const KINDS: [ResourceKind; 4] =
    [ResourceKind::Bucket, ResourceKind::Function, ResourceKind::LogGroup, ResourceKind::Role];

/// The client: deploys, waits until a collection has come to its end, cleans up. Does nothing in a test run.
#[test]
fn program() {
    let Ok(endpoint) = env::var(ENDPOINT) else { return };
    let way = env::var(WAY).unwrap_or_default();
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let cloud = if way == "local" {
            faast::local().concurrency(1).deploy().await.unwrap()
        } else {
            let gc = if way == "off" { Gc::Off } else { Gc::Auto };
            let builder = faast::aws().region("us-west-2").endpoint_url(endpoint).credentials("test", "test", None);
            builder.concurrency(1).gc(gc).deploy().await.unwrap()
        };
        let stamp = if way == "local" { "local/gc/_" } else { STAMP };
        while !["off", "hurry"].contains(&&*way) && !Path::new(&env::var("FAAST_HOME").unwrap()).join(stamp).exists() {
            thread::sleep(Duration::from_millis(5));
        }
        cloud.cleanup().await.unwrap();
    });
}

/// What says in a home that a collection has come to its end.
const STAMP: &str = "aws/gc/123456789012-us-west-2";

/// An account with deployments that have expired, one that lives, and what somebody else made.
struct Scene {
    aws: AwsEmulator,
    home: tempfile::TempDir,
    stays: Vec<String>,
}

fn dead(number: usize) -> String {
    format!("6a1f0d1e-8a0e-4c5e-9a53-0d4b7f3a{number:04x}")
}

impl Scene {
    fn new(expired: usize) -> Self {
        Self::on(AwsEmulator::start(), expired)
    }

    fn on(aws: AwsEmulator, expired: usize) -> Self {
        let scene = Self { aws, home: tempfile::tempdir().unwrap(), stays: Vec::new() };
        let in_an_hour = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 3600;
        scene.deployment(LIVE, &in_an_hour.to_string());
        let half = [("faast:deployment", LIVE), ("faast:expires", "1")];
        scene.aws.add_someone_elses(ResourceKind::Function, "faast-of-somebody", &half);
        let stays = scene.aws.leftovers();
        for number in 0..expired {
            scene.deployment(&dead(number), "2000");
        }
        Self { stays, ..scene }
    }

    fn deployment(&self, id: &str, expires: &str) {
        let tags = [
            ("faast:deployment", id),
            ("faast:created", "1000"),
            ("faast:version", "0.1.0"),
            ("faast:expires", expires),
        ];
        for kind in KINDS {
            let name = match kind {
                ResourceKind::LogGroup => format!("/aws/lambda/faast-{id}"),
                ResourceKind::Role => format!("/faast/faast-{id}"),
                _ => format!("faast-{id}"),
            };
            self.aws.add_someone_elses(kind, &name, &tags);
        }
    }

    fn client(&self) -> Command {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["program", "--exact", "--nocapture"]).env(ENDPOINT, self.aws.endpoint());
        command.env("FAAST_HOME", self.home.path()).env("DEBUG", "faast:gc,-faast:warning");
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    fn expired(&self) -> usize {
        self.aws.leftovers().iter().filter(|left| left.contains("-9a53-0d4b7f3a0")).count()
    }

    fn listings(&self) -> usize {
        self.aws.calls().iter().filter(|call| call.action == "GetResources").count()
    }
}

fn succeeds(client: Child) -> String {
    let output = client.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    said
}

#[test]
fn two_clients_at_once_collect_once_and_only_what_has_expired() {
    let scene = Scene::new(3);
    let clients = [0, 1].map(|_| scene.client().spawn().unwrap());
    let said: String = clients.into_iter().map(succeeds).collect();
    assert_eq!(scene.aws.leftovers(), scene.stays);
    assert_eq!(scene.listings(), 1, "{said}");
    assert_eq!(said.matches("faast:gc deleted function").count(), 3, "{said}");
    assert!(said.contains("faast:gc collected in 123456789012-us-west-2: 12 deleted, 0 left"), "{said}");
    // On the same day there is nothing more to do.
    scene.deployment(&dead(9), "2000");
    let said = succeeds(scene.client().spawn().unwrap());
    assert_eq!((said.as_str(), scene.listings(), scene.expired()), ("", 1, 4));
}

#[test]
fn a_client_killed_in_the_middle_leaves_the_rest_to_the_next_one() {
    let scene = Scene::new(6);
    let (client, deletions) = (Arc::new(Mutex::new(None::<u32>)), AtomicU32::new(0));
    let (victim, lock) = (Arc::clone(&client), client.lock().unwrap());
    scene.aws.on_call(move |call, moment| {
        let third = || deletions.fetch_add(1, Ordering::Relaxed) == 2;
        if call.action != "DeleteFunction" || moment != Moment::After || !third() {
            return Then::Go;
        }
        let id = victim.lock().unwrap().take().unwrap();
        kill_process(Pid::from_raw(i32::try_from(id).unwrap()).unwrap(), Signal::KILL).unwrap();
        Then::Drop
    });
    let killed = scene.client().spawn().unwrap();
    let mut lock = lock;
    *lock = Some(killed.id());
    drop(lock);
    assert!(!killed.wait_with_output().unwrap().status.success());
    assert!(!scene.home.path().join(STAMP).exists());
    let left = scene.expired();
    assert!(left > 0 && left < 24, "{left} of 24");
    let said = succeeds(scene.client().spawn().unwrap());
    assert_eq!(scene.expired(), 0, "{said}");
    // The killed client's own deployment has not expired: it is nobody's to collect yet.
    let own = scene.aws.leftovers().into_iter().filter(|left| !scene.stays.contains(left)).collect::<Vec<_>>();
    assert_eq!(own.len(), 3, "{own:?}");
    assert!(scene.stays.iter().all(|stays| scene.aws.leftovers().contains(stays)));
}

#[test]
fn nothing_is_collected_where_it_is_off() {
    let scene = Scene::new(1);
    assert_eq!(succeeds(scene.client().env(WAY, "off").spawn().unwrap()), "");
    assert_eq!((scene.listings(), scene.expired()), (0, 4));
    assert!(!scene.home.path().join("aws/gc").exists());
}

#[test]
fn a_collection_that_is_refused_fails_nothing() {
    let scene = Scene::new(1);
    scene.aws.on_call(|call, _| if call.action == "GetResources" { Then::Drop } else { Then::Go });
    let said = succeeds(scene.client().spawn().unwrap());
    assert!(said.contains("faast:gc not everything could be looked at"), "{said}");
    assert!(scene.stays.iter().all(|stays| scene.aws.leftovers().contains(stays)));
}

#[test]
fn a_cleanup_does_not_wait_for_the_collection() {
    // Longer than any test.
    let never = Latency::none().action("tagging", "GetResources", Duration::from_hours(10));
    let scene = Scene::on(AwsEmulator::builder().latency(never).start(), 1);
    succeeds(scene.client().env(WAY, "hurry").spawn().unwrap());
    assert!(!scene.home.path().join(STAMP).exists());
    assert_eq!(scene.aws.leftovers().len(), scene.stays.len() + 4, "its own deployment is gone");
}

#[test]
fn dead_local_clients_are_collected_too() {
    let scene = Scene::new(0);
    let logs = scene.home.path().join("local/logs");
    let client = |name: &str, id: &str, files: &[&str]| {
        let folder = logs.join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("client.pid"), id).unwrap();
        for file in files {
            fs::write(folder.join(file), "words").unwrap();
        }
        folder
    };
    // Above the system's largest process id.
    let (used, unused) = (client("used", "999999999", &["worker-0.log"]), client("unused", "999999999", &[]));
    let live = client("live", &std::process::id().to_string(), &["worker-0.log"]);
    let said = succeeds(scene.client().env(WAY, "local").spawn().unwrap());
    assert!(!used.exists() && !unused.exists() && live.exists(), "{said}");
    assert!(said.contains("faast:gc collected in local: 2 deleted, 0 left"), "{said}");
}
