//! `CreateFunction`: the code is fetched, measured and unpacked, and the role looked at, before anything exists.

use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};
use std::sync::Arc;

use axum::body::Bytes;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::super::ACCOUNT;
use super::super::clock::as_ms;
use super::super::limit::{Bucket, Running};
use super::super::protocol::{ApiError, ApiRequest, Reply, new_id};
use super::super::sandbox::{BadArchive, Code, UNZIPPED_LIMIT};
use super::super::state::{Shared, State};
use super::super::{iam, s3};
use super::fleet::Fleet;
use super::function::{Config, Function, Version};
use super::validate::{self, Findings, invalid};
use super::{arn, service_error};

/// The largest request: 50 MiB of archive in base64.
const REQUEST_LIMIT: usize = 69_905_067;

/// The largest archive in a request.
const ARCHIVE_LIMIT: usize = 52_428_800;

pub(super) async fn create(emulator: &Shared, request: &ApiRequest) -> Result<Reply, ApiError> {
    if request.body.len() > REQUEST_LIMIT {
        let text = format!("Request must be smaller than {REQUEST_LIMIT} bytes for the CreateFunction operation");
        return Err(ApiError::new(413, "RequestEntityTooLargeException", text).field("Type", "User"));
    }
    let input = request.json()?;
    let mut findings = Findings::default();
    let name = validate::new_name(&input, &mut findings);
    let config = validate::config(&input, &name, &mut findings)?;
    findings.done()?;
    validate::settle(&config)?;
    let tags = validate::tags(&input)?;
    let arn = arn(&request.region, &name);
    iam::authorize(emulator, request, "lambda:CreateFunction", &arn)?;
    if !tags.is_empty() {
        iam::authorize(emulator, request, "lambda:TagResource", &arn)?;
    }
    iam::pass_role(emulator, request, &config.role)?;
    in_the_callers_name(emulator, request, &config, &input)?;
    exists_not(&emulator.state(), &request.region, &name)?;
    let code = code(emulator, &input).await?;
    assumable(emulator, &config)?;
    let now_ms = emulator.clock.now_ms();
    let function = made(emulator, &request.region, &name, config, code, tags);
    // A new function is pending in its own answer, however short that is.
    let shown = function.configuration(now_ms);
    let mut state = emulator.state();
    // Another request may have made it while this one unpacked.
    exists_not(&state, &request.region, &name)?;
    state.lambda.functions.insert((request.region.clone(), name), function);
    Ok(Reply::json(&shown).status(201))
}

/// What Lambda reads on behalf of the caller, who has to be allowed to read it: the archive, layers, the network.
fn in_the_callers_name(
    emulator: &Shared,
    request: &ApiRequest,
    config: &Config,
    input: &Map<String, Value>,
) -> Result<(), ApiError> {
    let code = |name: &str| input.get("Code").and_then(|code| code.get(name)).and_then(Value::as_str);
    if let (Some(bucket), Some(key)) = (code("S3Bucket"), code("S3Key")) {
        let object = format!("arn:aws:s3:::{bucket}/{key}");
        iam::authorize(emulator, request, "s3:GetObject", &object).map_err(|_| {
            let text = format!(
                "Your access has been denied by S3, please make sure your request credentials have permission to \
                 GetObject for {bucket}/{key}. S3 Error Code: AccessDenied. S3 Error Message: Access Denied"
            );
            ApiError::new(403, "AccessDeniedException", text)
        })?;
    }
    for layer in &config.layers {
        iam::authorize(emulator, request, "lambda:GetLayerVersion", layer)?;
    }
    if !config.subnets.is_empty() {
        for action in ["ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs"] {
            iam::authorize(emulator, request, action, "*")?;
        }
    }
    Ok(())
}

/// A function from what its owner gave for it.
fn made(
    emulator: &Shared,
    region: &str,
    name: &str,
    config: Config,
    code: Arc<Code>,
    tags: BTreeMap<String, String>,
) -> Function {
    let now_ms = emulator.clock.now_ms();
    let version = Arc::new(Version {
        name: name.to_owned(),
        region: region.to_owned(),
        arn: arn(region, name),
        config,
        code,
        modified_ms: now_ms,
        revision: new_id(),
    });
    Function {
        fleet: Fleet::new(&version, emulator.settings.scale_up),
        version,
        tags,
        running: Running::default(),
        begun: Bucket::new(0.0, 0),
        reserved: None,
        event_config: None,
        active_at_ms: now_ms.saturating_add(as_ms(emulator.settings.activation)).max(now_ms + 1),
    }
}

