//! The metadata server, which a process in Cloud Run finds its project, region and tokens by.

use serde_json::json;

use super::oauth::LIFE_SECONDS;
use super::protocol::{ApiError, ApiRequest, Reply};
use super::state::Shared;
use super::{PROJECT, PROJECT_NUMBER, REGION, SERVICE_ACCOUNT};

pub(super) fn handle(emulator: &Shared, request: &ApiRequest) -> Result<Reply, ApiError> {
    let path = request.route.rest.as_str();
    if !request.path.starts_with("/computeMetadata") {
        return Ok(Reply::text("computeMetadata/\n").header("metadata-flavor", "Google"));
    }
    if request.header("metadata-flavor") != Some("Google") {
        return Err(ApiError::html(403, "Error 403 (Forbidden)!!1", "Missing Metadata-Flavor:Google header."));
    }
    let now_ms = emulator.clock.now_ms();
    let account = path.strip_prefix("instance/service-accounts/").and_then(|it| it.split_once('/'));
    let reply = match (path, account) {
        ("project/project-id", _) => Reply::text(PROJECT),
        ("project/numeric-project-id", _) => Reply::text(PROJECT_NUMBER),
        ("instance/region", _) => Reply::text(format!("projects/{PROJECT_NUMBER}/regions/{REGION}")),
        ("instance/zone", _) => Reply::text(format!("projects/{PROJECT_NUMBER}/zones/{REGION}-1")),
        ("universe/universe-domain", _) => Reply::text("googleapis.com"),
        (_, Some((_, "email"))) => Reply::text(SERVICE_ACCOUNT),
        (_, Some((account, "token"))) => {
            let token = emulator.state().tokens.access(email(account), now_ms);
            let body = json!({ "access_token": token, "expires_in": LIFE_SECONDS, "token_type": "Bearer" });
            Reply::json(&body)
        }
        (_, Some((account, "identity"))) => {
            let Some(audience) = request.query("audience").filter(|it| !it.is_empty()) else {
                return Err(ApiError::text(400, "non-empty audience parameter required"));
            };
            Reply::text(emulator.state().tokens.identity(email(account), audience, now_ms))
        }
        _ => return Err(ApiError::html(404, "Error 404 (Not Found)!!1", "The requested URL was not found.")),
    };
    Ok(reply.header("metadata-flavor", "Google"))
}

fn email(account: &str) -> &str {
    if account == "default" { SERVICE_ACCOUNT } else { account }
}
