//! Folders and files for the user alone: what only Unix can do about it, and what is left elsewhere.
//!
//! Responsible for modes, ownership and the test of writability; not for which folder is used. Invariant: a folder that
//! was claimed belongs to the user (or the user is root), is closed to all others and could be written to.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Makes a folder and those above it, if need be. Folders that exist stay as they are.
pub(super) fn create(folder: &Path) -> io::Result<()> {
    let made = builder().recursive(true).create(folder);
    if made.is_err() && folder.is_dir() { Ok(()) } else { made }
}

/// Makes a folder, or closes it to others if it exists, and sees whether it can be written to.
pub(super) fn claim(folder: &Path) -> io::Result<()> {
    if !folder.is_dir() {
        create(folder)?;
    }
    close_to_others(folder)?;
    writable(folder)
}

/// Claims `faast-<user>/<name>` in a folder that others can write to, where a folder of that name may be a trap.
pub(super) fn claim_in_shared(shared: &Path, name: &str) -> io::Result<PathBuf> {
    let mut own = shared.join(format!("faast-{}", user()));
    if claim_own(&own).is_err() {
        own = shared.join(format!("faast-{}", uuid::Uuid::new_v4()));
        builder().create(&own)?;
    }
    let folder = own.join(name);
    claim(&folder)?;
    Ok(folder)
}

/// Like [`claim`], for a folder that somebody else may have put there: no links, and no other owner.
fn claim_own(folder: &Path) -> io::Result<()> {
    if let Err(error) = builder().create(folder)
        && error.kind() != io::ErrorKind::AlreadyExists
    {
        return Err(error);
    }
    let data = fs::symlink_metadata(folder)?;
    if !data.is_dir() || !is_own(&data) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to somebody else"));
    }
    claim(folder)
}

#[cfg(unix)]
mod unix {
    use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
    use std::io;
    use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
    use std::path::Path;

    use rustix::fs::Access;

    pub(super) fn builder() -> DirBuilder {
        let mut builder = DirBuilder::new();
        builder.mode(0o700);
        builder
    }

    pub(in crate::cache) fn options() -> OpenOptions {
        let mut options = OpenOptions::new();
        options.mode(0o600);
        options
    }

    /// A file that was just made survives a power failure only when its folder is written too.
    pub(in crate::cache) fn sync_folder(folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }

    pub(super) fn close_to_others(folder: &Path) -> io::Result<()> {
        let open = fs::metadata(folder)?.permissions().mode() & 0o077;
        if open == 0 { Ok(()) } else { fs::set_permissions(folder, Permissions::from_mode(0o700)) }
    }

    /// Asks the system, because mode bits don't know of read-only file systems.
    pub(super) fn writable(folder: &Path) -> io::Result<()> {
        Ok(rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK)?)
    }

    pub(super) fn user() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    pub(super) fn is_own(data: &Metadata) -> bool {
        data.uid() == user()
    }
}

#[cfg(not(unix))]
mod other {
    use std::fs::{DirBuilder, Metadata, OpenOptions};
    use std::io;
    use std::path::Path;

    pub(super) fn builder() -> DirBuilder {
        DirBuilder::new()
    }

    pub(in crate::cache) fn options() -> OpenOptions {
        OpenOptions::new()
    }

    pub(in crate::cache) fn sync_folder(_: &Path) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn close_to_others(_: &Path) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn writable(folder: &Path) -> io::Result<()> {
        let probe = folder.join(format!(".{}.part", std::process::id()));
        std::fs::write(&probe, [])?;
        std::fs::remove_file(probe)
    }

    pub(super) fn user() -> &'static str {
        "user"
    }

    pub(super) fn is_own(_: &Metadata) -> bool {
        true
    }
}

#[cfg(not(unix))]
use self::other as system;
use self::system::{builder, close_to_others, is_own, user, writable};
pub(super) use self::system::{options, sync_folder};
#[cfg(unix)]
use self::unix as system;
