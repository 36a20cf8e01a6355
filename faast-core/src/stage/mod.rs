//! Staging: the files that a deployment takes along, chosen by `include` and `exclude`, in a folder for the workers.
//!
//! Responsible for choosing files below the current folder and for copying them; not for packing them. Invariant: what
//! is staged is a set of plain files below one folder, in an order that depends on their names only, and the user's own
//! files are never changed: they are copied and not linked, because workers start in the copy and may write to it.

mod pattern;

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use self::pattern::{Excludes, Pattern, Shape};
use crate::error::{Error, ErrorKind, Result};

/// A file that is taken along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Staged {
    /// Where it is for the workers, relative to the folder that they start in.
    pub(crate) path: PathBuf,
    /// Where it is now.
    pub(crate) source: PathBuf,
    /// Its size in bytes.
    pub(crate) size: u64,
    /// Its permissions, which are kept.
    pub(crate) permissions: Permissions,
}

/// Copies what [`select`] finds into a folder, which is made if need be.
///
/// Without patterns nothing happens.
///
/// # Errors
///
/// Those of [`select`], and [`ErrorKind::Io`] when a file can't be copied; `into` then holds a part of the files.
pub(crate) fn stage(include: &[String], exclude: &[String], root: &Path, into: &Path) -> Result<Vec<Staged>> {
    let mut files = select(include, exclude, root)?;
    for file in &mut files {
        let target = into.join(&file.path);
        let copied = target.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::copy(&file.source, &target));
        file.size = copied.map_err(|error| {
            let (from, to) = (file.source.display(), target.display());
            Error::new(ErrorKind::Io, format!("`{from}` can't be copied to `{to}`")).with_source(error)
        })?;
        file.source = target;
    }
    Ok(files)
}

/// The files that patterns choose, sorted by path, each once. Patterns are relative to `root`.
///
/// - The name of a file chooses it, the name of a folder all that is in it, hidden files included.
/// - A glob chooses files: `*` and `?` stay within a folder, `**` does not, `{a,b}` and `[a-z]` are alternatives.
///   Names that begin with a dot are chosen only by a glob that writes the dot.
/// - An `exclude` takes away files, and folders with all that is in them; `**/*.tmp` does so at any depth.
/// - Symbolic links are followed: their targets are taken along under the links' names.
///
/// # Errors
///
/// [`ErrorKind::Config`] for a pattern that is malformed, that chooses nothing or that leads out of `root`, and for links
/// that lead nowhere or in a circle; [`ErrorKind::Io`] when a folder can't be read. The hint says what to do.
pub(crate) fn select(include: &[String], exclude: &[String], root: &Path) -> Result<Vec<Staged>> {
    let excludes = Excludes::parse(exclude, root)?;
    let mut files = BTreeMap::new();
    for text in include {
        let pattern = Pattern::parse(text, root)?;
        let mut walk = Walk { root, pattern: &pattern, excludes: &excludes, found: false, files: &mut files };
        walk.run()?;
        if !walk.found {
            return Err(nothing(&pattern, root));
        }
    }
    Ok(files.into_values().collect())
}

/// The search for the files of one pattern.
struct Walk<'a> {
    root: &'a Path,
    pattern: &'a Pattern,
    excludes: &'a Excludes,
    /// Whether the pattern chose anything, excluded or not.
    found: bool,
    files: &'a mut BTreeMap<PathBuf, Staged>,
}

impl Walk<'_> {
    fn run(&mut self) -> Result<()> {
        let (start, depth) = match &self.pattern.shape {
            Shape::Plain(path) => (path, usize::MAX),
            Shape::Glob { base, depth, .. } => (base, *depth),
        };
        let start = self.root.join(start);
        if self.excludes.covers(self.relative(&start)) {
            self.found = true;
            return Ok(());
        }
        // Sorted, so that of several errors always the same one is reported.
        let mut entries = WalkDir::new(start).follow_links(true).max_depth(depth).sort_by_file_name().into_iter();
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    self.unless_ignored(error)?;
                    continue;
                }
            };
            let path = self.relative(entry.path());
            let is_folder = entry.file_type().is_dir();
            let is_chosen = self.pattern.chooses(path);
            if self.excludes.matches(path) || (entry.depth() > 0 && self.pattern.skips(path)) {
                self.found |= is_chosen || self.pattern.is_plain();
                if is_folder {
                    entries.skip_current_dir();
                }
            } else if entry.file_type().is_file() && is_chosen {
                self.found = true;
                let data = entry.metadata().map_err(|error| unreadable(entry.path(), error.into()))?;
                let path = path.to_owned();
                let source = entry.path().to_owned();
                let file = Staged { path: path.clone(), source, size: data.len(), permissions: data.permissions() };
                self.files.insert(path, file);
            }
        }
        Ok(())
    }

    fn relative<'p>(&self, path: &'p Path) -> &'p Path {
        path.strip_prefix(self.root).unwrap_or(path)
    }

    /// Links that lead nowhere or in a circle matter only when they are chosen; a missing start is a pattern that
    /// chooses nothing.
    fn unless_ignored(&self, error: walkdir::Error) -> Result<()> {
        let path = error.path().unwrap_or(self.root).to_owned();
        let relative = self.relative(&path);
        let is_loop = error.loop_ancestor().is_some();
        // `a/b` where `a` is a file is missing too.
        let is_missing = error.io_error().is_some_and(|error| {
            matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
        });
        if !is_loop && !is_missing {
            return Err(unreadable(&path, error.into()));
        }
        let is_link = fs::symlink_metadata(&path).is_ok_and(|data| data.is_symlink());
        let ignored = !self.pattern.chooses(relative) || self.pattern.skips(relative) || self.excludes.covers(relative);
        if !is_link || ignored {
            return Ok(());
        }
        let name = relative.display();
        let way = if is_loop { "leads back to a folder above it" } else { "leads nowhere" };
        Err(Error::new(ErrorKind::Config, format!("the link `{name}` {way}"))
            .with_hint(format!("remove it, or leave it out: `.exclude(\"{name}\")`")))
    }
}

fn nothing(pattern: &Pattern, root: &Path) -> Error {
    let text = &pattern.text;
    let place = root.display();
    let hint = if pattern.is_plain() {
        format!("there is no such file, or the folder is empty; names are relative to the current folder, `{place}`")
    } else {
        format!(
            "globs are relative to the current folder, `{place}`, and choose files: for a folder with all that is in it \
             write its name or `folder/**`; names with a leading dot have to be written with the dot"
        )
    };
    Error::new(ErrorKind::Config, format!("`{text}` in `include` matches nothing")).with_hint(hint)
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("`{}` can't be read", path.display())).with_source(error)
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
