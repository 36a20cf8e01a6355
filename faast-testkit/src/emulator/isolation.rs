//! What this machine lets a process have for itself: mounts that nobody else sees, by `unshare` of util-linux.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

/// Where the tools are.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The tool itself: what it starts may have another search path.
pub(crate) static UNSHARE: LazyLock<PathBuf> = LazyLock::new(|| {
    let all = PATH.split(':').map(|folder| Path::new(folder).join("unshare"));
    all.into_iter().find(|it| it.exists()).unwrap_or_else(|| "unshare".into())
});

/// A way to have mounts of one's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isolation {
    /// A mount namespace.
    Mounts,
    /// A user namespace with one, where there is no other right to.
    Users,
}

impl Isolation {
    /// The first way in which a script for `sh` succeeds that is given an empty folder; none where neither is allowed.
    pub(crate) fn that_runs(script: &str) -> Option<Self> {
        let works = |isolation: &Self| {
            let Ok(folder) = tempfile::tempdir() else { return false };
            let mut command = Command::new(&*UNSHARE);
            command.args(isolation.flags()).args(["sh", "-c", script, "sh"]).arg(folder.path());
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command.status().is_ok_and(|it| it.success())
        };
        [Self::Mounts, Self::Users].into_iter().find(works)
    }

    /// What to give to [`UNSHARE`].
    pub(crate) fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Mounts => &["--mount"],
            Self::Users => &["--mount", "--user", "--map-root-user"],
        }
    }
}
