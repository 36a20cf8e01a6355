//! Types of other crates in what users see: those of the list in `docs/public-types.md`, and no others.
//!
//! A type of another crate in a signature makes that crate's next breaking version one of faast's own.

use std::collections::BTreeSet;

use super::tree::Tree;
use super::{Finding, dependency, surface};

const DOCUMENT: &str = "docs/public-types.md";

/// Libraries whose items users or authors of providers see. Macros have no items.
const LIBRARIES: &[&str] =
    &["faast", "faast-aws", "faast-core", "faast-google", "faast-http", "faast-local", "faast-packer", "faast-testkit"];

/// Findings on public items.
pub(super) fn findings(tree: &Tree) -> Vec<Finding> {
    let listed = dependency::listed(tree.get(DOCUMENT).map_or("", |file| file.text.as_str()));
    let crates = dependency::all(tree).iter().map(|name| name.replace('-', "_")).collect();
    let shown: BTreeSet<_> = LIBRARIES
        .iter()
        .flat_map(|library| {
            let of_it = |path: &str| path.strip_prefix(library).is_some_and(|rest| rest.starts_with("/src/"));
            surface::shown(&tree.rust().filter(|file| of_it(&file.path)).collect::<Vec<_>>(), &crates)
        })
        .collect();
    let unlisted = shown.iter().filter(|(name, _)| !listed.contains(name.as_str())).map(|(name, path)| {
        let text =
            format!("a public item names `{name}`; show a type of faast's own, or say in {DOCUMENT} why that one");
        Finding::new(path, 0, text)
    });
    let names: BTreeSet<&str> = shown.iter().map(|(name, _)| name.as_str()).collect();
    let gone = listed
        .difference(&names)
        .map(|name| Finding::new(DOCUMENT, 0, format!("no public item names `{name}`; remove its row")));
    unlisted.chain(gone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: (&str, &str) = ("Cargo.toml", "[workspace.dependencies]\nbytes = \"1\"\nhttp-body = \"1\"\n");

    /// What is found where the list has `bytes::Bytes`, which another file names.
    fn found(lib: &str, module: &str) -> Vec<String> {
        let list = (DOCUMENT, "| Type | Why |\n|---|---|\n| `bytes::Bytes` | because |\n");
        let call = ("faast/src/call.rs", "pub fn f() -> bytes::Bytes {}");
        let tree = Tree::of(&[MANIFEST, list, call, ("faast/src/lib.rs", lib), ("faast/src/m.rs", module)]);
        let shown = |it: Finding| format!("{}: {}", it.path, it.text.split('`').nth(1).unwrap_or(""));
        findings(&tree).into_iter().map(shown).collect()
    }

    #[test]
    fn planted_types_are_found_wherever_a_public_item_names_them() {
        for item in [
            "pub fn f(x: http_body::Frame) {}",
            "use http_body::Frame; pub fn f() -> Option<Vec<Frame>> {}",
            "use http_body::{self as b, X}; pub struct S<'a> { pub x: &'a b::Frame }",
            "pub struct S(u8, pub [http_body::Frame; 2]);",
            "pub struct S<T: http_body::Frame>(T);",
            "use http_body::Frame as Other; pub enum E { A(Other) }",
            "type Own = http_body::Frame; pub fn f(x: Own) {}",
            "pub trait T { fn f(&self) -> http_body::Frame; }",
            "pub trait T: Sized { type A: http_body::Frame; }",
            "pub struct S; impl From<http_body::Frame> for S {}",
            "pub struct S; impl Iterator for S { type Item = http_body::Frame; }",
            "pub struct S; impl<T> S { pub fn f(x: &dyn http_body::Frame) {} }",
            "use http_body::Frame; #[derive(Debug, Frame)] pub struct S;",
            "pub trait T {} impl T for http_body::Frame {}",
            "pub type A = Vec<http_body::Frame>;",
            "pub use http_body::Frame;",
            "pub mod inner { pub fn f<F: http_body::Frame>() {} }",
            "mod inner { pub(crate) use http_body::Frame; } use inner::Frame; pub fn f(x: Frame) {}",
        ] {
            assert_eq!(found("pub mod m;", item), ["faast/src/m.rs: http_body::Frame"], "{item}");
        }
    }

    #[test]
    fn what_nobody_sees_is_free() {
        for item in [
            "fn f(x: http_body::Frame) {}",
            "pub(crate) fn f(x: http_body::Frame) {}",
            "pub struct S { x: http_body::Frame }",
            "pub fn f() { let x: http_body::Frame = g(); }",
            "pub const N: usize = http_body::Frame::N;",
            "struct S; impl From<http_body::Frame> for S {}",
            "pub struct Frame; struct S; impl http_body::Frame for S {}",
            "mod a { pub struct S; } struct S; impl From<http_body::Frame> for S {}",
            "pub struct S; impl S { fn f(x: http_body::Frame) {} }",
            "#[cfg(test)] mod tests { pub fn f(x: http_body::Frame) {} }",
            "#[doc(hidden)] pub mod private { pub use http_body::Frame; }",
            "pub fn f(http_body: u32, bytes: bytes::Bytes) {} // http_body::Frame",
            "pub struct Frame; mod inner { pub(crate) use http_body::Frame; } pub fn f(x: Frame) {}",
        ] {
            assert_eq!(found("pub mod m;", item), [""; 0], "{item}");
        }
    }

    #[test]
    fn a_closed_module_shows_what_others_re_export() {
        let module = "pub struct S; impl S { pub fn f(x: http_body::Frame) {} }";
        for lib in
            ["mod m;", "mod m; #[doc(hidden)] pub mod private { pub use crate::m::S; }", "#[doc(hidden)] pub mod m;"]
        {
            assert_eq!(found(lib, module), [""; 0], "{lib}");
        }
        for lib in ["mod m; pub use m::S;", "mod m; pub use self::m::{S as Other, T};", "mod m; pub use m::*;"] {
            assert_eq!(found(lib, module), ["faast/src/m.rs: http_body::Frame"], "{lib}");
        }
    }

    #[test]
    fn a_row_that_no_item_needs_is_found() {
        let list = (DOCUMENT, "| `bytes::Buf` | because |\n");
        let findings = findings(&Tree::of(&[MANIFEST, list, ("faast/src/lib.rs", "")]));
        assert!(findings.len() == 1 && findings[0].text.starts_with("no public item names `bytes::Buf`"));
    }
}
