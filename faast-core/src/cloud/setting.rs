//! The setting of a run, for its record: options as people read them, and the machine. Nothing secret: of the workers'
//! environment the names only, and nothing of a provider's own options.

use crate::dispatch::Policy;
use crate::options::Options;
use crate::provider::{DeploySpec, cores};

/// The name of the running program, without its folder.
pub(super) fn program() -> String {
    let executable = std::env::current_exe().ok();
    let name = executable.as_deref().and_then(|path| path.file_name());
    name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Every option with its value, the provider's defaults filled in.
pub(super) fn options(spec: &DeploySpec, options: &Options, policy: &Policy) -> Vec<(String, String)> {
    let or_none = |value: Option<String>| value.unwrap_or_else(|| "none".into());
    let names: Vec<_> = options.env.iter().map(|(name, _)| name.as_str()).collect();
    let all = [
        ("mode", format!("{:?}", spec.mode)),
        ("concurrency", policy.concurrency.to_string()),
        ("memory_mb", spec.memory_mb.map_or_else(|| "no limit".into(), |mebibytes| mebibytes.to_string())),
        ("timeout", format!("{:?}", policy.timeout)),
        ("deadline", or_none(policy.deadline.map(|deadline| format!("{deadline:?}")))),
        ("retries", policy.retries.to_string()),
        ("hedge", if policy.hedge { "on" } else { "off" }.to_owned()),
        ("batch", policy.batch.map_or_else(|| "automatic".into(), |batch| batch.to_string())),
        ("rate", or_none(policy.rate.map(|(rate, burst)| format!("{rate} a second, burst {burst}")))),
        ("priced_as", or_none(options.priced_as.as_ref().map(|elsewhere| elsewhere.provider.name().to_owned()))),
        ("budget_usd", or_none(policy.budget_usd.map(|usd| usd.to_string()))),
        ("arch", spec.arch.map_or_else(|| "this machine's".into(), |arch| arch.to_string())),
        ("env", if names.is_empty() { "none".into() } else { names.join(", ") }),
        ("include", if options.include.is_empty() { "none".into() } else { options.include.join(", ") }),
        ("keep_logs", if spec.keep_logs { "yes" } else { "no" }.to_owned()),
        ("description", or_none(options.description.clone())),
    ];
    all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The client's machine and versions.
pub(super) fn environment() -> Vec<(String, String)> {
    let all = [
        ("faast", env!("CARGO_PKG_VERSION").to_owned()),
        ("client", format!("{} on {}", std::env::consts::ARCH, std::env::consts::OS)),
        ("cores", cores().to_string()),
        ("build", if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned()),
    ];
    all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
