//! The real command against the emulator of AWS: what it finds by tags and by ledger, and what it leaves alone.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use faast_testkit::emulator_aws::{AwsEmulator, ResourceKind};
use serde_json::{Value, json};

const DEAD: &str = "6a1f0d1e-8a0e-4c5e-9a53-0d4b7f3a2c11";
const LIVE: &str = "6a1f0d1e-8a0e-4c5e-9a53-0d4b7f3a2c12";
const OTHER: &str = "6a1f0d1e-8a0e-4c5e-9a53-0d4b7f3a2c13";

/// An account and a home folder.
struct Place {
    aws: AwsEmulator,
    home: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { aws: AwsEmulator::start(), home: tempfile::tempdir().unwrap() }
    }

    /// Everything that a deployment has, as one whose client was killed leaves it.
    fn deployment(&self, id: &str, expires: &str) {
        for kind in [ResourceKind::Bucket, ResourceKind::Function, ResourceKind::LogGroup, ResourceKind::Role] {
            self.resource(kind, id, &[("faast:expires", expires)]);
        }
    }

    /// One resource with all tags of a deployment, but for those that are given.
    fn resource(&self, kind: ResourceKind, id: &str, other: &[(&str, &str)]) {
        let mut tags = vec![("faast:deployment", id), ("faast:created", "1000"), ("faast:version", "0.1.0")];
        tags.extend_from_slice(other);
        self.aws.add_someone_elses(kind, &name(kind, id), &tags);
    }

    /// A line of this home's ledger, from a client that died before it could say what became of it.
    fn intent(&self, id: &str, kind: &str, resource: &str, region: &str) {
        let entry = json!({
            "op": "intent", "kind": kind, "id": resource, "region": region, "rank": 20,
            "expires": { "secs": 2000, "nanos": 0 },
        });
        let folder = self.home.path().join("aws/ledger");
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join(format!("{id}.jsonl"));
        let before = fs::read_to_string(&file).unwrap_or_default();
        fs::write(file, format!("{before}{entry}\n")).unwrap();
    }

    fn run(&self, home: &Path, words: &[&str]) -> (Option<i32>, Value) {
        let output = Command::new(env!("CARGO_BIN_EXE_faast"))
            .args(words)
            .arg("--json")
            .env("FAAST_HOME", home)
            .env("AWS_ENDPOINT_URL", self.aws.endpoint())
            .envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_REGION", "us-west-2")])
            .envs([("AWS_CONFIG_FILE", "/dev/null"), ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")])
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(errors, "", "{words:?}");
        (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
    }

    fn here(&self, words: &[&str]) -> (Option<i32>, Value) {
        self.run(self.home.path(), words)
    }

    fn left_of(&self, id: &str) -> usize {
        self.aws.leftovers().iter().filter(|left| left.contains(id)).count()
    }
}

fn name(kind: ResourceKind, id: &str) -> String {
    match kind {
        ResourceKind::LogGroup => format!("/aws/lambda/faast-{id}"),
        ResourceKind::Role => format!("/faast/faast-{id}"),
        _ => format!("faast-{id}"),
    }
}

fn hours_from_now(hours: u64) -> String {
    (SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 3600 * hours).to_string()
}

fn kinds(resources: &Value) -> Vec<&str> {
    resources.as_array().unwrap().iter().map(|resource| resource["kind"].as_str().unwrap()).collect()
}

#[test]
fn another_home_removes_exactly_what_has_expired() {
    let place = Place::new();
    place.deployment(DEAD, "2000");
    place.deployment(LIVE, &hours_from_now(3));
    let elsewhere = tempfile::tempdir().unwrap();
    let (code, plan) = place.run(elsewhere.path(), &["cleanup", "aws"]);
    assert_eq!(code, Some(1));
    assert_eq!(kinds(&plan["would_delete"]), ["bucket", "function", "log group", "role"], "in the order of ranks");
    assert_eq!(kinds(&plan["stays"]), ["bucket", "function", "log group", "role"]);
    assert!(plan["stays"].as_array().unwrap().iter().all(|stays| stays["deployment"] == LIVE));
    assert_eq!((place.left_of(DEAD), place.left_of(LIVE)), (4, 4), "a dry run changes nothing");
    let (code, done) = place.run(elsewhere.path(), &["cleanup", "aws", "-x"]);
    assert_eq!((code, &done["deleted"]), (Some(0), &plan["would_delete"]));
    assert_eq!((place.left_of(DEAD), place.left_of(LIVE)), (0, 4));
    let (code, again) = place.run(elsewhere.path(), &["cleanup", "aws", "-x"]);
    assert_eq!((code, kinds(&again["deleted"]).len()), (Some(0), 0));
    let (code, _) = place.run(elsewhere.path(), &["cleanup", "aws", "-x", "--include-live"]);
    assert_eq!((code, place.left_of(LIVE)), (Some(0), 0));
}

#[test]
fn what_somebody_else_made_is_never_touched() {
    let place = Place::new();
    let all = [("faast:deployment", DEAD), ("faast:created", "1"), ("faast:expires", "2"), ("faast:version", "0.1.0")];
    for missing in 0..all.len() {
        let mut tags = all.to_vec();
        tags.remove(missing);
        let function = format!("faast-{}{missing}", &DEAD[..35]);
        place.aws.add_someone_elses(ResourceKind::Function, &function, &tags);
    }
    // All tags, but a name of their own; a name like faast's, but no tags; a time that is none.
    place.aws.add_someone_elses(ResourceKind::Function, "batch", &all);
    place.aws.add_someone_elses(ResourceKind::Role, &name(ResourceKind::Role, OTHER), &[]);
    place.aws.add_someone_elses(ResourceKind::LogGroup, "/aws/lambda/faast-batch", &[("faast:deployment", "batch")]);
    place.resource(ResourceKind::Bucket, OTHER, &[("faast:expires", "yesterday")]);
    let before = place.aws.leftovers();
    let (code, done) = place.here(&["cleanup", "aws", "-x", "--include-live"]);
    assert_eq!((code, kinds(&done["deleted"]).len(), kinds(&done["stays"]).len()), (Some(0), 0, 0), "{done}");
    assert_eq!(place.aws.leftovers(), before);
}

#[test]
fn the_ledger_adds_what_has_no_tags_yet_and_nothing_that_was_never_made() {
    let place = Place::new();
    // Killed between `CreateBucket` and `PutBucketTagging`, and before `CreateFunction`.
    let bucket = name(ResourceKind::Bucket, DEAD);
    place.aws.add_someone_elses(ResourceKind::Bucket, &bucket, &[]);
    place.intent(DEAD, "bucket", &bucket, "us-west-2");
    place.intent(DEAD, "function", &name(ResourceKind::Function, DEAD), "us-west-2");
    place.intent(DEAD, "log group", &name(ResourceKind::LogGroup, DEAD), "us-west-2");
    place.intent(DEAD, "role", &format!("faast-{DEAD}"), "");
    let elsewhere = tempfile::tempdir().unwrap();
    assert_eq!(kinds(&place.run(elsewhere.path(), &["cleanup", "aws"]).1["would_delete"]), [""; 0]);
    assert_eq!(kinds(&place.here(&["cleanup", "aws"]).1["would_delete"]), ["bucket"]);
    let (code, done) = place.here(&["cleanup", "aws", "-x"]);
    assert_eq!((code, kinds(&done["deleted"])), (Some(0), vec!["bucket"]));
    assert_eq!(place.aws.leftovers(), [""; 0]);
    assert_eq!(fs::read_dir(place.home.path().join("aws/ledger")).unwrap().count(), 0, "the ledger is closed");
}

#[test]
fn a_renewed_tag_counts_more_than_an_old_ledger() {
    let place = Place::new();
    place.deployment(LIVE, &hours_from_now(3));
    place.intent(LIVE, "function", &name(ResourceKind::Function, LIVE), "us-west-2");
    let (code, done) = place.here(&["cleanup", "aws", "-x"]);
    assert_eq!((code, kinds(&done["deleted"]).len(), place.left_of(LIVE)), (Some(0), 0, 4));
}

#[test]
fn deployments_are_listed_with_age_and_state() {
    let place = Place::new();
    place.deployment(DEAD, "2000");
    place.deployment(LIVE, &hours_from_now(3));
    let (code, listing) = place.here(&["list", "aws"]);
    assert_eq!(code, Some(0));
    let deployments = listing["deployments"].as_array().unwrap();
    let told: Vec<_> = deployments.iter().map(|it| (&it["id"], &it["state"], &it["created"])).collect();
    assert_eq!(told.len(), 2, "{listing}");
    assert!(told.contains(&(&json!(DEAD), &json!("expired"), &json!(1000))), "{listing}");
    assert!(told.contains(&(&json!(LIVE), &json!("live"), &json!(1000))), "{listing}");
    assert!(deployments.iter().all(|it| it["resources"].as_array().unwrap().len() == 4), "{listing}");
}

#[test]
fn an_account_that_can_not_be_asked_is_a_failure_that_says_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_faast"))
        .args(["cleanup", "aws"])
        .env_clear()
        .envs([("AWS_REGION", "us-west-2"), ("AWS_EC2_METADATA_DISABLED", "true"), ("PATH", "/usr/bin:/bin")])
        .env("HOME", home.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("credentials") && errors.contains("hint: "), "{errors}");
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(stdout.contains("not everything could be looked at"), "{stdout}");
}
