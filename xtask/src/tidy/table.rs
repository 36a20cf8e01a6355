//! Tables in documents that are made from the source, so that they can't drift.
//!
//! A document says `<!-- table:NAME -->`, and `<!-- /table -->` some lines below; what stands between is compared with
//! the table that the source gives, and rewritten by `--fix`. The source is read as text: each place is a flat list in a
//! form of its own.

use super::Finding;
use super::case;
use super::tree::{File, Tree};

/// One table: its name in documents, the file it is made from, and how.
struct Source {
    name: &'static str,
    file: &'static str,
    make: fn(&str) -> Vec<Row>,
    heading: &'static [&'static str],
}

type Row = Vec<String>;

/// Where the kinds of errors are.
pub(super) const ERROR_KINDS: &str = "faast-core/src/error/kind.rs";

const SOURCES: &[Source] = &[
    Source { name: "errors", file: ERROR_KINDS, make: error_kinds, heading: &["`ErrorKind`", "What happened"] },
    Source {
        name: "environment",
        file: "faast-core/src/env.rs",
        make: environment,
        heading: &["Variable", "What it does"],
    },
    Source {
        name: "features",
        file: "faast/Cargo.toml",
        make: features,
        heading: &["Feature", "Default", "What it adds"],
    },
    Source {
        name: "defaults",
        file: "faast-core/src/provider/capability.rs",
        make: defaults,
        heading: &["Option", "Default", "What it means"],
    },
    Source {
        name: "permissions",
        file: "faast-aws/src/permission.rs",
        make: permissions,
        heading: &["For", "Actions"],
    },
    Source {
        name: "google_permissions",
        file: "faast-google/src/permission.rs",
        make: permissions,
        heading: &["For", "Permissions"],
    },
    Source {
        name: "cases",
        file: case::DOCUMENT,
        make: case::counts,
        heading: &["faast.js", "Cases", "Ported", "Elsewhere", "No meaning", "To come", "Without a test"],
    },
];

const OPEN: &str = "<!-- table:";
const CLOSE: &str = "<!-- /table -->";

/// Findings on tables.
pub(crate) fn findings(tree: &Tree) -> Vec<Finding> {
    documents(tree).flat_map(|document| of_document(document, tree).1).collect()
}

/// Path and new text of each document whose tables have drifted.
pub(crate) fn rewritten(tree: &Tree) -> Vec<(String, String)> {
    let rewritten = documents(tree).map(|document| (document, of_document(document, tree).0));
    rewritten.filter(|(file, text)| file.text != *text).map(|(file, text)| (file.path.clone(), text)).collect()
}

fn documents(tree: &Tree) -> impl Iterator<Item = &File> {
    tree.files.iter().filter(|file| file.is("md"))
}

/// The document with its tables as they should be, and what is wrong with them now.
fn of_document(document: &File, tree: &Tree) -> (String, Vec<Finding>) {
    let (mut text, mut findings) = (String::new(), Vec::new());
    let mut lines = document.text.split_inclusive('\n').enumerate();
    while let Some((index, line)) = lines.next() {
        text.push_str(line);
        let Some(name) = line.trim().strip_prefix(OPEN).and_then(|rest| rest.strip_suffix(" -->")) else { continue };
        let mut found = |what: String| findings.push(Finding::new(&document.path, index + 1, what));

        let (mut now, mut close) = (String::new(), "");
        for (_, line) in lines.by_ref() {
            if line.trim() == CLOSE {
                close = line;
                break;
            }
            now.push_str(line);
        }
        if close.is_empty() {
            found(format!("the table `{name}` has no end; add `{CLOSE}`"));
        }
        let made = make(name, tree).unwrap_or_else(|wrong| {
            found(wrong);
            now.clone()
        });
        if made != now {
            found(format!("the table `{name}` is not what the source says; run `cargo xtask tidy --fix`"));
        }
        text.push_str(if close.is_empty() { &now } else { &made });
        text.push_str(close);
    }
    (text, findings)
}

/// The table `name`, made from its source.
fn make(name: &str, tree: &Tree) -> Result<String, String> {
    let Some(source) = SOURCES.iter().find(|source| source.name == name) else {
        let names: Vec<&str> = SOURCES.iter().map(|source| source.name).collect();
        return Err(format!("there is no table `{name}`; there are {names:?}"));
    };
    let rows = tree.get(source.file).map(|file| (source.make)(&file.text)).unwrap_or_default();
    if rows.is_empty() {
        return Err(format!("`{}` holds nothing for the table `{name}`; see xtask/src/tidy/table.rs", source.file));
    }
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let heading: Row = source.heading.iter().map(|it| (*it).to_owned()).collect();
    let rule = format!("|{}\n", "---|".repeat(heading.len()));
    Ok(line(&heading) + &rule + &rows.iter().map(|row| line(row)).collect::<String>())
}

