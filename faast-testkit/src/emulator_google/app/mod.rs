//! Services that were deployed, as their callers see them: who may call, which instance takes the call, and what the
//! front end of Cloud Run says when there is no answer.

mod admit;
mod fleet;
mod forward;
mod instance;
mod port;
mod root;

pub(super) use self::fleet::Fleet;
use super::protocol::{ApiError, ApiRequest, Reply};
use super::state::Shared;

/// Carries a request to a service out. Dropping the future closes the instance's connection.
pub(super) async fn handle(emulator: &Shared, request: &ApiRequest) -> Result<Reply, ApiError> {
    let fleet = admit::admit(emulator, request)?;
    let lease = fleet.take(emulator).await?;
    forward::forward(lease, request).await
}

/// No such service, or none that this caller can reach.
fn not_found() -> ApiError {
    ApiError::html(404, "Error: Page not found", "The requested URL was not found on this server.")
}

/// Requests waited too long for an instance.
pub(super) fn rate_exceeded() -> ApiError {
    ApiError::text(429, "Rate exceeded.")
}

/// The platform has none to give.
pub(super) fn no_instance() -> ApiError {
    let text = "The server encountered an error and could not complete your request.<p>Please try again in 30 seconds.";
    ApiError::html(500, "Error: Server Error", text)
}

/// The instance is gone, or what it says is no HTTP.
pub(super) fn broken() -> ApiError {
    ApiError::text(503, "Service Unavailable")
}

fn timed_out() -> ApiError {
    ApiError::text(504, "upstream request timeout")
}

/// More than 32 MiB.
pub(super) fn too_large() -> ApiError {
    let text = "Your client issued a request that was too large.";
    ApiError::html(413, "Error: Request Entity Too Large", text)
}

fn answer_too_large() -> ApiError {
    ApiError::html(500, "Error: Server Error", "Response size was too large. Please consider reducing response size.")
}
