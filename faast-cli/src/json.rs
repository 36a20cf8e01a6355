//! What machines read: the resources of both commands in one form. Times are Unix seconds.

use std::time::SystemTime;

use faast::core::provider::Resource;
use faast::core::stray::State;
use serde::Serialize;

/// One resource.
#[derive(Debug, Serialize)]
pub(crate) struct Item<'f> {
    kind: &'f str,
    id: &'f str,
    /// Missing where the resource is global.
    #[serde(skip_serializing_if = "str::is_empty")]
    region: &'f str,
    deployment: &'f str,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<u64>,
    state: &'static str,
    /// Why it stays, or is left.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl<'f> Item<'f> {
    pub(crate) fn new(deployment: &'f str, resource: &'f Resource, state: State) -> Self {
        Self {
            kind: &resource.kind,
            id: &resource.id,
            region: &resource.region,
            deployment,
            created: resource.created.and_then(seconds),
            expires: resource.expires.and_then(seconds),
            state: name(state),
            reason: None,
        }
    }

    #[must_use]
    pub(crate) fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }
}

/// A state as one word.
pub(crate) fn name(state: State) -> &'static str {
    match state {
        State::Expired(_) => "expired",
        State::Live(_) => "live",
        _ => "unknown",
    }
}

/// Since 1970.
pub(crate) fn seconds(at: SystemTime) -> Option<u64> {
    at.duration_since(SystemTime::UNIX_EPOCH).ok().map(|since| since.as_secs())
}

/// One document, with an end of line.
pub(crate) fn document(value: &impl Serialize) -> faast::Result<String> {
    let text = serde_json::to_string_pretty(value).map_err(|error| {
        faast::Error::new(faast::ErrorKind::Encode, "the result can't be written as JSON").with_source(error)
    })?;
    Ok(text + "\n")
}
