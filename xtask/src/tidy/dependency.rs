//! The list of dependencies in `docs/dependencies.md`: whole, and with nothing that is gone.

use std::collections::BTreeSet;

use super::Finding;
use super::tree::Tree;

const DOCUMENT: &str = "docs/dependencies.md";
const MANIFEST: &str = "Cargo.toml";

/// Findings on the list.
pub(super) fn findings(tree: &Tree) -> Vec<Finding> {
    of_texts(text_of(tree, MANIFEST), text_of(tree, DOCUMENT))
}

/// Crates of others that the workspace names.
pub(super) fn all(tree: &Tree) -> BTreeSet<&str> {
    named(text_of(tree, MANIFEST))
}

fn text_of<'t>(tree: &'t Tree, path: &str) -> &'t str {
    tree.get(path).map_or("", |file| file.text.as_str())
}

fn of_texts(manifest: &str, document: &str) -> Vec<Finding> {
    let (named, listed) = (named(manifest), listed(document));
    let missing = named.difference(&listed).map(|name| {
        let text = format!("`{name}` is not in {DOCUMENT}; say there why it is here, and what was considered instead");
        Finding::new(MANIFEST, 0, text)
    });
    let gone = listed
        .difference(&named)
        .map(|name| Finding::new(DOCUMENT, 0, format!("`{name}` is no dependency of the workspace; remove its row")));
    missing.chain(gone).collect()
}

/// The workspace's dependencies, without its own members.
fn named(manifest: &str) -> BTreeSet<&str> {
    let table = manifest.split("[workspace.dependencies]").nth(1).unwrap_or("");
    let lines = table.lines().take_while(|line| !line.starts_with('['));
    let names = lines.filter(|line| !line.starts_with('#')).filter_map(|line| line.split([' ', '.', '=']).next());
    names.filter(|name| !name.is_empty() && !name.starts_with("faast")).collect()
}

/// What the first cells of a document's tables name.
pub(super) fn listed(document: &str) -> BTreeSet<&str> {
    let cells = document.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    cells.flat_map(|cell| cell.split(", ")).map(|name| name.trim_matches('`')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "| Crate | Why |\n|---|---|\n| `a`, `b-c` | because of `d` |\n";

    #[test]
    fn a_whole_list_has_no_findings() {
        let manifest = "[workspace.dependencies]\nfaast = { path = \"faast\" }\n# why\na = \"1\"\nb-c.version = \"2\"\n\n[x]\ne = 1\n";
        assert_eq!(of_texts(manifest, LIST), []);
    }

    #[test]
    fn what_is_missing_or_gone_is_found() {
        let findings = of_texts("[workspace.dependencies]\na = \"1\"\nd = \"1\"\n", LIST);
        let texts: Vec<_> = findings.iter().map(|finding| finding.text.as_str()).collect();
        assert!(
            texts.len() == 2 && texts[0].starts_with("`d` is not") && texts[1].starts_with("`b-c` is no"),
            "{texts:?}"
        );
    }
}
