//! A home of its own for each test: a folder for its files, and a cache in it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;

use faast_core::cache::CacheFolder;

pub(crate) struct Home {
    folder: tempfile::TempDir,
    pub(crate) cache: CacheFolder,
}

impl Home {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // For the user of an image, who has to get through to its root folder.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let cache = CacheFolder::at(folder.path().join("test"));
        Self { folder, cache }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file, and the folders on the way.
    pub(crate) fn put(&self, name: &str, bytes: &[u8], mode: u32) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    /// Number and inode of each file among the packages; a file that is written again gets another one.
    pub(crate) fn packages(&self, extension: &str) -> Vec<(PathBuf, u64)> {
        let files =
            fs::read_dir(self.cache.folder(CacheFolder::PACKAGES).unwrap()).unwrap().map(|it| it.unwrap().path());
        let mut files: Vec<_> = files.filter(|it| it.extension().is_some_and(|it| it == extension)).collect();
        files.sort();
        files.into_iter().map(|it| (it.clone(), it.metadata().unwrap().ino())).collect()
    }
}
