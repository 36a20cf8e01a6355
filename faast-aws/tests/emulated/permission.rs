//! The printed policy against the permissions that are really asked for, both ways; and the doctor, who names what is
//! missing.
//!
//! Every use of the table has a run in [`RUNS`]: a user who may do what `faast policy aws` prints for it, and nothing
//! else, does all of it.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use faast_aws::{Aws, AwsOptions as _};
use faast_core::Builder;
use faast_core::provider::{BlobKey, BlobRef, Checkup, CloudProvider as _, Finding, Mode, Verdict};
use faast_testkit::emulator_aws::{AwsEmulator, Credentials, Moment, ResourceKind, Then};
use futures_util::{StreamExt as _, stream};
use serde_json::Value;

use crate::rig::{Deployed, Rig};

type Act = for<'a> fn(&'a Job<'a>) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

/// The options of a run, as the command line has them, and what is done with them.
const RUNS: [(&[&str], Act); 12] = [
    (&[], |job| Box::pin(job.plain(|builder| builder))),
    (&[], |job| Box::pin(job.whose_answers_get_lost())),
    (&[], |job| Box::pin(job.that_nobody_cleans_up())),
    (&["least_privilege"], |job| Box::pin(job.plain(Builder::least_privilege))),
    (&["policy_arn"], |job| Box::pin(job.plain(|builder| builder.policy_arn(POLICY)))),
    (&["role_name=batch"], |job| Box::pin(job.with_a_role_of_the_users())),
    (&["vpc"], |job| Box::pin(job.in_a_network())),
    (&["layer"], |job| Box::pin(job.plain(|builder| builder.layer(LAYER)))),
    (&["keep_logs"], |job| Box::pin(job.whose_logs_stay())),
    (&["archive"], |job| Box::pin(job.with_a_large_archive())),
    (&["queue"], |job| Box::pin(job.with_a_queue())),
    (&["spill"], |job| Box::pin(job.with_large_values())),
];

const POLICY: &str = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";
const LAYER: &str = "arn:aws:lambda:us-west-2:123456789012:layer:tools:1";

fn rig() -> Rig {
    Rig::of(AwsEmulator::builder().enforce_iam(true))
}

fn checkup(options: &[&str]) -> Checkup {
    options.iter().fold(Checkup::new(), |checkup, option| checkup.with(*option))
}

fn policy(options: &[&str]) -> String {
    Aws::new().tools().unwrap().policy(&checkup(options)).unwrap()
}

/// The actions that a policy allows.
fn actions(policy: &str) -> BTreeSet<String> {
    let policy: Value = serde_json::from_str(policy).unwrap();
    let statements = policy["Statement"].as_array().unwrap().iter();
    let actions = statements.flat_map(|statement| statement["Action"].as_array().unwrap());
    actions.map(|action| action.as_str().unwrap().to_owned()).collect()
}

/// The policy without one action.
fn without(policy: &str, action: &str) -> String {
    let mut policy: Value = serde_json::from_str(policy).unwrap();
    let statements = policy["Statement"].as_array_mut().unwrap();
    for statement in statements.iter_mut() {
        statement["Action"].as_array_mut().unwrap().retain(|it| it != action);
    }
    statements.retain(|statement| !statement["Action"].as_array().unwrap().is_empty());
    policy.to_string()
}

/// A user who may do no more than the policy says, and what that user does.
struct Job<'a> {
    rig: &'a Rig,
    user: Credentials,
}

