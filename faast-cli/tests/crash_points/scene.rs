//! An emulated account in which somebody else works too, a client that is killed there before or after any of its API
//! calls, and `faast cleanup` behind it. What differs between clouds is a [`Site`].
//!
//! The client is this test binary, started again; the emulator kills it in the middle of a request. A third process looks
//! at what is left as it is when that has expired.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use std::{env, str};

use faast::core::cache::CacheFolder;
use faast::core::provider::{CloudProvider, by_name};
use faast::core::stray::{Query, Reach, delete, find};
use faast::prelude::*;
use faast::{Gc, Mode};
use faast_testkit::emulator_aws::{ApiCall, Moment, Then};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// Where the emulator is, for the processes that this binary starts; unset in a test run.
pub(crate) const ENDPOINT: &str = "FAAST_TEST_ENDPOINT";

/// The mode of the client that is killed.
const MODE: &str = "FAAST_TEST_MODE";

/// For so long nothing happens once all requests of a client have been read.
const QUIET: Duration = Duration::from_millis(200);

/// When the killed clients' deployments have long expired, and those of a client that has lived on have not.
const LATER: Duration = Duration::from_hours(30);

/// A cloud, emulated, and what a test has to know of it.
pub(crate) trait Site {
    /// As `faast cleanup` takes it.
    const NAME: &'static str;

    /// Calls that there are, whatever the mode.
    const CALLS: &'static [&'static str];

    /// An account with resources of somebody else: of similar names, and with some of faast's labels.
    fn start() -> Self;

    /// Has a command, and what it starts, find the emulator and no other account.
    fn lead(&self, command: &mut Command);

    fn endpoint(&self) -> String;

    fn on_call(&self, hook: impl Fn(&ApiCall, Moment) -> Then + Send + Sync + 'static);

    /// How many requests there have been.
    fn calls(&self) -> usize;

    /// Names of what exists.
    fn leftovers(&self) -> BTreeSet<String>;

    /// The name of what the command calls by a kind and an id.
    fn name(kind: &str, id: &str) -> String;
}

#[faast::function]
fn double(n: u32) -> u32 {
    n * 2
}

#[faast::function]
fn length(text: &str) -> usize {
    text.len()
}

/// Deploys, maps, has a payload so large that it goes through a bucket, cleans up: the client that is killed.
pub(crate) async fn job<P: CloudProvider + 'static>(builder: faast::Builder<P>, large: usize) {
    let mode = if env::var(MODE).is_ok_and(|mode| mode == "Queue") { Mode::Queue } else { Mode::Https };
    // Only its own calls: a collection would come once a day, and end with the job.
    let builder = builder.retention_days(1).gc(Gc::Off).mode(mode).concurrency(2);
    let cloud = builder.deploy().await.unwrap();
    let doubled = cloud.map((0..6).map(double::call)).try_collect().await.unwrap();
    assert_eq!(doubled, [0, 2, 4, 6, 8, 10]);
    assert_eq!(cloud.run(length::call(&"x".repeat(large))).await.unwrap(), large);
    cloud.cleanup().await.unwrap();
}

/// Removes what has expired by a time to come, and tells of it in a line of JSON.
pub(crate) async fn sweep(name: &str) {
    let (provider, cache) = (by_name(name).unwrap(), Arc::new(CacheFolder::open(name)));
    let expired = find(&*provider, &cache, &Query::default(), SystemTime::now() + LATER).await;
    let named = |resource: &faast::core::provider::Resource| json!({ "kind": resource.kind, "id": resource.id });
    let doomed: Vec<_> = expired.doomed(Reach::Expired).map(named).collect();
    let report = delete(&*provider, &cache, &expired, Reach::Expired).await;
    println!("\n{}", json!({ "doomed": doomed, "deleted": report.deleted.len(), "left": report.left.len() }));
}

/// Runs what a process of this binary does instead of tests.
pub(crate) fn tokio(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future);
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

/// An account, a client of faast that lives, and the trap.
struct Scene<S> {
    site: S,
    mode: Mode,
    trap: Arc<Mutex<Trap>>,
    /// What has to stay.
    others: BTreeSet<String>,
}

impl<S: Site> Scene<S> {
    fn new(mode: Mode) -> Self {
        let site = S::start();
        let trap = Arc::<Mutex<Trap>>::default();
        let watching = Arc::clone(&trap);
        site.on_call(move |call, moment| watching.lock().unwrap().see(call, moment));
        let others = site.leftovers();
        Self { site, mode, trap, others }
    }

    /// A process of this binary that does one thing, with a home of its own.
    fn process(&self, what: &str, home: &Path) -> Command {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args([what, "--exact", "--nocapture"]).env(ENDPOINT, self.site.endpoint()).env("FAAST_HOME", home);
        command.env(MODE, format!("{:?}", self.mode));
        self.site.lead(&mut command);
        command
    }

