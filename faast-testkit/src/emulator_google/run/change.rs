//! `services.patch` and `services.delete`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::protocol::{ApiError, ApiRequest};
use super::super::state::Shared;
use super::deploy::{in_the_callers_name, roll_out, typed};
use super::enumeration::named;
use super::{key, not_found, validate};
use crate::emulator::clock::iso;

/// Fields that only the service itself sets.
const OUTPUTS: [&str; 20] = [
    "name",
    "uid",
    "generation",
    "createTime",
    "updateTime",
    "deleteTime",
    "expireTime",
    "creator",
    "lastModifier",
    "etag",
    "latestCreatedRevision",
    "latestReadyRevision",
    "reconciling",
    "conditions",
    "terminalCondition",
    "trafficStatuses",
    "observedGeneration",
    "uri",
    "urls",
    "satisfiesPzs",
];

pub(super) fn update(emulator: &Shared, request: &ApiRequest) -> Result<Value, ApiError> {
    let input = named(&Value::Object(request.json()?));
    let key = key(request);
    let mut spec = match request.query("updateMask").filter(|it| !it.is_empty() && *it != "*") {
        None => input,
        Some(mask) => {
            let mut spec = emulator.state().run.get(&key)?.spec.clone();
            mask.split(',').for_each(|path| copy(&input, &mut spec, path));
            spec
        }
    };
    if let Some(fields) = spec.as_object_mut() {
        fields.retain(|field, _| !OUTPUTS.contains(&field.as_str()));
    }
    let template = validate::service(&spec, emulator.settings.cpu_quota, &emulator.endpoint)?;
    in_the_callers_name(emulator, request, &spec, &template)?;
    let now_ms = emulator.clock.now_ms();
    let mut state = emulator.state();
    state.run.get(&key)?;
    if request.flag("validateOnly") {
        return Ok(json!({ "name": "", "done": true, "response": typed(spec) }));
    }
    state.run.write(&key, emulator.settings.write_quota, now_ms)?;
    let service = state.run.get_mut(&key)?;
    (service.spec, service.updated_ms) = (spec, now_ms);
    let revision = service.next_revision();
    let metadata = typed(service.json());
    let operation = state.operations.begin(&format!("projects/{}/locations/{}", key.0, key.1), metadata);
    let shown = state.operations.json(&operation);
    drop(state);
    tokio::spawn(roll_out(Arc::clone(emulator), key, revision, template, operation));
    shown
}

/// Copies what is at a path: `template.timeout`, or `template.max_instance_request_concurrency`.
fn copy(from: &Value, to: &mut Value, path: &str) {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let field = camel(first);
    match rest {
        Some(rest) => copy(&from[&field], &mut to[&field], rest),
        None => to[&field] = from[&field].clone(),
    }
}

fn camel(field: &str) -> String {
    let mut parts = field.split('_');
    let mut camel = parts.next().unwrap_or("").to_owned();
    for part in parts {
        let (head, tail) = part.split_at(part.len().min(1));
        camel.extend([&head.to_ascii_uppercase(), tail]);
    }
    camel
}

pub(super) fn delete(emulator: &Shared, request: &ApiRequest) -> Result<Value, ApiError> {
    let key = key(request);
    let now_ms = emulator.clock.now_ms();
    let mut state = emulator.state();
    state.run.get(&key)?;
    if request.flag("validateOnly") {
        return Ok(json!({ "name": "", "done": true }));
    }
    state.run.write(&key, emulator.settings.write_quota, now_ms)?;
    let service = state.run.services.remove(&key).ok_or_else(|| not_found(&key))?;
    service.end();
    let mut gone = typed(service.json());
    gone["deleteTime"] = json!(format!("{}Z", iso(now_ms)));
    let operation = state.operations.begin(&format!("projects/{}/locations/{}", key.0, key.1), gone.clone());
    let shown = state.operations.json(&operation);
    drop(state);
    let emulator = Arc::clone(emulator);
    tokio::spawn(async move {
        tokio::time::sleep(emulator.settings.operation_delay).await;
        emulator.state().operations.end(&operation, Ok(gone));
    });
    shown
}
