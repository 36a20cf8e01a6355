//! `cargo xtask tidy`: the rules of this repository that neither the compiler nor clippy knows.
//!
//! Each file here holds one family of rules, as functions from texts or dependency lists to findings, so that each has
//! a test that shows it fail. All findings are reported at once, with place and way out. Only `tree` reads files, only
//! `crates` and this file ask cargo, and only `--fix` writes.

pub(crate) mod readme;
pub(crate) mod score;

mod access;
mod case;
mod crates;
mod dependency;
mod error_case;
mod foreign;
mod item;
mod layout;
mod named_test;
mod scan;
mod surface;
mod table;
mod text;
mod tree;
mod word;

use std::fmt;

use anyhow::{Context, Result, bail};

use crate::command::root;
use tree::Tree;

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// Relative to the root.
    path: String,
    /// From 1; 0 for the file as a whole.
    line: usize,
    /// What is wrong, and what to do.
    text: String,
}

impl Finding {
    fn new(path: &str, line: usize, text: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, text: text.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.text),
            line => write!(f, "{}:{line}: {}", self.path, self.text),
        }
    }
}

/// Checks every rule; an error if one is broken.
pub(crate) fn check() -> Result<()> {
    let tree = Tree::read(&root())?;
    for warning in layout::long_files(&tree) {
        println!("warning: {warning}");
    }
    let mut findings: Vec<Finding> = OF_FILES.iter().flat_map(|family| family(&tree)).collect();
    findings.extend(crates::findings()?);
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        bail!("tidy found {} broken rules", findings.len());
    }
    println!("tidy: {} files, no findings", tree.files.len());
    Ok(())
}

/// Rewrites the generated tables, then checks every rule.
pub(crate) fn fix() -> Result<()> {
    for (path, text) in table::rewritten(&Tree::read(&root())?) {
        std::fs::write(root().join(&path), text).with_context(|| format!("can't write `{path}`"))?;
        println!("rewrote the tables of {path}");
    }
    check()
}

/// Every rule that needs nothing but the files.
const OF_FILES: &[fn(&Tree) -> Vec<Finding>] = &[
    layout::findings,
    word::findings,
    access::findings,
    text::findings,
    readme::findings,
    table::findings,
    named_test::findings,
    case::findings,
    dependency::findings,
    error_case::findings,
    foreign::findings,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_shows_its_place() {
        assert_eq!(Finding::new("a.rs", 3, "wrong; mend it").to_string(), "a.rs:3: wrong; mend it");
        assert_eq!(Finding::new("a.rs", 0, "wrong").to_string(), "a.rs: wrong");
    }
}
