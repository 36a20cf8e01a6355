//! Who may: tokens of callers, APIs that are enabled, and permissions that were taken away.
//!
//! Callers own the project, as far as [`without_permission`](super::GoogleEmulatorBuilder::without_permission) leaves it
//! to them. Only who may invoke a service is a matter of that service's policy, and is decided in `app`.

use serde_json::{Value, json};

use super::builder::{Identity, RuntimeAccount};
use super::protocol::{ApiError, ApiRequest};
use super::route::Service;
use super::state::Shared;
use super::{PROJECT_NUMBER, SERVICE_ACCOUNT};
use crate::emulator::call::Permission;

/// What it takes to have a project pay for a request.
const USE: &str = "serviceusage.services.use";

/// Lets a request to an API go on, or says why not.
pub(super) fn check(emulator: &Shared, request: &ApiRequest) -> Result<(), ApiError> {
    let Some((api, title)) = request.route.service.api() else { return Ok(()) };
    let caller = caller(emulator, request)?;
    if request.route.service != Service::Usage && !emulator.state().project.is_enabled(api) {
        return Err(disabled(request, api, title));
    }
    if let Some(project) = request.header("x-goog-user-project") {
        authorize(emulator, request, &caller, USE, &format!("projects/{project}"))?;
    }
    match request.route.permission {
        Some(permission) => authorize(emulator, request, &caller, permission, &request.route.resource()),
        None => Ok(()),
    }
}

/// Refuses a caller who does not have a permission.
pub(super) fn authorize(
    emulator: &Shared,
    request: &ApiRequest,
    caller: &str,
    permission: &str,
    resource: &str,
) -> Result<(), ApiError> {
    let granted = emulator.settings.may(permission) && runtime_may(emulator, request, caller);
    emulator.calls.asked(Permission {
        caller: caller.into(),
        action: permission.into(),
        resource: resource.into(),
        granted,
    });
    if granted { Ok(()) } else { Err(denied(request, caller, permission, resource)) }
}

/// Whether the account that services run as may: what it publishes to and keeps objects in has to say so, unless it is an
/// editor of the whole project.
fn runtime_may(emulator: &Shared, request: &ApiRequest, caller: &str) -> bool {
    if caller != SERVICE_ACCOUNT || emulator.settings.runtime_account == RuntimeAccount::Editor {
        return true;
    }
    let roles: &[&str] = match request.route.action {
        "Publish" => &["roles/pubsub.publisher", "roles/pubsub.editor"],
        "GetObject" | "ListObjects" => {
            &["roles/storage.objectViewer", "roles/storage.objectUser", "roles/storage.objectAdmin"]
        }
        // Who writes over an object deletes the one before, which creators may not.
        "InsertObject" | "DeleteObject" => &["roles/storage.objectUser", "roles/storage.objectAdmin"],
        _ => &[],
    };
    let state = emulator.state();
    let policy = match request.route.service {
        Service::PubSub => state.pubsub.topic_policy(&request.route.resource()),
        Service::Storage => state.storage.policy(&request.route.name),
        _ => None,
    };
    policy.is_some_and(|policy| roles.iter().any(|role| policy.grants(role, caller)))
}

/// Who sends a request.
pub(super) fn caller(emulator: &Shared, request: &ApiRequest) -> Result<String, ApiError> {
    let is_required = emulator.settings.identity == Identity::Required;
    // Registries take a token as the password of a well-known user, too.
    let basic = || {
        let encoded = request.header("authorization")?.strip_prefix("Basic ")?;
        super::oauth::basic_token(encoded)
    };
    let Some(token) = request.bearer("authorization").map(str::to_owned).or_else(basic) else {
        return if is_required { Err(unauthenticated(request, "missing")) } else { Ok("anonymous".into()) };
    };
    let now_ms = emulator.clock.now_ms();
    match emulator.state().tokens.principal(&token, now_ms) {
        Ok(Some(principal)) => Ok(principal),
        Ok(None) if !is_required => Ok("somebody".into()),
        Ok(None) | Err(()) => Err(unauthenticated(request, "invalid")),
    }
}

