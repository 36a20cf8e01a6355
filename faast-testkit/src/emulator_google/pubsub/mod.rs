//! Pub/Sub: topics, subscriptions, and messages between them, at least once.
//!
//! Publishing puts a message into each subscription of the topic; pulling and pushing lease it until the deadline; who does
//! not acknowledge it by then gets it again. Which operation a request means was decided by its path.

mod admin;
mod deliver;
mod push;
mod subscription;
mod update;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

pub(super) use self::push::push_all;
use self::subscription::Subscription;
use super::access;
use super::policy::{self, Policy};
use super::protocol::{ApiError, ApiRequest, Reply};
use super::run::page;
use super::state::Shared;

/// Where subscriptions point whose topic was deleted.
const DELETED: &str = "_deleted-topic_";

/// Everything of this service, by full names.
#[derive(Debug, Default)]
pub(super) struct State {
    topics: BTreeMap<String, Topic>,
    subscriptions: BTreeMap<String, Subscription>,
    /// Of the message that was published last.
    last_id: u64,
}

#[derive(Debug, Default)]
struct Topic {
    /// As its owner wants it.
    spec: Value,
    policy: Policy,
}

impl State {
    pub(super) fn leftovers(&self) -> Vec<String> {
        self.topics.keys().chain(self.subscriptions.keys()).cloned().collect()
    }

    pub(super) fn add_topic(&mut self, project: &str, id: &str, labels: &Value) -> String {
        let name = format!("projects/{project}/topics/{id}");
        let spec = json!({ "name": name, "labels": labels });
        self.topics.insert(name.clone(), Topic { spec, policy: Policy::default() });
        name
    }

    pub(super) fn add_subscription(&mut self, project: &str, id: &str, labels: &Value) -> String {
        let name = format!("projects/{project}/subscriptions/{id}");
        let spec = json!({ "name": name, "labels": labels, "topic": DELETED, "ackDeadlineSeconds": 10 });
        self.subscriptions.insert(name.clone(), Subscription::new(spec));
        name
    }

    pub(super) fn topic_policy(&self, name: &str) -> Option<&Policy> {
        self.topics.get(name).map(|it| &it.policy)
    }

    fn topic(&mut self, name: &str) -> Result<&mut Topic, ApiError> {
        self.topics.get_mut(name).ok_or_else(|| not_found(name))
    }

    fn subscription(&mut self, name: &str) -> Result<&mut Subscription, ApiError> {
        self.subscriptions.get_mut(name).ok_or_else(|| not_found(name))
    }
}

fn not_found(name: &str) -> ApiError {
    let id = name.rsplit('/').next().unwrap_or("");
    ApiError::not_found(format!("Resource not found (resource={id})."))
}

