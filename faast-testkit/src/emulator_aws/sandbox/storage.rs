//! The size of an environment's folder for temporary files: a file system in memory that is no larger, in a mount namespace
//! of the process. What a function sees when it is full is `ENOSPC`, as on Lambda.

use std::path::Path;
use std::sync::LazyLock;

use crate::emulator::isolation::{Isolation, UNSHARE};

/// Arguments: the size in MiB, the folder, and what to run in the end, which replaces the shell.
const ENTER: &str = r#"
PATH=/usr/sbin:/usr/bin:/sbin:/bin mount -t tmpfs -o "size=$1m,mode=0700" faast "$2" || exit
shift 2
exec "$@"
"#;

static ISOLATION: LazyLock<Option<Isolation>> =
    LazyLock::new(|| Isolation::that_runs("mount -t tmpfs -o size=64k faast \"$1\""));

/// Whether sizes can be limited on this machine.
pub(in super::super) fn can_be_limited() -> bool {
    ISOLATION.is_some()
}

/// What to start in place of a program, so that its folder is so large and no larger: the tool and its arguments.
pub(super) fn limited(program: &Path, folder: &Path, size_mb: u32) -> Option<(&'static Path, Vec<String>)> {
    let text = |path: &Path| path.display().to_string();
    let flags = ISOLATION.as_ref()?.flags().iter().map(|flag| (*flag).to_owned());
    let script = ["sh", "-c", ENTER, "sh"].map(str::to_owned);
    let last = [size_mb.to_string(), text(folder), text(program)];
    Some((UNSHARE.as_path(), flags.chain(script).chain(last).collect()))
}
