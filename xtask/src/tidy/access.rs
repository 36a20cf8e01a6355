//! Rules on access: who reads the environment, and who starts processes.
//!
//! Both make a library hard to reason about, so each has its few named places. Tests are free.

use super::Finding;
use super::scan::{lines_with, without_tests};
use super::tree::{File, Tree};

/// Providers, whose `worker.rs` reads what the platform tells a worker.
const PROVIDERS: &[&str] = &["faast-local", "faast-aws", "faast-google"];

/// A function of the conformance suite that says what the environment of its worker is.
const SUITE: &str = "faast-testkit/src/remote/worker.rs";

const READS: &[&str] = &["var", "var_os", "vars", "vars_os", "set_var", "remove_var"];

const STARTS: &[&str] = &["process::Command", "tokio::process"];

/// Findings on access.
pub(crate) fn findings(tree: &Tree) -> Vec<Finding> {
    let product = tree.rust().filter(|file| file.in_src() && file.path.starts_with("faast"));
    let product = product.filter(|file| !file.path.ends_with("/tests.rs"));
    product.flat_map(|file| environment(file).into_iter().chain(processes(file))).collect()
}

fn environment(file: &File) -> Vec<Finding> {
    if may_read(&file.path) {
        return Vec::new();
    }
    let code = without_tests(&file.masked.code);
    let lines = code.lines().enumerate().filter(|(_, line)| reads_environment(line));
    let text = "reads the environment; only `faast-core/src/env.rs` and a provider's `worker.rs` may";
    lines.map(|(index, _)| Finding::new(&file.path, index + 1, text)).collect()
}

fn may_read(path: &str) -> bool {
    let worker = |provider: &&str| {
        path.strip_prefix(*provider).is_some_and(|rest| rest == "/src/worker.rs" || rest.starts_with("/src/worker/"))
    };
    path == "faast-core/src/env.rs" || path == SUITE || PROVIDERS.iter().any(worker)
}

/// Whether a line names one of `std::env`'s readers, by call or by `use`.
fn reads_environment(line: &str) -> bool {
    line.match_indices("env::").any(|(at, start)| {
        // Core's own module is the way to do it.
        let own = ["crate::", "self::", "super::"].iter().any(|it| line[..at].ends_with(it));
        let rest = &line[at + start.len()..];
        let group = rest.strip_prefix('{');
        let mut words = group.unwrap_or(rest).split(|it: char| !(it.is_alphanumeric() || it == '_'));
        let reads = match group {
            Some(_) => words.any(|it| READS.contains(&it)),
            None => words.next().is_some_and(|it| READS.contains(&it)),
        };
        !own && reads
    })
}

fn processes(file: &File) -> Vec<Finding> {
    if may_start(&file.path) {
        return Vec::new();
    }
    let code = without_tests(&file.masked.code);
    let mut lines: Vec<usize> = STARTS.iter().flat_map(|word| lines_with(&code, word)).collect();
    let grouped = code.lines().enumerate().filter(|(_, line)| {
        line.split_once("process::{").is_some_and(|(_, names)| super::scan::has_word(names, "Command"))
    });
    lines.extend(grouped.map(|(index, _)| index + 1));
    lines.dedup();
    let text = "starts a process; only faast-local, faast-packer, and the emulators and the soak of faast-testkit may";
    lines.into_iter().map(|line| Finding::new(&file.path, line, text)).collect()
}

fn may_start(path: &str) -> bool {
    ["faast-local/", "faast-packer/", "faast-testkit/src/emulator", "faast-testkit/src/soak/"]
        .iter()
        .any(|it| path.starts_with(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [usize; 0] = [];

    fn of(path: &str, text: &str) -> Vec<usize> {
        Tree::of(&[(path, text)]).lines_found(findings)
    }

    #[test]
    fn reading_the_environment_is_found() {
        assert_eq!(of("faast-core/src/call.rs", "\nlet x = std::env::var(\"X\");"), [2]);
        assert_eq!(of("faast-core/src/call.rs", "use std::env::{args, var_os};"), [1]);
        assert_eq!(of("faast-core/src/call.rs", "env::set_var(\"X\", \"y\");"), [1]);
        assert_eq!(of("faast-core/src/worker/mod.rs", "env::vars();"), [1]);
    }

    #[test]
    fn the_named_places_and_tests_may_read_it() {
        let text = "let x = std::env::var(\"X\");";
        assert_eq!(of("faast-core/src/env.rs", text), NONE);
        assert_eq!(of("faast-local/src/worker.rs", text), NONE);
        assert_eq!(of("faast-aws/src/worker/mod.rs", text), NONE);
        assert_eq!(of("faast-core/tests/a.rs", text), NONE);
        assert_eq!(of("faast-core/src/cache/tests.rs", text), NONE);
        assert_eq!(of("faast-core/src/call.rs", &format!("#[cfg(test)]\nmod tests {{ {text} }}")), NONE);
        assert_eq!(of("faast-core/src/call.rs", "let x = std::env::current_exe(); crate::env::var(X);"), NONE);
    }

    #[test]
    fn starting_a_process_is_found() {
        assert_eq!(of("faast-core/src/call.rs", "use std::process::Command;"), [1]);
        assert_eq!(of("faast-aws/src/deploy.rs", "use std::process::{Child, Command};"), [1]);
        assert_eq!(of("faast-testkit/src/memory.rs", "tokio::process::Command::new(x)"), [1]);
        assert_eq!(of("faast-core/src/call.rs", "std::process::exit(1); // process::Command"), NONE);
    }

    #[test]
    fn the_named_places_may_start_one() {
        for path in ["faast-local/src/spawn.rs", "faast-packer/src/build.rs", "faast-testkit/src/emulator/aws.rs"] {
            assert_eq!(of(path, "use std::process::Command;"), NONE);
        }
        assert_eq!(of("xtask/src/command.rs", "use std::process::Command;"), NONE);
    }
}
