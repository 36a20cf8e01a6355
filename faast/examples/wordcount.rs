//! Counts the words of files: maps over pieces of the files in workers, merges in the client.
//!
//! `cargo run --release --example wordcount -- [FILE or FOLDER]..`
//!
//! `cargo run --release --example wordcount --features aws -- --provider aws [FILE or FOLDER]..` does it on Lambda, and
//! with `google` instead of `aws` on Cloud Run.
//!
//! Without arguments it counts the Rust, Markdown and TOML files of the repository that it is run in. The last line is
//! what `wc -w` says for the same files in a UTF-8 locale. A file that can't be read costs its own count and no other.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use faast::prelude::*;
use serde::{Deserialize, Serialize};

/// Bytes of a piece of a file, at least.
const PIECE: usize = 1 << 20;

/// Words of one file, or of many.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Count {
    /// As `wc -w` counts them.
    total: u64,
    /// How often each was seen, in lower case and without punctuation around it.
    words: HashMap<String, u64>,
}

impl Count {
    fn add(&mut self, word: &str) {
        if word.is_empty() {
            return;
        }
        self.total += 1;
        let word = word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
        if !word.is_empty() {
            *self.words.entry(word).or_default() += 1;
        }
    }

    fn merge(&mut self, other: Self) {
        self.total += other.total;
        for (word, times) in other.words {
            *self.words.entry(word).or_default() += times;
        }
    }
}

/// Counts the words of a text, whatever bytes are in it. Runs in a worker.
#[faast::function]
fn count_words(text: &[u8]) -> Count {
    let (mut count, mut word) = (Count::default(), String::new());
    for chunk in text.utf8_chunks() {
        // Bytes that are no text neither make a word nor end one.
        for c in chunk.valid().chars() {
            if ends_word(c) {
                count.add(&word);
                word.clear();
            } else if is_printed(c) {
                word.push(c);
            }
        }
    }
    count.add(&word);
    count
}

/// White space that is printed, and spaces that no line breaks at: the words of `wc` end at both.
fn ends_word(c: char) -> bool {
    c.is_whitespace() && (c.is_ascii() || is_printed(c)) || c == '\u{2060}'
}

fn is_printed(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}')
}

#[faast::main]
async fn main() -> faast::Result<()> {
    let mut args: Vec<_> = env::args_os().skip(1).collect();
    let chosen = args.first().is_some_and(|arg| arg == "--provider") && args.len() > 1;
    let provider = if chosen { args.drain(..2).next_back() } else { None };
    let files = files(args);
    let name = provider.as_deref().unwrap_or("local".as_ref()).to_string_lossy();
    let cloud = faast::provider(&name)?.deploy().await?;

    let mut count = Count::default();
    // The files are read while the map pulls its input; results come as they are ready, each with its path as the key.
    let pieces =
        files.iter().flat_map(|path| pieces(path).into_iter().map(move |piece| (path, count_words::call(&piece))));
    let mut counts = cloud.map_keyed(pieces);
    while let Some((path, result)) = counts.next().await {
        match result {
            Ok(words) => count.merge(words),
            Err(error) => eprintln!("{}: {}", path.display(), error.message()),
        }
    }

    println!("{} files, {} different words, the most frequent ones:", files.len(), count.words.len());
    let mut top: Vec<(String, u64)> = count.words.into_iter().collect();
    top.sort_by(|(a, times_a), (b, times_b)| times_b.cmp(times_a).then_with(|| a.cmp(b)));
    for (word, times) in top.iter().take(10) {
        println!("{times:>8} {word}");
    }
    println!("{} total", count.total);
    println!("{}", cloud.cost().await);
    cloud.cleanup().await
}

/// A file in pieces of about a megabyte, each ending where a word does; none if it can't be read.
fn pieces(path: &Path) -> Vec<Vec<u8>> {
    let bytes = fs::read(path).unwrap_or_else(|error| {
        eprintln!("{}: {error}", path.display());
        Vec::new()
    });
    let (mut rest, mut pieces) = (&bytes[..], Vec::new());
    while !rest.is_empty() {
        let end = rest.iter().skip(PIECE).position(u8::is_ascii_whitespace).map_or(rest.len(), |at| PIECE + at);
        pieces.push(rest[..end].to_vec());
        rest = &rest[end..];
    }
    pieces
}

/// The files that the arguments name, with everything in the folders among them; or those of the repository.
fn files(named: Vec<OsString>) -> Vec<PathBuf> {
    let mut files = Vec::new();
    if named.is_empty() {
        add_files(repository(), &is_text, &mut files);
    }
    for path in named {
        add_files(path.into(), &|_| true, &mut files);
    }
    files
}

/// The nearest folder from here upwards that looks like a repository, else the current one.
fn repository() -> PathBuf {
    let here = env::current_dir().unwrap_or_default();
    let root = here.ancestors().find(|folder| folder.join(".git").exists() || folder.join("Cargo.lock").exists());
    root.unwrap_or(&here).to_path_buf()
}

fn is_text(path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let is_text = path.extension().is_some_and(|it| it == "rs" || it == "md" || it == "toml");
    !hidden && (is_text || path.is_dir() && !path.ends_with("target"))
}

/// Adds a file, or all files below a folder that are `wanted`.
fn add_files(path: PathBuf, wanted: &dyn Fn(&Path) -> bool, files: &mut Vec<PathBuf>) {
    if !path.is_dir() {
        files.push(path);
        return;
    }
    let entries = fs::read_dir(&path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut entries = entries.unwrap_or_else(|error| {
        eprintln!("{}: {error}", path.display());
        Vec::new()
    });
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        // Links are not followed: they may lead in circles.
        let followed = entry.file_type().is_ok_and(|it| it.is_dir() || it.is_file());
        if followed && wanted(&entry.path()) {
            add_files(entry.path(), wanted, files);
        }
    }
}
