//! What Cloud Run refuses before anything exists: names, labels, environment variables, sizes, and the quota of vCPUs.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::operation::seconds;
use super::super::protocol::ApiError;

/// What instances of a service are to be like.
#[derive(Debug, Clone)]
pub(in super::super) struct Template {
    pub(in super::super) image: String,
    pub(in super::super) command: Vec<String>,
    pub(in super::super) arguments: Vec<String>,
    pub(in super::super) environment: Vec<(String, String)>,
    /// Thousandths of a vCPU.
    pub(in super::super) mcpu: u32,
    pub(in super::super) memory_mib: u32,
    pub(in super::super) timeout: Duration,
    pub(in super::super) max_instances: u32,
    /// Whether an instance without a request has no CPU.
    pub(in super::super) cpu_idle: bool,
    pub(in super::super) service_account: Option<String>,
}

/// Names that services may not set.
const RESERVED: [&str; 4] = ["PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION"];

/// Instances of a service that asks for no number.
const MAX_INSTANCES: u32 = 100;

/// The most variables.
const VARIABLES: usize = 1000;

/// An error about one field, as all of them are told.
fn violation(field: &str, text: &str) -> ApiError {
    let field = format!("Violation in CreateServiceRequest.{field}");
    ApiError::invalid(format!("{field}: {text}")).detail(json!({
        "@type": "type.googleapis.com/google.rpc.BadRequest",
        "fieldViolations": [{ "field": field, "description": text }],
    }))
}

/// The name of a new service.
pub(super) fn service_id(id: &str) -> Result<(), ApiError> {
    let is_good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let starts = id.bytes().next().is_some_and(|it| it.is_ascii_lowercase());
    if starts && id.bytes().all(is_good) && !id.ends_with('-') && id.len() < 50 {
        return Ok(());
    }
    let text = "must contain only lowercase letters, digits and hyphens, must begin with a letter, cannot end with a hyphen, \
                and must be less than 50 characters";
    Err(violation("service_id", text))
}

/// Labels of anything.
pub(in super::super) fn check_labels(labels: Option<&Value>, field: &str) -> Result<(), ApiError> {
    let is_good = |it: char| it.is_lowercase() || it.is_numeric() || it == '-' || it == '_';
    let labels = labels.and_then(Value::as_object);
    if labels.is_some_and(|it| it.len() > 64) {
        return Err(violation(field, "at most 64 labels can be set"));
    }
    for (key, value) in labels.into_iter().flatten() {
        let value = value.as_str().unwrap_or("\u{0}");
        let starts = key.chars().next().is_some_and(char::is_lowercase);
        if !starts || key.chars().count() > 63 || !key.chars().all(is_good) {
            let text = format!(
                "label key '{key}' is invalid: must start with a lowercase letter and contain only lowercase letters, \
                 numbers, dashes and underscores, at most 63 characters"
            );
            return Err(violation(field, &text));
        }
        if value.chars().count() > 63 || !value.chars().all(is_good) {
            let text = format!(
                "label value '{value}' of key '{key}' is invalid: may contain only lowercase letters, numbers, dashes and \
                 underscores, at most 63 characters"
            );
            return Err(violation(field, &text));
        }
    }
    Ok(())
}

/// A service as it was sent, with enums as names.
pub(super) fn service(input: &Value, cpu_quota: u64, endpoint: &str) -> Result<Template, ApiError> {
    check_labels(input.get("labels"), "service.labels")?;
    check_labels(input["template"].get("labels"), "service.template.labels")?;
    let template = &input["template"];
    let containers = template["containers"].as_array().map_or(&[][..], Vec::as_slice);
    let [container] = containers else {
        return Err(violation("service.template.containers", "must contain exactly one container"));
    };
    if container.get("sourceCode").is_some() || container.get("baseImageUri").is_some() {
        return Err(violation("service.template.containers[0]", "deploying from source is not in this emulator"));
    }
    let image = container["image"].as_str().unwrap_or("").to_owned();
    check_image(&image, endpoint)?;
    let (mcpu, memory_mib) = (cpu(container)?, memory(container)?);
    let is_gen2 = template["executionEnvironment"] == "EXECUTION_ENVIRONMENT_GEN2";
    fits(mcpu, memory_mib, is_gen2)?;
    let concurrency = number(&template["maxInstanceRequestConcurrency"]).unwrap_or(80);
    if !(1..=1000).contains(&concurrency) {
        let text = "must be between 1 and 1000 inclusive";
        return Err(violation("service.template.max_instance_request_concurrency", text));
    }
    if mcpu < 1000 && concurrency > 1 {
        let text = "Total cpu < 1 is not supported with concurrency > 1.";
        return Err(ApiError::invalid(format!("template.containers[0].resources.limits.cpu: {text}")));
    }
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    Ok(Template {
        image,
        command: texts(&container["command"]),
        arguments: texts(&container["args"]),
        environment: environment(container)?,
        mcpu,
        memory_mib,
        timeout: timeout(template)?,
        max_instances: max_instances(input, mcpu, cpu_quota)?,
        cpu_idle: container["resources"]["cpuIdle"] == true,
        service_account: template["serviceAccount"].as_str().filter(|it| !it.is_empty()).map(str::to_owned),
    })
}

