//! What this machine has to build with for another one: asked by a build, and shown by `faast doctor`.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use faast_core::Result;

use crate::{Target, remedy};

/// The tools for builds that run on a target.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Toolbox {
    /// Whether there is a compiler at all.
    pub rustc: bool,
    /// Whether there is `cargo zigbuild`, which links against the target's glibc.
    pub zigbuild: bool,
    /// Whether there is the zig that it links with.
    pub zig: bool,
    /// The compiler's targets for it, the best first, and whether each is installed.
    pub targets: Vec<(String, bool)>,
    /// Whether a static program is wanted, or one of this machine's kind: an image has libraries of this machine only.
    bare: bool,
    /// What to install so that a build for the target works.
    pub hint: String,
}

impl Toolbox {
    /// Looks at what there is for each target. Starts the tools to ask them for their versions.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`](faast_core::ErrorKind::Unsupported) for a processor that there are no packages for.
    pub fn find(targets: &[Target]) -> Result<Vec<Self>> {
        let (zigbuild, zig) = (has_zigbuild(), has_zig());
        let of_one = |target: &Target| {
            let triple = target.platform()?.triple;
            let bare = target.glibc.is_none();
            let mut names = vec![format!("{triple}-gnu"), format!("{triple}-musl")];
            if bare && !target.is_like_here() {
                names.remove(0);
            }
            let installed: io::Result<Vec<bool>> = names.iter().map(|it| is_installed(it, Path::new("."))).collect();
            let rustc = installed.is_ok();
            let installed = installed.unwrap_or_else(|_| vec![false; names.len()]);
            let targets = names.into_iter().zip(installed).collect();
            Ok(Self { rustc, zigbuild, zig, targets, bare, hint: remedy::to_install(*target) })
        };
        targets.iter().map(of_one).collect()
    }

    /// Whether a build for the target has all that it needs.
    pub fn can_build(&self) -> bool {
        let usable = |target: &str| self.bare || target.ends_with("-musl") || self.zigbuild && self.zig;
        self.targets.iter().any(|(target, installed)| *installed && usable(target))
    }
}

/// Whether the standard library for a target is there, for the toolchain that is chosen in a folder.
pub(crate) fn is_installed(target: &str, folder: &Path) -> io::Result<bool> {
    let mut command = Command::new("rustc");
    let output = command.args(["--print", "target-libdir", "--target", target]).current_dir(folder).output()?;
    let libraries = String::from_utf8_lossy(&output.stdout);
    Ok(output.status.success() && Path::new(libraries.trim()).is_dir())
}

pub(crate) fn has_zigbuild() -> bool {
    runs(Command::new("cargo-zigbuild").arg("--version"))
}

/// zig itself, or the one that Python brings; `cargo zigbuild` takes either.
fn has_zig() -> bool {
    let python = |name: &str| runs(Command::new(name).args(["-m", "ziglang", "version"]));
    runs(Command::new("zig").arg("version")) || python("python3") || python("python")
}

fn runs(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).output().is_ok_and(|output| output.status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_needs_a_static_target_or_zig_and_its_cargo_command() {
        let toolbox = |zigbuild, zig, gnu, musl| Toolbox {
            rustc: true,
            zigbuild,
            zig,
            targets: vec![("x86_64-unknown-linux-gnu".into(), gnu), ("x86_64-unknown-linux-musl".into(), musl)],
            bare: false,
            hint: String::new(),
        };
        assert!(toolbox(true, true, true, false).can_build());
        assert!(toolbox(false, false, false, true).can_build());
        for missing in
            [toolbox(false, true, true, false), toolbox(true, false, true, false), toolbox(true, true, false, false)]
        {
            assert!(!missing.can_build(), "{missing:?}");
        }
        assert!(Toolbox { bare: true, ..toolbox(false, false, true, false) }.can_build(), "libraries come along");
    }
}
