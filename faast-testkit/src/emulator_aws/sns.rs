//! SNS: only the list of topics, which is empty. Who looks for leftovers asks for it.

use super::iam::{authorize, invalid_action};
use super::protocol::{ApiError, ApiRequest, Reply};
use super::state::Shared;

pub(super) fn handle(emulator: &Shared, request: &ApiRequest) -> Result<Reply, ApiError> {
    authorize(emulator, request, &format!("sns:{}", request.action), "*")?;
    match request.action.as_str() {
        "ListTopics" => Ok(Reply::query(request, "<Topics/>")),
        other => Err(invalid_action(other, "2010-03-31")),
    }
}
