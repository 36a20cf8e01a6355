//! Who may call a service: everyone where its IAM is off, else who has an identity token for it and the role of an invoker.

use std::sync::Arc;

use serde_json::Value;

use super::super::SERVICE_ACCOUNT;
use super::super::protocol::{ApiError, ApiRequest};
use super::super::run::Service;
use super::super::state::Shared;
use super::{Fleet, broken, not_found};
use crate::emulator::call::Permission;
use crate::emulator::clock::as_ms;

/// Clients of OAuth whose users' identity tokens are taken, though these are not for the service: that of `gcloud`, and
/// that of its application default credentials.
const CLIENTS: [&str; 2] = [
    "32555940559.apps.googleusercontent.com",
    "764086051850-6qr4p6gpi6hn506pt8ejuq83di341hur.apps.googleusercontent.com",
];

/// The role that invoking takes.
const INVOKER: &str = "roles/run.invoker";

/// The permission in it.
const INVOKE: &str = "run.routes.invoke";

/// Lets a request through to the instances of its service.
pub(super) fn admit(emulator: &Shared, request: &ApiRequest) -> Result<Arc<Fleet>, ApiError> {
    let now_ms = emulator.clock.now_ms();
    let state = emulator.state();
    let is_known = |since_ms: u64| since_ms.saturating_add(as_ms(emulator.settings.propagation)) <= now_ms;
    let service = state.run.at(&request.route.name).filter(|it| is_known(it.created_ms)).ok_or_else(not_found)?;
    let grants = |email: &str| is_known(service.policy_ms) && service.policy.grants(INVOKER, email);
    let ingress = service.spec["ingress"].as_str().unwrap_or("INGRESS_TRAFFIC_ALL");
    if ingress != "INGRESS_TRAFFIC_ALL" {
        return Err(not_found());
    }
    if service.spec["invokerIamDisabled"] != true && !grants("") {
        let token = request.bearer("x-serverless-authorization").or_else(|| request.bearer("authorization"));
        let token = token.ok_or_else(|| forbidden(request))?;
        let found = state.tokens.find(token, now_ms).map_err(|()| unauthorized(request))?;
        let token = found.ok_or_else(|| unauthorized(request))?;
        let audience = token.audience.as_deref().ok_or_else(|| unauthorized(request))?;
        if !is_for(service, audience) {
            return Err(unauthorized(request));
        }
        let granted = is_owner(&token.email) && emulator.settings.may(INVOKE) || grants(&token.email);
        emulator.calls.asked(Permission {
            caller: token.email.clone(),
            action: INVOKE.into(),
            resource: request.route.resource(),
            granted,
        });
        if !granted {
            return Err(forbidden(request));
        }
    }
    service.fleet.clone().ok_or_else(broken)
}

fn is_for(service: &Service, audience: &str) -> bool {
    let customs = service.spec["customAudiences"].as_array().into_iter().flatten().filter_map(Value::as_str);
    audience.trim_end_matches('/') == service.uri
        || CLIENTS.contains(&audience)
        || customs.into_iter().any(|it| it == audience)
}

/// Every caller owns the project, but for the account that services run as.
fn is_owner(email: &str) -> bool {
    email != SERVICE_ACCOUNT
}

fn forbidden(request: &ApiRequest) -> ApiError {
    let path = &request.route.rest;
    let text = format!("Your client does not have permission to get URL <code>{path}</code> from this server.");
    ApiError::html(403, "Error: Forbidden", text)
}

fn unauthorized(request: &ApiRequest) -> ApiError {
    let path = &request.route.rest;
    let text = format!("Your client does not have permission to the requested URL <code>{path}</code>.");
    let why = "Bearer error=\"invalid_token\" error_description=\"The access token could not be verified\"";
    ApiError::html(401, "Error: Unauthorized", text).header("www-authenticate", why)
}
