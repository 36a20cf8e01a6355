//! The rules for parameters, and the texts with which AWS refuses what breaks them.
//!
//! Rules of the model (lengths, patterns, ranges) are collected, and reported together as AWS does; what the service
//! itself checks afterwards has texts of its own.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

use super::super::protocol::ApiError;
use super::super::sandbox::RESERVED;
use super::function::Config;

/// Runtimes that an archive with `bootstrap` can have.
const RUNTIMES: &[&str] = &["provided.al2023", "provided.al2"];

/// Runtimes that exist, and that the emulator can't run.
const OTHER_RUNTIMES: &[&str] = &["nodejs", "python", "java", "dotnet", "ruby", "go1.x"];

/// The most memory for a function on ordinary environments.
const MEMORY: (u32, u32) = (128, 10_240);
const STORAGE: (u32, u32) = (512, 10_240);
const TIMEOUT: (u32, u32) = (1, 900);
const ENVIRONMENT_LIMIT: usize = 4096;
const NAME_PATTERN: &str = "(arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:)?(\\d{12}:)?\
                            (function:)?([a-zA-Z0-9-_]+)(:(\\$LATEST|[a-zA-Z0-9-_]+))?";
const ROLE_PATTERN: &str = "arn:(aws[a-zA-Z-]*)?:iam::\\d{12}:role/?[a-zA-Z_0-9+=,.@\\-_/]+";

/// Findings against the rules of the model.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<String>);

impl Findings {
    fn add(&mut self, value: &str, member: &str, constraint: &str) {
        self.0.push(format!("Value {value} at '{member}' failed to satisfy constraint: Member must {constraint}"));
    }

    fn length(&mut self, value: &str, member: &str, max: usize) {
        if value.chars().count() > max {
            self.add(&format!("'{value}'"), member, &format!("have length less than or equal to {max}"));
        }
    }

    fn range(&mut self, value: i64, member: &str, (min, max): (u32, u32)) {
        if value < i64::from(min) {
            self.add(&format!("'{value}'"), member, &format!("have value greater than or equal to {min}"));
        }
        if value > i64::from(max) {
            self.add(&format!("'{value}'"), member, &format!("have value less than or equal to {max}"));
        }
    }

    pub(super) fn done(self) -> Result<(), ApiError> {
        match self.0.len() {
            0 => Ok(()),
            count => {
                let errors = if count == 1 { "error" } else { "errors" };
                let text = format!("{count} validation {errors} detected: {}", self.0.join("; "));
                Err(ApiError::new(400, "ValidationException", text))
            }
        }
    }
}

/// An `InvalidParameterValueException`.
pub(super) fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(400, "InvalidParameterValueException", message).field("Type", "User")
}

/// The name in a request to create: a plain one, or one in an ARN.
pub(super) fn new_name(input: &Map<String, Value>, findings: &mut Findings) -> String {
    let Some(given) = text(input, "FunctionName") else {
        findings.add("null", "functionName", "not be null");
        return String::new();
    };
    let name = super::name_in(given);
    let fits = !name.is_empty() && name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-' || it == b'_');
    let prefix_fits = given == name || given.starts_with("arn:aws") || given.starts_with("function:") || {
        given.split(':').next().is_some_and(|it| it.len() == 12 && it.bytes().all(|it| it.is_ascii_digit()))
    };
    if !fits || !prefix_fits {
        let constraint = format!("satisfy regular expression pattern: {NAME_PATTERN}");
        findings.add(&format!("'{given}'"), "functionName", &constraint);
    }
    findings.length(name, "functionName", if given == name { 64 } else { 140 });
    name.to_owned()
}

/// The settings of a new function.
pub(super) fn config(input: &Map<String, Value>, name: &str, findings: &mut Findings) -> Result<Config, ApiError> {
    let mut config = Config {
        role: String::new(),
        handler: String::new(),
        memory_mb: MEMORY.0,
        timeout: Duration::from_secs(3),
        storage_mb: STORAGE.0,
        environment: BTreeMap::new(),
        log_group: format!("/aws/lambda/{name}"),
        runtime: String::new(),
        description: String::new(),
        architecture: "x86_64".into(),
        log_format: "Text".into(),
        layers: Vec::new(),
        subnets: Vec::new(),
        security_groups: Vec::new(),
    };
    if !input.contains_key("Role") {
        findings.add("null", "role", "not be null");
    }
    change(&mut config, input, findings)?;
    Ok(config)
}

