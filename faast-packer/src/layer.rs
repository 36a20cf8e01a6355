//! The layer of an image: a tar archive, compressed; the same entries give the same bytes, on every machine and at any
//! time.
//!
//! Responsible for the form only: folders before what is in them, times of zero, owners by number and without names.

use std::collections::BTreeSet;
use std::io::{self, Write};

use faast_core::{Error, ErrorKind, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType, Header};

use crate::contents::{Entry, read};
use crate::root::{FOLDER, TMP, USER};
use crate::store::Hash;

/// As for zip archives.
const LEVEL: Compression = Compression::new(6);

/// Writes entries as a layer; gives it with the hash of what it is before compression.
pub(crate) fn write(entries: &[Entry]) -> Result<(Vec<u8>, Hash)> {
    let failed = |error| Error::new(ErrorKind::Internal, "no layer of an image").with_source(error);
    let size: u64 = entries.iter().map(Entry::size).sum();
    let space = Vec::with_capacity(usize::try_from(size / 2).unwrap_or(0));
    let mut tar = Builder::new(Hashing { hash: Sha256::new(), to: GzEncoder::new(space, LEVEL) });
    for folder in folders(entries) {
        add(&mut tar, &format!("{folder}/"), EntryType::Directory, folder_mode(&folder), &[]).map_err(failed)?;
    }
    for entry in entries {
        let mode = if entry.executable { 0o755 } else { 0o644 };
        let added = add(&mut tar, &entry.name, EntryType::Regular, mode, &read(&entry.content)?);
        added.map_err(|error| {
            Error::new(ErrorKind::Io, format!("`{}` can't be put into an image", entry.name)).with_source(error)
        })?;
    }
    let Hashing { hash, to } = tar.into_inner().map_err(failed)?;
    Ok((to.finish().map_err(failed)?, Hash(hash.finalize().into())))
}

/// All folders, outer ones first; those without files too.
fn folders(entries: &[Entry]) -> BTreeSet<String> {
    let mut folders = BTreeSet::from([TMP.to_owned(), FOLDER.to_owned()]);
    for entry in entries {
        let ends = entry.name.match_indices('/').map(|(end, _)| entry.name[..end].to_owned());
        folders.extend(ends);
    }
    folders
}

/// All may write to the folder for temporary files, and remove what is their own.
fn folder_mode(folder: &str) -> u32 {
    if folder == TMP { 0o1777 } else { 0o755 }
}

fn add(tar: &mut Builder<impl Write>, name: &str, kind: EntryType, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let is_of_user = name.split('/').next() == Some(FOLDER);
    let owner = if is_of_user { USER } else { 0 };
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(owner);
    header.set_gid(owner);
    header.set_mtime(0);
    header.set_size(bytes.len() as u64);
    tar.append_data(&mut header, name, bytes)
}

/// Hashes what goes through.
struct Hashing<W> {
    hash: Sha256,
    to: W,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Read as _;

    use flate2::read::GzDecoder;
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;
    use tar::Archive;

    use super::*;

    fn entries(files: &BTreeMap<String, (bool, Vec<u8>)>) -> Vec<Entry> {
        let entry = |(name, (executable, bytes)): (&String, &(bool, Vec<u8>))| match executable {
            true => Entry::program(name.clone(), bytes.clone()),
            false => Entry::data(name.clone(), bytes.clone()),
        };
        files.iter().map(entry).collect()
    }

    fn plain(layer: &[u8]) -> Vec<u8> {
        let mut tar = Vec::new();
        GzDecoder::new(layer).read_to_end(&mut tar).unwrap();
        tar
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_layer_holds_what_was_put_in_and_is_always_the_same(
            files in btree_map("[a-zß]{1,8}/[a-z -]{1,130}", (any::<bool>(), vec(any::<u8>(), 0..2000)), 1..8)
        ) {
            let (bytes, hash) = write(&entries(&files)).unwrap();
            prop_assert_eq!((&bytes, hash), (&write(&entries(&files)).unwrap().0, hash));
            let tar = plain(&bytes);
            prop_assert_eq!(hash, Hash::of(&tar));

            let mut found = BTreeMap::new();
            let mut folders = BTreeSet::new();
            for entry in Archive::new(tar.as_slice()).entries().unwrap() {
                let mut entry = entry.unwrap();
                let name = entry.path().unwrap().to_str().unwrap().to_owned();
                let header = entry.header().clone();
                prop_assert_eq!(header.mtime().unwrap(), 0);
                let owner = if name.starts_with("work/") { USER } else { 0 };
                prop_assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (owner, owner));
                match header.entry_type() {
                    EntryType::Directory => {
                        folders.insert(name.trim_end_matches('/').to_owned());
                    }
                    kind => {
                        prop_assert_eq!(kind, EntryType::Regular);
                        prop_assert!(folders.contains(name.rsplit_once('/').unwrap().0), "folders come first");
                        let mut content = Vec::new();
                        entry.read_to_end(&mut content).unwrap();
                        found.insert(name, (header.mode().unwrap() == 0o755, content));
                    }
                }
            }
            prop_assert_eq!(found, files);
        }
    }

    #[test]
    fn folders_and_files_belong_to_whom_they_should() {
        let entries = [Entry::program("faast", Vec::new()), Entry::data("work/data/words", Vec::new())];
        let (bytes, _) = write(&entries).unwrap();
        let tar = plain(&bytes);
        let mut archive = Archive::new(tar.as_slice());
        let listed = archive.entries().unwrap().map(|entry| {
            let entry = entry.unwrap();
            let header = entry.header();
            let owner = header.uid().unwrap();
            format!("{} {:o} {owner}", entry.path().unwrap().display(), header.mode().unwrap())
        });
        assert_eq!(
            listed.collect::<Vec<_>>(),
            [
                "tmp/ 1777 0".to_owned(),
                format!("work/ 755 {USER}"),
                format!("work/data/ 755 {USER}"),
                "faast 755 0".to_owned(),
                format!("work/data/words 644 {USER}"),
            ]
        );
    }
}
