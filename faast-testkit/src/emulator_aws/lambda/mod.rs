//! Lambda: functions, their settings and invocations. Which operation a request means is decided here; each has its file.

mod concurrency;
mod create;
mod event;
mod event_config;
mod event_stream;
mod fleet;
mod function;
mod invoke;
mod manage;
mod stream;
mod tag;
mod throttle;
mod validate;

use std::collections::BTreeMap;

use axum::http::Method;
use serde_json::json;

pub(super) use self::create::add;
pub(super) use self::function::{Function, Version};
use super::protocol::{ApiError, ApiRequest, Reply};
use super::state::Shared;
use super::{ACCOUNT, iam};

/// Everything of this service.
#[derive(Debug, Default)]
pub(super) struct State {
    /// By region and name.
    functions: BTreeMap<(String, String), Function>,
    rates: throttle::Rates,
}

impl State {
    pub(super) fn leftovers(&self) -> Vec<String> {
        self.functions.values().map(|function| function.version.arn.clone()).collect()
    }

    /// Ends all environments.
    pub(super) fn end(&self) {
        self.functions.values().for_each(|function| function.fleet.end());
    }

    /// ARN, region and tags of every function.
    pub(super) fn tagged(&self) -> impl Iterator<Item = (String, String, BTreeMap<String, String>)> {
        let shown = |function: &Function| {
            (function.version.arn.clone(), function.version.region.clone(), function.tags.clone())
        };
        self.functions.values().map(shown)
    }

    /// The sum of all reservations.
    fn reserved(&self) -> u32 {
        self.functions.values().filter_map(|function| function.reserved).sum()
    }

    fn function(&self, key: &Key) -> Result<&Function, ApiError> {
        self.functions.get(&key.pair()).ok_or_else(|| not_found(key))
    }

    fn function_mut(&mut self, key: &Key) -> Result<&mut Function, ApiError> {
        self.functions.get_mut(&key.pair()).ok_or_else(|| not_found(key))
    }
}

/// Which function a request means.
#[derive(Debug, Clone)]
struct Key {
    region: String,
    name: String,
}

impl Key {
    /// The function in the path. Only the latest version exists.
    fn of(request: &ApiRequest) -> Result<Self, ApiError> {
        let name = function_of(request).ok_or_else(ApiError::unknown_operation)?;
        let key = Self { region: request.region.clone(), name };
        match request.query("Qualifier") {
            None | Some("$LATEST") => Ok(key),
            Some(other) => Err(not_found_text(&format!("{}:{other}", key.arn()))),
        }
    }

    fn arn(&self) -> String {
        arn(&self.region, &self.name)
    }

    fn pair(&self) -> (String, String) {
        (self.region.clone(), self.name.clone())
    }
}

fn arn(region: &str, name: &str) -> String {
    format!("arn:aws:lambda:{region}:{ACCOUNT}:function:{name}")
}

/// The name in a name, a partial ARN or an ARN, without a version.
fn name_in(given: &str) -> &str {
    let after = given.split_once("function:").map_or(given, |(_, name)| name);
    let is_account = |it: &str| it.len() == 12 && it.bytes().all(|it| it.is_ascii_digit());
    match after.split_once(':') {
        Some((account, name)) if is_account(account) => name,
        Some((name, _)) => name,
        None => after,
    }
}

fn empty_list(emulator: &Shared, request: &ApiRequest, name: &str) -> Result<Reply, ApiError> {
    iam::authorize(emulator, request, &format!("lambda:{}", request.action), "*")?;
    Ok(Reply::json(&json!({ name: [] })))
}

fn not_found(key: &Key) -> ApiError {
    not_found_text(&key.arn())
}

fn not_found_text(arn: &str) -> ApiError {
    ApiError::new(404, "ResourceNotFoundException", format!("Function not found: {arn}")).field("Type", "User")
}

fn pending() -> ApiError {
    let text =
        "The operation cannot be performed at this time. The function is currently in the following state: Pending";
    ApiError::new(409, "ResourceConflictException", text).field("Type", "User")
}

fn service_error(message: &str) -> ApiError {
    ApiError::new(500, "ServiceException", message).field("Type", "Service")
}