    fn client(&self, home: &Path) -> Child {
        self.process("program", home).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Runs a client, killed at `point` if there is one; whether it was.
    fn run(&self, point: Option<&Point>, home: &Path) -> bool {
        let mut trap = self.trap.lock().unwrap();
        let client = self.client(home);
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
        let seen = || (self.site.calls(), self.site.leftovers());
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
        let all = self.site.leftovers();
        assert!(all.is_superset(&self.others), "something of somebody else is gone: {all:?}");
        all.difference(&self.others).cloned().collect()
    }

    /// What `faast cleanup` says.
    fn command(&self, home: &Path, args: &[&str]) -> Value {
        let mut command = Command::new(env!("CARGO_BIN_EXE_faast"));
        command.args(["cleanup", S::NAME, "--json"]).args(args).env("FAAST_HOME", home);
        self.site.lead(&mut command);
        let output = command.output().unwrap();
        told(&output, str::from_utf8(&output.stdout).unwrap())
    }

    /// Removes what is left as something that has expired, which has to be all of it.
    fn sweep(&self, home: &Path, left: &BTreeSet<String>) {
        let output = self.process("sweep", home).output().unwrap();
        let text = str::from_utf8(&output.stdout).unwrap();
        let told = told(&output, text.lines().find(|line| line.starts_with('{')).unwrap_or_default());
        assert_eq!(names::<S>(&told["doomed"]), *left);
        assert_eq!((&told["deleted"], &told["left"]), (&json!(left.len()), &json!(0)), "{told}");
    }

    /// Removes what is left, though it may still live, with the command.
    fn remove(&self, home: &Path, left: &BTreeSet<String>) {
        let told = self.command(home, &["-x", "--include-live"]);
        assert_eq!(names::<S>(&told["deleted"]), *left, "{told}");
    }
}

fn told(output: &Output, json: &str) -> Value {
    let said = String::from_utf8_lossy(&output.stderr);
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}{said}"))
}

/// Names as the emulator lists them, for what a process names.
fn names<S: Site>(items: &Value) -> BTreeSet<String> {
    let name = |item: &Value| S::name(item["kind"].as_str().unwrap(), item["id"].as_str().unwrap());
    items.as_array().unwrap().iter().map(name).collect()
}

/// Kills a client before and after every call that it makes in this mode, and cleans up behind it: by the ledger of its
/// home or by labels alone, as something that has expired or with the command.
pub(crate) fn killed_at_every_call<S: Site>(mode: Mode) {
    let homes = tempfile::tempdir().unwrap();
    let scene = Scene::<S>::new(mode);
    // A run that is not killed says which calls there are.
    assert!(!scene.run(None, &homes.path().join("first")));
    assert_eq!(scene.left(), BTreeSet::new(), "a run to its end leaves nothing");
    let calls: BTreeSet<String> = scene.trap.lock().unwrap().seen.iter().cloned().collect();
    assert!(S::CALLS.iter().all(|call| calls.contains(*call)), "{calls:?}");
    let points = calls.iter().flat_map(|call| [false, true].map(|after| Point { call: call.clone(), after }));

    let (mut hit, mut found) = (0, 0);
    for (number, point) in points.enumerate() {
        // One home for all, so that the archive is packed once; and one that has seen nothing.
        let (same, other) = (homes.path().join("first"), homes.path().join(format!("other-{number}")));
        // Prices are asked for once a day.
        let _ = fs::remove_dir_all(same.join(S::NAME).join("prices"));
        assert!(scene.run(Some(&point), &same), "{point:?} was not reached");
        let left = scene.left();
        hit += 1;
        found += left.len();
        for home in [&same, &other] {
            let early = scene.command(home, &[]);
            assert_eq!(early["would_delete"], json!([]), "{point:?}: it may still live");
            assert_eq!(names::<S>(&early["stays"]), left, "{point:?}, home {}", home.display());
        }
        let home = if number % 2 == 0 { &same } else { &other };
        if number % 4 < 2 {
            scene.sweep(home, &left);
        } else {
            scene.remove(home, &left);
        }
        assert_eq!(scene.left(), BTreeSet::new(), "{point:?}");
        let after = scene.command(&same, &[]);
        assert_eq!(after["stays"], json!([]), "{point:?}: the ledger is closed");
        let side = if point.after { "after" } else { "before" };
        println!("{side:6} {:40} {} left, all removed", point.call, left.len());
    }
    println!("{}, {mode:?}: {hit} crash points hit, {found} resources left by them and found", S::NAME);
}
