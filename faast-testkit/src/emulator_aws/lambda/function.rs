//! What Lambda knows of a function, and how it shows it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::clock::iso;
use super::super::limit::{Bucket, Running};
use super::super::report::runtime_arn;
use super::super::sandbox::Code;
use super::event_config::EventConfig;
use super::fleet::Fleet;

/// A function as it exists.
#[derive(Debug)]
pub(in super::super) struct Function {
    pub(super) version: Arc<Version>,
    /// Its environments; others after each change of the configuration.
    pub(super) fleet: Arc<Fleet>,
    pub(super) tags: BTreeMap<String, String>,
    /// Invocations that run.
    pub(super) running: Running,
    /// Limits how many begin within a second.
    pub(super) begun: Bucket,
    pub(super) reserved: Option<u32>,
    pub(super) event_config: Option<EventConfig>,
    /// Until then it is `Pending`.
    pub(super) active_at_ms: u64,
}

/// Code and configuration, which do not change: a change makes another one.
#[derive(Debug)]
pub(in super::super) struct Version {
    pub(in super::super) name: String,
    pub(in super::super) region: String,
    pub(in super::super) arn: String,
    pub(in super::super) config: Config,
    pub(in super::super) code: Arc<Code>,
    pub(super) modified_ms: u64,
    pub(super) revision: String,
}

/// What a user sets.
#[derive(Debug, Clone)]
pub(in super::super) struct Config {
    pub(in super::super) role: String,
    pub(in super::super) handler: String,
    pub(in super::super) memory_mb: u32,
    pub(in super::super) timeout: Duration,
    pub(in super::super) storage_mb: u32,
    pub(in super::super) environment: BTreeMap<String, String>,
    pub(in super::super) log_group: String,
    pub(super) runtime: String,
    pub(super) description: String,
    pub(super) architecture: String,
    pub(super) log_format: String,
    pub(super) layers: Vec<String>,
    pub(super) subnets: Vec<String>,
    pub(super) security_groups: Vec<String>,
}

impl Function {
    pub(super) fn is_pending(&self, now_ms: u64) -> bool {
        now_ms < self.active_at_ms
    }

    /// As `GetFunctionConfiguration` shows it.
    pub(super) fn configuration(&self, now_ms: u64) -> Value {
        let mut shown = self.version.describe();
        let state = if self.is_pending(now_ms) {
            json!({
                "State": "Pending",
                "StateReason": "The function is being created.",
                "StateReasonCode": "Creating",
            })
        } else {
            json!({ "State": "Active", "LastUpdateStatus": "Successful" })
        };
        merge(&mut shown, state);
        shown
    }

    /// As `ListFunctions` shows it: without its state.
    pub(super) fn summary(&self) -> Value {
        self.version.describe()
    }
}

impl Version {
    fn describe(&self) -> Value {
        let config = &self.config;
        let mut shown = json!({
            "FunctionName": self.name,
            "FunctionArn": self.arn,
            "Runtime": config.runtime,
            "Role": config.role,
            "Handler": config.handler,
            "CodeSize": self.code.size,
            "Description": config.description,
            "Timeout": config.timeout.as_secs(),
            "MemorySize": config.memory_mb,
            "LastModified": format!("{}+0000", iso(self.modified_ms)),
            "CodeSha256": self.code.sha256,
            "Version": "$LATEST",
            "TracingConfig": { "Mode": "PassThrough" },
            "RevisionId": self.revision,
            "PackageType": "Zip",
            "Architectures": [config.architecture],
            "EphemeralStorage": { "Size": config.storage_mb },
            "SnapStart": { "ApplyOn": "None", "OptimizationStatus": "Off" },
            "RuntimeVersionConfig": { "RuntimeVersionArn": runtime_arn(&self.region) },
            "LoggingConfig": { "LogFormat": config.log_format, "LogGroup": config.log_group },
        });
        if !config.environment.is_empty() {
            merge(&mut shown, json!({ "Environment": { "Variables": config.environment } }));
        }
        if !config.layers.is_empty() {
            let layers: Vec<_> = config.layers.iter().map(|arn| json!({ "Arn": arn, "CodeSize": 0 })).collect();
            merge(&mut shown, json!({ "Layers": layers }));
        }
        if !config.subnets.is_empty() {
            let vpc = json!({
                "SubnetIds": config.subnets,
                "SecurityGroupIds": config.security_groups,
                "VpcId": "vpc-0123456789abcdef0",
                "Ipv6AllowedForDualStack": false,
            });
            merge(&mut shown, json!({ "VpcConfig": vpc }));
        }
        shown
    }
}

fn merge(into: &mut Value, more: Value) {
    if let (Value::Object(into), Value::Object(more)) = (into, more) {
        into.extend(more);
    }
}
