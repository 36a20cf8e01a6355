//! Functions after they were made: shown, listed, changed, deleted.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::protocol::{ApiError, ApiRequest, Reply, new_id};
use super::super::state::Shared;
use super::super::{ACCOUNT, iam};
use super::fleet::Fleet;
use super::function::Version;
use super::validate::{self, Findings};
use super::{Key, create, not_found, pending};

/// The most functions on one page.
const PAGE: usize = 50;

pub(super) fn get(emulator: &Shared, request: &ApiRequest) -> Result<Reply, ApiError> {
    let key = Key::of(request)?;
    iam::authorize(emulator, request, "lambda:GetFunction", &key.arn())?;
    // Who may not list tags is told of none.
    let shows_tags = iam::authorize(emulator, request, "lambda:ListTags", &key.arn()).is_ok();
    let now_ms = emulator.clock.now_ms();
    let state = emulator.state();
    let function = state.lambda.function(&key)?;
    let location =
        format!("https://awslambda-{}-tasks.s3.{}.amazonaws.com/snapshots/{ACCOUNT}", key.region, key.region);
    let mut shown = json!({
        "Configuration": function.configuration(now_ms),
        "Code": { "RepositoryType": "S3", "Location": format!("{location}/{}", key.name) },
    });
    if shows_tags && !function.tags.is_empty() {
        shown["Tags"] = json!(function.tags);
    }
    if let Some(reserved) = function.reserved {
        shown["Concurrency"] = json!({ "ReservedConcurrentExecutions": reserved });
    }
    Ok(Reply::json(&shown))
}

pub(super) fn configuration(emulator: &Shared, request: &ApiRequest) -> Result<Reply, ApiError> {
    let key = Key::of(request)?;
    iam::authorize(emulator, request, "lambda:GetFunctionConfiguration", &key.arn())?;
    let now_ms = emulator.clock.now_ms();
    Ok(Reply::json(&emulator.state().lambda.function(&key)?.configuration(now_ms)))
}

pub(super) fn update(emulator: &Shared, request: &ApiRequest) -> Result<Reply, ApiError> {
    let key = Key::of(request)?;
    iam::authorize(emulator, request, "lambda:UpdateFunctionConfiguration", &key.arn())?;
    let now_ms = emulator.clock.now_ms();
    let old = {
        let state = emulator.state();
        let function = state.lambda.function(&key)?;
        if function.is_pending(now_ms) {
            return Err(pending());
        }
        Arc::clone(&function.version)
    };
    let input = request.json()?;
    let (mut config, mut findings) = (old.config.clone(), Findings::default());
    validate::change(&mut config, &input, &mut findings)?;
    findings.done()?;
    validate::settle(&config)?;
    if input.contains_key("Role") {
        iam::pass_role(emulator, request, &config.role)?;
        create::assumable(emulator, &config)?;
    }
    let version = Arc::new(Version {
        name: old.name.clone(),
        region: old.region.clone(),
        arn: old.arn.clone(),
        config,
        code: Arc::clone(&old.code),
        modified_ms: now_ms,
        revision: new_id(),
    });
    let fleet = Fleet::new(&version, emulator.settings.scale_up);
    let mut state = emulator.state();
    let function = state.lambda.function_mut(&key)?;
    function.version = version;
    std::mem::replace(&mut function.fleet, fleet).end();
    Ok(Reply::json(&function.configuration(now_ms)))
}

pub(super) fn delete(emulator: &Shared, request: &ApiRequest) -> Result<Reply, ApiError> {
    let key = Key::of(request)?;
    iam::authorize(emulator, request, "lambda:DeleteFunction", &key.arn())?;
    let gone = emulator.state().lambda.functions.remove(&key.pair());
    let gone = gone.ok_or_else(|| not_found(&key))?;
    gone.fleet.end();
    Ok(Reply::empty(204))
}

pub(super) fn list(emulator: &Shared, request: &ApiRequest) -> Result<Reply, ApiError> {
    iam::authorize(emulator, request, "lambda:ListFunctions", "*")?;
    let wanted = match request.query("MaxItems") {
        None => PAGE,
        Some(text) => match text.parse::<usize>() {
            Ok(count) if (1..=10_000).contains(&count) => count.min(PAGE),
            _ => {
                let text =
                    format!("Value '{text}' at 'maxItems' failed to satisfy constraint: Member must be in 1..10000");
                return Err(ApiError::new(400, "ValidationException", format!("1 validation error detected: {text}")));
            }
        },
    };
    let after = request.query("Marker").unwrap_or("");
    let state = emulator.state();
    let all = state.lambda.functions.iter();
    let mut matching = all.filter(|((region, name), _)| *region == request.region && name.as_str() > after);
    let page: Vec<_> = matching.by_ref().take(wanted).collect();
    let shown: Vec<Value> = page.iter().map(|(_, function)| function.summary()).collect();
    let marker = page.last().filter(|_| matching.next().is_some()).map(|((_, name), _)| name.clone());
    Ok(Reply::json(&json!({ "Functions": shown, "NextMarker": marker })))
}

pub(super) fn account(emulator: &Shared, request: &ApiRequest) -> Result<Reply, ApiError> {
    iam::authorize(emulator, request, "lambda:GetAccountSettings", "*")?;
    let state = emulator.state();
    let functions = state.lambda.functions.values();
    let size: u64 = functions.clone().map(|function| function.version.code.size).sum();
    let limit = emulator.settings.account_concurrency;
    Ok(Reply::json(&json!({
        "AccountLimit": {
            "TotalCodeSize": 80_530_636_800_u64,
            "CodeSizeUnzipped": 262_144_000,
            "CodeSizeZipped": 52_428_800,
            "ConcurrentExecutions": limit,
            "UnreservedConcurrentExecutions": limit.saturating_sub(state.lambda.reserved()),
        },
        "AccountUsage": { "TotalCodeSize": size, "FunctionCount": functions.count() },
    })))
}
