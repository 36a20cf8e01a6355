//! The printed policy and the doctor where somebody else evaluates permissions: `MiniStack`, which enforces them. It does
//! not look at `iam:PassRole` when a function is made, but says what its policies decide when it is asked. And it does not
//! know that two actions are about a resource, which AWS's reference lists for them.

use aws_sdk_iam::Client;
use faast_aws::{Aws, AwsOptions as _};
use faast_core::Builder;
use faast_core::provider::{Checkup, CloudProvider as _, DeploymentId, Verdict};
use faast_testkit::probe;
use serde_json::{Value, json};

use crate::{audit, place};

const ALL: [&str; 6] = ["queue", "spill", "archive", "vpc", "layer", "keep_logs"];

/// What it asks about with `*` for a resource.
const UNSCOPED: [&str; 2] = ["lambda:CreateFunction", "iam:SimulatePrincipalPolicy"];

/// A user whose policy can be changed.
struct User {
    iam: Client,
    name: String,
    keys: (String, String),
}

impl User {
    async fn new() -> Self {
        let keys = aws_sdk_iam::config::Credentials::new("test", "test", None, None, "test");
        let sdk = aws_config::defaults(aws_config::BehaviorVersion::latest())
            .region(aws_config::Region::new("us-west-2"))
            .endpoint_url(place::ministack_iam())
            .credentials_provider(keys)
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .load()
            .await;
        let iam = Client::new(&sdk);
        let name = format!("user-{}", DeploymentId::random());
        iam.create_user().user_name(&name).send().await.unwrap();
        let key = iam.create_access_key().user_name(&name).send().await.unwrap().access_key.unwrap();
        Self { iam, name, keys: (key.access_key_id, key.secret_access_key) }
    }

    /// What the policy says, with the two actions for any resource if they are in there at all.
    async fn may(&self, policy: &Value) {
        let mut policy = policy.clone();
        let text = policy.to_string();
        let unscoped: Vec<_> = UNSCOPED.into_iter().filter(|action| text.contains(action)).collect();
        let statement = json!({ "Effect": "Allow", "Action": unscoped, "Resource": "*" });
        policy["Statement"].as_array_mut().unwrap().push(statement);
        let request = self.iam.put_user_policy().user_name(&self.name).policy_name("all");
        request.policy_document(policy.to_string()).send().await.unwrap();
    }

    fn builder(&self) -> Builder<Aws> {
        let (id, secret) = &self.keys;
        let builder = Builder::new(Aws::new()).endpoint_url(place::ministack_iam()).region("us-west-2");
        builder.credentials(id, secret, None)
    }

    /// The actions that the doctor says are missing.
    async fn missing(&self) -> Vec<String> {
        let provider = self.builder().provider_mut().clone();
        let found = provider.tools().unwrap().preflight(&checkup()).await.unwrap();
        let missing = found.into_iter().filter(|it| it.topic == "permission" && it.verdict >= Verdict::Warning);
        missing.map(|finding| finding.subject).collect()
    }
}

fn checkup() -> Checkup {
    ALL.iter().fold(Checkup::new(), |checkup, option| checkup.with(*option))
}

fn policy(checkup: &Checkup) -> Value {
    serde_json::from_str(&Aws::new().tools().unwrap().policy(checkup).unwrap()).unwrap()
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[test]
fn the_printed_policy_is_enough_for_a_whole_deployment() {
    run(async {
        let user = User::new().await;
        user.may(&policy(&Checkup::new())).await;
        let cloud = user.builder().deploy().await.unwrap();
        let id = cloud.deployment().to_string();
        let sum: u64 = cloud.map((0..5).map(probe::identity)).try_collect().await.unwrap().iter().sum();
        assert_eq!(sum, 10);
        cloud.cleanup().await.unwrap();
        assert_eq!(audit::of(&place::ministack_iam(), &id), [""; 0]);
    });
}

#[test]
fn the_doctor_names_exactly_the_one_action_that_is_taken_away() {
    run(async {
        let (user, whole) = (User::new().await, policy(&checkup()));
        user.may(&whole).await;
        assert_eq!(user.missing().await, [""; 0]);
        let statements = whole["Statement"].as_array().unwrap();
        let mut actions: Vec<_> = statements.iter().flat_map(|it| it["Action"].as_array().unwrap()).collect();
        actions.sort_by_key(ToString::to_string);
        actions.dedup();
        for action in actions {
            let mut less = whole.clone();
            let statements = less["Statement"].as_array_mut().unwrap();
            for statement in statements.iter_mut() {
                statement["Action"].as_array_mut().unwrap().retain(|it| it != action);
            }
            statements.retain(|statement| !statement["Action"].as_array().unwrap().is_empty());
            user.may(&less).await;
            assert_eq!(user.missing().await, [action.as_str().unwrap()]);
        }
    });
}
