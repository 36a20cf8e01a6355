//! Who may go on: the rates of the control plane and of callers, and how many invocations may run.

use super::super::builder::Settings;
use super::super::limit::{Bucket, Permit, Running};
use super::super::protocol::{ApiError, ApiRequest};
use super::super::state::{Emulator, Shared};
use super::function::Function;

/// Of the account's concurrency, which reservations must leave.
pub(super) const UNRESERVED_MINIMUM: u32 = 100;

/// `GetFunction` has a bucket of its own.
const GET_FUNCTION_RATE: u32 = 100;

/// Buckets of the account, full at the beginning.
#[derive(Debug, Default)]
pub(super) struct Rates {
    control: Option<Bucket>,
    get_function: Option<Bucket>,
    caller: Option<Bucket>,
    /// Invocations of functions without a reservation.
    pub(super) unreserved: Running,
}

impl Rates {
    fn of(&mut self, action: &str, emulator: &Emulator) -> Option<&mut Bucket> {
        let settings = &emulator.settings;
        let (bucket, rate) = match action {
            "Invoke" | "InvokeWithResponseStream" => (&mut self.caller, settings.caller_rate?),
            "GetFunction" => (&mut self.get_function, settings.control_plane_rate.map(|_| GET_FUNCTION_RATE)?),
            _ => (&mut self.control, settings.control_plane_rate?),
        };
        Some(bucket.get_or_insert_with(|| Bucket::new(f64::from(rate), rate)))
    }
}

/// Refuses a request that comes too fast.
pub(super) fn pace(emulator: &Shared, request: &ApiRequest) -> Result<(), ApiError> {
    let now_ms = emulator.clock.now_ms();
    let mut state = emulator.state();
    let bucket = state.lambda.rates.of(&request.action, emulator);
    if bucket.is_none_or(|it| it.take(now_ms)) { Ok(()) } else { Err(refused("CallerRateLimitExceeded")) }
}

/// Lets an invocation run, or says which limit does not: how many run, or how many began within a second.
pub(super) fn admit(
    function: &mut Function,
    unreserved: &Running,
    unreserved_limit: u32,
    settings: &Settings,
    now_ms: u64,
) -> Result<Permit, ApiError> {
    let is_reserved = function.reserved.is_some();
    let limit = function.reserved.unwrap_or(unreserved_limit);
    let running = if is_reserved { &function.running } else { unreserved };
    let too_many = if is_reserved {
        "ReservedFunctionConcurrentInvocationLimitExceeded"
    } else {
        "ConcurrentInvocationLimitExceeded"
    };
    let permit = running.begin(limit).ok_or_else(|| refused(too_many))?;
    let rate = limit.saturating_mul(settings.requests_per_environment);
    if function.begun.take_at(now_ms, rate) {
        return Ok(permit);
    }
    Err(refused(if is_reserved {
        "ReservedFunctionInvocationRateLimitExceeded"
    } else {
        "FunctionInvocationRateLimitExceeded"
    }))
}

pub(super) fn refused(reason: &str) -> ApiError {
    ApiError::new(429, "TooManyRequestsException", "Rate Exceeded.")
        .field("Type", "User")
        .field("Reason", reason)
        .header("retry-after", "1")
}
