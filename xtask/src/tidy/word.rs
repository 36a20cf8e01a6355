//! Rules on words: what must not land in any Rust file.

use super::Finding;
use super::scan::{lines_with, without_quotes};
use super::tree::{File, Tree};

/// Words in code, with what to do instead.
const IN_CODE: &[(&str, &str)] = &[
    ("todo!", "write it, or leave the function out"),
    ("unimplemented!", "write it, or answer with an `Unsupported` error"),
    ("dbg!", "remove it, or use `tracing`"),
    ("#[ignore", "a skipped test never counts as passed; make it run, or delete it"),
];

/// Forms of `allow`, in code.
const ALLOW: &[&str] = &["#[allow(", "#![allow(", ", allow("];

/// Words in comments.
const IN_COMMENTS: &[&str] = &["TODO", "FIXME", "XXX"];

/// Findings on words.
pub(crate) fn findings(tree: &Tree) -> Vec<Finding> {
    // Cases of the macros' diagnostics show what users write, not what this project writes.
    tree.rust().filter(|file| !file.path.contains("/tests/ui/")).flat_map(of_file).collect()
}

fn of_file(file: &File) -> Vec<Finding> {
    let found = |code: &str, word: &str, remedy: &str| -> Vec<Finding> {
        let text = format!("`{word}`: {remedy}");
        lines_with(code, word).into_iter().map(|line| Finding::new(&file.path, line, &text)).collect()
    };
    let mut findings = Vec::new();
    for (word, remedy) in IN_CODE {
        findings.extend(found(&file.masked.code, word, remedy));
    }
    for word in IN_COMMENTS {
        findings.extend(found(&file.masked.comments, word, "do it now, or write an issue"));
    }
    // What a macro generates meets the user's lints, which nobody here can `expect`.
    let own = if file.path.starts_with("faast-macros/src/") {
        without_quotes(&file.masked.code)
    } else {
        file.masked.code.clone()
    };
    for word in ALLOW {
        findings.extend(found(&own, word, "use `#[expect(.., reason = \"..\")]`"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [usize; 0] = [];

    fn of(path: &str, text: &str) -> Vec<usize> {
        Tree::of(&[(path, text)]).lines_found(findings)
    }

    #[test]
    fn each_word_is_found_in_code() {
        for (word, _) in IN_CODE {
            assert_eq!(of("a/src/b.rs", &format!("fn f() {{\n{word}() }}")), [2], "{word}");
        }
        assert_eq!(of("a/src/b.rs", "#[ignore]\n#[test]\nfn f() {}"), [1]);
        assert_eq!(of("a/src/b.rs", "let x = \"todo!\"; // dbg! once stood here"), NONE);
    }

    #[test]
    fn each_word_is_found_in_comments() {
        for word in IN_COMMENTS {
            assert_eq!(of("a/src/b.rs", &format!("// {word}: later")), [1], "{word}");
            assert_eq!(of("a/src/b.rs", &format!("let x = \"{word}\";")), NONE);
        }
    }

    #[test]
    fn allow_is_found_outside_of_generated_code() {
        assert_eq!(of("a/src/b.rs", "#[allow(dead_code)]"), [1]);
        assert_eq!(of("a/src/b.rs", "#![allow(dead_code)]"), [1]);
        assert_eq!(of("a/src/b.rs", "#[cfg_attr(test, allow(dead_code))]"), [1]);
        assert_eq!(of("a/src/b.rs", "#[expect(dead_code, reason = \"..\")]"), NONE);
        assert_eq!(of("faast-macros/src/b.rs", "quote! {\n#[allow(dead_code)]\n}"), NONE);
        assert_eq!(of("faast-macros/src/b.rs", "#[allow(dead_code)]\nfn f() { quote! {} }"), [1]);
        assert_eq!(of("faast/src/b.rs", "quote! {\n#[allow(dead_code)]\n}"), [2]);
    }

    #[test]
    fn cases_of_diagnostics_are_free() {
        assert_eq!(of("faast/tests/ui/case.rs", "fn f() { todo!() }"), NONE);
    }
}
