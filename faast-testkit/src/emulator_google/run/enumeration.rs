//! Enums, which clients may send as names or numbers and want back as either. Kept are names.

use serde_json::{Map, Value};

use super::super::protocol::ApiRequest;

/// Fields that hold enums, with the names of their values from 0 on.
const ENUMS: [(&str, &[&str]); 4] = [
    (
        "ingress",
        &[
            "INGRESS_TRAFFIC_UNSPECIFIED",
            "INGRESS_TRAFFIC_ALL",
            "INGRESS_TRAFFIC_INTERNAL_ONLY",
            "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER",
            "INGRESS_TRAFFIC_NONE",
        ],
    ),
    (
        "launchStage",
        &[
            "LAUNCH_STAGE_UNSPECIFIED",
            "EARLY_ACCESS",
            "ALPHA",
            "BETA",
            "GA",
            "DEPRECATED",
            "UNIMPLEMENTED",
            "PRELAUNCH",
        ],
    ),
    (
        "executionEnvironment",
        &["EXECUTION_ENVIRONMENT_UNSPECIFIED", "EXECUTION_ENVIRONMENT_GEN1", "EXECUTION_ENVIRONMENT_GEN2"],
    ),
    (
        "state",
        &["STATE_UNSPECIFIED", "CONDITION_PENDING", "CONDITION_RECONCILING", "CONDITION_FAILED", "CONDITION_SUCCEEDED"],
    ),
];

/// Enums whose field has the same name as another one's, by the field they are in.
const INNER: [(&str, &str, &[&str]); 3] = [
    ("vpcAccess", "egress", &["VPC_EGRESS_UNSPECIFIED", "ALL_TRAFFIC", "PRIVATE_RANGES_ONLY"]),
    (
        "traffic",
        "type",
        &[
            "TRAFFIC_TARGET_ALLOCATION_TYPE_UNSPECIFIED",
            "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST",
            "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION",
        ],
    ),
    (
        "trafficStatuses",
        "type",
        &[
            "TRAFFIC_TARGET_ALLOCATION_TYPE_UNSPECIFIED",
            "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST",
            "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION",
        ],
    ),
];

fn names(outer: &str, field: &str) -> Option<&'static [&'static str]> {
    let by_both = INNER.iter().find(|(of, it, _)| *of == outer && *it == field).map(|(.., names)| *names);
    by_both.or_else(|| ENUMS.iter().find(|(it, _)| *it == field).map(|(_, names)| *names))
}

/// The same with enums as names.
pub(super) fn named(value: &Value) -> Value {
    let name = |names: &[&str], value: &Value| {
        let place = value.as_u64().and_then(|it| usize::try_from(it).ok())?;
        names.get(place).map(|it| Value::from(*it))
    };
    changed("", value, &name)
}

/// The same with enums as the request wants them.
pub(in super::super) fn shown(value: &Value, request: &ApiRequest) -> Value {
    if !request.wants_numbers() {
        return value.clone();
    }
    let number = |names: &[&str], value: &Value| {
        let text = value.as_str()?;
        names.iter().position(|it| *it == text).map(Value::from)
    };
    changed("", value, &number)
}

fn changed(outer: &str, value: &Value, change: &dyn Fn(&[&str], &Value) -> Option<Value>) -> Value {
    match value {
        Value::Array(items) => items.iter().map(|it| changed(outer, it, change)).collect(),
        Value::Object(fields) => {
            let field = |(field, value): (&String, &Value)| {
                let enumerated = names(outer, field).and_then(|names| change(names, value));
                // Keys of these are the user's.
                let is_free = field == "labels" || field == "annotations" || field == "env";
                let inner = || if is_free { value.clone() } else { changed(field, value, change) };
                (field.clone(), enumerated.unwrap_or_else(inner))
            };
            Value::Object(fields.iter().map(field).collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_become_names_and_labels_stay() {
        let sent = json!({
            "ingress": 1,
            "labels": { "state": "4" },
            "traffic": [{ "type": 1, "percent": 100 }],
            "template": { "executionEnvironment": 2, "vpcAccess": { "egress": 2 } },
        });
        let kept = json!({
            "ingress": "INGRESS_TRAFFIC_ALL",
            "labels": { "state": "4" },
            "traffic": [{ "type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100 }],
            "template": {
                "executionEnvironment": "EXECUTION_ENVIRONMENT_GEN2",
                "vpcAccess": { "egress": "PRIVATE_RANGES_ONLY" },
            },
        });
        assert_eq!(named(&sent), kept);
        assert_eq!(named(&kept), kept);
    }
}
