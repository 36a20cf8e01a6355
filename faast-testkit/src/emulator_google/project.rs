//! The project itself: its number, what callers may do in it, and the APIs that are enabled.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::protocol::{ApiError, ApiRequest, Reply};
use super::state::Shared;
use super::{PROJECT_NUMBER, policy};

/// Everything of these services.
#[derive(Debug, Default)]
pub(super) struct State {
    disabled: BTreeSet<String>,
}

/// The APIs that are here.
const APIS: [&str; 8] = [
    "artifactregistry.googleapis.com",
    "cloudbilling.googleapis.com",
    "cloudresourcemanager.googleapis.com",
    "logging.googleapis.com",
    "pubsub.googleapis.com",
    "run.googleapis.com",
    "serviceusage.googleapis.com",
    "storage.googleapis.com",
];

impl State {
    pub(super) fn new(disabled: &[String]) -> Self {
        Self { disabled: disabled.iter().cloned().collect() }
    }

    pub(super) fn is_enabled(&self, api: &str) -> bool {
        !self.disabled.contains(api)
    }

    fn json(&self, api: &str) -> Value {
        let state = if self.is_enabled(api) { "ENABLED" } else { "DISABLED" };
        let name = format!("projects/{PROJECT_NUMBER}/services/{api}");
        json!({ "name": name, "config": { "name": api }, "state": state, "parent": format!("projects/{PROJECT_NUMBER}") })
    }
}

pub(super) fn handle(emulator: &Shared, request: &ApiRequest) -> Result<Reply, ApiError> {
    let route = &request.route;
    let mut state = emulator.state();
    let project = &mut state.project;
    let json = match route.action {
        "GetProject" if route.rest == "v1" => json!({
            "projectNumber": PROJECT_NUMBER,
            "projectId": route.project,
            "lifecycleState": "ACTIVE",
            "name": route.project,
        }),
        "GetProject" => json!({
            "name": format!("projects/{PROJECT_NUMBER}"),
            "projectId": route.project,
            "state": "ACTIVE",
            "displayName": route.project,
        }),
        "TestIamPermissions" => policy::test(&emulator.settings, &request.json()?),
        "GetIamPolicy" => policy::Policy::default().json(),
        "BatchEnableServices" => {
            let input = request.json()?;
            let wanted = input.get("serviceIds").and_then(Value::as_array).into_iter().flatten();
            let wanted: Vec<&str> = wanted.filter_map(Value::as_str).collect();
            project.disabled.retain(|api| !wanted.contains(&api.as_str()));
            let services: Vec<Value> = wanted.iter().map(|api| project.json(api)).collect();
            json!({ "name": "operations/acat.p2-enable", "done": true, "response": { "services": services } })
        }
        "EnableService" => {
            project.disabled.remove(&route.name);
            let service = project.json(&route.name);
            json!({ "name": "operations/acat.p2-enable", "done": true, "response": { "service": service } })
        }
        "GetService" => project.json(&route.name),
        "BatchGetServices" => {
            let names = request.query.iter().filter(|(name, _)| name == "names");
            let apis = names.map(|(_, value)| value.rsplit('/').next().unwrap_or(""));
            json!({ "services": apis.map(|api| project.json(api)).collect::<Vec<_>>() })
        }
        "ListServices" => {
            let all = APIS.iter().map(|api| project.json(api));
            let shown = all.filter(|it| match request.query("filter") {
                Some("state:ENABLED") => it["state"] == "ENABLED",
                Some("state:DISABLED") => it["state"] == "DISABLED",
                _ => true,
            });
            json!({ "services": shown.collect::<Vec<_>>() })
        }
        _ => return Err(ApiError::unknown()),
    };
    Ok(Reply::json(&json))
}
