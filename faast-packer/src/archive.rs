//! The zip archive: the same entries give the same bytes, on every machine and at any time.
//!
//! Responsible for the form only; [`crate::layer`] is another one of the same entries.

use std::io::{self, Cursor, Write as _};

use faast_core::{Error, ErrorKind, Result};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::contents::{Content, Entry, read};

/// Good for executables: higher levels take a multiple of the time for one percent.
const LEVEL: i64 = 6;

/// Writes entries, in their order, as a zip archive.
pub(crate) fn zip(entries: &[Entry]) -> Result<Vec<u8>> {
    let size: u64 = entries.iter().map(Entry::size).sum();
    let space = Vec::with_capacity(usize::try_from(size / 2).unwrap_or(0));
    let mut archive = ZipWriter::new(Cursor::new(space));
    for entry in entries {
        // All the same at all times: the time of a file says when it was built or copied, and nothing about what it is.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(LEVEL))
            .last_modified_time(DateTime::DEFAULT)
            .unix_permissions(if entry.executable { 0o755 } else { 0o644 });
        archive.start_file(&entry.name, options).map_err(|error| failed(entry, error))?;
        let written = match &entry.content {
            Content::Memory(bytes) => archive.write_all(bytes),
            file @ Content::File { .. } => archive.write_all(&read(file)?),
        };
        written.map_err(|error| failed(entry, error))?;
    }
    let archive = archive.finish().map_err(|error| Error::new(ErrorKind::Internal, "no archive").with_source(error))?;
    Ok(archive.into_inner())
}

fn failed(entry: &Entry, error: impl Into<io::Error>) -> Error {
    Error::new(ErrorKind::Io, format!("`{}` can't be put into an archive", entry.name)).with_source(error.into())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Read as _;

    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;
    use zip::ZipArchive;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn an_archive_holds_what_was_put_in_and_is_always_the_same(
            files in btree_map("[a-zß]{1,8}(/[a-z. -]{1,8})?", (any::<bool>(), vec(any::<u8>(), 0..2000)), 1..8)
        ) {
            let entries = |files: &BTreeMap<String, (bool, Vec<u8>)>| -> Vec<Entry> {
                let entry = |(name, (executable, bytes)): (&String, &(bool, Vec<u8>))| Entry {
                    name: name.clone(),
                    executable: *executable,
                    content: Content::Memory(bytes.clone()),
                };
                files.iter().map(entry).collect()
            };
            let bytes = zip(&entries(&files)).unwrap();
            prop_assert_eq!(&bytes, &zip(&entries(&files)).unwrap());

            let mut archive = ZipArchive::new(Cursor::new(bytes)).unwrap();
            let mut found = BTreeMap::new();
            for index in 0..archive.len() {
                let mut file = archive.by_index(index).unwrap();
                let (name, mode) = (file.name().unwrap().into_owned(), file.unix_mode().unwrap());
                let mut content = Vec::new();
                file.read_to_end(&mut content).unwrap();
                found.insert(name, (mode == 0o100_755, content));
            }
            prop_assert_eq!(found, files);
        }
    }
}