/// `Name = 1, "text";` below its docs, within `kinds! { .. }`.
pub(super) fn error_kinds(text: &str) -> Vec<Row> {
    let block =
        text.split_once("\nkinds! {").and_then(|(_, rest)| rest.split_once("\n}")).map_or("", |(block, _)| block);
    documented(block, "///", |line| line.split_once(" = ").map(|(name, _)| name.to_owned()))
        .map(|(name, docs)| vec![format!("`{name}`"), docs])
        .collect()
}

/// `const NAME: &str = "VARIABLE";` below its docs.
fn environment(text: &str) -> Vec<Row> {
    let variable = |line: &str| {
        let (declared, value) = line.split_once(": &str = \"")?;
        let value = value.strip_suffix("\";")?;
        let variable = value.chars().all(|it| it.is_ascii_uppercase() || it.is_ascii_digit() || it == '_');
        (declared.contains("const ") && variable).then(|| value.to_owned())
    };
    documented(text, "///", variable).map(|(name, docs)| vec![format!("`{name}`"), docs]).collect()
}

/// The lines of `[features]` below their comments.
fn features(text: &str) -> Vec<Row> {
    let block = text.split_once("\n[features]\n").map_or("", |(_, rest)| rest.split("\n[").next().unwrap_or(rest));
    let by_default = block.lines().find(|line| line.starts_with("default = ")).unwrap_or_default();
    let feature = |line: &str| line.split_once(" = [").map(|(name, _)| name.to_owned());
    documented(block, "#", feature)
        .filter(|(name, _)| name != "default")
        .map(|(name, docs)| {
            let default = if by_default.contains(&format!("\"{name}\"")) { "yes" } else { "no" };
            vec![format!("`{name}`"), default.to_owned(), docs]
        })
        .collect()
}

/// The fields of `struct Defaults` with their docs, and their values in its `Default`.
fn defaults(text: &str) -> Vec<Row> {
    let block = |start: &str| {
        let (_, rest) = text.split_once(start)?;
        rest.split_once("\n}").map(|(block, _)| block)
    };
    let fields = block("struct Defaults {").unwrap_or_default();
    let values = block("impl Default for Defaults {").unwrap_or_default();
    let field = |line: &str| {
        let (name, _) = line.strip_prefix("pub ")?.split_once(": ")?;
        Some(name.to_owned())
    };
    documented(fields, "///", field)
        .map(|(name, docs)| {
            let start = format!("{name}: ");
            let value = values.lines().find_map(|line| line.trim().strip_prefix(&start)?.strip_suffix(','));
            vec![format!("`{name}`"), value.map_or_else(|| "none".to_owned(), plain), docs]
        })
        .collect()
}

/// The variants of `enum Use` with their docs, and the actions of the lines `need(Use::Name, .., "service:Action")`; the
/// service is said once for those that follow each other.
fn permissions(text: &str) -> Vec<Row> {
    let block = text.split_once("enum Use {").and_then(|(_, rest)| rest.split_once("\n}")).map_or("", |(it, _)| it);
    let variant = |line: &str| line.strip_suffix(',').map(str::to_owned);
    documented(block, "///", variant)
        .map(|(name, docs)| {
            let line = |line: &str| {
                let (_, rest) = line.split_once(&format!("(Use::{name}, "))?;
                Some(rest.split('"').nth(1)?.to_owned())
            };
            vec![docs, services(text.lines().filter_map(line))]
        })
        .collect()
}

fn services(actions: impl Iterator<Item = String>) -> String {
    let (mut text, mut last) = (String::new(), String::new());
    for action in actions {
        let (service, name) = action.split_once(':').unwrap_or(("", &action));
        let same = service == last;
        text += if text.is_empty() {
            ""
        } else if same {
            ", "
        } else {
            "; "
        };
        text.extend(["`", if same { name } else { &action }, "`"]);
        service.clone_into(&mut last);
    }
    text
}

/// A default as people say it.
fn plain(value: &str) -> String {
    let duration = |from: &str| value.strip_prefix(from).and_then(|it| it.strip_suffix(')'));
    if let Some(seconds) = duration("Duration::from_secs(") {
        return format!("{seconds} s");
    }
    if let Some(minutes) = duration("Duration::from_mins(").and_then(|it| it.parse::<u64>().ok()) {
        return format!("{} s", minutes * 60);
    }
    match value {
        "None" => "none",
        "true" => "on",
        "false" => "off",
        _ => value,
    }
    .to_owned()
}

