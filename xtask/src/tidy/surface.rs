//! What a library shows: the types of other crates that its public items name.
//!
//! An item is shown where it is `pub` and so are all modules above it, or something shown re-exports its name; what is
//! hidden from the documentation, or there for tests only, is not. Names are followed through `use`, through private
//! aliases of the same module, and through re-exports anywhere in the library; not through macros and globs.

use std::collections::{BTreeMap, BTreeSet};

use super::item::{Item, Token, fields, imports, items, tokens, types};
use super::tree::File;

/// A name, and the path that it stands for.
type Imports = BTreeMap<String, Vec<String>>;

/// Crates and names, such as `bytes::Bytes`, each with the paths of files whose public items name it.
pub(super) fn shown<'t>(files: &[&'t File], crates: &BTreeSet<String>) -> BTreeSet<(String, &'t str)> {
    let parsed: Vec<_> = files.iter().map(|file| (file.path.as_str(), items(tokens(&file.masked.code)))).collect();
    let hidden = places(&parsed, |module, _| module.hidden);
    let seen = || parsed.iter().filter(|(path, _)| !is_below(path, &hidden));
    let closed = places(&parsed, |module, beside| !module.public && !beside.iter().any(|it| passes_all_on(it, module)));
    let mut library = Library { crates, exported: BTreeSet::new(), types: BTreeMap::new(), exports: Imports::new() };
    for (_, items) in seen().filter(|(path, _)| !is_below(path, &closed)) {
        let exports = items.iter().filter(|item| item.kind == "use" && item.public && !item.hidden);
        library.exported.extend(exports.flat_map(|item| imports(&item.head)).filter_map(|(_, mut path)| path.pop()));
    }
    for (path, items) in seen() {
        library.learn(items, is_below(path, &closed));
    }
    let names = |(path, items): &(&'t str, Vec<Item>)| {
        let path = *path;
        library.module(items, is_below(path, &closed)).into_iter().map(move |name| (name, path)).collect::<Vec<_>>()
    };
    seen().flat_map(names).collect()
}

/// Where the files of some modules lie: `a/src/private.rs`, `a/src/private/`.
fn places(parsed: &[(&str, Vec<Item>)], which: impl Fn(&Item, &[Item]) -> bool) -> Vec<String> {
    let mut places = Vec::new();
    for (path, items) in parsed {
        let folder = path.strip_suffix("/lib.rs").or_else(|| path.strip_suffix("/mod.rs"));
        let folder = folder.unwrap_or_else(|| path.trim_end_matches(".rs"));
        let modules = items.iter().filter(|item| item.kind == "mod" && item.body.is_none() && which(item, items));
        places.extend(modules.flat_map(|it| [format!("{folder}/{}.rs", it.name), format!("{folder}/{}/", it.name)]));
    }
    places
}

/// `pub use module::*`
fn passes_all_on(item: &Item, module: &Item) -> bool {
    let named = Token::Word(module.name.clone());
    item.kind == "use" && item.public && item.head.contains(&named) && item.head.last() == Some(&Token::Sign('*'))
}

fn is_below(path: &str, places: &[String]) -> bool {
    places.iter().any(|place| path.starts_with(place))
}

/// What has to be known of all files before one is looked at.
struct Library<'c> {
    crates: &'c BTreeSet<String>,
    /// Names that are shown, wherever they are defined.
    exported: BTreeSet<String>,
    /// Types and traits of its own, and whether they are shown.
    types: BTreeMap<String, bool>,
    /// Names under which modules pass types of others on.
    exports: Imports,
}

/// What names mean in one module.
struct Scope<'l> {
    library: &'l Library<'l>,
    imports: Imports,
    /// Aliases that nobody else sees.
    aliases: BTreeMap<String, Vec<Vec<String>>>,
    /// Types of the module itself, and whether they are shown.
    own: BTreeMap<String, bool>,
    found: BTreeSet<String>,
}

