//! The files that the rules look at: everything that git tracks or would track.
//!
//! Read once; rules see texts only, so that their tests need no disk.

use std::path::Path;

use anyhow::Result;

use super::scan::{self, Masked};
use crate::command::CommandLine;

/// The files of the repository.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// Sorted by path.
    pub(crate) files: Vec<File>,
}

/// One file, if it is text.
#[derive(Debug)]
pub(crate) struct File {
    /// Relative to the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
    /// Code and comments apart; empty for what is not Rust.
    pub(crate) masked: Masked,
}

impl Tree {
    /// Reads what git knows below `root`. Binary files are left out.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        // In a container the checkout often belongs to somebody else, and git would refuse.
        let list =
            CommandLine::new("git -c safe.directory=* ls-files -z --cached --others --exclude-standard").output()?;
        let paths = list.split('\0').filter(|path| !path.is_empty());
        // What is no text, or was deleted and not committed yet, is no business of these rules.
        let read = paths.filter_map(|path| Some(File::new(path, std::fs::read_to_string(root.join(path)).ok()?)));
        let mut files: Vec<File> = read.collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { files })
    }

    /// The tree of these paths and texts.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        Self { files: files.iter().map(|(path, text)| File::new(path, (*text).to_owned())).collect() }
    }

    /// The lines in which a rule finds something.
    #[cfg(test)]
    pub(crate) fn lines_found(&self, rule: impl Fn(&Self) -> Vec<super::Finding>) -> Vec<usize> {
        rule(self).into_iter().map(|finding| finding.line).collect()
    }

    /// The file at `path`.
    pub(crate) fn get(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Rust files.
    pub(crate) fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.is("rs"))
    }
}

impl File {
    fn new(path: &str, text: String) -> Self {
        let masked = if Path::new(path).extension().is_some_and(|it| it == "rs") {
            scan::mask(&text)
        } else {
            Masked::default()
        };
        Self { path: path.to_owned(), text, masked }
    }

    /// Whether the name ends in `.extension`.
    pub(crate) fn is(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|it| it == extension)
    }

    /// Whether it belongs to a crate's library or program, and not to its tests, examples or benchmarks.
    pub(crate) fn in_src(&self) -> bool {
        self.path.split('/').any(|folder| folder == "src") && !self.path.contains("/tests/")
    }
}
