//! A service and its revision: what is kept of them, and how both versions of the API show it.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::app::Fleet;
use super::super::image::Image;
use super::super::policy::Policy;
use super::super::{PROJECT_NUMBER, SERVICE_ACCOUNT};
use super::Key;
use super::validate::Template;
use crate::emulator::clock::iso;

/// What instances are made from.
#[derive(Debug)]
pub(in super::super) struct Revision {
    pub(in super::super) key: Key,
    pub(in super::super) name: String,
    pub(in super::super) template: Template,
    pub(in super::super) image: Arc<Image>,
}

impl Revision {
    /// The program and its arguments: those of the template, else of the image.
    pub(in super::super) fn command(&self) -> Vec<String> {
        let Template { command, arguments, .. } = &self.template;
        let program = if command.is_empty() { &self.image.entrypoint } else { command };
        // A command of its own leaves the image's arguments out.
        let usual = if command.is_empty() { self.image.arguments.as_slice() } else { &[] };
        let rest = if arguments.is_empty() { usual } else { arguments.as_slice() };
        program.iter().chain(rest).cloned().collect()
    }
}

/// Whether a service serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    Reconciling,
    Succeeded,
    Failed(String),
}

/// A service.
#[derive(Debug)]
pub(in super::super) struct Service {
    pub(super) key: Key,
    /// Of its address.
    pub(super) host: String,
    pub(in super::super) uri: String,
    /// As its owner wants it, with enums as names.
    pub(in super::super) spec: Value,
    pub(super) uid: String,
    pub(in super::super) created_ms: u64,
    pub(super) updated_ms: u64,
    pub(super) generation: u64,
    pub(super) condition: Condition,
    /// Of the revision that was made last.
    pub(super) revision_name: String,
    pub(in super::super) policy: Policy,
    /// When it was set.
    pub(in super::super) policy_ms: u64,
    /// The instances of the revision that serves.
    pub(in super::super) fleet: Option<Arc<Fleet>>,
}

impl Service {
    pub(super) fn end(&self) {
        if let Some(fleet) = &self.fleet {
            fleet.end();
        }
    }

    /// A revision of the next generation.
    pub(super) fn next_revision(&mut self) -> String {
        self.generation += 1;
        let letters: String = (0..3).map(|_| fastrand::lowercase()).collect();
        self.revision_name = format!("{}-{:05}-{letters}", self.key.2, self.generation);
        self.condition = Condition::Reconciling;
        self.revision_name.clone()
    }

    /// As version 2 shows it.
    pub(super) fn json(&self) -> Value {
        let Self { key, uri, .. } = self;
        let time = |ms| format!("{}Z", iso(ms));
        let mut json = self.spec.clone();
        let parent = super::name(key);
        let state = match &self.condition {
            Condition::Reconciling => "CONDITION_RECONCILING",
            Condition::Succeeded => "CONDITION_SUCCEEDED",
            Condition::Failed(_) => "CONDITION_FAILED",
        };
        let mut terminal = json!({ "type": "Ready", "state": state, "lastTransitionTime": time(self.updated_ms) });
        if let Condition::Failed(text) = &self.condition {
            terminal["message"] = json!(text);
        }
        json["name"] = json!(parent);
        json["uid"] = json!(self.uid);
        json["generation"] = json!(self.generation.to_string());
        json["createTime"] = json!(time(self.created_ms));
        json["updateTime"] = json!(time(self.updated_ms));
        json["creator"] = json!("developer@example.com");
        json["lastModifier"] = json!("developer@example.com");
        json["etag"] = json!(format!("\"{}-{}\"", self.uid, self.generation));
        json["latestCreatedRevision"] = json!(format!("{parent}/revisions/{}", self.revision_name));
        json["reconciling"] = json!(self.condition == Condition::Reconciling);
        json["conditions"] = json!([]);
        json["terminalCondition"] = terminal;
        default(&mut json, "ingress", json!("INGRESS_TRAFFIC_ALL"));
        default(&mut json, "launchStage", json!("GA"));
        let latest = json!([{ "type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100 }]);
        default(&mut json, "traffic", latest.clone());
        default(&mut json["template"], "serviceAccount", json!(SERVICE_ACCOUNT));
        if let Some(fleet) = &self.fleet {
            json["latestReadyRevision"] = json!(format!("{parent}/revisions/{}", fleet.revision().name));
            json["trafficStatuses"] = latest;
            json["observedGeneration"] = json!(self.generation.to_string());
            json["uri"] = json!(uri);
            json["urls"] = json!([uri]);
        }
        json
    }

    /// As version 1 shows it, in lists.
    pub(super) fn v1(&self) -> Value {
        let (project, region, id) = &self.key;
        let mut labels = self.spec.get("labels").cloned().unwrap_or_else(|| json!({}));
        labels["cloud.googleapis.com/location"] = json!(region);
        let is_ready = match self.condition {
            Condition::Succeeded => "True",
            Condition::Failed(_) => "False",
            Condition::Reconciling => "Unknown",
        };
        json!({
            "apiVersion": "serving.knative.dev/v1",
            "kind": "Service",
            "metadata": {
                "name": id,
                "namespace": PROJECT_NUMBER,
                "selfLink": format!("/apis/serving.knative.dev/v1/namespaces/{PROJECT_NUMBER}/services/{id}"),
                "uid": self.uid,
                "resourceVersion": format!("AAY{:08x}", self.generation),
                "generation": self.generation,
                "creationTimestamp": format!("{}Z", iso(self.created_ms)),
                "labels": labels,
                "annotations": { "serving.knative.dev/creator": "developer@example.com", "run.googleapis.com/project": project },
            },
            "spec": { "traffic": [{ "percent": 100, "latestRevision": true }] },
            "status": {
                "observedGeneration": self.generation,
                "conditions": [{ "type": "Ready", "status": is_ready }],
                "latestCreatedRevisionName": self.revision_name,
                "url": self.uri,
                "address": { "url": self.uri },
            },
        })
    }
}

fn default(json: &mut Value, field: &str, value: Value) {
    if json.get(field).is_none_or(|it| it.is_null() || *it == json!("")) {
        json[field] = value;
    }
}
