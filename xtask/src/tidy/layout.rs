//! Rules on files: a module says what it is for, is short, and has a name that says something.

use super::Finding;
use super::tree::{File, Tree};

/// A file longer than this is two ideas.
const LONGEST: usize = 700;
/// A file longer than this is worth a look.
const LONG: usize = 450;
/// Names that say nothing.
const EMPTY_NAMES: &[&str] = &["utils", "util", "helpers", "helper", "common", "misc"];

/// Findings on layout.
pub(crate) fn findings(tree: &Tree) -> Vec<Finding> {
    tree.rust().flat_map(|file| [module_docs(file), too_long(file), empty_name(file)]).flatten().collect()
}

/// Files that are long, but not too long.
pub(crate) fn long_files(tree: &Tree) -> Vec<Finding> {
    let long = tree.rust().map(|file| (file, file.text.lines().count()));
    long.filter(|(_, lines)| (LONG + 1..=LONGEST).contains(lines))
        .map(|(file, lines)| Finding::new(&file.path, 0, format!("{lines} lines; is it still one idea?")))
        .collect()
}

fn module_docs(file: &File) -> Option<Finding> {
    let missing = file.in_src() && !["//!", "#![doc = include_str!"].iter().any(|start| file.text.starts_with(start));
    missing.then(|| Finding::new(&file.path, 1, "no `//!` at the top; say what this module is responsible for"))
}

fn too_long(file: &File) -> Option<Finding> {
    let lines = file.text.lines().count();
    let text = || format!("{lines} lines; split it by concept, at most {LONGEST}");
    (lines > LONGEST).then(|| Finding::new(&file.path, 0, text()))
}

fn empty_name(file: &File) -> Option<Finding> {
    let parts = file.path.trim_end_matches(".rs").split('/');
    let empty = parts.into_iter().find(|part| EMPTY_NAMES.contains(part));
    let in_path = empty.map(|part| Finding::new(&file.path, 0, format!("`{part}` says nothing; name the concept")));
    in_path.or_else(|| {
        let (index, name) = file.masked.code.lines().enumerate().find_map(|(index, line)| {
            let name = line.trim_start().trim_start_matches("pub(crate) ").trim_start_matches("pub ");
            let name = name.strip_prefix("mod ")?.trim_end_matches([' ', '{', '}', ';']);
            EMPTY_NAMES.contains(&name).then(|| (index, name.to_owned()))
        })?;
        Some(Finding::new(&file.path, index + 1, format!("`mod {name}` says nothing; name the concept")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str, text: &str) -> Vec<Finding> {
        findings(&Tree::of(&[(path, text)]))
    }

    #[test]
    fn a_module_without_docs_is_found() {
        assert_eq!(of("a/src/b.rs", "fn f() {}")[0].line, 1);
        assert_eq!(of("a/src/b.rs", "//! Docs.\n"), []);
        assert_eq!(of("a/tests/b.rs", "fn f() {}"), []);
    }

    #[test]
    fn a_long_file_is_found_and_a_longish_one_is_a_warning() {
        let text = |lines: usize| "//! Docs.\n".repeat(lines);
        assert_eq!(of("a/src/b.rs", &text(700)), []);
        assert_eq!(of("a/src/b.rs", &text(701)).len(), 1);
        assert_eq!(long_files(&Tree::of(&[("a/src/b.rs", &text(451))])).len(), 1);
        assert_eq!(long_files(&Tree::of(&[("a/src/b.rs", &text(450))])), []);
    }

    #[test]
    fn empty_names_are_found() {
        assert_eq!(of("a/src/utils.rs", "//! Docs.").len(), 1);
        assert_eq!(of("a/tests/common/mod.rs", "//! Docs.").len(), 1);
        assert_eq!(of("a/src/b.rs", "//! Docs.\npub(crate) mod helpers {}")[0].line, 2);
        assert_eq!(of("a/src/uncommon.rs", "//! Docs."), []);
    }
}
