//! Long-running operations of Cloud Run and Artifact Registry: what is asked for now and done later.
//!
//! Written by the task that carries an operation out, read by `get` and `wait`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::protocol::{ApiError, ApiRequest, Reply};
use super::state::Shared;
use crate::emulator::web::new_id;

/// How long `wait` waits when it is not told.
const WAIT: Duration = Duration::from_secs(30);

/// Between two looks at an operation that somebody waits for.
const BETWEEN: Duration = Duration::from_millis(2);

/// All operations, by name.
#[derive(Debug, Default)]
pub(super) struct Operations {
    all: BTreeMap<String, Operation>,
}

#[derive(Debug, Clone)]
struct Operation {
    metadata: Value,
    result: Option<Result<Value, Value>>,
}

impl Operations {
    /// A new one; gives its name.
    pub(super) fn begin(&mut self, parent: &str, metadata: Value) -> String {
        let name = format!("{parent}/operations/{}", new_id());
        self.all.insert(name.clone(), Operation { metadata, result: None });
        name
    }

    /// Ends it with what it made, or why not.
    pub(super) fn end(&mut self, name: &str, result: Result<Value, ApiError>) {
        if let Some(operation) = self.all.get_mut(name) {
            operation.result = Some(result.map_err(|error| error.rpc()));
        }
    }

    fn is_done(&self, name: &str) -> bool {
        self.all.get(name).is_some_and(|it| it.result.is_some())
    }

    pub(super) fn json(&self, name: &str) -> Result<Value, ApiError> {
        let operation = self.all.get(name).ok_or_else(|| {
            let id = name.rsplit('/').next().unwrap_or("");
            ApiError::not_found(format!("Operation with ID '{id}' not found."))
        })?;
        let mut json = json!({ "name": name, "metadata": operation.metadata });
        match &operation.result {
            None => {}
            Some(Ok(response)) => {
                json["done"] = json!(true);
                json["response"] = response.clone();
            }
            Some(Err(error)) => {
                json["done"] = json!(true);
                json["error"] = error.clone();
            }
        }
        Ok(json)
    }
}

/// `get` and `:wait` of the operation in the path.
pub(super) async fn handle(emulator: &Shared, request: &ApiRequest) -> Result<Reply, ApiError> {
    let path = request.path.trim_start_matches('/');
    let name = path.split_once('/').map_or("", |(_, name)| name);
    let name = name.strip_suffix(":wait").unwrap_or(name).to_owned();
    if request.route.action == "WaitOperation" {
        let timeout = request.json()?.get("timeout").and_then(Value::as_str).and_then(seconds).unwrap_or(WAIT);
        let start = Instant::now();
        while !emulator.state().operations.is_done(&name) && start.elapsed() < timeout {
            tokio::time::sleep(BETWEEN).await;
        }
    }
    let json = emulator.state().operations.json(&name)?;
    Ok(Reply::json(&super::run::shown(&json, request)))
}

/// A duration as JSON has it: `30s`, `1.5s`.
pub(super) fn seconds(text: &str) -> Option<Duration> {
    let number: f64 = text.strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(number).ok()
}
