//! What goes into a package: the program, what starts it, and the included files.
//!
//! Responsible for names, permissions and sizes; [`crate::archive`] and [`crate::layer`] write them in their forms. Invariant: names
//! are relative, of plain parts, sorted, each once, and nothing that lies outside of the staged folder gets in.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

use faast_core::{Error, ErrorKind, Result};
use sha2::{Digest as _, Sha256};
use walkdir::WalkDir;

/// What the platform starts.
pub(crate) const BOOTSTRAP: &str = "bootstrap";
/// The program, where `bootstrap` is a script that gives it arguments.
pub(crate) const PROGRAM: &str = "program";

/// One file of a package.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its name in the package, with `/` between parts.
    pub(crate) name: String,
    /// All may read it; whether all may run it too. Workers don't run as the user whose files these are.
    pub(crate) executable: bool,
    pub(crate) content: Content,
}

/// Where the bytes of a file are.
#[derive(Debug)]
pub(crate) enum Content {
    Memory(Vec<u8>),
    File { path: PathBuf, size: u64 },
}

impl Entry {
    /// A file that can be run.
    pub(crate) fn program(name: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self { name: name.into(), executable: true, content: Content::Memory(bytes) }
    }

    /// A file that can be read.
    pub(crate) fn data(name: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self { name: name.into(), executable: false, content: Content::Memory(bytes) }
    }

    pub(crate) fn size(&self) -> u64 {
        match &self.content {
            Content::Memory(bytes) => bytes.len() as u64,
            Content::File { size, .. } => *size,
        }
    }
}

/// The files that a user included, sorted by name.
#[derive(Debug, Default)]
pub(crate) struct Included(Vec<Entry>);

impl Included {
    /// The files below a folder.
    pub(crate) fn collect(folder: &Path) -> Result<Self> {
        let mut files = Vec::new();
        for entry in WalkDir::new(folder).min_depth(1) {
            let entry = entry.map_err(|error| {
                Error::new(ErrorKind::Io, format!("`{}` can't be read", folder.display())).with_source(error)
            })?;
            let kind = entry.file_type();
            if kind.is_dir() {
                continue;
            }
            let name = name_of(entry.path().strip_prefix(folder).unwrap_or(entry.path()))?;
            if !kind.is_file() {
                let what = if kind.is_symlink() { "a link" } else { "no file" };
                return Err(Error::new(ErrorKind::Config, format!("`{name}` is {what}, and packages hold files only"))
                    .with_hint("put a copy of what it leads to in its place"));
            }
            let data = entry.metadata().map_err(|error| unreadable(entry.path(), error.into()))?;
            files.push(Entry {
                name,
                executable: data.permissions().mode() & 0o111 != 0,
                content: Content::File { path: entry.into_path(), size: data.len() },
            });
        }
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self(files))
    }

    /// The size of all of them, in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.0.iter().map(Entry::size).sum()
    }

    /// The bytes of an included file, if there is one of that name.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.0.iter().find(|file| file.name == name).map(|file| read(&file.content)).transpose()
    }

    /// A hash of names, permissions and contents.
    pub(crate) fn digest(&self) -> Result<[u8; 32]> {
        let mut all = Sha256::new();
        for file in &self.0 {
            all.update((file.name.len() as u64).to_le_bytes());
            all.update(file.name.as_bytes());
            all.update([u8::from(file.executable)]);
            all.update(digest_of(&file.content)?);
        }
        Ok(all.finalize().into())
    }

    pub(crate) fn into_entries(self) -> Vec<Entry> {
        self.0
    }
}

/// The program and what starts it, with the included files, sorted.
///
/// Without arguments the program itself is `bootstrap`. Platforms give none, so with arguments it is a script.
pub(crate) fn with_program(program: Vec<u8>, arguments: &[String], included: Included) -> Result<Vec<Entry>> {
    let mut entries = included.into_entries();
    if let Some(file) = entries.iter().find(|file| [BOOTSTRAP, PROGRAM].contains(&file.name.as_str())) {
        return Err(Error::new(ErrorKind::Config, format!("`{}` is a name that packages need", file.name))
            .with_hint("give the included file another name, or put it into a folder"));
    }
    if arguments.is_empty() {
        entries.push(Entry::program(BOOTSTRAP, program));
    } else {
        entries.push(Entry::program(BOOTSTRAP, script(arguments).into_bytes()));
        entries.push(Entry::program(PROGRAM, program));
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

/// Needs nothing but a shell, and works from any folder.
fn script(arguments: &[String]) -> String {
    let arguments: Vec<_> = arguments.iter().map(|it| format!("'{}'", it.replace('\'', r"'\''"))).collect();
    let arguments = arguments.join(" ");
    format!(
        "#!/bin/sh\ncase $0 in */*) here=${{0%/*}} ;; *) here=. ;; esac\nexec \"$here/{PROGRAM}\" {arguments} \"$@\"\n"
    )
}

/// A path as packages write it.
fn name_of(path: &Path) -> Result<String> {
    let parts: Option<Vec<&str>> = path
        .components()
        .map(|part| match part {
            Component::Normal(part) => part.to_str(),
            _ => None,
        })
        .collect();
    parts.map(|parts| parts.join("/")).ok_or_else(|| {
        Error::new(ErrorKind::Config, format!("`{}` is no name for a file in a package", path.display()))
            .with_hint("names of included files must be valid UTF-8")
    })
}

/// The bytes of a file of a package.
pub(crate) fn read(content: &Content) -> Result<Vec<u8>> {
    match content {
        Content::Memory(bytes) => Ok(bytes.clone()),
        Content::File { path, .. } => fs::read(path).map_err(|error| unreadable(path, error)),
    }
}

fn digest_of(content: &Content) -> Result<[u8; 32]> {
    let path = match content {
        Content::Memory(bytes) => return Ok(Sha256::digest(bytes).into()),
        Content::File { path, .. } => path,
    };
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 128 << 10];
    let mut file = File::open(path).map_err(|error| unreadable(path, error))?;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hash.finalize().into()),
            Ok(length) => hash.update(&buffer[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(path, error)),
        }
    }
}

/// An error about a file of the user's.
pub(crate) fn unreadable(path: &Path, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("`{}` can't be read", path.display())).with_source(error)
}

#[cfg(test)]
mod tests;
