//! Rules on `docs/faastjs-cases.md`: every case of faast.js has an answer here, and an answer has a test.
//!
//! A case is a row of a table whose first heading is `Case`: its name, what faast.js shows, the answer, and what shows
//! that. The document's own counts are a table made from these rows, see `table.rs`.

use std::collections::BTreeSet;

use super::Finding;
use super::named_test;
use super::tree::Tree;

/// The document.
pub(crate) const DOCUMENT: &str = "docs/faastjs-cases.md";

/// What an answer may begin with; a colon and words may follow.
const ANSWERS: [&str; 4] = ["Ported", "Elsewhere", "No meaning", "To come"];

/// Answers that say of faast what a test has to show.
const TESTED: [&str; 2] = ["Ported", "Elsewhere"];

/// So many cases may be without a test.
const UNTESTED: usize = 40;

/// One row.
struct Case<'d> {
    line: usize,
    section: &'d str,
    cells: Vec<&'d str>,
}

impl<'d> Case<'d> {
    fn name(&self) -> &'d str {
        self.cells.first().copied().unwrap_or_default()
    }

    /// The answer's class, and the words behind it.
    fn answer(&self) -> Option<(&'static str, &'d str)> {
        let cell = self.cells.get(2)?;
        let (class, words) = cell.split_once(": ").unwrap_or((cell, ""));
        Some((ANSWERS.into_iter().find(|answer| *answer == class)?, words))
    }

    fn has_test(&self) -> bool {
        let quoted = self.cells.get(3).map(|cell| cell.split('`').skip(1).step_by(2));
        quoted.into_iter().flatten().any(named_test::is_test_name)
    }

    /// What is wrong with it.
    fn wrong(&self) -> Option<String> {
        let name = self.name();
        if self.cells.len() != 4 {
            return Some(format!("`{name}` has {} cells; a case has 4", self.cells.len()));
        }
        let Some((class, words)) = self.answer() else {
            return Some(format!("the answer to `{name}` begins with none of {ANSWERS:?}"));
        };
        if TESTED.contains(&class) && !self.has_test() {
            return Some(format!("`{name}` is answered by a test, and names none"));
        }
        (!TESTED.contains(&class) && words.is_empty()).then(|| format!("the answer to `{name}` does not say why"))
    }
}

/// Findings on the document; none where there is no such document.
pub(crate) fn findings(tree: &Tree) -> Vec<Finding> {
    let Some(document) = tree.get(DOCUMENT) else { return Vec::new() };
    let (mut findings, mut names, mut untested) = (Vec::new(), BTreeSet::new(), 0);
    for case in cases(&document.text) {
        let mut found = |what: String| findings.push(Finding::new(DOCUMENT, case.line, what));
        case.wrong().into_iter().for_each(&mut found);
        if !names.insert(case.name()) {
            found(format!("there is another case `{}`", case.name()));
        }
        untested += usize::from(!case.has_test());
    }
    if untested > UNTESTED {
        findings.push(Finding::new(DOCUMENT, 0, format!("{untested} cases are without a test; {UNTESTED} may be")));
    }
    findings
}

/// How many cases have which answer, by section and in all.
pub(crate) fn counts(text: &str) -> Vec<Vec<String>> {
    let cases = cases(text);
    let mut sections: Vec<&str> = cases.iter().map(|case| case.section).collect();
    sections.dedup();
    let row = |name: &str, counted: Vec<&Case<'_>>| {
        let of = |class: &str| counted.iter().filter(|case| case.answer().is_some_and(|it| it.0 == class)).count();
        let mut row = vec![name.to_owned(), counted.len().to_string()];
        row.extend(ANSWERS.iter().map(|class| of(class).to_string()));
        row.push(counted.iter().filter(|case| !case.has_test()).count().to_string());
        row
    };
    let by_section = sections.iter().map(|it| row(it, cases.iter().filter(|case| case.section == *it).collect()));
    let all = (!cases.is_empty()).then(|| row("All", cases.iter().collect()));
    by_section.chain(all).collect()
}

fn cases(text: &str) -> Vec<Case<'_>> {
    let (mut cases, mut section, mut inside) = (Vec::new(), "", false);
    for (index, line) in text.lines().enumerate() {
        if let Some(heading) = line.strip_prefix("## ") {
            section = heading;
        }
        inside = line.starts_with("| Case |") || (inside && line.starts_with('|'));
        let Some(row) = line.strip_prefix("| ").and_then(|it| it.strip_suffix(" |")) else { continue };
        if inside && !row.starts_with("Case |") {
            cases.push(Case { line: index + 1, section, cells: row.split(" | ").map(str::trim).collect() });
        }
    }
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# Cases\n## basic\n| Case | faast.js | Here | Shown by |\n|---|---|---|---|\n\
                        | B1 | it adds | Ported | `faast/tests/map.rs: it_adds` |\n\
                        | B2 | it sorts | No meaning: lists are sorted | - |\n\
                        ## more\n| Case | faast.js | Here | Shown by |\n|---|---|---|---|\n\
                        | M1 | it flies | Elsewhere: by \\| wing | `faast_core::wing::it_flies` |\n\
                        | Other |\n";

    fn of(document: &str) -> Vec<Finding> {
        findings(&Tree::of(&[(DOCUMENT, document)]))
    }

    #[test]
    fn rows_with_an_answer_are_fine() {
        assert_eq!(of(&GOOD.replace("| Other |\n", "")), []);
        assert_eq!(findings(&Tree::of(&[("docs/other.md", "| Case |\n|---|\n| x |\n")])), []);
    }

    #[test]
    fn rows_without_one_are_found() {
        assert_eq!(of(GOOD).len(), 1, "one cell");
        let good = GOOD.replace("| Other |\n", "");
        for (right, wrong) in [
            ("| Ported |", "| Done |"),
            ("`faast/tests/map.rs: it_adds`", "`faast/tests/map.rs`"),
            ("No meaning: lists are sorted", "No meaning"),
            ("| B2 |", "| B1 |"),
            ("`faast_core::wing::it_flies` |", "`faast_core::wing::it_flies` | more |"),
        ] {
            assert_eq!(of(&good.replace(right, wrong)).len(), 1, "{wrong}");
        }
    }

    #[test]
    fn too_many_without_a_test_are_found() {
        let document = |count| {
            let rows: Vec<_> = (0..count).map(|n| format!("| U{n} | x | No meaning: y | - |\n")).collect();
            GOOD.replace("| Other |\n", &rows.concat())
        };
        assert_eq!(of(&document(UNTESTED - 1)), []);
        assert_eq!(of(&document(UNTESTED)).len(), 1);
    }

    #[test]
    fn cases_are_counted_by_section() {
        let counts = counts(&GOOD.replace("| Other |\n", ""));
        assert_eq!(counts[0], ["basic", "2", "1", "0", "1", "0", "1"]);
        assert_eq!(counts[2], ["All", "3", "1", "1", "1", "0", "1"]);
        assert_eq!(counts.len(), 3);
    }
}
