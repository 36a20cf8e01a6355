//! Patterns of `include` and `exclude`: what is written, and what it chooses.
//!
//! Responsible for parsing and matching; not for walking folders. Invariant: a pattern never describes a path outside of
//! the folder that it is relative to.

use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use crate::error::{Error, ErrorKind, Result};

/// Characters that make a glob of a name.
const META: &[char] = &['*', '?', '[', '{', '\\'];

/// One pattern.
pub(super) struct Pattern {
    /// As the user wrote it.
    pub(super) text: String,
    pub(super) shape: Shape,
}

pub(super) enum Shape {
    /// The name of a file or a folder.
    Plain(PathBuf),
    /// Files below `base`, at most `depth` folders down.
    Glob { matcher: GlobMatcher, base: PathBuf, depth: usize, hidden: bool },
}

impl Pattern {
    /// A name that exists as it is written is a name, whatever characters it has.
    pub(super) fn parse(text: &str, root: &Path) -> Result<Self> {
        let path = inside(text, root)?;
        let is_plain = !text.contains(META) || root.join(&path).symlink_metadata().is_ok();
        let shape = if is_plain { Shape::Plain(path) } else { glob(text, &path)? };
        Ok(Self { text: text.to_owned(), shape })
    }

    pub(super) fn is_plain(&self) -> bool {
        matches!(self.shape, Shape::Plain(_))
    }

    /// Whether a file at that path is chosen.
    pub(super) fn chooses(&self, path: &Path) -> bool {
        match &self.shape {
            Shape::Plain(plain) => path.starts_with(plain),
            Shape::Glob { matcher, .. } => matcher.is_match(path),
        }
    }

    /// Whether a file or folder found on the way is passed by because its name begins with a dot.
    pub(super) fn skips(&self, path: &Path) -> bool {
        let is_hidden = || path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        matches!(&self.shape, Shape::Glob { hidden: false, .. }) && is_hidden()
    }
}

/// All patterns of `exclude`.
pub(super) struct Excludes(Vec<Pattern>);

impl Excludes {
    pub(super) fn parse(texts: &[String], root: &Path) -> Result<Self> {
        texts.iter().map(|text| Pattern::parse(text, root)).collect::<Result<_>>().map(Self)
    }

    /// Whether a file or folder is excluded by itself.
    pub(super) fn matches(&self, path: &Path) -> bool {
        self.0.iter().any(|pattern| pattern.chooses(path))
    }

    /// Whether a file or folder is excluded by itself or with a folder above it.
    pub(super) fn covers(&self, path: &Path) -> bool {
        path.ancestors().filter(|path| !path.as_os_str().is_empty()).any(|path| self.matches(path))
    }
}

/// The pattern as a path without `.` and doubled slashes.
fn inside(text: &str, root: &Path) -> Result<PathBuf> {
    let refuse = |what: &str, hint: String| {
        Err(Error::new(ErrorKind::Config, format!("the pattern `{text}` {what}")).with_hint(hint))
    };
    let mut path = PathBuf::new();
    for part in Path::new(text).components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::CurDir => {}
            Component::ParentDir => {
                let hint = format!("start the program in a folder above, or link the files into `{}`", root.display());
                return refuse("leads out of the current folder", hint);
            }
            Component::RootDir | Component::Prefix(_) => {
                let hint = match Path::new(text).strip_prefix(root) {
                    Ok(relative) => format!("write it relative to the current folder: `{}`", relative.display()),
                    Err(_) => format!("files have to be below the current folder; link them into `{}`", root.display()),
                };
                return refuse("is an absolute path", hint);
            }
        }
    }
    if text.is_empty() { refuse("is empty", "`.` means the whole current folder".to_owned()) } else { Ok(path) }
}

fn glob(text: &str, path: &Path) -> Result<Shape> {
    let malformed = |error: String| {
        Error::new(ErrorKind::Config, format!("the pattern `{text}` is malformed: {error}"))
            .with_hint("globs have `*`, `?`, `**`, `[a-z]` and `{a,b}`; `[*]` means the character itself")
    };
    let Some(whole) = path.to_str() else { return Err(malformed("it is no text".to_owned())) };
    let glob = GlobBuilder::new(whole).literal_separator(true).build();
    let matcher = glob.map_err(|error| malformed(error.kind().to_string()))?.compile_matcher();
    let names: Vec<&str> = whole.split('/').collect();
    let fixed = names.iter().take(names.len() - 1).take_while(|name| !name.contains(META)).count();
    let (base, rest) = names.split_at(fixed);
    // Braces may hold slashes: the number of slashes is never too small.
    let depth = if whole.contains("**") { usize::MAX } else { rest.len() };
    let hidden = rest.iter().any(|name| name.starts_with('.') || name.contains("{.") || name.contains(",."));
    Ok(Shape::Glob { matcher, base: base.iter().collect(), depth, hidden })
}
