//! Rules on documents that name tests: every test they name exists.
//!
//! In `docs/`, a name in backticks is one of
//! - `folder/file.rs: test_name`: a test, or a promise of the conformance suite, in that file;
//! - `crate_name::module::test_name` (at least one module): the same, in the files that the path may mean;
//! - `folder/file.rs`: that file.

use std::path::Path;

use super::Finding;
use super::scan::has_word;
use super::tree::{File, Tree};

/// A reference in a document.
#[derive(Debug, PartialEq, Eq)]
enum Named<'d> {
    InFile(&'d str, &'d str),
    InCrate(&'d str, Vec<&'d str>, &'d str),
    File(&'d str),
}

/// Whether what stands in backticks is the name of a test, existing or not.
pub(crate) fn is_test_name(quoted: &str) -> bool {
    Named::parse(quoted).is_some_and(|named| !matches!(named, Named::File(_)))
}

/// Findings on tests that documents name.
pub(crate) fn findings(tree: &Tree) -> Vec<Finding> {
    let documents = tree.files.iter().filter(|file| file.path.starts_with("docs/") && file.is("md"));
    documents.flat_map(|document| of_document(document, tree)).collect()
}

fn of_document(document: &File, tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut fenced = false;
    for (index, line) in document.text.lines().enumerate() {
        fenced ^= line.trim_start().starts_with("```");
        if fenced {
            continue;
        }
        for quoted in line.split('`').skip(1).step_by(2) {
            let Some(named) = Named::parse(quoted) else { continue };
            if !named.exists(tree) {
                let text = format!("names `{quoted}`, which does not exist; write it, or name the right one");
                findings.push(Finding::new(&document.path, index + 1, text));
            }
        }
    }
    findings
}

impl<'d> Named<'d> {
    fn parse(quoted: &'d str) -> Option<Self> {
        if let Some((file, name)) = quoted.split_once(": ") {
            return (is_rust_path(file) && is_name(name)).then_some(Self::InFile(file, name));
        }
        if is_rust_path(quoted) {
            return Some(Self::File(quoted));
        }
        let (path, name) = quoted.rsplit_once("::")?;
        let (first, modules) = path.split_once("::")?;
        let modules: Vec<&str> = modules.split("::").collect();
        // `faast::Error` and `cargo::util` are no tests; `faast_core::wire::round_trip` is one.
        let ours = ["faast", "xtask"].contains(&first) || first.starts_with("faast_");
        let test = ours && modules.iter().all(|it| is_name(it)) && is_name(name);
        test.then_some(Self::InCrate(first, modules, name))
    }

    fn exists(&self, tree: &Tree) -> bool {
        match self {
            Self::File(path) => tree.get(path).is_some(),
            Self::InFile(path, name) => tree.get(path).is_some_and(|file| defines(file, name)),
            Self::InCrate(first, modules, name) => {
                let folder = format!("{}/", first.replace('_', "-"));
                let of_crate = tree.rust().filter(|file| file.path.starts_with(&folder));
                of_crate.filter(|file| modules.iter().all(|it| has_module(file, it))).any(|file| defines(file, name))
            }
        }
    }
}

/// Whether the module is in the file's path, or opened in the file.
fn has_module(file: &File, module: &str) -> bool {
    let mut parts = file.path.trim_end_matches(".rs").split('/');
    parts.any(|part| part == module) || has_word(&file.masked.code, &format!("mod {module}"))
}

/// Whether the file has a test of that name, or, being part of a suite, names it for a macro.
fn defines(file: &File, name: &str) -> bool {
    let code = &file.masked.code;
    let suite = file.path.split('/').any(|part| part.trim_end_matches(".rs") == "conformance");
    // Where `main` is the file's own, it lists its tests itself.
    let listed = suite || (file.path.contains("/tests/") && has_word(code, "fn main"));
    is_test(code, name) || (listed && has_word(code, name))
}

/// Whether there is a function of that name with a test's attribute.
fn is_test(code: &str, name: &str) -> bool {
    let function = format!("fn {name}");
    let lines: Vec<&str> = code.lines().map(str::trim).collect();
    let found = |index: &usize| has_word(lines[*index], &function);
    (0..lines.len()).filter(found).any(|index| {
        // Attributes stand between the end of what comes before and the function.
        let mut above = lines[..index].iter().rev().take_while(|line| !line.ends_with(['}', ';', '{']));
        above.any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
    })
}

fn is_rust_path(text: &str) -> bool {
    text.contains('/') && Path::new(text).extension().is_some_and(|it| it == "rs") && !text.contains([' ', '*', '<'])
}

/// A name as tests and modules have it.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(document: &str) -> Vec<Finding> {
        findings(&Tree::of(&[
            ("docs/specification.md", document),
            (
                "faast/tests/map.rs",
                "fn helper() {}\n/// Why.\n#[tokio::test(flavor = \"x\")]\n#[expect(\n    dead_code,\n)]\nasync fn \
                 values_come_back() {}\n// fn only_a_comment()\n",
            ),
            ("faast/tests/own.rs", "fn main() { run(&[it_runs]) }\nfn it_runs() {}"),
            ("faast-core/src/wire/frame.rs", "mod tests {\n    #[test]\n    fn it_fits() {}\n    fn help() {}\n}"),
            ("faast-testkit/src/conformance/mod.rs", "promises! { cleanup_is_idempotent, }"),
        ]))
    }

    #[test]
    fn tests_that_exist_are_fine() {
        assert_eq!(of("| `faast/tests/map.rs: values_come_back` | `faast/tests/map.rs` |"), []);
        assert_eq!(of("`faast_core::wire::frame::tests::it_fits` `faast_core::frame::it_fits`"), []);
        assert_eq!(of("`faast_testkit::conformance::cleanup_is_idempotent` `faast/tests/own.rs: it_runs`"), []);
    }

    #[test]
    fn tests_that_do_not_exist_are_found() {
        for quoted in [
            "faast/tests/map.rs: values_come",
            "faast/tests/map.rs: only_a_comment",
            "faast/tests/map.rs: helper",
            "faast_core::wire::frame::help",
            "faast/tests/other.rs: values_come_back",
            "faast/tests/other.rs",
            "faast_core::ledger::it_fits",
            "faast_core::wire::it_does_not_fit",
            "faast_testkit::conformance::cleanup",
        ] {
            assert_eq!(of(&format!("one\n| `{quoted}` |")).len(), 1, "{quoted}");
        }
        assert_eq!(of("one\n`faast/tests/other.rs`")[0].line, 2);
    }

    #[test]
    fn other_code_is_no_name_of_a_test() {
        assert_eq!(of("`faast::Error` `cloud.run(x)` `tokio::time::sleep` `DEBUG=faast:info` `faast::local()`"), []);
        assert_eq!(of("```rust\nlet x = `faast/tests/other.rs`;\n```"), []);
    }
}
