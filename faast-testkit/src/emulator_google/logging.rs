//! Cloud Logging: what services wrote, and what Cloud Run wrote about them; read by filter.

use serde_json::{Value, json};

use super::protocol::{ApiError, ApiRequest, Reply};
use super::run::Revision;
use super::state::Shared;
use crate::emulator::clock::iso;
use crate::emulator::web::new_id;

/// All entries, oldest first.
#[derive(Debug, Default)]
pub(super) struct Logs {
    entries: Vec<Value>,
}

/// Which log of a service an entry is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Log {
    Stdout,
    System,
    Requests,
}

impl Logs {
    /// Adds an entry about a revision; `more` are its further fields.
    pub(super) fn add(&mut self, revision: &Revision, log: Log, severity: &str, now_ms: u64, more: Value) {
        let (project, region, service) = &revision.key;
        let name = match log {
            Log::Stdout => "stdout",
            Log::System => "varlog%2Fsystem",
            Log::Requests => "requests",
        };
        let mut entry = json!({
            "insertId": new_id(),
            "logName": format!("projects/{project}/logs/run.googleapis.com%2F{name}"),
            "timestamp": format!("{}Z", iso(now_ms)),
            "severity": severity,
            "resource": {
                "type": "cloud_run_revision",
                "labels": {
                    "project_id": project,
                    "location": region,
                    "service_name": service,
                    "revision_name": revision.name,
                    "configuration_name": service,
                },
            },
        });
        if let (Value::Object(entry), Value::Object(more)) = (&mut entry, more) {
            entry.extend(more);
        }
        self.entries.push(entry);
    }

    /// Adds a line that a process wrote. Lines of JSON are taken apart, as the agent does it.
    pub(super) fn line(&mut self, revision: &Revision, line: &str, now_ms: u64) {
        let Ok(Value::Object(mut fields)) = serde_json::from_str::<Value>(line) else {
            return self.add(revision, Log::Stdout, "DEFAULT", now_ms, json!({ "textPayload": line }));
        };
        let severity = fields.remove("severity").and_then(|it| it.as_str().map(str::to_owned));
        let trace = fields.remove("logging.googleapis.com/trace").unwrap_or_else(|| json!(""));
        let more = json!({ "jsonPayload": fields, "trace": trace });
        self.add(revision, Log::Stdout, severity.as_deref().unwrap_or("DEFAULT"), now_ms, more);
    }
}

/// `entries:list`.
pub(super) fn handle(emulator: &Shared, request: &ApiRequest) -> Result<Reply, ApiError> {
    let input = request.json()?;
    let text = |name: &str| input.get(name).and_then(Value::as_str).unwrap_or("");
    let filter = terms(text("filter"))?;
    let state = emulator.state();
    let mut found: Vec<&Value> =
        state.logs.entries.iter().filter(|it| filter.iter().all(|term| term.holds(it))).collect();
    if text("orderBy") == "timestamp desc" {
        found.reverse();
    }
    let size = input.get("pageSize").and_then(Value::as_u64).and_then(|it| usize::try_from(it).ok()).unwrap_or(50);
    let start: usize = text("pageToken").parse().unwrap_or(0);
    let end = start.saturating_add(size.min(1000)).min(found.len());
    let mut json = json!({ "entries": found.get(start..end).unwrap_or_default() });
    if end < found.len() {
        json["nextPageToken"] = json!(end.to_string());
    }
    Ok(Reply::json(&json))
}

/// One comparison of a filter; all of them have to hold.
#[derive(Debug)]
struct Term {
    path: Vec<String>,
    operator: String,
    value: String,
}

impl Term {
    fn holds(&self, entry: &Value) -> bool {
        let value = self.path.iter().fold(entry, |value, field| &value[field]);
        let text = value.as_str().unwrap_or("");
        match (self.operator.as_str(), self.path.first().map(String::as_str)) {
            ("=", _) => text == self.value,
            ("!=", _) => text != self.value,
            (":", _) => text.contains(&self.value),
            (">=", Some("severity")) => rank(text) >= rank(&self.value),
            (">=", _) => text >= self.value.as_str(),
            (">", _) => text > self.value.as_str(),
            ("<=", _) => text <= self.value.as_str(),
            ("<", _) => text < self.value.as_str(),
            _ => false,
        }
    }
}

fn rank(severity: &str) -> usize {
    let all = ["DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY"];
    all.iter().position(|it| *it == severity).unwrap_or(0)
}

/// Comparisons that are joined by `AND` or by nothing.
fn terms(filter: &str) -> Result<Vec<Term>, ApiError> {
    let mut terms = Vec::new();
    let mut rest = filter.trim();
    while !rest.is_empty() {
        let refused = || ApiError::invalid(format!("Unparseable filter: syntax error at \"{rest}\""));
        let at = rest.find(|it: char| "=!<>:".contains(it)).ok_or_else(refused)?;
        let (path, after) = rest.split_at(at);
        let operator = ["!=", ">=", "<=", "=", ":", ">", "<"].into_iter().find(|it| after.starts_with(it));
        let operator = operator.ok_or_else(refused)?;
        let after = after[operator.len()..].trim_start();
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or_else(refused)?,
            None => after.split_once(char::is_whitespace).unwrap_or((after, "")),
        };
        let path = path.trim().split('.').map(str::to_owned).collect();
        terms.push(Term { path, operator: operator.into(), value: value.into() });
        rest = next.trim_start();
        rest = rest.strip_prefix("AND ").unwrap_or(rest).trim_start();
    }
    Ok(terms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_comparisons_that_all_have_to_hold() {
        let entry = json!({ "severity": "ERROR", "resource": { "labels": { "service_name": "f" } }, "trace": "t" });
        let holds = |filter: &str| terms(filter).unwrap().iter().all(|term| term.holds(&entry));
        assert!(holds("resource.labels.service_name=\"f\" severity>=DEFAULT"));
        assert!(holds("severity>=WARNING AND trace=\"t\"\nresource.labels.service_name:\"f\""));
        assert!(!holds("resource.labels.service_name=\"g\""));
        assert!(!holds("severity>ERROR") && terms("nonsense").is_err());
    }
}
