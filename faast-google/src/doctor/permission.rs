//! All permissions that are missing and all services that are not enabled, at once: the project itself is asked, which
//! everybody may do.

use std::collections::BTreeSet;

use faast_core::provider::Finding;
use reqwest::Method;
use serde_json::{Value, json};

use super::refused;
use crate::classify::control::{Cause, Refusal};
use crate::clients::Clients;
use crate::endpoint::Service;
use crate::permission::Wanted;

/// Permissions that one request may ask about.
const MOST: usize = 100;

/// Looks at everything that is wanted.
pub(super) async fn find(clients: &Clients, wanted: &Wanted) -> Vec<Finding> {
    let needs = wanted.needs();
    let actions: Vec<_> = needs.keys().copied().collect();
    let granted = match granted(clients, &actions).await {
        Ok(granted) => granted,
        Err(refusal) => return vec![unasked(&refusal)],
    };
    let mut findings: Vec<_> = needs
        .iter()
        .filter(|(action, _)| !granted.contains(**action))
        .map(|(action, spare)| {
            let text = format!("`{action}` is not allowed");
            let finding = if *spare {
                Finding::warning("permission", *action, text)
            } else {
                Finding::problem("permission", *action, text)
            };
            finding.with_hint("grant it in the project, with the role below for instance")
        })
        .collect();
    if findings.is_empty() {
        findings.push(Finding::good("permission", "all", format!("all {} permissions are there", needs.len())));
    }
    findings
}

fn unasked(refusal: &Refusal) -> Finding {
    match refusal.cause() {
        Cause::Gone => Finding::problem("project", "", refusal.to_string())
            .with_hint("check its id: `gcloud projects list` shows those that there are"),
        _ => refused("permission", "all", refusal),
    }
}

async fn granted(clients: &Clients, actions: &[&str]) -> Result<BTreeSet<String>, Refusal> {
    let path = format!("/v3/projects/{}:testIamPermissions", clients.project);
    let mut granted = BTreeSet::new();
    for some in actions.chunks(MOST) {
        let action = "resourcemanager.projects.get";
        let call = clients.rest.call(action, Method::POST, Service::ResourceManager, &path);
        let answer = call.json(&json!({ "permissions": some })).send_json().await?;
        let listed = answer.get("permissions").and_then(Value::as_array).cloned().unwrap_or_default();
        granted.extend(listed.iter().filter_map(Value::as_str).map(ToOwned::to_owned));
    }
    Ok(granted)
}

/// Looks at the services that have to be enabled.
pub(super) async fn find_apis(clients: &Clients, wanted: &Wanted) -> Vec<Finding> {
    let apis = wanted.apis();
    let path = format!("/v1/projects/{}/services:batchGet", clients.project);
    let mut call = clients.rest.call("serviceusage.services.get", Method::GET, Service::Usage, &path);
    for api in apis.keys() {
        call = call.query("names", format!("projects/{}/services/{api}", clients.project));
    }
    let answer = match call.send_json().await {
        Ok(answer) => answer,
        Err(refusal) => return vec![refused("service", "all", &refusal)],
    };
    let services = answer.get("services").and_then(Value::as_array).cloned().unwrap_or_default();
    let is_enabled = |api: &str| {
        let of = |service: &&Value| service.get("name").and_then(Value::as_str).is_some_and(|name| name.ends_with(api));
        services.iter().find(of).and_then(|service| service.get("state")?.as_str()) == Some("ENABLED")
    };
    let mut findings: Vec<_> = apis
        .iter()
        .filter(|(api, _)| !is_enabled(api))
        .map(|(api, spare)| {
            let text = format!("`{api}` is not enabled");
            let finding =
                if *spare { Finding::note("service", *api, text) } else { Finding::problem("service", *api, text) };
            finding.with_hint(format!("`gcloud services enable {api} --project {}`", clients.project))
        })
        .collect();
    if findings.is_empty() {
        findings.push(Finding::good("service", "all", format!("enabled: {}", join(apis.keys()))));
    }
    findings
}

fn join<'a>(apis: impl Iterator<Item = &'a &'static str>) -> String {
    apis.map(|api| api.trim_end_matches(".googleapis.com")).collect::<Vec<_>>().join(", ")
}
