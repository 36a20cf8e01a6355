//! The project's number, and the service accounts that are named by it.

use reqwest::Method;
use serde_json::Value;

use crate::classify::control::Refusal;
use crate::clients::Clients;
use crate::endpoint::Service;

const GET: &str = "resourcemanager.projects.get";

/// The project's number.
pub(crate) async fn number(clients: &Clients) -> Result<String, Refusal> {
    let path = format!("/v3/projects/{}", clients.project);
    let found = clients.rest.call(GET, Method::GET, Service::ResourceManager, &path).send_json().await?;
    let name = found.get("name").and_then(Value::as_str).and_then(|name| name.strip_prefix("projects/"));
    name.map(ToOwned::to_owned).ok_or_else(|| Refusal::unreadable(GET, "it has no number"))
}

/// Compute Engine's account, which workers run as where none is named.
pub(crate) fn default_account(number: &str) -> String {
    format!("{number}-compute@developer.gserviceaccount.com")
}

/// The account by which Pub/Sub itself acts in the project.
pub(crate) fn pubsub_agent(number: &str) -> String {
    format!("service-{number}@gcp-sa-pubsub.iam.gserviceaccount.com")
}

/// An account as policies name it.
pub(crate) fn member(email: &str) -> String {
    let kind = if email.ends_with("gserviceaccount.com") { "serviceAccount" } else { "user" };
    format!("{kind}:{email}")
}
