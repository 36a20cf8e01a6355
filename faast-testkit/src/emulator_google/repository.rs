//! Artifact Registry's repositories and their packages. What is pushed to them is `registry`'s matter.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::operation;
use super::protocol::{ApiError, ApiRequest, Reply};
use super::run::{REGIONS, check_labels, page};
use super::state::{Shared, State as All};
use crate::emulator::clock::iso;

/// Everything of this service, by project, location and name.
#[derive(Debug, Default)]
pub(super) struct State {
    repositories: BTreeMap<(String, String, String), Value>,
}

type Key = (String, String, String);

impl State {
    pub(super) fn leftovers(&self) -> Vec<String> {
        self.repositories.keys().map(name).collect()
    }

    pub(super) fn add(&mut self, project: &str, location: &str, id: &str, labels: &Value, now_ms: u64) -> String {
        let key = (project.to_owned(), location.to_owned(), id.to_owned());
        let full = name(&key);
        self.repositories.insert(key.clone(), made(&key, &json!({ "labels": labels }), now_ms));
        full
    }
}

/// Whether a repository exists, wherever.
pub(super) fn exists(state: &All, project: &str, id: &str) -> bool {
    state.repositories.repositories.keys().any(|(of, _, it)| of == project && it == id)
}

fn name((project, location, id): &Key) -> String {
    format!("projects/{project}/locations/{location}/repositories/{id}")
}

fn made(key: &Key, input: &Value, now_ms: u64) -> Value {
    json!({
        "name": name(key),
        "format": "DOCKER",
        "mode": "STANDARD_REPOSITORY",
        "labels": input.get("labels").cloned().unwrap_or_else(|| json!({})),
        "description": input.get("description").cloned().unwrap_or_else(|| json!("")),
        "cleanupPolicies": input.get("cleanupPolicies").cloned().unwrap_or_else(|| json!({})),
        "createTime": format!("{}Z", iso(now_ms)),
        "updateTime": format!("{}Z", iso(now_ms)),
        "satisfiesPzi": true,
    })
}

pub(super) async fn handle(emulator: &Shared, request: &ApiRequest) -> Result<Reply, ApiError> {
    let route = &request.route;
    match route.action {
        "CreateRepository" => create(emulator, request),
        "GetRepository" => {
            let key = key(request);
            let state = emulator.state();
            let found = state.repositories.repositories.get(&key).ok_or_else(|| not_found(&key))?;
            Ok(Reply::json(found))
        }
        "ListRepositories" => {
            let state = emulator.state();
            let of = |key: &Key| key.0 == route.project && (key.1 == route.location || route.location == "-");
            let all: Vec<Value> =
                state.repositories.repositories.iter().filter(|(it, _)| of(it)).map(|(_, it)| it.clone()).collect();
            page(request, "repositories", &all, 100, 1000)
        }
        "ListLocations" => {
            let locations: Vec<Value> = REGIONS.iter().map(|(it, _)| json!({ "locationId": it })).collect();
            Ok(Reply::json(&json!({ "locations": locations })))
        }
        "UpdateRepository" => update(emulator, request),
        "DeleteRepository" => {
            let key = key(request);
            delete(emulator, request, move |state| {
                let gone = state.repositories.repositories.remove(&key);
                state.registry.forget(&key.0, &key.2);
                gone.map(drop).ok_or_else(|| not_found(&key))
            })
        }
        "ListPackages" => {
            let key = key(request);
            let state = emulator.state();
            let images = state.registry.images(&route.project, &route.name).into_iter();
            let all: Vec<Value> = images.map(|it| json!({ "name": format!("{}/packages/{it}", name(&key)) })).collect();
            page(request, "packages", &all, 100, 1000)
        }
        "DeletePackage" => {
            let (key, package) = (key(request), route.rest.clone());
            delete(emulator, request, move |state| {
                let is_gone = state.registry.forget_image(&key.0, &key.2, &package);
                if is_gone { Ok(()) } else { Err(ApiError::not_found("Requested entity was not found.")) }
            })
        }
        "GetOperation" => operation::handle(emulator, request).await,
        _ => Err(ApiError::unknown()),
    }
}

fn key(request: &ApiRequest) -> Key {
    let route = &request.route;
    (route.project.clone(), route.location.clone(), route.name.clone())
}

fn not_found(key: &Key) -> ApiError {
    ApiError::not_found(format!("Repository \"{}\" not found", name(key)))
}

