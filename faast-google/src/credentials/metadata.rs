//! The metadata server of a machine or instance of Google: its service account's tokens, and its project.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use faast_core::provider::variable;
use faast_core::{Error, ErrorKind, Result};
use serde_json::Value;

use super::{METADATA_HOST, Secret};

/// A token is asked for again so long before its end.
const BEFORE_ITS_END: Duration = Duration::from_mins(4);

/// One attempt; the server is on the same machine.
const ATTEMPT: Duration = Duration::from_secs(5);

/// Attempts; a new instance's server may not know its account at once.
const ATTEMPTS: u32 = 3;

/// A metadata server, and the token that it gave last.
#[derive(Debug)]
pub(crate) struct MetadataServer {
    url: String,
    /// With its end. Written by whoever asks for a token when there is none that counts.
    token: Mutex<Option<(Secret, Instant)>>,
}

impl MetadataServer {
    /// The one of this machine.
    pub(crate) fn of_machine() -> Self {
        let host = variable(METADATA_HOST).unwrap_or_else(|| "metadata.google.internal".into());
        Self { url: format!("http://{host}/computeMetadata/v1"), token: Mutex::default() }
    }

    /// A token for Google's services.
    pub(crate) async fn access_token(&self) -> Result<Secret> {
        let known = self.token.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((token, _)) = known.filter(|(_, end)| *end > Instant::now()) {
            return Ok(token);
        }
        let answer = self.ask("/instance/service-accounts/default/token").await?;
        let json: Value = serde_json::from_str(&answer).unwrap_or_default();
        let token = json.get("access_token").and_then(Value::as_str).map(Secret::new);
        let token = token.ok_or_else(|| unavailable("the metadata server gave no token"))?;
        let lasts = Duration::from_secs(json.get("expires_in").and_then(Value::as_u64).unwrap_or_default());
        let end = Instant::now() + lasts.saturating_sub(BEFORE_ITS_END);
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some((token.clone(), end));
        Ok(token)
    }

    /// The id of the project that this is in.
    pub(crate) async fn project(&self) -> Result<String> {
        self.ask("/project/project-id").await
    }

    /// The region that this is in.
    pub(crate) async fn region(&self) -> Result<String> {
        // `projects/<number>/regions/<region>`.
        let place = self.ask("/instance/region").await?;
        Ok(place.rsplit('/').next().unwrap_or_default().trim().to_owned())
    }

    async fn ask(&self, path: &str) -> Result<String> {
        let http = reqwest::Client::builder().http1_only().no_proxy().timeout(ATTEMPT).build();
        let http = http.map_err(|error| unavailable("the HTTP client can't be made").with_source(error))?;
        let mut last = unavailable("the metadata server was not asked");
        for _ in 0..ATTEMPTS {
            let asked = http.get(format!("{}{path}", self.url)).header("Metadata-Flavor", "Google").send().await;
            match asked.and_then(reqwest::Response::error_for_status) {
                Ok(answer) => match answer.text().await {
                    Ok(text) => return Ok(text),
                    Err(error) => last = unavailable("the metadata server broke off").with_source(error),
                },
                Err(error) => last = unavailable("the metadata server does not answer").with_source(error),
            }
        }
        Err(last)
    }
}

fn unavailable(text: &str) -> Error {
    Error::new(ErrorKind::Unavailable, text)
}
