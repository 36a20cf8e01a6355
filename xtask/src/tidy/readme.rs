//! Rules on the README: its set-up commands are two, `.ci/run` calls them, and every example has its line.

use super::Finding;
use super::tree::Tree;

/// What a newcomer types, in this order; nothing else sets faast up.
pub(crate) const SET_UP: [&str; 2] = ["cargo run --release --example wordcount", "cargo test --workspace"];

const README: &str = "README.md";
const CI: &str = ".ci/run";

/// Findings on the README.
pub(crate) fn findings(tree: &Tree) -> Vec<Finding> {
    let Some(readme) = tree.get(README) else {
        return vec![Finding::new(README, 0, "is missing; it is the first thing anyone reads")];
    };
    let mut findings = Vec::new();
    let (line, commands) = set_up_commands(&readme.text);
    if commands != SET_UP {
        let text = format!(
            "the set-up section has the commands {commands:?}; it must have exactly {SET_UP:?}, in ```sh blocks under a \
             heading with `Set-up`"
        );
        findings.push(Finding::new(README, line, text));
    }
    findings.extend(ci(tree));
    findings.extend(examples(tree, &readme.text));
    findings
}

/// The commands of the sh blocks below the heading about the set-up, and that heading's line.
fn set_up_commands(text: &str) -> (usize, Vec<&str>) {
    let (mut heading, mut level, mut block) = (0, 0, None);
    let mut commands = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            block = if block.is_some() { None } else { Some(language.trim()) };
            continue;
        }
        let hashes = line.len() - line.trim_start_matches('#').len();
        match block {
            None if hashes > 0 && level > 0 && hashes <= level => break,
            None if hashes > 0 && level == 0 && is_set_up(line) => (heading, level) = (index + 1, hashes),
            Some("sh" | "bash" | "console" | "shell") if level > 0 => {
                let command = line.split(" #").next().unwrap_or_default().trim().trim_start_matches("$ ");
                if !command.is_empty() && !command.starts_with('#') {
                    commands.push(command);
                }
            }
            _ => {}
        }
    }
    (heading, commands)
}

fn is_set_up(heading: &str) -> bool {
    let heading: String = heading.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
    heading.contains("setup")
}

/// `.ci/run` calls what the README promises, and everything else by `cargo xtask ci`.
fn ci(tree: &Tree) -> Vec<Finding> {
    let text = tree.get(CI).map_or("", |file| file.text.as_str());
    let missing = [SET_UP[1], "cargo xtask ci"].into_iter().filter(|command| !calls(text, command));
    missing.map(|command| Finding::new(CI, 0, format!("does not call `{command}`; add it"))).collect()
}

/// Whether a line of the script calls `command` as it is: with more arguments it would be another one.
fn calls(script: &str, command: &str) -> bool {
    let lines = script.lines().filter(|line| !line.trim_start().starts_with('#'));
    lines.filter_map(|line| line.split_once(command)).any(|(_, rest)| !rest.starts_with(" -"))
}

/// Every example is named in the README.
fn examples(tree: &Tree, readme: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.files {
        let Some(name) = example_name(&file.path) else { continue };
        let names = [format!("--example {name}"), format!("examples/{name}"), format!("`{name}`")];
        if !readme.lines().any(|line| names.iter().any(|name| super::scan::has_word(line, name))) {
            let text = format!("the README does not name `{name}`; add a line that says what it shows");
            findings.push(Finding::new(&file.path, 0, text));
        }
    }
    findings
}

fn example_name(path: &str) -> Option<&str> {
    let name = path.strip_prefix("faast/examples/")?;
    let name = name.strip_suffix("/main.rs").or_else(|| name.strip_suffix(".rs"))?;
    (!name.contains('/')).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# faast\n## Set-up\n```sh\ncargo run --release --example wordcount # counts\n```\nand\n```sh\n\
                        cargo test --workspace\n```\n## More\n```sh\nls\n```\n";
    const RUN: &str = "#!/usr/bin/env bash\ncargo test --workspace 2>&1\ncargo xtask ci\n";

    fn of(files: &[(&str, &str)]) -> Vec<String> {
        findings(&Tree::of(files)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_good_one_has_no_findings() {
        assert_eq!(of(&[(README, GOOD), (CI, RUN), ("faast/examples/wordcount.rs", "")]), Vec::<String>::new());
    }

    #[test]
    fn another_command_in_the_set_up_is_found() {
        for readme in [
            GOOD.replace("cargo test --workspace", "cargo test"),
            GOOD.replace("and\n", "```sh\nmake\n```\n"),
            GOOD.replace("## Set-up", "## Start"),
        ] {
            let findings = of(&[(README, &readme), (CI, RUN)]);
            assert!(findings.len() == 1 && findings[0].starts_with(README), "{findings:?}");
        }
        assert_eq!(of(&[(CI, RUN)]).len(), 1, "no README at all");
    }

    #[test]
    fn ci_that_does_not_call_them_is_found() {
        assert_eq!(of(&[(README, GOOD), (CI, "# cargo test --workspace\n# cargo xtask ci\n")]).len(), 2);
        assert_eq!(of(&[(README, GOOD), (CI, "cargo test --workspace --lib\ncargo xtask ci\n")]).len(), 1);
        assert_eq!(of(&[(README, GOOD)]).len(), 2);
    }

    #[test]
    fn an_example_without_a_line_is_found() {
        let findings =
            of(&[(README, GOOD), (CI, RUN), ("faast/examples/word.rs", ""), ("faast/examples/pi/main.rs", "")]);
        assert_eq!(findings.len(), 2, "{findings:?}");
    }
}