fn unauthenticated(request: &ApiRequest, why: &str) -> ApiError {
    match request.route.service {
        Service::Registry => ApiError::registry(401, "UNAUTHORIZED", "authentication failed").header(
            "www-authenticate",
            "Bearer realm=\"https://us-docker.pkg.dev/v2/token\",service=\"us-docker.pkg.dev\"",
        ),
        Service::Storage if why == "missing" => {
            let text = "Anonymous caller does not have storage.objects.get access to the Google Cloud Storage object.";
            ApiError::storage(401, "required", text)
        }
        Service::Storage => ApiError::storage(401, "authError", "Invalid Credentials"),
        _ => {
            let text = "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or \
                        other valid authentication credential. See \
                        https://developers.google.com/identity/sign-in/web/devconsole-project.";
            let reason = if why == "missing" { "CREDENTIALS_MISSING" } else { "ACCESS_TOKEN_EXPIRED" };
            ApiError::new(401, "UNAUTHENTICATED", text).info(reason, "googleapis.com", &json!({}))
        }
    }
}

fn denied(request: &ApiRequest, caller: &str, permission: &str, resource: &str) -> ApiError {
    if let ("iam.serviceaccounts.actAs", Some((_, account))) = (permission, resource.rsplit_once('/')) {
        let text = format!("Permission '{permission}' denied on service account {account} (or it may not exist).");
        return permission_denied(&text, permission, resource);
    }
    if permission == USE && request.route.service != Service::Storage {
        return user_project_denied(resource);
    }
    match request.route.service {
        Service::Storage => ApiError::storage(
            403,
            "forbidden",
            format!(
                "{caller} does not have {permission} access to the Google Cloud project. Permission '{permission}' \
                 denied on resource (or it may not exist)."
            ),
        ),
        Service::Registry => ApiError::registry(
            403,
            "DENIED",
            format!("Permission \"{permission}\" denied on resource \"{resource}\" (or it may not exist)"),
        ),
        Service::PubSub => permission_denied("User not authorized to perform this action.", permission, resource),
        Service::ArtifactRegistry => {
            let text = format!(
                "Permission '{permission}' denied on resource '//artifactregistry.googleapis.com/{resource}' (or it may \
                 not exist)."
            );
            permission_denied(&text, permission, resource)
        }
        _ => {
            let text = format!("Permission '{permission}' denied on resource '{resource}' (or it may not exist).");
            permission_denied(&text, permission, resource)
        }
    }
}

fn permission_denied(text: &str, permission: &str, resource: &str) -> ApiError {
    let metadata = json!({ "permission": permission, "resource": resource });
    ApiError::new(403, "PERMISSION_DENIED", text).info("IAM_PERMISSION_DENIED", "iam.googleapis.com", &metadata)
}

fn user_project_denied(project: &str) -> ApiError {
    let id = project.trim_start_matches("projects/");
    let text = format!(
        "Caller does not have required permission to use project {id}. Grant the caller the \
         roles/serviceusage.serviceUsageConsumer role, or a custom role with the {USE} permission, by visiting \
         https://console.developers.google.com/iam-admin/iam/project?project={id} and then retry. Propagation of the new \
         permission may take a few minutes."
    );
    let metadata = json!({ "consumer": project });
    ApiError::new(403, "PERMISSION_DENIED", text).info("USER_PROJECT_DENIED", "googleapis.com", &metadata)
}

fn disabled(request: &ApiRequest, api: &str, title: &str) -> ApiError {
    let project = if request.route.project.is_empty() { PROJECT_NUMBER } else { &request.route.project };
    let url = format!("https://console.developers.google.com/apis/api/{api}/overview?project={project}");
    let text = format!(
        "{title} has not been used in project {project} before or it is disabled. Enable it by visiting {url} then \
         retry. If you enabled this API recently, wait a few minutes for the action to propagate to our systems and retry."
    );
    if request.route.service == Service::Storage {
        return ApiError::storage(403, "accessNotConfigured", text);
    }
    let help: Value = json!({
        "@type": "type.googleapis.com/google.rpc.Help",
        "links": [{ "description": "Google developers console API activation", "url": url }],
    });
    let metadata = json!({
        "service": api,
        "serviceTitle": title,
        "consumer": format!("projects/{project}"),
        "containerInfo": project,
        "activationUrl": url,
    });
    let error = ApiError::new(403, "PERMISSION_DENIED", text);
    error.info("SERVICE_DISABLED", "googleapis.com", &metadata).detail(help)
}