/// A function that somebody else might have made, without a request; gives its ARN.
#[expect(clippy::expect_used, reason = "a test that can't have its function has nothing to go on with")]
pub(in super::super) fn add(emulator: &Shared, region: &str, name: &str, tags: BTreeMap<String, String>) -> String {
    let input = json!({
        "Role": format!("arn:aws:iam::{ACCOUNT}:role/somebody"),
        "Runtime": "provided.al2023",
        "Handler": "handler",
    });
    let input = input.as_object().cloned().unwrap_or_default();
    let config = validate::config(&input, name, &mut Findings::default()).expect("the configuration is a good one");
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    archive
        .start_file("bootstrap", SimpleFileOptions::default().unix_permissions(0o755))
        .expect("an entry can be added");
    archive.write_all(b"#!/bin/sh\nexit 1\n").expect("memory takes it");
    let archive = archive.finish().expect("the archive can be ended").into_inner();
    let code = emulator.code.add(&archive.into()).expect("a good archive can be unpacked");
    let function = made(emulator, region, name, config, code, tags);
    let arn = function.version.arn.clone();
    emulator.state().lambda.functions.insert((region.to_owned(), name.to_owned()), function);
    arn
}

fn exists_not(state: &State, region: &str, name: &str) -> Result<(), ApiError> {
    if state.lambda.functions.contains_key(&(region.to_owned(), name.to_owned())) {
        let text = format!("Function already exist: {name}");
        return Err(ApiError::new(409, "ResourceConflictException", text).field("Type", "User"));
    }
    Ok(())
}

/// Refuses a role that does not exist, does not trust Lambda, or is too young for Lambda to know it.
pub(super) fn assumable(emulator: &Shared, config: &Config) -> Result<(), ApiError> {
    let role = iam::execution_role(&emulator.state().iam, &config.role);
    let old_enough = |created_ms: u64| {
        emulator.clock.now_ms() >= created_ms.saturating_add(as_ms(emulator.settings.role_propagation))
    };
    if role.is_some_and(|it| it.trusts_lambda && old_enough(it.created_ms)) {
        Ok(())
    } else {
        Err(invalid("The role defined for the function cannot be assumed by Lambda."))
    }
}

async fn code(emulator: &Shared, input: &Map<String, Value>) -> Result<Arc<Code>, ApiError> {
    let archive = archive(emulator, input)?;
    let keeper = Arc::clone(emulator);
    let unpacked = tokio::task::spawn_blocking(move || keeper.code.add(&archive)).await;
    let unpacked = unpacked.map_err(|error| service_error(&error.to_string()))?;
    unpacked.map_err(|why| match why {
        BadArchive::Unreadable => {
            invalid("Could not unzip uploaded file. Please check your file, then try to upload again.")
        }
        BadArchive::Empty => invalid("Uploaded file must be a non-empty zip"),
        BadArchive::TooLarge => invalid(format!("Unzipped size must be smaller than {UNZIPPED_LIMIT} bytes")),
    })
}

fn archive(emulator: &Shared, input: &Map<String, Value>) -> Result<Bytes, ApiError> {
    let code = input.get("Code").and_then(Value::as_object).ok_or_else(no_code)?;
    let text = |name: &str| code.get(name).and_then(Value::as_str);
    match (text("ZipFile"), text("S3Bucket"), text("S3Key")) {
        (Some(zip), None, None) => {
            let refused = || ApiError::new(400, "SerializationException", "Could not decode the archive's base64");
            let bytes = BASE64_STANDARD.decode(zip).map_err(|_| refused())?;
            match bytes.len() {
                0 => Err(invalid("Uploaded file must be a non-empty zip")),
                size if size > ARCHIVE_LIMIT => {
                    let text = format!("Zipped size must be smaller than {ARCHIVE_LIMIT} bytes");
                    Err(ApiError::new(413, "RequestEntityTooLargeException", text).field("Type", "User"))
                }
                _ => Ok(bytes.into()),
            }
        }
        (None, Some(bucket), Some(key)) => {
            let object = s3::object(&emulator.state().s3, bucket, key);
            object.map_err(|(code, message)| {
                invalid(format!("Error occurred while GetObject. S3 Error Code: {code}. S3 Error Message: {message}"))
            })
        }
        (Some(_), _, _) => {
            Err(invalid("Please do not provide other FunctionCode parameters when providing a ZipFile."))
        }
        _ => Err(no_code()),
    }
}

fn no_code() -> ApiError {
    invalid("Please provide a source for function code.")
}
