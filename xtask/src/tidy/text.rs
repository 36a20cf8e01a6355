//! Rules on plain text: no stray blanks, no paths of somebody's machine.

use super::Finding;
use super::tree::{File, Tree};

/// Files written by hand line by line; snapshots and recorded data are as their programs made them.
const BY_HAND: &[&str] = &["rs", "toml", "md", "sh", "yml", "yaml", "html", "css", "js"];

/// Folders at the root of a machine that exist, or hold something, only there.
const OF_A_MACHINE: &[&str] = &["work", "root", "home", "Users"];

/// Findings on text.
pub(crate) fn findings(tree: &Tree) -> Vec<Finding> {
    tree.files.iter().flat_map(|file| blanks(file).into_iter().chain(machine_paths(file))).collect()
}

fn blanks(file: &File) -> Vec<Finding> {
    if !BY_HAND.iter().any(|it| file.is(it)) && !file.path.starts_with(".ci/") {
        return Vec::new();
    }
    let trailing = file.text.lines().enumerate().filter(|(_, line)| line.ends_with([' ', '\t', '\r']));
    let mut findings: Vec<Finding> = trailing
        .map(|(index, _)| Finding::new(&file.path, index + 1, "blanks at the end of the line; remove them"))
        .collect();
    if !file.text.is_empty() && (!file.text.ends_with('\n') || file.text.ends_with("\n\n")) {
        findings.push(Finding::new(&file.path, file.text.lines().count(), "a file ends with exactly one line break"));
    }
    findings
}

fn machine_paths(file: &File) -> Vec<Finding> {
    let lines = file.text.lines().enumerate();
    let found = lines.filter_map(|(index, line)| {
        let name = OF_A_MACHINE.iter().find(|name| has_machine_path(line, name))?;
        let text = format!("`/{name}/..` is a path of one machine; make it relative, or use a folder made for the run");
        Some(Finding::new(&file.path, index + 1, text))
    });
    found.collect()
}

/// Whether `line` holds `/name/` at the start of a path.
fn has_machine_path(line: &str, name: &str) -> bool {
    let path = format!("/{name}/");
    line.match_indices(&path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        // After one of these it is a folder within a path or address.
        !before.is_some_and(|it| it.is_alphanumeric() || "_-.~}*)".contains(it))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [usize; 0] = [];

    fn of(path: &str, text: &str) -> Vec<usize> {
        Tree::of(&[(path, text)]).lines_found(findings)
    }

    #[test]
    fn blanks_at_the_end_are_found() {
        assert_eq!(of("a.md", "one \ntwo\n"), [1]);
        assert_eq!(of(".ci/run", "one\t\n"), [1]);
        assert_eq!(of("a.stderr", "one \n"), NONE);
    }

    #[test]
    fn the_end_of_a_file_is_one_line_break() {
        assert_eq!(of("a.md", "one"), [1]);
        assert_eq!(of("a.md", "one\n\n"), [2]);
        assert_eq!(of("a.md", "one\n"), NONE);
    }

    #[test]
    fn paths_of_a_machine_are_found() {
        for name in OF_A_MACHINE {
            assert_eq!(of("a.md", &format!("see\n`/{name}/x/y`\n")), [2], "{name}");
            assert_eq!(of("a.json", &format!("{{\"path\":\"/{name}/x\"}}")), [1], "{name}");
            assert_eq!(
                of("a.md", &format!("see docs/{name}/x, https://example.org/{name}/x and ${{X}}/{name}/\n")),
                NONE
            );
        }
    }
}
