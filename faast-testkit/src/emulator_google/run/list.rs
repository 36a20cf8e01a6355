//! Lists of services: by region in version 2, and by labels over all regions in version 1.

use serde_json::{Value, json};

use super::super::protocol::{ApiError, ApiRequest, Reply};
use super::super::state::Shared;
use super::{Key, REGIONS, shown};

/// A page of a list: `pageSize` items, at most `most`, from `pageToken` on.
pub(in super::super) fn page(
    request: &ApiRequest,
    field: &str,
    all: &[Value],
    usual: usize,
    most: usize,
) -> Result<Reply, ApiError> {
    let size = request.query("pageSize").and_then(|it| it.parse().ok()).filter(|it| *it > 0).unwrap_or(usual).min(most);
    let start = match request.query("pageToken").filter(|it| !it.is_empty()) {
        None => 0,
        Some(token) => token
            .strip_prefix("page-")
            .and_then(|it| it.parse::<usize>().ok())
            .ok_or_else(|| ApiError::invalid("The page token is invalid."))?,
    };
    let end = start.saturating_add(size).min(all.len());
    let mut json = json!({});
    if start < end {
        json[field] = Value::Array(all[start..end].to_vec());
    }
    if end < all.len() {
        json["nextPageToken"] = json!(format!("page-{end}"));
    }
    Ok(Reply::json(&shown(&json, request)))
}

/// `GET /v2/projects/p/locations/r/services`.
pub(super) fn in_region(emulator: &Shared, request: &ApiRequest) -> Result<Reply, ApiError> {
    let route = &request.route;
    if !REGIONS.iter().any(|(it, _)| *it == route.location) {
        let text = format!("Location {} is not found or access is unauthorized.", route.location);
        return Err(ApiError::invalid(text));
    }
    let state = emulator.state();
    let of = |key: &Key| key.0 == route.project && key.1 == route.location;
    let all: Vec<Value> = state.run.services.iter().filter(|(key, _)| of(key)).map(|(_, it)| it.json()).collect();
    page(request, "services", &all, 100, 1000)
}

/// `GET /v1/projects/p/locations/-/services?labelSelector=..`.
pub(super) fn by_label(emulator: &Shared, request: &ApiRequest) -> Result<Reply, ApiError> {
    let route = &request.route;
    let selector = request.query("labelSelector").unwrap_or("");
    let state = emulator.state();
    let of = |key: &Key| key.0 == route.project && (key.1 == route.location || route.location == "-");
    let mut found = Vec::new();
    for (_, service) in state.run.services.iter().filter(|(key, _)| of(key)) {
        let json = service.json();
        if selects(selector, &json["labels"])? {
            found.push(service.v1());
        }
    }
    let limit = request.query("limit").and_then(|it| it.parse().ok()).filter(|it| *it > 0).unwrap_or(500_usize);
    let start: usize = request.query("continue").and_then(|it| it.parse().ok()).unwrap_or(0);
    let end = (start + limit).min(found.len());
    let next = if end < found.len() { end.to_string() } else { String::new() };
    let mut json = json!({
        "apiVersion": "serving.knative.dev/v1",
        "kind": "ServiceList",
        "metadata": { "continue": next },
    });
    if start < end {
        json["items"] = Value::Array(found[start..end].to_vec());
    }
    Ok(Reply::json(&json))
}

/// Whether labels are as a selector wants them: `a=1,b!=2,c,!d,e in (x,y),f notin (z)`.
fn selects(selector: &str, labels: &Value) -> Result<bool, ApiError> {
    let mut depth = 0;
    let outside = |it: char| {
        depth += i32::from(it == '(') - i32::from(it == ')');
        it == ',' && depth == 0
    };
    let terms: Vec<&str> = selector.split(outside).map(str::trim).filter(|it| !it.is_empty()).collect();
    for term in terms {
        let label = |key: &str| labels[key.trim()].as_str();
        let within = |values: &str, key: &str| {
            let values = values.trim().trim_start_matches('(').trim_end_matches(')');
            label(key).is_some_and(|it| values.split(',').any(|value| value.trim() == it))
        };
        let holds = if let Some((key, values)) = term.split_once(" notin ") {
            !within(values, key)
        } else if let Some((key, values)) = term.split_once(" in ") {
            within(values, key)
        } else if let Some((key, value)) = term.split_once("!=") {
            label(key) != Some(value.trim())
        } else if let Some((key, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
            label(key) == Some(value.trim())
        } else if let Some(key) = term.strip_prefix('!') {
            label(key).is_none()
        } else if term.contains(' ') {
            return Err(ApiError::invalid(format!("labelSelector: unable to parse requirement: {term}")));
        } else {
            label(term).is_some()
        };
        if !holds {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_those_of_kubernetes() {
        let labels = json!({ "a": "1", "b": "2" });
        for selector in ["", "a", "a=1", "a==1,b=2", "a!=2", "!c", "a in (1, 3),b", "a notin (2,3)", "c!=1"] {
            assert!(selects(selector, &labels).unwrap(), "{selector}");
        }
        for selector in ["c", "a=2", "a=1,b=1", "a!=1", "!a", "a in (2,3)", "a notin (1)"] {
            assert!(!selects(selector, &labels).unwrap(), "{selector}");
        }
        assert!(selects("a like b", &labels).is_err());
    }
}