fn number(value: &Value) -> Option<u32> {
    value.as_u64().filter(|it| *it > 0).and_then(|it| u32::try_from(it).ok())
}

fn check_image(image: &str, endpoint: &str) -> Result<(), ApiError> {
    let host = image.split('/').next().unwrap_or("");
    let own = endpoint.trim_start_matches("http://");
    let is_known = host == own || host == "docker.io" || host.ends_with("gcr.io") || host.ends_with("docker.pkg.dev");
    if is_known && image.contains('/') {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "template.containers[0].image: Expected an image path like [host/]repo-path[:tag and/or @digest], where host is one \
         of [region.]gcr.io, [region-]docker.pkg.dev or docker.io but obtained {image}"
    )))
}

fn environment(container: &Value) -> Result<Vec<(String, String)>, ApiError> {
    let all: Vec<(String, String)> = container["env"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|it| (it["name"].as_str().unwrap_or("").to_owned(), it["value"].as_str().unwrap_or("").to_owned()))
        .collect();
    let reserved: Vec<&str> = all
        .iter()
        .map(|(name, _)| name.as_str())
        .filter(|it| RESERVED.contains(it) || it.starts_with("X_GOOGLE_"))
        .collect();
    if !reserved.is_empty() {
        return Err(ApiError::invalid(format!(
            "template.containers[0].env: The following reserved env names were provided: {}. These values are automatically \
             set by the system.",
            reserved.join(", ")
        )));
    }
    if all.len() > VARIABLES {
        return Err(violation("service.template.containers[0].env", "at most 1000 environment variables can be set"));
    }
    for (index, (name, value)) in all.iter().enumerate() {
        if name.is_empty() || name.contains('=') || value.len() > 32 << 10 {
            let field = format!("service.template.containers[0].env[{index}]");
            return Err(violation(&field, "must have a name without '=' and a value of at most 32 kb"));
        }
        if all[..index].iter().any(|(it, _)| it == name) {
            let field = format!("service.template.containers[0].env[{index}].name");
            return Err(violation(&field, &format!("'{name}' is set more than once")));
        }
    }
    Ok(all)
}

fn cpu(container: &Value) -> Result<u32, ApiError> {
    let text = container["resources"]["limits"]["cpu"].as_str().unwrap_or("1");
    let mcpu = match text.strip_suffix('m') {
        Some(thousandths) => thousandths.parse().ok(),
        None => thousandths(text),
    };
    let is_known = |it: &u32| (80..1000).contains(it) || [1000, 2000, 4000, 6000, 8000].contains(it);
    mcpu.filter(is_known).ok_or_else(|| {
        ApiError::invalid(format!(
            "template.containers[0].resources.limits.cpu: Invalid value specified for cpu. Got '{text}', expected 0.08 to 1, \
             1, 2, 4, 6 or 8."
        ))
    })
}

/// Of a number with at most three decimals.
fn thousandths(text: &str) -> Option<u32> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let padded = format!("{fraction:0<3}");
    if padded.len() > 3 {
        return None;
    }
    whole.parse::<u32>().ok()?.checked_mul(1000)?.checked_add(padded.parse().ok()?)
}

fn memory(container: &Value) -> Result<u32, ApiError> {
    let text = container["resources"]["limits"]["memory"].as_str().unwrap_or("512Mi");
    let units =
        [("Ki", 1 << 10), ("Mi", 1 << 20), ("Gi", 1_u64 << 30), ("k", 1000), ("M", 1_000_000), ("G", 1_000_000_000)];
    let found = units.iter().find_map(|(unit, bytes)| text.strip_suffix(unit).map(|number| (number, *bytes)));
    let (number, unit) = found.unwrap_or((text, 1));
    let bytes = number.parse::<u64>().ok().and_then(|it| it.checked_mul(unit));
    bytes.and_then(|it| u32::try_from(it >> 20).ok()).ok_or_else(|| {
        let field = "template.containers[0].resources.limits.memory";
        ApiError::invalid(format!("{field}: Invalid value specified for memory: '{text}'."))
    })
}

