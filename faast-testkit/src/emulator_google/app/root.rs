//! How a process gets its image as its root: a mount namespace, a layer of its own in memory above the image, `chroot`.
//!
//! `unshare` and `mount` do it, in a user namespace where there is no other right to. On a machine that allows neither,
//! programs run from the unpacked image without a root of their own.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use super::super::run::Revision;
use crate::emulator::isolation::{Isolation, PATH, UNSHARE};

/// Arguments: the instance's folder, the image's folder, the working folder, a folder to share or nothing, and what to
/// run in the end. Commands replace the shell, so that the process stays the same one.
const ENTER: &str = r#"set -e
mount -t tmpfs -o mode=0755 faast "$1"
mkdir "$1/upper" "$1/below" "$1/root"
mount -t overlay overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/below" "$1/root"
cd "$1/root"
mkdir -p proc dev tmp ".$3"
chmod 1777 tmp
mount --rbind /proc proc
mount --rbind /dev dev
if [ -n "$4" ]; then mkdir -p ".$4"; mount --rbind "$4" ".$4"; fi
shift 4
exec env -i "$@"
"#;

/// What this machine allows.
static ISOLATION: LazyLock<Option<Isolation>> = LazyLock::new(|| {
    Isolation::that_runs(
        "mount -t tmpfs faast \"$1\" && mkdir \"$1/a\" \"$1/b\" \"$1/c\" \"$1/d\" && \
         mount -t overlay overlay -o \"lowerdir=$1/a,upperdir=$1/b,workdir=$1/c\" \"$1/d\"",
    )
});

/// What to start for an instance.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) executable: PathBuf,
    pub(super) arguments: Vec<String>,
    pub(super) folder: PathBuf,
    pub(super) environment: Vec<(String, String)>,
}

/// The start of a revision's program with these variables, whose own files go to `instance`.
pub(super) fn start(
    revision: &Revision,
    instance: &Path,
    shared: Option<&Path>,
    environment: Vec<(String, String)>,
) -> Start {
    let (command, image) = (revision.command(), &revision.image);
    let Some(isolation) = *ISOLATION else {
        let program = command.first().map_or("", |it| it.trim_start_matches('/'));
        return Start {
            executable: image.root.join(program),
            arguments: command.into_iter().skip(1).collect(),
            folder: image.root.join(image.working_folder.trim_start_matches('/')),
            environment,
        };
    };
    let text = |path: &Path| path.display().to_string();
    let mut arguments: Vec<String> = isolation.flags().iter().map(|it| (*it).to_owned()).collect();
    arguments.extend(["sh", "-c", ENTER, "sh"].map(str::to_owned));
    arguments.extend([text(instance), text(&image.root), image.working_folder.clone()]);
    arguments.push(shared.map(text).unwrap_or_default());
    arguments.extend(environment.into_iter().map(|(name, value)| format!("{name}={value}")));
    arguments.push(text(&UNSHARE));
    arguments.push(format!("--root={}", text(&instance.join("root"))));
    arguments.push(format!("--wd={}", image.working_folder));
    arguments.push("--".into());
    arguments.extend(command);
    Start {
        executable: UNSHARE.clone(),
        arguments,
        folder: instance.to_owned(),
        environment: vec![("PATH".into(), PATH.into())],
    }
}

/// Where programs of an image are looked for that says nothing about it.
pub(super) fn search_path() -> String {
    PATH.into()
}
