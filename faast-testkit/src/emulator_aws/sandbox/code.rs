//! Uploaded archives, each unpacked once into a folder that nobody may write to.

use std::collections::HashMap;
use std::fs::{self, File, Permissions};
use std::io::{Cursor, Read as _, copy};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use zip::ZipArchive;

/// The most that an archive may hold, unpacked.
pub(in super::super) const UNZIPPED_LIMIT: u64 = 262_144_000;

/// An unpacked archive.
#[derive(Debug)]
pub(in super::super) struct Code {
    /// Of the archive, in base64.
    pub(in super::super) sha256: String,
    /// Of the archive, in bytes.
    pub(in super::super) size: u64,
    pub(in super::super) folder: PathBuf,
}

/// Why an archive was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum BadArchive {
    Unreadable,
    Empty,
    TooLarge,
}

/// All unpacked archives, in a folder that goes with it.
#[derive(Debug)]
pub(in super::super) struct CodeStore {
    root: TempDir,
    /// By hash; written once for each archive.
    known: Mutex<HashMap<String, Arc<Code>>>,
}

impl CodeStore {
    /// # Panics
    ///
    /// If there is no place for temporary files.
    #[expect(clippy::expect_used, reason = "a test that can't start its emulator has nothing to go on with")]
    pub(in super::super) fn new() -> Self {
        let root = tempfile::Builder::new().prefix("faast-emulator-").tempdir().expect("temporary folders can be made");
        Self { root, known: Mutex::default() }
    }

    /// A new folder for an environment's temporary files.
    pub(super) fn temporary(&self) -> std::io::Result<TempDir> {
        tempfile::Builder::new().prefix("tmp-").tempdir_in(self.root.path())
    }

    /// Unpacks an archive, unless it was before. Blocks.
    pub(in super::super) fn add(&self, archive: &Bytes) -> Result<Arc<Code>, BadArchive> {
        let sha256 = BASE64_STANDARD.encode(Sha256::digest(archive));
        if let Some(code) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&sha256) {
            return Ok(Arc::clone(code));
        }
        let folder = tempfile::Builder::new().prefix("code-").tempdir_in(self.root.path());
        let folder = folder.map_err(|_| BadArchive::Unreadable)?;
        unpack(archive, folder.path())?;
        let size = archive.len() as u64;
        let code = Arc::new(Code { sha256: sha256.clone(), size, folder: folder.keep() });
        // Two at once unpack twice; the first one that is done stays.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(known.entry(sha256).or_insert(code)))
    }
}

impl Drop for CodeStore {
    fn drop(&mut self) {
        // Files in a folder that nobody may write to can't be removed.
        let known = self.known.get_mut().unwrap_or_else(PoisonError::into_inner);
        for code in known.values() {
            for_each_folder(&code.folder, &|folder| set_mode(folder, 0o755));
        }
    }
}

fn unpack(archive: &Bytes, folder: &Path) -> Result<(), BadArchive> {
    let mut zip = ZipArchive::new(Cursor::new(archive)).map_err(|_| BadArchive::Unreadable)?;
    if zip.is_empty() {
        return Err(BadArchive::Empty);
    }
    let mut left = UNZIPPED_LIMIT;
    for index in 0..zip.len() {
        let mut entry = zip.by_index(index).map_err(|_| BadArchive::Unreadable)?;
        let path = folder.join(entry.enclosed_name().ok_or(BadArchive::Unreadable)?);
        // A link that was unpacked before may lead elsewhere, folders that are made on the way among them.
        if leads_through_a_link(&path, folder) {
            return Err(BadArchive::Unreadable);
        }
        fs::create_dir_all(path.parent().unwrap_or(folder)).map_err(|_| BadArchive::Unreadable)?;
        if entry.is_dir() {
            fs::create_dir_all(&path).map_err(|_| BadArchive::Unreadable)?;
            continue;
        }
        let (size, mode, is_link) = (entry.size(), entry.unix_mode().unwrap_or(0o644), entry.is_symlink());
        left = left.checked_sub(size).ok_or(BadArchive::TooLarge)?;
        // What the archive says of its sizes need not be true.
        let mut content = entry.by_ref().take(size + 1);
        if is_link {
            let mut target = String::new();
            content.read_to_string(&mut target).map_err(|_| BadArchive::Unreadable)?;
            symlink(target, &path).map_err(|_| BadArchive::Unreadable)?;
            continue;
        }
        let mut file = File::create(&path).map_err(|_| BadArchive::Unreadable)?;
        let written = copy(&mut content, &mut file).map_err(|_| BadArchive::Unreadable)?;
        if written > size {
            return Err(BadArchive::TooLarge);
        }
        set_mode(&path, mode & 0o555 | 0o400);
    }
    for_each_folder(folder, &|folder| set_mode(folder, 0o555));
    Ok(())
}

