//! `services.create`: everything is checked at once; the image is imported and an instance started in an operation.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::app::Fleet;
use super::super::policy::Policy;
use super::super::protocol::{ApiError, ApiRequest};
use super::super::state::Shared;
use super::super::{SERVICE_ACCOUNT, access};
use super::enumeration::named;
use super::service::Condition;
use super::validate::{self, Template};
use super::{Key, REGIONS, Revision, Service, key, name};
use crate::emulator::web::new_id;

/// The type of what operations are about.
const SERVICE_TYPE: &str = "type.googleapis.com/google.cloud.run.v2.Service";

pub(super) fn create(emulator: &Shared, request: &ApiRequest) -> Result<Value, ApiError> {
    let spec = named(&Value::Object(request.json()?));
    let mut key = key(request);
    request.query("serviceId").unwrap_or("").clone_into(&mut key.2);
    region_code(&key.1)
        .ok_or_else(|| ApiError::invalid(format!("Location {} is not found or access is unauthorized.", key.1)))?;
    validate::service_id(&key.2)?;
    let template = validate::service(&spec, emulator.settings.cpu_quota, &emulator.endpoint)?;
    in_the_callers_name(emulator, request, &spec, &template)?;
    let now_ms = emulator.clock.now_ms();
    let mut state = emulator.state();
    if state.run.services.contains_key(&key) {
        return Err(ApiError::exists(format!("Resource '{}' already exists.", key.2)));
    }
    let mut service = new(&emulator.endpoint, key.clone(), spec, now_ms);
    let revision = service.next_revision();
    if request.flag("validateOnly") {
        return Ok(json!({ "name": "", "done": true, "response": typed(service.json()) }));
    }
    state.run.write(&key, emulator.settings.write_quota, now_ms)?;
    let metadata = typed(service.json());
    state.run.services.insert(key.clone(), service);
    let operation = state.operations.begin(&format!("projects/{}/locations/{}", key.0, key.1), metadata);
    let shown = state.operations.json(&operation);
    drop(state);
    tokio::spawn(roll_out(Arc::clone(emulator), key, revision, template, operation));
    shown
}

/// A service that somebody else might have made, without a request and without an instance; gives its name.
pub(in super::super) fn add(emulator: &Shared, key: &Key, labels: &Value) -> String {
    let now_ms = emulator.clock.now_ms();
    let mut service = new(&emulator.endpoint, key.clone(), json!({ "labels": labels, "template": {} }), now_ms);
    service.next_revision();
    service.condition = Condition::Succeeded;
    emulator.state().run.services.insert(key.clone(), service);
    name(key)
}

fn new(endpoint: &str, key: Key, spec: Value, now_ms: u64) -> Service {
    // Different for projects and regions, and the same whenever it is made.
    let hash = key
        .0
        .bytes()
        .chain(key.1.bytes())
        .fold(7_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte)));
    let host = format!("{}-{hash:08x}-{}", key.2, region_code(&key.1).unwrap_or("xx"));
    Service {
        uri: format!("{endpoint}/a.run.app/{host}"),
        host,
        spec,
        uid: new_id(),
        created_ms: now_ms,
        updated_ms: now_ms,
        generation: 0,
        condition: Condition::Reconciling,
        revision_name: String::new(),
        policy: Policy::default(),
        policy_ms: 0,
        fleet: None,
        key,
    }
}

fn region_code(region: &str) -> Option<&'static str> {
    REGIONS.iter().find(|(it, _)| *it == region).map(|(_, code)| *code)
}

pub(super) fn typed(mut service: Value) -> Value {
    service["@type"] = json!(SERVICE_TYPE);
    service
}