impl Job<'_> {
    fn builder(&self, builder: Builder<Aws>) -> Builder<Aws> {
        builder.credentials(&self.user.access_key, &self.user.secret_key, None)
    }

    /// Deploys, calls, renews, and asks the doctor.
    async fn deployed(&self, options: impl FnOnce(Builder<Aws>) -> Builder<Aws>) -> Deployed {
        let deployed = self.rig.deploy(|builder| options(self.builder(builder))).await.unwrap();
        assert_eq!(deployed.hello("least").await, "hello least");
        deployed.function.renew(SystemTime::now() + Duration::from_hours(24)).await.unwrap();
        deployed
    }

    async fn plain(&self, options: impl FnOnce(Builder<Aws>) -> Builder<Aws>) {
        self.deployed(options).await.cleanup().await;
        let provider = self.rig.provider(|builder| self.builder(builder));
        provider.tools().unwrap().preflight(&Checkup::new()).await.unwrap();
    }

    /// Each answer to a creation is lost once, so that what is there has to be recognised.
    async fn whose_answers_get_lost(&self) {
        let lost =
            ["CreateRole", "CreateFunction", "CreateLogGroup", "CreateBucket"].map(|it| (it, AtomicUsize::new(0)));
        self.rig.aws.on_call(move |call, moment| {
            let of_this = lost.iter().find(|(action, _)| *action == call.action);
            match of_this.filter(|_| moment == Moment::After) {
                Some((_, times)) if times.fetch_add(1, Ordering::Relaxed) == 0 => Then::Drop,
                _ => Then::Go,
            }
        });
        self.plain(|builder| builder).await;
    }

    async fn that_nobody_cleans_up(&self) {
        let deployed = self.deployed(|builder| builder).await;
        let id = deployed.id.to_string();
        let tags =
            [("faast:deployment", &*id), ("faast:created", "1"), ("faast:expires", "2"), ("faast:version", "0.1.0")];
        self.rig.aws.add_someone_elses(ResourceKind::Bucket, &deployed.name(), &tags);
        self.rig.aws.add_someone_elses(ResourceKind::Queue, &deployed.name(), &tags);
        let provider = self.rig.provider(|builder| self.builder(builder));
        let found = self.rig.strays_of(&provider, true).await;
        assert_eq!(found.len(), 5, "{found:?}");
        for resource in &found {
            assert!(provider.look_up(resource).await.unwrap().is_some(), "{resource}");
            provider.delete(resource).await.unwrap();
        }
        assert_eq!(self.rig.aws.leftovers(), [""; 0]);
    }

    async fn in_a_network(&self) {
        let deployed = self.deployed(|builder| builder.vpc(["subnet-1"], ["sg-1"])).await;
        assert!(deployed.function.cleanup().await.is_clean());
    }

    async fn with_a_role_of_the_users(&self) {
        self.rig.aws.add_someone_elses(ResourceKind::Role, "batch", &[]);
        self.plain(|builder| builder.role_name("batch")).await;
    }

    async fn whose_logs_stay(&self) {
        let keep = |mut spec: faast_core::provider::DeploySpec| {
            spec.keep_logs = true;
            spec
        };
        let deployed = self.rig.deploy_spec(|builder| self.builder(builder), keep).await.unwrap();
        deployed.cleanup().await;
    }

    async fn with_a_queue(&self) {
        let queued = |mut spec: faast_core::provider::DeploySpec| {
            spec.mode = Mode::Queue;
            spec
        };
        let deployed = self.rig.deploy_spec(|builder| self.builder(builder), queued).await.unwrap();
        assert_eq!(deployed.hello("queue").await, "hello queue");
        deployed.function.renew(SystemTime::now() + Duration::from_hours(24)).await.unwrap();
        deployed.cleanup().await;
    }

    async fn with_large_values(&self) {
        let deployed = self.rig.deploy(|builder| self.builder(builder)).await.unwrap();
        let (store, key) = (deployed.function.store().unwrap(), BlobKey("argument".into()));
        let value = Bytes::from_static(b"large");
        store.put(&key, value.clone()).await.unwrap();
        assert_eq!(store.get(&BlobRef::new(key.clone(), &value)).await.unwrap(), value);
        deployed.function.renew(SystemTime::now() + Duration::from_hours(24)).await.unwrap();
        store.delete(&key).await.unwrap();
        // What nobody deleted goes with the bucket.
        store.put(&key, value).await.unwrap();
        deployed.cleanup().await;
    }

    async fn with_a_large_archive(&self) {
        self.rig.aws.on_call({
            let lost = AtomicUsize::new(0);
            move |call, moment| match (call.action.as_str(), moment) {
                ("CreateBucket", Moment::After) if lost.fetch_add(1, Ordering::Relaxed) == 0 => Then::Drop,
                _ => Then::Go,
            }
        });
        let files = tempfile::tempdir().unwrap();
        let mut noise = vec![0; 54 << 20];
        fastrand::Rng::with_seed(2).fill(&mut noise);
        std::fs::write(files.path().join("noise"), noise).unwrap();
        let staged = |mut spec: faast_core::provider::DeploySpec| {
            spec.staged = Some(files.path().to_owned());
            spec
        };
        let deployed = self.rig.deploy_spec(|builder| self.builder(builder), staged).await.unwrap();
        assert_eq!(deployed.hello("large").await, "hello large");
        deployed.cleanup().await;
    }
}

#[tokio::test]
async fn the_printed_policy_is_enough_for_each_use_and_every_action_in_it_is_asked_for() {
    let plain = actions(&policy(&[]));
    let mut asked_by_any = BTreeSet::new();
    let home = tempfile::tempdir().unwrap();
    for (at, (options, act)) in RUNS.into_iter().enumerate() {
        let mut rig = rig();
        if at == 0 {
            // Prices are asked for once a day and home.
            rig.home = home.path().join("aws");
        }
        let user = rig.aws.add_user(&policy(options));
        let job = Job { rig: &rig, user };
        act(&job).await;
        // Users are numbered; what workers ask for is their role's.
        let mine = rig.aws.permissions().into_iter().filter(|permission| permission.caller.ends_with(":user/user-1"));
        let (granted, refused): (Vec<_>, Vec<_>) = mine.partition(|permission| permission.granted);
        assert_eq!(refused, [], "{options:?}");
        let asked: BTreeSet<_> = granted.into_iter().map(|permission| permission.action).collect();
        let beyond: Vec<_> = actions(&policy(options)).difference(&plain).cloned().collect();
        for action in &beyond {
            assert!(asked.contains(action), "nothing asks for `{action}`, which {options:?} adds");
        }
        asked_by_any.extend(asked);
    }
    let all: &[&str] = &["queue", "spill", "archive", "vpc", "layer", "keep_logs"];
    let printed = actions(&policy(all));
    assert_eq!(asked_by_any.difference(&printed).collect::<Vec<_>>(), [""; 0], "asked for, and not printed");
    assert_eq!(printed.difference(&asked_by_any).collect::<Vec<_>>(), [""; 0], "printed, and never asked for");
}

