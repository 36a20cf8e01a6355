//! Looking for a planted secret in what was written: bytes that were kept or sent, whatever they mean.

#![expect(clippy::missing_panics_doc, clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fs;
use std::path::Path;

/// Whether a text stands in the bytes.
///
/// ```
/// use faast_testkit::planted::holds;
///
/// assert!(holds(b"key=planted;", "planted") && !holds(b"key=*****;", "planted"));
/// ```
pub fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// What is in the files of a folder and of all folders below it, but for files of one extension.
///
/// Those are archives: that of a program which has the secret as a constant holds it.
pub fn files_below(folder: &Path, without: &str) -> Vec<Vec<u8>> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = paths.partition(|path| path.is_dir());
    let files = files.iter().filter(|path| path.extension().is_none_or(|it| it != without));
    let mut found: Vec<_> = files.map(|path| fs::read(path).unwrap()).collect();
    found.extend(folders.iter().flat_map(|folder| files_below(folder, without)));
    found
}