/// The operation that a method and path mean.
pub(super) fn action(request: &ApiRequest) -> Option<&'static str> {
    let segments = request.segments();
    let rest: Vec<&str> = segments.iter().skip(1).map(String::as_str).collect();
    Some(match (&request.method, rest.as_slice()) {
        (&Method::POST, ["functions"]) => "CreateFunction",
        (&Method::GET, ["functions"]) => "ListFunctions",
        (&Method::GET, ["functions", _]) => "GetFunction",
        (&Method::DELETE, ["functions", _]) => "DeleteFunction",
        (&Method::GET, ["functions", _, "configuration"]) => "GetFunctionConfiguration",
        (&Method::PUT, ["functions", _, "configuration"]) => "UpdateFunctionConfiguration",
        (&Method::POST, ["functions", _, "invocations"]) => "Invoke",
        (&Method::POST, ["functions", _, "response-streaming-invocations"]) => "InvokeWithResponseStream",
        (&Method::PUT, ["functions", _, "concurrency"]) => "PutFunctionConcurrency",
        (&Method::GET, ["functions", _, "concurrency"]) => "GetFunctionConcurrency",
        (&Method::DELETE, ["functions", _, "concurrency"]) => "DeleteFunctionConcurrency",
        (&Method::PUT, ["functions", _, "event-invoke-config"]) => "PutFunctionEventInvokeConfig",
        (&Method::GET, ["functions", _, "event-invoke-config"]) => "GetFunctionEventInvokeConfig",
        (&Method::DELETE, ["functions", _, "event-invoke-config"]) => "DeleteFunctionEventInvokeConfig",
        (&Method::POST, ["tags", _]) => "TagResource",
        (&Method::DELETE, ["tags", _]) => "UntagResource",
        (&Method::GET, ["tags", _]) => "ListTags",
        (&Method::GET, ["account-settings"]) => "GetAccountSettings",
        (&Method::GET, ["event-source-mappings"]) => "ListEventSourceMappings",
        (&Method::GET, ["layers"]) => "ListLayers",
        _ => return None,
    })
}

/// The name of the function that a request is about.
pub(super) fn function_of(request: &ApiRequest) -> Option<String> {
    let segments = request.segments();
    let of = |collection: &str| segments.get(1).is_some_and(|it| it == collection).then(|| segments.get(2)).flatten();
    of("functions").or_else(|| of("tags")).map(|it| name_in(it).to_owned())
}

pub(super) async fn handle(emulator: &Shared, request: &ApiRequest) -> Result<Reply, ApiError> {
    throttle::pace(emulator, request)?;
    match request.action.as_str() {
        "Invoke" => invoke::invoke(emulator, request).await,
        "InvokeWithResponseStream" => stream::invoke(emulator, request),
        "CreateFunction" => create::create(emulator, request).await,
        "GetFunction" => manage::get(emulator, request),
        "GetFunctionConfiguration" => manage::configuration(emulator, request),
        "UpdateFunctionConfiguration" => manage::update(emulator, request),
        "DeleteFunction" => manage::delete(emulator, request),
        "ListFunctions" => manage::list(emulator, request),
        "GetAccountSettings" => manage::account(emulator, request),
        // Nothing here makes these, so there are none; who looks for leftovers asks all the same.
        "ListEventSourceMappings" => empty_list(emulator, request, "EventSourceMappings"),
        "ListLayers" => empty_list(emulator, request, "Layers"),
        "TagResource" => tag::add(emulator, request),
        "UntagResource" => tag::remove(emulator, request),
        "ListTags" => tag::list(emulator, request),
        "PutFunctionConcurrency" => concurrency::put(emulator, request),
        "GetFunctionConcurrency" => concurrency::get(emulator, request),
        "DeleteFunctionConcurrency" => concurrency::delete(emulator, request),
        "PutFunctionEventInvokeConfig" => event_config::put(emulator, request),
        "GetFunctionEventInvokeConfig" => event_config::get(emulator, request),
        "DeleteFunctionEventInvokeConfig" => event_config::delete(emulator, request),
        _ => Err(ApiError::unknown_operation()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_named_in_many_ways() {
        let arn = "arn:aws:lambda:us-west-2:123456789012:function:my-f";
        for given in ["my-f", "my-f:$LATEST", "function:my-f", "123456789012:function:my-f", "123456789012:my-f", arn] {
            assert_eq!(name_in(given), "my-f", "{given}");
        }
    }
}