/// Each line that `name` gives a name, with the docs above it; lines of docs start with `mark`.
fn documented<'t>(
    text: &'t str,
    mark: &'static str,
    name: impl Fn(&str) -> Option<String> + 't,
) -> impl Iterator<Item = (String, String)> + 't {
    let mut docs: Vec<&str> = Vec::new();
    text.lines().map(str::trim).filter_map(move |line| {
        if let Some(doc) = line.strip_prefix(mark) {
            docs.push(doc.trim());
            return None;
        }
        if line.starts_with("#[") {
            return None;
        }
        let above = cell(&std::mem::take(&mut docs).join(" "));
        name(line).map(|name| (name, above))
    })
}

/// Docs as the cell of a table: one line, links only as their text, bars escaped.
fn cell(docs: &str) -> String {
    let mut text = String::new();
    let mut rest = docs;
    while let Some((before, link)) = rest.split_once("[`") {
        let Some((name, after)) = link.split_once("`]") else { break };
        text.extend([before, "`", name, "`"]);
        rest = match after.strip_prefix('(').and_then(|target| target.split_once(')')) {
            Some((_, after)) => after,
            None => after,
        };
    }
    (text + rest).replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: &str = "macro_rules! kinds { ($x:ident) => {} }\n\nkinds! {\n    /// It was\n    /// [`Bad`](crate::Bad).\n    \
                         User = 1, \"user error\";\n    /// Panicked.\n    Panic = 2, \"panic\";\n}\n";
    const TABLE: &str =
        "| `ErrorKind` | What happened |\n|---|---|\n| `User` | It was `Bad`. |\n| `Panic` | Panicked. |\n";

    fn tree(document: &str) -> Tree {
        Tree::of(&[("README.md", document), ("faast-core/src/error/kind.rs", KINDS)])
    }

    #[test]
    fn a_table_as_the_source_has_it_is_fine() {
        let document = format!("# x\n<!-- table:errors -->\n{TABLE}<!-- /table -->\nend\n");
        assert_eq!(findings(&tree(&document)), []);
        assert_eq!(rewritten(&tree(&document)), []);
    }

    #[test]
    fn drift_is_found_and_mended() {
        let good = format!("# x\n<!-- table:errors -->\n{TABLE}<!-- /table -->\nend\n");
        for bad in [good.replace("Panicked.", "Paniced."), good.replace(TABLE, ""), good.replace("`User`", "`Usr`")] {
            let tree = tree(&bad);
            assert_eq!(findings(&tree)[0].line, 2);
            assert_eq!(rewritten(&tree), [("README.md".to_owned(), good.clone())]);
        }
    }

    #[test]
    fn a_table_without_end_name_or_source_is_found_and_left_alone() {
        for bad in ["<!-- table:errors -->\n", "<!-- table:nothing -->\nx\n<!-- /table -->\n"] {
            assert!(!findings(&tree(bad)).is_empty(), "{bad}");
            assert_eq!(rewritten(&tree(bad)), []);
        }
        assert_eq!(findings(&tree("<!-- table:features -->\n<!-- /table -->\n")).len(), 1);
    }

    #[test]
    fn environment_variables_are_read_with_their_docs() {
        let text = "/// Where the cache is.\npub(crate) const HOME: &str = \"FAAST_HOME\";\n/// Not one.\nconst X: &str = \"a b\";\n";
        assert_eq!(environment(text), [["`FAAST_HOME`", "Where the cache is."]]);
    }

    #[test]
    fn features_are_read_with_their_comments() {
        let text = "[package]\n\n[features]\ndefault = [\"local\"]\n# Workers here.\nlocal = [\"dep:x\"]\n# A cloud.\naws = []\n\n[dependencies]\nx = [1]\n";
        assert_eq!(features(text), [["`local`", "yes", "Workers here."], ["`aws`", "no", "A cloud."]]);
    }

    #[test]
    fn permissions_are_read_by_use() {
        let text = "pub(crate) enum Use {\n    /// every job\n    Deploy,\n    /// `vpc`\n    Vpc,\n}\n\
                    const NEEDS: &[Need] = &[\n    need(Use::Deploy, On::X, \"a:One\"),\n    nice(Use::Deploy, On::X, \"a:Two\"),\n    \
                    need(Use::Deploy, On::X, \"b:One\"),\n    need(Use::Vpc, On::X, \"c:One\"),\n];\n";
        assert_eq!(permissions(text), [["every job", "`a:One`, `Two`; `b:One`"], ["`vpc`", "`c:One`"]]);
    }

    #[test]
    fn defaults_are_read_with_their_values() {
        let text = "pub struct Defaults {\n    /// How long.\n    pub timeout: Duration,\n    /// Twice.\n    pub hedge: bool,\n}\n\
                    impl Default for Defaults {\n    fn default() -> Self {\n        Self {\n            timeout: Duration::from_mins(1),\n            \
                    hedge: true,\n        }\n    }\n}\n";
        assert_eq!(defaults(text), [["`timeout`", "60 s", "How long."], ["`hedge`", "on", "Twice."]]);
    }
}