impl Library<'_> {
    fn learn(&mut self, items: &[Item], closed: bool) {
        for item in items {
            match item.kind.as_str() {
                _ if is_type(item) => {
                    let shown = self.shows(item, closed);
                    *self.types.entry(item.name.clone()).or_default() |= shown;
                }
                "mod" => self.learn(&inside(item), closed || !item.public),
                "use" if item.public || item.passed_on => {
                    let of_others = |path: &[String]| path.first().is_some_and(|name| self.crates.contains(name));
                    let names = imports(&item.head).into_iter().filter(|(_, path)| of_others(path));
                    self.exports.extend(names);
                }
                _ => {}
            }
        }
    }

    /// Whether others see an item, of a module that they see or do not.
    fn shows(&self, item: &Item, closed: bool) -> bool {
        item.public && !item.hidden && (!closed || self.exported.contains(&item.name))
    }

    fn module(&self, items: &[Item], closed: bool) -> BTreeSet<String> {
        let private = items.iter().filter(|item| item.kind == "type" && !item.public);
        let mut scope = Scope {
            library: self,
            imports: items.iter().filter(|item| item.kind == "use").flat_map(|item| imports(&item.head)).collect(),
            aliases: private.map(|it| (it.name.clone(), types(it.head.get(1..).unwrap_or_default()))).collect(),
            own: items.iter().filter(|it| is_type(it)).map(|it| (it.name.clone(), self.shows(it, closed))).collect(),
            found: BTreeSet::new(),
        };
        for item in items.iter().filter(|item| !item.hidden && (item.kind == "impl" || self.shows(item, closed))) {
            scope.item(item);
        }
        scope.found
    }

    /// Crate and name, where that is another crate's.
    fn foreign(&self, path: &[String]) -> Option<String> {
        let exported =
            path.last().filter(|name| !self.types.contains_key(*name)).and_then(|name| self.exports.get(name));
        let path = if self.crates.contains(path.first()?) { path } else { exported? };
        // The first and the last name.
        let ends: Vec<_> = [path.first(), path.get(1..).and_then(<[_]>::last)].into_iter().flatten().cloned().collect();
        Some(ends.join("::"))
    }
}

fn is_type(item: &Item) -> bool {
    ["struct", "enum", "trait", "type"].contains(&item.kind.as_str())
}

impl Scope<'_> {
    fn item(&mut self, item: &Item) {
        match item.kind.as_str() {
            "impl" => self.implementation(item),
            "use" => {
                let named = imports(&item.head);
                self.found.extend(named.iter().filter_map(|(_, path)| self.library.foreign(path)));
            }
            "mod" => self.found.extend(self.library.module(&inside(item), false)),
            "struct" => {
                self.see(&item.derives);
                let (mut head, mut bodies) = (Vec::new(), Vec::from_iter(item.body.clone()));
                for token in item.head.clone() {
                    match token {
                        Token::Group('(', inside) => bodies.push(inside),
                        token => head.push(token),
                    }
                }
                self.see(&head);
                for field in bodies.into_iter().flat_map(fields).filter(|field| field.public) {
                    self.see(&field.head);
                }
            }
            "enum" => {
                self.see(&item.derives);
                self.see(&item.head);
                for variant in item.body.clone().into_iter().flat_map(fields) {
                    self.see(&variant.head);
                }
            }
            "trait" => {
                self.see(&item.head);
                for item in inside(item) {
                    self.see(declared(&item));
                }
            }
            _ => self.see(declared(item)),
        }
    }

    /// Of a type or trait of the library: what it implements, and its public functions.
    fn implementation(&mut self, block: &Item) {
        let mut named = without_generics(&block.head).split(|token| *token == Token::Word("for".into()));
        if !named.any(|tokens| types(tokens).first().is_some_and(|path| self.is_shown(path))) {
            return;
        }
        self.see(&block.head);
        for item in inside(block).iter().filter(|item| !item.hidden && (item.public || item.kind == "type")) {
            self.see(declared(item));
        }
    }

    /// Whether a path leads to a type of the library that others see.
    fn is_shown(&self, path: &[String]) -> bool {
        let own = path.last().and_then(|name| self.own.get(name).or(self.library.types.get(name)));
        own == Some(&true) && !self.library.crates.contains(&self.meant(path)[0])
    }

    /// Notes the types of others among some tokens.
    fn see(&mut self, tokens: &[Token]) {
        for path in types(tokens) {
            let paths = self.aliases.get(&path[0]).cloned().unwrap_or_else(|| vec![path]);
            let named: Vec<_> = paths.iter().filter_map(|path| self.library.foreign(&self.meant(path))).collect();
            self.found.extend(named);
        }
    }

    /// The path with what its first name was imported as.
    fn meant(&self, path: &[String]) -> Vec<String> {
        self.imports.get(&path[0]).map_or_else(|| path.to_vec(), |it| [it, &path[1..]].concat())
    }
}

/// What others see of a function or value: not what it is set to.
fn declared(item: &Item) -> &[Token] {
    let end = match item.kind.as_str() {
        "const" | "static" => item.head.iter().position(|token| *token == Token::Sign('=')),
        _ => None,
    };
    &item.head[..end.unwrap_or(item.head.len())]
}

fn inside(item: &Item) -> Vec<Item> {
    items(item.body.clone().unwrap_or_default())
}

/// What comes behind the parameters of a block of implementations.
fn without_generics(head: &[Token]) -> &[Token] {
    let mut angles = 0;
    let end = head.iter().position(|token| {
        angles += match token {
            Token::Sign('<') => 1,
            Token::Sign('>') => -1,
            _ => 0,
        };
        angles == 0
    });
    match head.first() {
        Some(Token::Sign('<')) => &head[end.map_or(0, |end| end + 1)..],
        _ => head,
    }
}