/// Replaces the settings that a request has.
pub(super) fn change(config: &mut Config, input: &Map<String, Value>, findings: &mut Findings) -> Result<(), ApiError> {
    texts(config, input, findings)?;
    numbers(config, input, findings)?;
    if let Some(variables) = input.get("Environment").and_then(|it| it.get("Variables")).filter(|it| !it.is_null()) {
        config.environment = map(variables, "Environment.Variables")?;
    }
    if let Some(given) = input.get("Architectures").filter(|it| !it.is_null()) {
        let given = list(given, "Architectures")?;
        match given.as_slice() {
            [one] if one == "x86_64" || one == "arm64" => config.architecture.clone_from(one),
            _ => findings.add(
                &format!("'[{}]'", given.join(", ")),
                "architectures",
                "satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64]]",
            ),
        }
    }
    logging(config, input, findings);
    if let Some(given) = input.get("Layers").filter(|it| !it.is_null()) {
        config.layers = list(given, "Layers")?;
    }
    if let Some(Value::Object(vpc)) = input.get("VpcConfig") {
        let of = |name: &str| vpc.get(name).filter(|it| !it.is_null()).map_or(Ok(Vec::new()), |it| list(it, name));
        (config.subnets, config.security_groups) = (of("SubnetIds")?, of("SecurityGroupIds")?);
    }
    Ok(())
}

fn texts(config: &mut Config, input: &Map<String, Value>, findings: &mut Findings) -> Result<(), ApiError> {
    if let Some(role) = string(input, "Role")? {
        if !is_role(&role) {
            let constraint = format!("satisfy regular expression pattern: {ROLE_PATTERN}");
            findings.add(&format!("'{role}'"), "role", &constraint);
        }
        config.role = role;
    }
    if let Some(handler) = string(input, "Handler")? {
        findings.length(&handler, "handler", 128);
        if handler.is_empty() || handler.contains(char::is_whitespace) {
            findings.add(&format!("'{handler}'"), "handler", "satisfy regular expression pattern: [^\\s]+");
        }
        config.handler = handler;
    }
    if let Some(description) = string(input, "Description")? {
        findings.length(&description, "description", 256);
        config.description = description;
    }
    if let Some(runtime) = string(input, "Runtime")? {
        let exists = RUNTIMES.contains(&runtime.as_str()) || OTHER_RUNTIMES.iter().any(|it| runtime.starts_with(it));
        if !exists {
            let all = RUNTIMES.join(", ");
            return Err(invalid(format!(
                "Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [{all}] \
                 or be a valid ARN"
            )));
        }
        config.runtime = runtime;
    }
    Ok(())
}

fn numbers(config: &mut Config, input: &Map<String, Value>, findings: &mut Findings) -> Result<(), ApiError> {
    if let Some(memory) = number(input, "MemorySize")? {
        findings.range(memory, "memorySize", MEMORY);
        config.memory_mb = small(memory);
    }
    if let Some(timeout) = number(input, "Timeout")? {
        findings.range(timeout, "timeout", TIMEOUT);
        config.timeout = Duration::from_secs(small(timeout).into());
    }
    if let Some(Value::Object(storage)) = input.get("EphemeralStorage") {
        match number(storage, "Size")? {
            Some(size) => {
                findings.range(size, "ephemeralStorage.size", STORAGE);
                config.storage_mb = small(size);
            }
            None => findings.add("null", "ephemeralStorage.size", "not be null"),
        }
    }
    Ok(())
}

fn logging(config: &mut Config, input: &Map<String, Value>, findings: &mut Findings) {
    let Some(Value::Object(logging)) = input.get("LoggingConfig") else { return };
    if let Some(group) = text(logging, "LogGroup") {
        let fits = |it: u8| it.is_ascii_alphanumeric() || b".-_/#".contains(&it);
        if group.is_empty() || !group.bytes().all(fits) {
            let constraint = "satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+";
            findings.add(&format!("'{group}'"), "loggingConfig.logGroup", constraint);
        }
        findings.length(group, "loggingConfig.logGroup", 512);
        group.clone_into(&mut config.log_group);
    }
    if let Some(format) = text(logging, "LogFormat") {
        if !["Text", "JSON"].contains(&format) {
            let constraint = "satisfy enum value set: [JSON, Text]";
            findings.add(&format!("'{format}'"), "loggingConfig.logFormat", constraint);
        }
        format.clone_into(&mut config.log_format);
    }
}