/// What a caller may only do with permissions besides that of the operation.
pub(super) fn in_the_callers_name(
    emulator: &Shared,
    request: &ApiRequest,
    spec: &Value,
    template: &Template,
) -> Result<(), ApiError> {
    let caller = access::caller(emulator, request)?;
    let account = template.service_account.as_deref().unwrap_or(SERVICE_ACCOUNT);
    let account = format!("projects/-/serviceAccounts/{account}");
    access::authorize(emulator, request, &caller, "iam.serviceaccounts.actAs", &account)?;
    let project = format!("projects/{}", request.route.project);
    access::authorize(emulator, request, &caller, "artifactregistry.repositories.downloadArtifacts", &project)?;
    if spec["invokerIamDisabled"] == true {
        let service = request.route.resource();
        access::authorize(emulator, request, &caller, "run.services.setIamPolicy", &service)?;
    }
    let interfaces = spec["template"]["vpcAccess"]["networkInterfaces"].as_array();
    for _ in interfaces.into_iter().flatten() {
        for permission in ["compute.networks.get", "compute.subnetworks.get", "compute.subnetworks.use"] {
            access::authorize(emulator, request, &caller, permission, &project)?;
        }
    }
    Ok(())
}

/// Makes a revision of a service and has it serve, if an instance of it comes up.
pub(super) async fn roll_out(emulator: Shared, key: Key, revision: String, template: Template, operation: String) {
    tokio::time::sleep(emulator.settings.operation_delay).await;
    let result = ready(&emulator, &key, &revision, template).await;
    let now_ms = emulator.clock.now_ms();
    let mut state = emulator.state();
    // It may be deleted by now, or have a newer revision.
    let service = state.run.services.get_mut(&key).filter(|it| it.revision_name == revision);
    let Some(service) = service else {
        if let Ok(fleet) = result {
            fleet.end();
        }
        let text = format!("Revision '{revision}' was superseded or deleted while it was created.");
        return state.operations.end(&operation, Err(ApiError::new(409, "ABORTED", text)));
    };
    service.updated_ms = now_ms;
    let result = match result {
        Ok(fleet) => {
            service.end();
            service.fleet = Some(fleet);
            service.condition = Condition::Succeeded;
            Ok(typed(service.json()))
        }
        Err(error) => {
            let message = error.rpc()["message"].as_str().unwrap_or_default().to_owned();
            service.condition = Condition::Failed(message);
            Err(error)
        }
    };
    state.operations.end(&operation, result);
}

/// The instances of a new revision, one of which has come up.
async fn ready(emulator: &Shared, key: &Key, revision: &str, template: Template) -> Result<Arc<Fleet>, ApiError> {
    let pushed = emulator.state().registry.image(&template.image);
    let pushed = pushed.ok_or_else(|| {
        let text = format!(
            "Revision '{revision}' is not ready and cannot serve traffic. Image '{}' not found.",
            template.image
        );
        ApiError::not_found(text)
    })?;
    let importing = Arc::clone(emulator);
    let image = tokio::task::spawn_blocking(move || importing.images.import(&pushed)).await;
    let image = image.map_err(|_| ApiError::new(500, "INTERNAL", "Internal error while importing the image."))??;
    let revision = Revision { key: key.clone(), name: revision.to_owned(), template, image };
    let fleet = Fleet::new(Arc::new(revision));
    match fleet.come_up(emulator).await {
        Ok(()) => Ok(fleet),
        Err(_) => Err(unhealthy(fleet.revision())),
    }
}

/// What everything is called that keeps a container from listening.
fn unhealthy(revision: &Revision) -> ApiError {
    let (project, _, service) = &revision.key;
    let name = &revision.name;
    ApiError::new(
        400,
        "FAILED_PRECONDITION",
        format!(
            "Revision '{name}' is not ready and cannot serve traffic. The user-provided container failed to start and listen \
             on the port defined provided by the PORT=8080 environment variable within the allocated timeout. This can happen \
             when the container port is misconfigured or if the timeout is too short. The health check timeout can be \
             extended. Logs for this revision might contain more information.\n\nLogs URL: \
             https://console.cloud.google.com/logs/viewer?project={project}&resource=cloud_run_revision/service_name/\
             {service}/revision_name/{name}&advancedFilter=resource.type%3D%22cloud_run_revision%22%0A\
             resource.labels.service_name%3D%22{service}%22%0Aresource.labels.revision_name%3D%22{name}%22\nFor more \
             troubleshooting guidance, see https://cloud.google.com/run/docs/troubleshooting#container-failed-to-start"
        ),
    )
}
