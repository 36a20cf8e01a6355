//! The environment variables of a process: exactly the documented ones and the user's.

use std::path::Path;

use super::super::iam::Session;
use super::super::lambda::Version;

/// Names that functions may not set. Those of the first row are what the service itself sets.
pub(in super::super) const RESERVED: &[&str] = &[
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_MAX_CONCURRENCY",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_LAMBDA_RUNTIME_API",
    "LAMBDA_TASK_ROOT",
    "LAMBDA_RUNTIME_DIR",
];

/// Where a process runs, besides its function.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub(super) port: u16,
    pub(super) endpoint: &'a str,
    pub(super) log_stream: &'a str,
    pub(super) temporary: &'a Path,
    pub(super) session: &'a Session,
}

/// The variables of a process; the user's go last, and may replace those that are not reserved.
pub(super) fn variables(version: &Version, place: &Place<'_>) -> Vec<(String, String)> {
    let root = version.code.folder.display().to_string();
    let config = &version.config;
    let fixed = [
        ("AWS_ACCESS_KEY_ID", place.session.access_key.clone()),
        ("AWS_DEFAULT_REGION", version.region.clone()),
        // Real ones have none: they find AWS.
        ("AWS_ENDPOINT_URL", place.endpoint.to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", config.memory_mb.to_string()),
        ("AWS_LAMBDA_FUNCTION_NAME", version.name.clone()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".into()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".into()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", config.log_group.clone()),
        ("AWS_LAMBDA_LOG_STREAM_NAME", place.log_stream.into()),
        ("AWS_LAMBDA_RUNTIME_API", format!("127.0.0.1:{}", place.port)),
        ("AWS_REGION", version.region.clone()),
        ("AWS_SECRET_ACCESS_KEY", place.session.secret_key.clone()),
        ("AWS_SESSION_TOKEN", place.session.token.clone()),
        ("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR".into()),
        ("AWS_XRAY_DAEMON_ADDRESS", "169.254.100.1:2000".into()),
        ("LAMBDA_RUNTIME_DIR", "/var/runtime".into()),
        ("LAMBDA_TASK_ROOT", root.clone()),
        ("LANG", "en_US.UTF-8".into()),
        ("LD_LIBRARY_PATH", format!("/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:{root}:{root}/lib:/opt/lib")),
        ("PATH", "/usr/local/bin:/usr/bin/:/bin:/opt/bin".into()),
        // Real ones have a `/tmp` of their own; here processes share the machine's.
        ("TMPDIR", place.temporary.display().to_string()),
        ("TZ", ":UTC".into()),
        ("_HANDLER", config.handler.clone()),
    ];
    let fixed = fixed.into_iter().map(|(name, value)| (name.to_owned(), value));
    fixed.chain(config.environment.clone()).collect()
}