/// What the service checks once the model's rules are kept.
pub(super) fn settle(config: &Config) -> Result<(), ApiError> {
    if config.runtime.is_empty() || config.handler.is_empty() {
        let text = "Runtime and Handler are mandatory parameters for functions created with deployment packages.";
        return Err(invalid(text));
    }
    if !RUNTIMES.contains(&config.runtime.as_str()) {
        let text = format!("the emulator runs {} only, not {}", RUNTIMES.join(" and "), config.runtime);
        return Err(invalid(text));
    }
    environment(&config.environment)?;
    if config.subnets.is_empty() != config.security_groups.is_empty() {
        let text = "The VPC configuration must have both subnets and security groups.";
        return Err(invalid(text));
    }
    Ok(())
}

fn environment(variables: &BTreeMap<String, String>) -> Result<(), ApiError> {
    const START: &str = "Lambda was unable to configure your environment variables because the environment variables you \
                         have provided";
    let malformed = |name: &str| {
        let begins = name.starts_with(|it: char| it.is_ascii_alphabetic());
        let fits = name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_');
        name.len() < 2 || !begins || !fits
    };
    let reserved: Vec<&str> = variables.keys().map(String::as_str).filter(|it| RESERVED.contains(it)).collect();
    if !reserved.is_empty() {
        return Err(invalid(format!(
            "{START} contains reserved keys that are currently not supported for modification. Reserved keys used in this \
             request: {}",
            reserved.join(", ")
        )));
    }
    if let Some(name) = variables.keys().find(|name| malformed(name)) {
        let value = &variables[name];
        let text = format!(
            "1 validation error detected: Value '{{{name}={value}}}' at 'environment.variables' failed to satisfy \
             constraint: Map keys must satisfy constraint: [Member must satisfy regular expression pattern: \
             [a-zA-Z]([a-zA-Z0-9_])+]"
        );
        return Err(ApiError::new(400, "ValidationException", text));
    }
    // As the service measures it: the JSON of the map.
    let measured = serde_json::to_string(variables).unwrap_or_default();
    if measured.len() > ENVIRONMENT_LIMIT {
        return Err(invalid(format!("{START} exceeded the 4KB limit. String measured: {measured}")));
    }
    Ok(())
}

/// The tags of a request.
pub(super) fn tags(input: &Map<String, Value>) -> Result<BTreeMap<String, String>, ApiError> {
    let Some(given) = input.get("Tags").filter(|it| !it.is_null()) else { return Ok(BTreeMap::new()) };
    let tags = map(given, "Tags")?;
    if tags.len() > 50 {
        return Err(invalid("The number of tags exceeds the limit of 50."));
    }
    match tags.iter().find(|(key, value)| key.is_empty() || key.len() > 128 || value.len() > 256) {
        Some((key, _)) => Err(invalid(format!("The tag `{key}` is too long or empty."))),
        None if tags.keys().any(|key| key.starts_with("aws:")) => {
            Err(invalid("Tag keys starting with 'aws:' are reserved for system use."))
        }
        None => Ok(tags),
    }
}

fn is_role(role: &str) -> bool {
    let Some(rest) = role.strip_prefix("arn:") else { return false };
    let Some((partition, rest)) = rest.split_once(":iam::") else { return false };
    let Some((account, path)) = rest.split_once(":role") else { return false };
    let allowed = |it: u8| it.is_ascii_alphanumeric() || b"_+=,.@-/".contains(&it);
    partition.starts_with("aws")
        && account.len() == 12
        && account.bytes().all(|it| it.is_ascii_digit())
        && path.len() > 1
        && path.bytes().all(allowed)
}

fn text<'a>(input: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    input.get(name)?.as_str()
}

/// What JSON of another type than the model's gives.
fn mistyped(name: &str) -> ApiError {
    ApiError::new(400, "SerializationException", format!("Unexpected value for member {name}"))
}

fn string(input: &Map<String, Value>, name: &str) -> Result<Option<String>, ApiError> {
    match input.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(mistyped(name)),
    }
}

pub(super) fn number(input: &Map<String, Value>, name: &str) -> Result<Option<i64>, ApiError> {
    match input.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_i64().map(Some).ok_or_else(|| mistyped(name)),
    }
}

/// Of a number that has been found to be in its range, or refused.
fn small(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

fn list(value: &Value, name: &str) -> Result<Vec<String>, ApiError> {
    let text = |it: &Value| it.as_str().map(str::to_owned).ok_or_else(|| mistyped(name));
    value.as_array().ok_or_else(|| mistyped(name))?.iter().map(text).collect()
}

fn map(value: &Value, name: &str) -> Result<BTreeMap<String, String>, ApiError> {
    let text = |it: &Value| it.as_str().map(str::to_owned).ok_or_else(|| mistyped(name));
    let pairs = value.as_object().ok_or_else(|| mistyped(name))?;
    pairs.iter().map(|(key, value)| Ok((key.clone(), text(value)?))).collect()
}