#[tokio::test]
async fn a_function_whose_tags_may_not_be_seen_is_not_forgotten() {
    let rig = rig();
    let user = rig.aws.add_user(&without(&policy(&[]), "lambda:ListTags"));
    let lost = AtomicUsize::new(0);
    rig.aws.on_call(move |call, moment| match (call.action.as_str(), moment) {
        ("CreateFunction", Moment::After) if lost.fetch_add(1, Ordering::Relaxed) == 0 => Then::Drop,
        _ => Then::Go,
    });
    let deployed = rig.deploy(|builder| builder.credentials(&user.access_key, &user.secret_key, None)).await;
    let error = deployed.err().unwrap();
    assert!(error.message().contains("already exist"), "{error}");
    assert_eq!(rig.aws.leftovers(), [""; 0]);
}

const ALL: &[&str] = &["queue", "spill", "archive", "vpc", "layer", "keep_logs"];

async fn findings(rig: &Rig, policy: &str, options: &[&str]) -> Vec<Finding> {
    let user = rig.aws.add_user(policy);
    let provider = rig.provider(|builder| builder.credentials(&user.access_key, &user.secret_key, None));
    provider.tools().unwrap().preflight(&checkup(options)).await.unwrap()
}

/// What the doctor finds with each of the actions taken away, several at once.
async fn with_each_taken_away<'a>(
    rig: &Rig,
    whole: &str,
    actions: &'a BTreeSet<String>,
) -> Vec<(&'a String, Vec<Finding>)> {
    let mut examined = Vec::new();
    for action in actions {
        let less = without(whole, action);
        examined.push(async move { (action, findings(rig, &less, ALL).await) });
    }
    stream::iter(examined).buffered(8).collect().await
}

fn missing(findings: &[Finding]) -> Vec<&str> {
    let missing = findings.iter().filter(|it| it.topic == "permission" && it.verdict >= Verdict::Warning);
    missing.map(|finding| finding.subject.as_str()).collect()
}

#[tokio::test]
async fn with_one_action_taken_away_the_doctor_names_exactly_that_one() {
    let rig = rig();
    let whole = policy(ALL);
    let well = findings(&rig, &whole, ALL).await;
    assert_eq!(missing(&well), [""; 0], "{well:?}");
    assert!(well.iter().all(|it| it.topic != "permission" || it.verdict == Verdict::Good), "{well:?}");
    let actions = actions(&whole);
    assert!(actions.len() > 40, "{actions:?}");
    for (action, found) in with_each_taken_away(&rig, &whole, &actions).await {
        assert_eq!(missing(&found), [action], "{found:?}");
    }
    assert_eq!(rig.aws.leftovers(), [""; 0], "nothing was changed");
}

#[tokio::test]
async fn where_iam_may_not_be_asked_what_can_be_tried_is_and_the_rest_is_said_to_be_unchecked() {
    const ASK: &str = "iam:SimulatePrincipalPolicy";
    let rig = rig();
    let whole = without(&policy(ALL), ASK);
    let found = findings(&rig, &whole, ALL).await;
    let unchecked = found.iter().find(|it| it.topic == "permission" && it.verdict == Verdict::Unknown).unwrap();
    let unchecked: BTreeSet<_> = unchecked.facts["actions"].split(',').map(str::to_owned).collect();
    // What creates something, and what S3 tells nobody.
    for action in ["iam:CreateRole", "lambda:CreateFunction", "logs:CreateLogGroup", "iam:PassRole", "s3:PutObject"] {
        assert!(unchecked.contains(action), "{unchecked:?}");
    }
    let actions = actions(&whole);
    let tried: Vec<_> = actions.iter().filter(|action| !unchecked.contains(*action)).collect();
    assert!(tried.len() > 15, "{tried:?}");
    for (action, found) in with_each_taken_away(&rig, &whole, &actions).await {
        let expected: BTreeSet<_> = [ASK, action].into_iter().collect();
        let missing: BTreeSet<_> = missing(&found).into_iter().collect();
        if tried.contains(&action) {
            assert_eq!(missing, expected, "{found:?}");
        } else {
            assert!(missing.is_subset(&expected), "{action}: {missing:?}");
        }
    }
    assert_eq!(rig.aws.leftovers(), [""; 0], "nothing was changed");
}