/// Whether memory and vCPUs go together.
fn fits(mcpu: u32, memory_mib: u32, is_gen2: bool) -> Result<(), ApiError> {
    let refused = |text: String| {
        let field = "template.containers[0].resources.limits.memory";
        Err(ApiError::invalid(format!("{field}: Invalid value specified for memory. {text}")))
    };
    if is_gen2 && memory_mib < 512 {
        return refused("Total memory < 512 Mi is not supported with gen2 execution environment.".into());
    }
    if is_gen2 && mcpu < 500 {
        let text = "Total cpu < 0.5 is not supported with gen2 execution environment.";
        return Err(ApiError::invalid(format!("template.containers[0].resources.limits.cpu: {text}")));
    }
    let (least, most) = match mcpu {
        ..500 => (128, 512),
        500..1000 => (128, 1 << 10),
        1000 => (128, 4 << 10),
        2000 => (128, 8 << 10),
        4000 => (2 << 10, 16 << 10),
        6000 => (4 << 10, 24 << 10),
        _ => (4 << 10, 32 << 10),
    };
    if (least..=most).contains(&memory_mib) {
        return Ok(());
    }
    let shown = |mib: u32| if mib < 1024 { format!("{mib}Mi") } else { format!("{}Gi", mib >> 10) };
    let cpus = f64::from(mcpu) / 1000.0;
    refused(format!("For {cpus:?} CPU, memory must be between {} and {} inclusive.", shown(least), shown(most)))
}

fn timeout(template: &Value) -> Result<Duration, ApiError> {
    let Some(text) = template["timeout"].as_str() else { return Ok(Duration::from_mins(5)) };
    let timeout = seconds(text).filter(|it| !it.is_zero() && *it <= Duration::from_hours(1));
    timeout.ok_or_else(|| violation("service.template.timeout", "must be greater than 0 and at most 3600 seconds"))
}

fn max_instances(input: &Value, mcpu: u32, quota: u64) -> Result<u32, ApiError> {
    let asked = [&input["template"]["scaling"]["maxInstanceCount"], &input["scaling"]["maxInstanceCount"]];
    let asked = asked.into_iter().filter_map(number).min();
    let affordable = u32::try_from(quota / u64::from(mcpu)).unwrap_or(u32::MAX);
    match asked {
        Some(count) if count > affordable => {
            let requested = u64::from(count) * u64::from(mcpu);
            Err(ApiError::invalid(format!(
                "template.scaling.max_instance_count: Max instances must be set to {affordable} or fewer to set the \
                 requested total CPU.\nQuota violated:\n* CpuAllocPerProjectRegion requested: {requested} allowed: {quota}"
            )))
        }
        Some(count) => Ok(count),
        None => Ok(MAX_INSTANCES.min(affordable.max(1))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_in_the_words_of_the_service() {
        let text = |error: ApiError| error.rpc()["message"].as_str().unwrap_or("").to_owned();
        let found = text(fits(1000, 8192, false).unwrap_err());
        assert!(found.ends_with("For 1.0 CPU, memory must be between 128Mi and 4Gi inclusive."), "{found}");
        assert!(fits(1000, 4096, true).is_ok() && fits(1000, 256, true).is_err() && fits(1000, 256, false).is_ok());
    }

    #[test]
    fn memory_and_cpus_are_read_in_every_unit() {
        let limits = |name: &str, value: &str| json!({ "resources": { "limits": { name: value } } });
        for (text, mib) in [("512Mi", 512), ("1Gi", 1024), ("1073741824", 1024), ("512M", 488)] {
            assert_eq!(memory(&limits("memory", text)).unwrap(), mib, "{text}");
        }
        for (text, mcpu) in [("1", 1000), ("1000m", 1000), ("0.08", 80), ("250m", 250), ("8", 8000)] {
            assert_eq!(cpu(&limits("cpu", text)).unwrap(), mcpu, "{text}");
        }
        for text in ["3", "0.01", "x", "1500m"] {
            assert!(cpu(&limits("cpu", text)).is_err(), "{text}");
        }
    }
}
