//! `cargo xtask score`: numbers of the sources, for `docs/score-sheet.md`.
//!
//! Lines are those of `src` folders, without files of tests; `nt` is the same without the test module at a file's end.

use std::collections::BTreeSet;

use anyhow::Result;

use super::item::{Item, items, tokens};
use super::scan::{lines_with, without_quotes, without_tests};
use super::tree::{File, Tree};
use crate::command::root;

/// Prints them, as rows of a table.
pub(crate) fn print() -> Result<()> {
    let tree = Tree::read(&root())?;
    let files: Vec<&File> = tree.rust().filter(|file| file.in_src() && !file.path.ends_with("/tests.rs")).collect();
    let all = sorted(files.iter().map(|file| file.text.lines().count()));
    let nt = sorted(files.iter().map(|file| without_test_module(&file.text)));
    let shown = |what: &str, value: String| println!("| {what} | {value} |");
    shown("files", all.len().to_string());
    shown("lines: median, p90, max", spread(&all));
    shown("lines, nt: median, p90, max", spread(&nt));
    let with_docs = files.iter().filter(|file| file.text.starts_with("//!") || file.text.starts_with("#![doc")).count();
    shown("files that open with module docs", format!("{with_docs} of {}", files.len()));
    let unwraps: usize =
        files.iter().filter(|file| !file.path.starts_with("faast-testkit/")).map(|file| count(file, ".unwrap()")).sum();
    let lines: usize = nt.iter().sum();
    shown(
        "`.unwrap()` in a thousand lines, nt, but for faast-testkit",
        format!("{:.2}", unwraps as f64 * 1000.0 / lines as f64),
    );
    let allowed: usize = files.iter().map(|file| without_quotes(&file.masked.code).matches("[allow(").count()).sum();
    shown("`#[allow]`", allowed.to_string());
    let (traits, wide) = wide(&files);
    shown("public traits with more than six required methods", format!("{}, of {traits}", wide.join(", ")));
    for pair in [["faast-aws", "faast-google"], ["faast-local", "faast-aws"]] {
        let [one, other] = pair.map(|name| jobs(&files, name));
        let both = one.intersection(&other).count();
        let text = format!("{both}, of {} and {}", one.len(), other.len());
        shown(&format!("files of the same name in {} and {}", pair[0], pair[1]), text);
    }
    let suites: Vec<_> = tree.rust().map(|file| lines_with(&file.masked.code, "conformance!").len()).collect();
    shown("runs of the conformance suite", suites.iter().sum::<usize>().to_string());
    Ok(())
}

fn sorted(numbers: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut numbers: Vec<_> = numbers.collect();
    numbers.sort_unstable();
    numbers
}

/// Of sorted numbers.
fn spread(numbers: &[usize]) -> String {
    let at = |share: usize| numbers.get((numbers.len() * share / 100).min(numbers.len().saturating_sub(1))).copied();
    [at(50), at(90), at(100)].map(|it| it.unwrap_or(0).to_string()).join(", ")
}

fn without_test_module(text: &str) -> usize {
    text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or("").lines().count()
}

/// Occurrences in what is no test.
fn count(file: &File, what: &str) -> usize {
    without_tests(&file.masked.code).matches(what).count()
}

/// How many public traits there are, and which of them have more than six methods that have to be written.
fn wide(files: &[&File]) -> (usize, Vec<String>) {
    let required = |item: &Item| {
        let inside = items(item.body.clone().unwrap_or_default());
        inside.iter().filter(|item| item.kind == "fn" && item.body.is_none()).count()
    };
    let all = files.iter().flat_map(|file| items(tokens(&file.masked.code)));
    let traits: Vec<_> = all.filter(|item| item.kind == "trait" && item.public && !item.hidden).collect();
    let numbers = traits.iter().map(|item| (&item.name, required(item)));
    let wide = numbers.filter(|(_, required)| *required > 6).map(|(name, required)| format!("`{name}` {required}"));
    (traits.len(), wide.collect())
}

/// What files of a crate are called, without their folder.
fn jobs<'t>(files: &[&'t File], name: &str) -> BTreeSet<&'t str> {
    let of_it = files.iter().filter_map(|file| file.path.strip_prefix(name)?.strip_prefix("/src/"));
    // A concept is a file or a folder with a `mod.rs`.
    of_it.map(|path| path.split('/').next().unwrap_or(path).trim_end_matches(".rs")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_spread_from_the_middle_to_the_end() {
        assert_eq!(spread(&sorted([3, 1, 2, 9, 4, 5, 6, 7, 8, 10].into_iter())), "6, 10, 10");
        assert_eq!(spread(&[]), "0, 0, 0");
    }

    #[test]
    fn a_trait_is_as_wide_as_what_has_to_be_written() {
        let methods = "fn f(&self);".repeat(7);
        let text = format!("pub trait A {{ {methods} }} pub trait B {{ type T; fn a() {{}} }} trait C {{ {methods} }}");
        let tree = Tree::of(&[("a/src/b.rs", &text)]);
        assert_eq!(wide(&tree.rust().collect::<Vec<_>>()), (2, vec!["`A` 7".to_owned()]));
    }

    #[test]
    fn a_test_module_at_the_end_does_not_count() {
        assert_eq!(without_test_module("a\nb\n\n#[cfg(test)]\nmod tests {\n    c\n}\n"), 2);
    }
}