fn create(emulator: &Shared, request: &ApiRequest) -> Result<Reply, ApiError> {
    let input = request.json()?;
    let id = request.query("repositoryId").unwrap_or("").to_owned();
    check(request, &id, &input)?;
    let mut key = key(request);
    key.2 = id;
    let now_ms = emulator.clock.now_ms();
    let parent = format!("projects/{}/locations/{}", key.0, key.1);
    let operation = {
        let mut state = emulator.state();
        if state.repositories.repositories.contains_key(&key) {
            return Err(ApiError::exists("the repository already exists"));
        }
        // Taken from now on, and there when the operation is done.
        state.repositories.repositories.insert(key.clone(), made(&key, &Value::Object(input), now_ms));
        state.operations.begin(&parent, metadata())
    };
    let (emulator, ended) = (Arc::clone(emulator), operation.clone());
    let delay = emulator.settings.operation_delay;
    let shown = emulator.state().operations.json(&operation)?;
    tokio::spawn(async move {
        tokio::time::sleep(delay).await;
        let mut state = emulator.state();
        let mut made = state.repositories.repositories.get(&key).cloned().unwrap_or_default();
        made["@type"] = json!("type.googleapis.com/google.devtools.artifactregistry.v1.Repository");
        state.operations.end(&ended, Ok(made));
    });
    Ok(Reply::json(&shown))
}

fn metadata() -> Value {
    json!({ "@type": "type.googleapis.com/google.devtools.artifactregistry.v1.OperationMetadata" })
}

fn check(request: &ApiRequest, id: &str, input: &Map<String, Value>) -> Result<(), ApiError> {
    let location = &request.route.location;
    if !REGIONS.iter().any(|(it, _)| it == location) {
        return Err(ApiError::invalid(format!("Location {location} is not found or access is unauthorized.")));
    }
    let is_good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let starts = id.bytes().next().is_some_and(|it| it.is_ascii_lowercase());
    if !starts || !id.bytes().all(is_good) || id.ends_with('-') || id.len() > 63 {
        let text = format!(
            "repository_id \"{id}\" is invalid: must start with a lowercase letter, contain lowercase letters, numbers \
             and hyphens, end with a letter or number, and have at most 63 characters"
        );
        return Err(ApiError::invalid(text));
    }
    match input.get("format") {
        Some(Value::String(format)) if format == "DOCKER" => {}
        Some(Value::Number(format)) if format.as_u64() == Some(1) => {}
        _ => return Err(ApiError::invalid("repository.format: only DOCKER is in this emulator")),
    }
    check_labels(input.get("labels"), "repository.labels")
}

/// Fields that can be changed.
const CHANGEABLE: [&str; 3] = ["labels", "description", "cleanupPolicies"];

/// Changes what the mask names, or all that is given; at once, without an operation.
fn update(emulator: &Shared, request: &ApiRequest) -> Result<Reply, ApiError> {
    let (key, input) = (key(request), request.json()?);
    let given = request.query("updateMask").filter(|it| !it.is_empty() && *it != "*");
    let fields: Vec<&str> = match given {
        Some(mask) => mask.split(',').collect(),
        None => CHANGEABLE.into_iter().filter(|field| input.contains_key(*field)).collect(),
    };
    if let Some(field) = fields.iter().find(|field| !CHANGEABLE.contains(field)) {
        return Err(ApiError::invalid(format!("update_mask: field \"{field}\" cannot be updated")));
    }
    check_labels(input.get("labels"), "repository.labels")?;
    let now_ms = emulator.clock.now_ms();
    let mut state = emulator.state();
    let repository = state.repositories.repositories.get_mut(&key).ok_or_else(|| not_found(&key))?;
    for field in fields {
        let none = if field == "description" { json!("") } else { json!({}) };
        repository[field] = input.get(field).cloned().unwrap_or(none);
    }
    repository["updateTime"] = json!(format!("{}Z", iso(now_ms)));
    Ok(Reply::json(repository))
}

/// Carries a deletion out as an operation. What is not there is refused at once.
fn delete(
    emulator: &Shared,
    request: &ApiRequest,
    remove: impl FnOnce(&mut All) -> Result<(), ApiError>,
) -> Result<Reply, ApiError> {
    let parent = format!("projects/{}/locations/{}", request.route.project, request.route.location);
    let mut state = emulator.state();
    remove(&mut state)?;
    let operation = state.operations.begin(&parent, metadata());
    let shown = state.operations.json(&operation)?;
    drop(state);
    let (emulator, delay) = (Arc::clone(emulator), emulator.settings.operation_delay);
    tokio::spawn(async move {
        tokio::time::sleep(delay).await;
        let empty = json!({ "@type": "type.googleapis.com/google.protobuf.Empty" });
        emulator.state().operations.end(&operation, Ok(empty));
    });
    Ok(Reply::json(&shown))
}
