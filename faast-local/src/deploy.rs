//! Deploying: the log folder, the way workers are started, and the first of them.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use faast_core::provider::{CloudFunction, DeployContext, DeploySpec};
use faast_core::worker::{Mark, launch_args};
use faast_core::{Error, ErrorKind, Result};
use rustix::process::{Resource, getrlimit};

use crate::config::{FAAST_MEMORY_MB, NAME, Place};
use crate::in_process::Threads;
use crate::invoke::LocalFunction;
use crate::logs::Logs;
use crate::pool::Pool;
use crate::process::Launch;

/// Descriptors of the client for each worker (socket, journal), and those that are open while one starts.
const DESCRIPTORS: usize = 3;

/// Descriptors that are left to the program.
const SPARE: usize = 64;

pub(crate) fn deploy(place: Place, spec: &DeploySpec, cx: &DeployContext) -> Result<Arc<dyn CloudFunction>> {
    if cx.abort.is_canceled() {
        return Err(Error::new(ErrorKind::Canceled, "the deployment was given up"));
    }
    if place == Place::Threads {
        if !spec.env.is_empty() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "threads of the client can't have an environment of their own",
            )
            .with_hint("leave out `env` or `in_process`, or set the variables for the client"));
        }
        return Ok(Arc::new(Threads::new(spec.concurrency)));
    }
    let logs = Logs::create(&cx.cache, &spec.deployment, spec.expires);
    let concurrency = affordable(spec.concurrency);
    let pool = Pool::new(launch(spec), logs, spec.memory_mb, concurrency, cx.runtime.clone());
    let function = LocalFunction::new(pool, spec.keep_logs);
    // Its start overlaps with what the program does until its first call.
    function.warm_up().map_err(|failure| {
        Error::new(ErrorKind::Deploy, "the program can't start itself as a worker").with_source(failure)
    })?;
    Ok(Arc::new(function))
}

fn launch(spec: &DeploySpec) -> Launch {
    let mut args = launch_args();
    args.push(Mark::for_child(NAME).to_string());
    // Not 1, whatever the client's own environment says: with little memory, std's printer of backtraces fails to
    // allocate while it holds a lock that the failed allocation's own report waits for, and the worker hangs for ever.
    let mut env = vec![("RUST_BACKTRACE".into(), "0".into())];
    env.extend(spec.env.iter().cloned());
    env.extend(spec.memory_mb.map(|mb| (FAAST_MEMORY_MB.into(), mb.to_string())));
    // Workers start at any time, and the program may go to another folder meanwhile.
    let folder = spec.staged.clone().or_else(|| std::env::current_dir().ok());
    Launch { name: program_name(), args, env, folder }
}

/// What `ps` shows instead of `exe`.
fn program_name() -> String {
    std::env::args_os().next().map(PathBuf::from).map_or_else(
        || "faast-worker".into(),
        |path| path.file_name().map_or_else(|| "faast-worker".into(), |name| name.to_string_lossy().into_owned()),
    )
}

/// Workers that the limit of open descriptors allows.
pub(crate) fn affordable(wanted: usize) -> usize {
    let Some(limit) = getrlimit(Resource::Nofile).current.and_then(|limit| usize::try_from(limit).ok()) else {
        return wanted;
    };
    if wanted < limit / (4 * DESCRIPTORS) {
        return wanted;
    }
    let open = fs::read_dir("/proc/self/fd").map_or(SPARE, Iterator::count);
    let allowed = (limit.saturating_sub(open + SPARE) / DESCRIPTORS).max(1);
    if allowed < wanted {
        faast_core::log!(
            faast_core::log::Channel::Warning,
            "the limit of {limit} open files allows for {allowed} workers, not {wanted}; `ulimit -n` raises it"
        );
    }
    wanted.min(allowed)
}
