//! Rules on `docs/errors.md`: every kind of error has a row that names a test. `named_test` sees that the test exists.

use super::Finding;
use super::named_test::is_test_name;
use super::table::{ERROR_KINDS, error_kinds};
use super::tree::Tree;

const DOCUMENT: &str = "docs/errors.md";

/// Findings on the errors' document.
pub(crate) fn findings(tree: &Tree) -> Vec<Finding> {
    let kinds = tree.get(ERROR_KINDS).map(|file| error_kinds(&file.text)).unwrap_or_default();
    let text = tree.get(DOCUMENT).map_or("", |file| file.text.as_str());
    let tested = |kind: &str| {
        let start = format!("| {kind} |");
        text.lines().filter(|line| line.starts_with(&start)).any(names_a_test)
    };
    let kinds = kinds.iter().filter_map(|row| row.first());
    let missing = kinds.filter(|kind| !tested(kind));
    missing
        .map(|kind| {
            let text = format!("no row of {kind} names a test; write what is printed, and the test that shows it");
            Finding::new(DOCUMENT, 0, text)
        })
        .collect()
}

fn names_a_test(row: &str) -> bool {
    row.split('`').skip(1).step_by(2).any(is_test_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: &str =
        "\nkinds! {\n    /// Bad.\n    User = 1, \"user error\";\n    /// Worse.\n    Panic = 2, \"panic\";\n}\n";
    const USER: &str = "| `User` | words | `faast/tests/failures.rs: it_fails` |\n";

    fn of(document: &str) -> Vec<String> {
        findings(&Tree::of(&[(ERROR_KINDS, KINDS), (DOCUMENT, document)])).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_kind_with_a_test_is_fine() {
        assert_eq!(of(&format!("{USER}{}", USER.replace("User", "Panic"))), Vec::<String>::new());
    }

    #[test]
    fn a_kind_without_a_row_or_a_test_is_found() {
        for document in [USER.to_owned(), format!("{USER}| `Panic` | words | - |\n")] {
            let findings = of(&document);
            assert!(findings.len() == 1 && findings[0].contains("`Panic`"), "{findings:?}");
        }
        assert_eq!(of("").len(), 2);
    }
}
