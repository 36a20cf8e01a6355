//! Cloud Run's admin API: services, their operations and policies. Which operation a request means was decided by its
//! path; each has its file. What runs for a service is `app`'s matter.

mod change;
mod deploy;
mod enumeration;
mod list;
mod service;
mod validate;

use std::collections::BTreeMap;

use serde_json::{Value, json};

pub(super) use self::deploy::add;
pub(super) use self::enumeration::shown;
pub(super) use self::list::page;
pub(super) use self::service::{Revision, Service};
pub(super) use self::validate::check_labels;
use super::operation;
use super::policy;
use super::protocol::{ApiError, ApiRequest, Reply};
use super::state::Shared;
use crate::emulator::limit::Bucket;

/// Regions, with the code that they have in addresses of services.
pub(super) const REGIONS: [(&str, &str); 14] = [
    ("asia-east1", "de"),
    ("asia-northeast1", "an"),
    ("asia-south1", "el"),
    ("asia-southeast1", "as"),
    ("australia-southeast1", "ts"),
    ("europe-north1", "lz"),
    ("europe-west1", "ew"),
    ("europe-west3", "ey"),
    ("europe-west4", "ez"),
    ("southamerica-east1", "rj"),
    ("us-central1", "uc"),
    ("us-east1", "ue"),
    ("us-east4", "uk"),
    ("us-west1", "uw"),
];

/// A service's project, region and name.
pub(super) type Key = (String, String, String);

/// Everything of this service.
#[derive(Debug, Default)]
pub(super) struct State {
    services: BTreeMap<Key, Service>,
    /// Requests that write, by project and region.
    writes: BTreeMap<(String, String), Bucket>,
}

impl State {
    pub(super) fn leftovers(&self) -> Vec<String> {
        self.services.keys().map(name).collect()
    }

    /// Ends all instances.
    pub(super) fn end(&self) {
        self.services.values().for_each(Service::end);
    }

    /// The service that answers under a host.
    pub(super) fn at(&self, host: &str) -> Option<&Service> {
        self.services.values().find(|it| it.host == host)
    }

    fn get(&self, key: &Key) -> Result<&Service, ApiError> {
        self.services.get(key).ok_or_else(|| not_found(key))
    }

    fn get_mut(&mut self, key: &Key) -> Result<&mut Service, ApiError> {
        self.services.get_mut(key).ok_or_else(|| not_found(key))
    }

    /// Counts a request that writes, and refuses one too many.
    fn write(&mut self, key: &Key, quota: u32, now_ms: u64) -> Result<(), ApiError> {
        let new = || Bucket::new(f64::from(quota) / 60.0, quota);
        let bucket = self.writes.entry((key.0.clone(), key.1.clone())).or_insert_with(new);
        if bucket.take(now_ms) {
            return Ok(());
        }
        let text = format!(
            "Quota exceeded for quota metric 'Write requests' and limit 'Write requests per minute per region' of service \
             'run.googleapis.com' for consumer 'project_number:{}'.",
            super::PROJECT_NUMBER
        );
        let metadata = json!({
            "service": "run.googleapis.com",
            "quota_metric": "run.googleapis.com/admin_write_requests",
            "quota_limit": "WriteRequestsPerMinutePerRegion",
            "quota_limit_value": quota.to_string(),
            "quota_location": key.1,
            "consumer": format!("projects/{}", super::PROJECT_NUMBER),
        });
        let error = ApiError::new(429, "RESOURCE_EXHAUSTED", text);
        Err(error.info("RATE_LIMIT_EXCEEDED", "googleapis.com", &metadata))
    }
}

/// The full name of a service.
fn name((project, region, id): &Key) -> String {
    format!("projects/{project}/locations/{region}/services/{id}")
}

fn key(request: &ApiRequest) -> Key {
    let route = &request.route;
    (route.project.clone(), route.location.clone(), route.name.clone())
}

fn not_found((project, region, id): &Key) -> ApiError {
    ApiError::not_found(format!(
        "Resource '{id}' of kind 'SERVICE' in region '{region}' in project '{project}' does not exist."
    ))
}

pub(super) async fn handle(emulator: &Shared, request: &ApiRequest) -> Result<Reply, ApiError> {
    let reply = |json: &Value| Ok(Reply::json(&shown(json, request)));
    match request.route.action {
        "CreateService" => reply(&deploy::create(emulator, request)?),
        "UpdateService" => reply(&change::update(emulator, request)?),
        "DeleteService" => reply(&change::delete(emulator, request)?),
        "GetService" => reply(&emulator.state().run.get(&key(request))?.json()),
        "ListServices" if request.route.rest == "v1" => list::by_label(emulator, request),
        "ListServices" => list::in_region(emulator, request),
        "ListLocations" => {
            let locations: Vec<Value> = REGIONS.iter().map(|(it, _)| json!({ "locationId": it })).collect();
            reply(&json!({ "locations": locations }))
        }
        "SetIamPolicy" => {
            let input = request.json()?;
            let now_ms = emulator.clock.now_ms();
            let mut state = emulator.state();
            state.run.write(&key(request), emulator.settings.write_quota, now_ms)?;
            let service = state.run.get_mut(&key(request))?;
            service.policy.set(input.get("policy").unwrap_or(&Value::Null))?;
            service.policy_ms = now_ms;
            reply(&service.policy.json())
        }
        "GetIamPolicy" => reply(&emulator.state().run.get(&key(request))?.policy.json()),
        "TestIamPermissions" => {
            emulator.state().run.get(&key(request))?;
            reply(&policy::test(&emulator.settings, &request.json()?))
        }
        "GetOperation" | "WaitOperation" => operation::handle(emulator, request).await,
        _ => Err(ApiError::unknown()),
    }
}