pub(super) async fn handle(emulator: &Shared, request: &ApiRequest) -> Result<Reply, ApiError> {
    // Google's own servers take nothing else, and its emulator says `Not Found`.
    let kind = request.header("content-type").unwrap_or("application/json");
    if !request.body.is_empty() && !kind.starts_with("application/json") {
        return Err(ApiError::unknown());
    }
    let route = &request.route;
    let topic = format!("projects/{}/topics/{}", route.project, route.name);
    let subscription = format!("projects/{}/subscriptions/{}", route.project, route.name);
    if route.action == "Pull" {
        return deliver::pull(emulator, request, &subscription).await;
    }
    let input = request.json()?;
    if let Some(account) = input.get("pushConfig").and_then(|it| it["oidcToken"]["serviceAccountEmail"].as_str()) {
        let caller = access::caller(emulator, request)?;
        let account = format!("projects/-/serviceAccounts/{account}");
        access::authorize(emulator, request, &caller, "iam.serviceaccounts.actAs", &account)?;
    }
    if route.action == "CreateSubscription" {
        let (caller, topic) = (access::caller(emulator, request)?, input.get("topic").and_then(Value::as_str));
        let topic = topic.unwrap_or_default();
        access::authorize(emulator, request, &caller, "pubsub.topics.attachSubscription", topic)?;
    }
    let now_ms = emulator.clock.now_ms();
    let mut state = emulator.state();
    if route.action == "Publish" {
        return deliver::publish(emulator, &mut state, &topic, &input);
    }
    let pubsub = &mut state.pubsub;
    let json = match route.action {
        "CreateTopic" => admin::create_topic(pubsub, topic, input)?,
        "GetTopic" => pubsub.topic(&topic)?.spec.clone(),
        "UpdateTopic" => update::topic(pubsub, &topic, &input)?,
        "DeleteTopic" => admin::delete_topic(pubsub, &topic)?,
        "ListTopics" => {
            let all: Vec<Value> = of(&pubsub.topics, &route.project).map(|it| it.spec.clone()).collect();
            return page(request, "topics", &all, 100, 1000);
        }
        "ListTopicSubscriptions" => {
            pubsub.topic(&topic)?;
            let of = pubsub.subscriptions.iter().filter(|(_, it)| it.topic() == topic);
            let all: Vec<Value> = of.map(|(name, _)| json!(name)).collect();
            return page(request, "subscriptions", &all, 100, 1000);
        }
        "CreateSubscription" => admin::create_subscription(pubsub, subscription, input)?,
        "GetSubscription" => pubsub.subscription(&subscription)?.shown(),
        "UpdateSubscription" => update::subscription(pubsub, &subscription, &input)?,
        "DeleteSubscription" => {
            pubsub.subscriptions.remove(&subscription).ok_or_else(|| not_found(&subscription))?;
            json!({})
        }
        "ListSubscriptions" => {
            let all: Vec<Value> = of(&pubsub.subscriptions, &route.project).map(Subscription::shown).collect();
            return page(request, "subscriptions", &all, 100, 1000);
        }
        "Acknowledge" => {
            pubsub.subscription(&subscription)?.acknowledge(&ids(&input)?, now_ms);
            json!({})
        }
        "ModifyAckDeadline" => {
            let seconds = input.get("ackDeadlineSeconds").and_then(Value::as_u64).unwrap_or(0);
            if seconds > 600 {
                return Err(ApiError::invalid(
                    "Invalid ack deadline given (deadline_seconds): must be between 0 and 600.",
                ));
            }
            pubsub.subscription(&subscription)?.extend(&ids(&input)?, seconds, now_ms);
            json!({})
        }
        "ModifyPushConfig" => {
            let config = input.get("pushConfig").cloned().unwrap_or_else(|| json!({}));
            pubsub.subscription(&subscription)?.spec["pushConfig"] = config;
            json!({})
        }
        "GetTopicPolicy" => pubsub.topic(&topic)?.policy.json(),
        "SetTopicPolicy" => set(&mut pubsub.topic(&topic)?.policy, &input)?,
        "GetSubscriptionPolicy" => pubsub.subscription(&subscription)?.policy.json(),
        "SetSubscriptionPolicy" => set(&mut pubsub.subscription(&subscription)?.policy, &input)?,
        "TestTopicPermissions" | "TestSubscriptionPermissions" => policy::test(&emulator.settings, &input),
        _ => return Err(ApiError::unknown()),
    };
    Ok(Reply::json(&json))
}

fn of<'a, T>(all: &'a BTreeMap<String, T>, project: &str) -> impl Iterator<Item = &'a T> {
    let prefix = format!("projects/{project}/");
    all.iter().filter(move |(name, _)| name.starts_with(&prefix)).map(|(_, it)| it)
}

fn set(policy: &mut Policy, input: &Map<String, Value>) -> Result<Value, ApiError> {
    policy.set(input.get("policy").unwrap_or(&Value::Null))?;
    Ok(policy.json())
}

fn ids(input: &Map<String, Value>) -> Result<Vec<String>, ApiError> {
    let ids = input.get("ackIds").and_then(Value::as_array).filter(|it| !it.is_empty());
    let ids = ids.ok_or_else(|| ApiError::invalid("You must specify at least one ack ID in the request."))?;
    Ok(ids.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}
