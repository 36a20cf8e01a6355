//! Reserved concurrency of functions.

use serde_json::json;

use super::super::iam;
use super::super::protocol::{ApiError, ApiRequest, Reply};
use super::super::state::Shared;
use super::Key;
use super::throttle::UNRESERVED_MINIMUM;
use super::validate::{invalid, number};

pub(super) fn put(emulator: &Shared, request: &ApiRequest) -> Result<Reply, ApiError> {
    let key = Key::of(request)?;
    iam::authorize(emulator, request, "lambda:PutFunctionConcurrency", &key.arn())?;
    let wanted = number(&request.json()?, "ReservedConcurrentExecutions")?.and_then(|it| u32::try_from(it).ok());
    let wanted = wanted.ok_or_else(|| {
        let text = "1 validation error detected: Value null at 'reservedConcurrentExecutions' failed to satisfy \
                    constraint: Member must not be null";
        ApiError::new(400, "ValidationException", text)
    })?;
    let mut state = emulator.state();
    let others = state.lambda.reserved() - state.lambda.function(&key)?.reserved.unwrap_or(0);
    let left = emulator.settings.account_concurrency.saturating_sub(others);
    if wanted > 0 && left.saturating_sub(wanted) < UNRESERVED_MINIMUM {
        return Err(invalid(format!(
            "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below \
             its minimum value of [{UNRESERVED_MINIMUM}]."
        )));
    }
    state.lambda.function_mut(&key)?.reserved = Some(wanted);
    Ok(Reply::json(&json!({ "ReservedConcurrentExecutions": wanted })))
}

pub(super) fn get(emulator: &Shared, request: &ApiRequest) -> Result<Reply, ApiError> {
    let key = Key::of(request)?;
    iam::authorize(emulator, request, "lambda:GetFunctionConcurrency", &key.arn())?;
    Ok(Reply::json(&match emulator.state().lambda.function(&key)?.reserved {
        Some(reserved) => json!({ "ReservedConcurrentExecutions": reserved }),
        None => json!({}),
    }))
}

pub(super) fn delete(emulator: &Shared, request: &ApiRequest) -> Result<Reply, ApiError> {
    let key = Key::of(request)?;
    iam::authorize(emulator, request, "lambda:DeleteFunctionConcurrency", &key.arn())?;
    emulator.state().lambda.function_mut(&key)?.reserved = None;
    Ok(Reply::empty(204))
}
