//! Topics and subscriptions of queue mode: where requests go to the service, and answers come back.
//!
//! Requests are pushed to the service by their subscription; answers are pulled by the client. Each subscription ends by
//! itself a day after its last use, so that even what nobody cleans up does not hold messages for ever.

use std::time::SystemTime;

use reqwest::Method;
use serde_json::{Value, json};

use crate::classify::control::{Cause, Refusal};
use crate::clients::Clients;
use crate::deploy::Accounts;
use crate::endpoint::Service;
use crate::estate::{Estate, Stop};
use crate::resource::Kind;
use crate::{label, project};

/// The longest that Pub/Sub waits for the service's answer to a request.
const MOST_ACK_SECONDS: u32 = 600;

/// Makes both topics, and the subscription that answers are pulled from; workers and Pub/Sub itself may publish answers.
pub(crate) async fn make(estate: &Estate, accounts: &Accounts) -> Result<(), Stop> {
    let (requests, responses) =
        tokio::join!(make_topic(estate, Kind::RequestTopic), make_topic(estate, Kind::ResponseTopic));
    requests?;
    responses?;
    let subscription = json!({
        "topic": name(&estate.clients, Kind::ResponseTopic, &estate.name),
        "ackDeadlineSeconds": 60,
        "messageRetentionDuration": "86400s",
        "expirationPolicy": { "ttl": "86400s" },
        "labels": label::json(&estate.labels),
    });
    let members = [accounts.worker.as_str(), accounts.agent.as_str()];
    let (subscribed, allowed) = tokio::join!(
        make_subscription(estate, Kind::ResponseSubscription, &subscription),
        allow(estate, Kind::ResponseTopic, "roles/pubsub.publisher", &members)
    );
    subscribed?;
    allowed.map_err(Stop::from)
}

async fn allow(estate: &Estate, kind: Kind, role: &str, emails: &[&str]) -> Result<(), Refusal> {
    let action = if is_topic(kind) { "pubsub.topics.setIamPolicy" } else { "pubsub.subscriptions.setIamPolicy" };
    let members: Vec<_> = emails.iter().map(|email| project::member(email)).collect();
    let body = json!({ "policy": { "bindings": [{ "role": role, "members": members }] } });
    let path = format!("{}:setIamPolicy", path(&estate.clients, kind, &estate.name));
    estate.clients.rest.call(action, Method::POST, Service::PubSub, &path).json(&body).send().await.map(drop)
}

/// Pushes requests to the service that is ready now. A request that the service does not take five times goes to the
/// answers as it is, which ends its call. `account` is the service account whose token Pub/Sub brings; without one, each
/// request has the deployment's secret among its attributes.
pub(crate) async fn lead(estate: &Estate, uri: &str, account: Option<&str>, accounts: &Accounts) -> Result<(), Stop> {
    let mut push = json!({ "pushEndpoint": format!("{uri}/queue") });
    if let Some(email) = account {
        push["oidcToken"] = json!({ "serviceAccountEmail": email, "audience": uri });
    }
    let subscription = json!({
        "topic": name(&estate.clients, Kind::RequestTopic, &estate.name),
        "ackDeadlineSeconds": MOST_ACK_SECONDS,
        "messageRetentionDuration": "86400s",
        "expirationPolicy": { "ttl": "86400s" },
        "retryPolicy": { "minimumBackoff": "1s", "maximumBackoff": "60s" },
        "deadLetterPolicy": {
            "deadLetterTopic": name(&estate.clients, Kind::ResponseTopic, &estate.name),
            "maxDeliveryAttempts": 5,
        },
        "pushConfig": push,
        "labels": label::json(&estate.labels),
    });
    make_subscription(estate, Kind::RequestSubscription, &subscription).await?;
    // Without it, nothing is ever forwarded.
    allow(estate, Kind::RequestSubscription, "roles/pubsub.subscriber", &[&accounts.agent]).await.map_err(Stop::from)
}

async fn make_topic(estate: &Estate, kind: Kind) -> Result<(), Stop> {
    put(estate, kind, "pubsub.topics.create", &json!({ "labels": label::json(&estate.labels) })).await
}

async fn make_subscription(estate: &Estate, kind: Kind, body: &Value) -> Result<(), Stop> {
    put(estate, kind, "pubsub.subscriptions.create", body).await
}

async fn put(estate: &Estate, kind: Kind, action: &'static str, body: &Value) -> Result<(), Stop> {
    estate.go_on()?;
    estate.intend(kind);
    let path = path(&estate.clients, kind, &estate.name);
    let made = estate.clients.rest.call(action, Method::PUT, Service::PubSub, &path).json(body).send().await;
    match made {
        Ok(_) => Ok(()),
        // By an attempt of ours whose answer was lost, or by somebody else.
        Err(refusal) if refusal.cause() == Cause::Exists => {
            let found = get(&estate.clients, kind, &estate.name).await?;
            if label::belongs_to(&estate.id, label::pairs(&found)) {
                return Ok(());
            }
            estate.gone(kind);
            Err(refusal.into())
        }
        Err(refusal) => Err(estate.refused(kind, refusal).into()),
    }
}

/// The topic or subscription as it is now.
pub(crate) async fn get(clients: &Clients, kind: Kind, called: &str) -> Result<Value, Refusal> {
    let action = if is_topic(kind) { "pubsub.topics.get" } else { "pubsub.subscriptions.get" };
    clients.rest.call(action, Method::GET, Service::PubSub, &path(clients, kind, called)).send_json().await
}

/// Deletes the topic or subscription.
pub(crate) async fn delete(clients: &Clients, kind: Kind, called: &str) -> Result<(), Refusal> {
    let action = if is_topic(kind) { "pubsub.topics.delete" } else { "pubsub.subscriptions.delete" };
    clients.rest.call(action, Method::DELETE, Service::PubSub, &path(clients, kind, called)).send().await.map(drop)
}

/// Moves the time of expiry of what there is.
pub(crate) async fn renew(estate: &Estate, until: SystemTime) -> Result<(), Refusal> {
    let labels = label::json(&estate.labels.expiring(until));
    for kind in Kind::ALL.into_iter().filter(|kind| !kind.is_regional() && estate.has(*kind)) {
        let (action, field) = if is_topic(kind) {
            ("pubsub.topics.update", "topic")
        } else {
            ("pubsub.subscriptions.update", "subscription")
        };
        let resource = json!({ "name": name(&estate.clients, kind, &estate.name), "labels": labels });
        let body = json!({ field: resource, "updateMask": "labels" });
        let path = path(&estate.clients, kind, &estate.name);
        estate.clients.rest.call(action, Method::PATCH, Service::PubSub, &path).json(&body).send().await?;
    }
    Ok(())
}

fn is_topic(kind: Kind) -> bool {
    matches!(kind, Kind::RequestTopic | Kind::ResponseTopic)
}

/// The name in Pub/Sub's API.
pub(crate) fn name(clients: &Clients, kind: Kind, called: &str) -> String {
    let collection = if is_topic(kind) { "topics" } else { "subscriptions" };
    format!("projects/{}/{collection}/{}", clients.project, kind.id(called))
}

fn path(clients: &Clients, kind: Kind, called: &str) -> String {
    format!("/v1/{}", name(clients, kind, called))
}
