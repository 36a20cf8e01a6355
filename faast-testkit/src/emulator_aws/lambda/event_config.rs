//! How asynchronous events of a function are retried, and where their results go.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::super::iam;
use super::super::protocol::{ApiError, ApiRequest, Reply};
use super::super::state::Shared;
use super::Key;
use super::validate::{invalid, number};

/// The settings of one function.
#[derive(Debug, Clone)]
pub(super) struct EventConfig {
    pub(super) retries: u32,
    pub(super) max_age: Duration,
    /// ARNs of queues.
    pub(super) on_success: Option<String>,
    pub(super) on_failure: Option<String>,
    modified_ms: u64,
}

impl Default for EventConfig {
    fn default() -> Self {
        let max_age = Duration::from_hours(6);
        Self { retries: 2, max_age, on_success: None, on_failure: None, modified_ms: 0 }
    }
}

impl EventConfig {
    fn show(&self, arn: &str) -> Value {
        let destination =
            |arn: &Option<String>| arn.as_ref().map_or_else(|| json!({}), |it| json!({ "Destination": it }));
        json!({
            "LastModified": self.modified_ms as f64 / 1000.0,
            "FunctionArn": format!("{arn}:$LATEST"),
            "MaximumRetryAttempts": self.retries,
            "MaximumEventAgeInSeconds": self.max_age.as_secs(),
            "DestinationConfig": {
                "OnSuccess": destination(&self.on_success),
                "OnFailure": destination(&self.on_failure),
            },
        })
    }
}

pub(super) fn put(emulator: &Shared, request: &ApiRequest) -> Result<Reply, ApiError> {
    let key = Key::of(request)?;
    iam::authorize(emulator, request, "lambda:PutFunctionEventInvokeConfig", &key.arn())?;
    let input = request.json()?;
    let in_range = |name: &str, min: i64, max: i64| match number(&input, name)? {
        Some(value) if value < min || value > max => {
            let member = format!("{}{}", name[..1].to_lowercase(), &name[1..]);
            let bound = if value < min { ("greater", min) } else { ("less", max) };
            Err(ApiError::new(
                400,
                "ValidationException",
                format!(
                    "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: Member must \
                     have value {} than or equal to {}",
                    bound.0, bound.1
                ),
            ))
        }
        value => Ok(value.and_then(|it| u32::try_from(it).ok())),
    };
    let defaults = EventConfig::default();
    let age = in_range("MaximumEventAgeInSeconds", 60, 21_600)?;
    let config = EventConfig {
        retries: in_range("MaximumRetryAttempts", 0, 2)?.unwrap_or(defaults.retries),
        max_age: age.map_or(defaults.max_age, |it| Duration::from_secs(it.into())),
        on_success: destination(&input, "OnSuccess")?,
        on_failure: destination(&input, "OnFailure")?,
        modified_ms: emulator.clock.now_ms(),
    };
    let mut state = emulator.state();
    let role = state.lambda.function(&key)?.version.config.role.clone();
    for arn in [&config.on_success, &config.on_failure].into_iter().flatten() {
        if !iam::role_allows(&state.iam, &role, "sqs:SendMessage", arn) {
            return Err(invalid(format!(
                "The function's execution role does not have permissions to call SendMessage on {arn}"
            )));
        }
    }
    let function = state.lambda.function_mut(&key)?;
    let shown = config.show(&function.version.arn);
    function.event_config = Some(config);
    Ok(Reply::json(&shown))
}

pub(super) fn get(emulator: &Shared, request: &ApiRequest) -> Result<Reply, ApiError> {
    let key = Key::of(request)?;
    iam::authorize(emulator, request, "lambda:GetFunctionEventInvokeConfig", &key.arn())?;
    let state = emulator.state();
    let config = state.lambda.function(&key)?.event_config.as_ref();
    Ok(Reply::json(&config.ok_or_else(|| absent(&key))?.show(&key.arn())))
}

pub(super) fn delete(emulator: &Shared, request: &ApiRequest) -> Result<Reply, ApiError> {
    let key = Key::of(request)?;
    iam::authorize(emulator, request, "lambda:DeleteFunctionEventInvokeConfig", &key.arn())?;
    let gone = emulator.state().lambda.function_mut(&key)?.event_config.take();
    gone.map(|_| Reply::empty(204)).ok_or_else(|| absent(&key))
}

fn absent(key: &Key) -> ApiError {
    let text = format!("The function {}:$LATEST doesn't have an EventInvokeConfig", key.arn());
    ApiError::new(404, "ResourceNotFoundException", text).field("Type", "User")
}

fn destination(input: &Map<String, Value>, name: &str) -> Result<Option<String>, ApiError> {
    let given = input.get("DestinationConfig").and_then(|it| it.get(name)).and_then(|it| it.get("Destination"));
    match given.and_then(Value::as_str).filter(|it| !it.is_empty()) {
        None => Ok(None),
        Some(arn) if arn.starts_with("arn:aws:sqs:") => Ok(Some(arn.to_owned())),
        Some(arn) => Err(invalid(format!("The provided destination config DestinationArn {arn} is invalid."))),
    }
}