fn leads_through_a_link(path: &Path, folder: &Path) -> bool {
    let mut inside = path.ancestors().take_while(|it| *it != folder);
    inside.any(|it| fs::symlink_metadata(it).is_ok_and(|it| it.is_symlink()))
}

fn for_each_folder(folder: &Path, apply: &dyn Fn(&Path)) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            for_each_folder(&entry.path(), apply);
        }
    }
    apply(folder);
}

fn set_mode(path: &Path, mode: u32) {
    // Without it, a function could change its own code, which no test depends on.
    let _ = fs::set_permissions(path, Permissions::from_mode(mode));
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn archive(files: &[(&str, u32, &[u8])]) -> Bytes {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, mode, content) in files {
            writer.start_file(*name, SimpleFileOptions::default().unix_permissions(*mode)).unwrap();
            writer.write_all(content).unwrap();
        }
        writer.finish().unwrap().into_inner().into()
    }

    #[test]
    fn an_archive_is_unpacked_once_with_its_modes_and_without_write_permission() {
        let store = CodeStore::new();
        let zip = archive(&[("bootstrap", 0o755, b"#!/bin/sh\n"), ("lib/data.txt", 0o644, b"data")]);
        let code = store.add(&zip).unwrap();
        assert!(Arc::ptr_eq(&code, &store.add(&zip).unwrap()));
        let mode = |name: &str| fs::metadata(code.folder.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!([mode("bootstrap"), mode("lib/data.txt"), mode("lib")], [0o555, 0o444, 0o555]);
        assert_eq!(fs::read(code.folder.join("lib/data.txt")).unwrap(), b"data");
        let root = store.root.path().to_owned();
        drop(store);
        assert!(!root.exists());
    }

    #[test]
    fn what_is_no_archive_is_refused() {
        let store = CodeStore::new();
        assert_eq!(store.add(&Bytes::from_static(b"no zip")).unwrap_err(), BadArchive::Unreadable);
        assert_eq!(store.add(&archive(&[])).unwrap_err(), BadArchive::Empty);
        let evil = archive(&[("../outside", 0o644, b"")]);
        assert_eq!(store.add(&evil).unwrap_err(), BadArchive::Unreadable);
    }

    #[test]
    fn a_link_leads_no_file_out_of_the_folder() {
        let outside = tempfile::tempdir().unwrap();
        let target = outside.path().to_str().unwrap();
        for (link, leads_to, file) in
            [("a", target.to_owned(), "a/b"), ("a", target.to_owned(), "a/b/c"), ("a", format!("{target}/b"), "a")]
        {
            let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
            writer.add_symlink(link, leads_to, SimpleFileOptions::default()).unwrap();
            // The writer refuses a name twice: the second one is written as another, and renamed in the bytes.
            writer.start_file(file.replace('a', "?"), SimpleFileOptions::default()).unwrap();
            writer.write_all(b"x").unwrap();
            let bytes = writer.finish().unwrap().into_inner();
            let bytes: Vec<u8> = bytes.into_iter().map(|byte| if byte == b'?' { b'a' } else { byte }).collect();
            let added = CodeStore::new().add(&bytes.into());
            assert_eq!(fs::read_dir(&outside).unwrap().count(), 0, "{file}: {added:?}");
        }
    }

    #[test]
    fn damaged_archives_are_refused_or_unpacked_and_nothing_leaves_the_folder() {
        let valid = archive(&[("bootstrap", 0o755, b"#!/bin/sh\n"), ("lib/data.txt", 0o644, &[b'x'; 300])]);
        let around = tempfile::tempdir().unwrap();
        let (mut refused, mut unpacked) = (0, 0);
        for seed in 0..2_000 {
            let folder = around.path().join("in");
            fs::create_dir(&folder).unwrap();
            match unpack(&crate::hostile::bytes(seed, &valid).into(), &folder) {
                Ok(()) => unpacked += 1,
                Err(_) => refused += 1,
            }
            for_each_folder(&folder, &|folder| set_mode(folder, 0o755));
            fs::remove_dir_all(&folder).unwrap();
            assert_eq!(fs::read_dir(&around).unwrap().count(), 0, "seed {seed}");
        }
        assert!(refused > 500 && unpacked > 20, "{refused} refused, {unpacked} unpacked");
    }

    #[test]
    fn too_much_is_refused_before_it_is_written() {
        let zeros = vec![0; 30 << 20];
        let files: Vec<_> = (0..9).map(|it| (format!("f{it}"), 0o644, zeros.as_slice())).collect();
        let files: Vec<_> = files.iter().map(|(name, mode, content)| (name.as_str(), *mode, *content)).collect();
        assert_eq!(CodeStore::new().add(&archive(&files)).unwrap_err(), BadArchive::TooLarge);
    }
}
