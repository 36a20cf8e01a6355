//! Items of a Rust file, as far as the rule on public types looks at them: what they are, who sees them, and their words.
//!
//! No parser, as in `scan`: a parser's crate, beside the macros' own, would have every crate of the workspace built twice.
//! Works on code whose strings and comments are blanks.

use std::iter::Peekable;
use std::vec::IntoIter;

/// A word, a sign, or what stands in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A name or number. `::` between names is a sign of its own.
    Word(String),
    Sign(char),
    /// `::`
    Path,
    /// The opening bracket, and what is inside.
    Group(char, Vec<Token>),
}

impl Token {
    fn is(&self, word: &str) -> bool {
        matches!(self, Self::Word(it) if it == word)
    }
}

/// Takes code apart.
pub(super) fn tokens(code: &str) -> Vec<Token> {
    let mut open = vec![(' ', Vec::new())];
    let mut rest = code;
    while let Some(next) = rest.chars().next() {
        let mut length = next.len_utf8();
        let token = match next {
            '(' | '[' | '{' => {
                open.push((next, Vec::new()));
                None
            }
            ')' | ']' | '}' if open.len() > 1 => open.pop().map(|(bracket, inside)| Token::Group(bracket, inside)),
            // A lifetime is no name.
            '\'' => {
                length += rest[length..].find(|it| !in_word(it)).unwrap_or(rest.len() - length);
                None
            }
            _ if in_word(next) => {
                length = rest.find(|it| !in_word(it)).unwrap_or(rest.len());
                Some(Token::Word(rest[..length].to_owned()))
            }
            ':' if rest.starts_with("::") => {
                length = 2;
                Some(Token::Path)
            }
            _ if next.is_whitespace() => None,
            _ => Some(Token::Sign(next)),
        };
        if let Some((_, inside)) = open.last_mut() {
            inside.extend(token);
        }
        rest = &rest[length..];
    }
    open.swap_remove(0).1
}

fn in_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// An item, a field of a struct, or what is inside of a trait or a block of implementations.
#[derive(Debug, Default)]
pub(super) struct Item {
    /// `fn`, `struct`, ...; empty for a field.
    pub(super) kind: String,
    /// `pub`, without a limit.
    pub(super) public: bool,
    /// `pub(..)`.
    pub(super) passed_on: bool,
    /// Not in the documentation, or for tests only.
    pub(super) hidden: bool,
    pub(super) name: String,
    /// What is derived.
    pub(super) derives: Vec<Token>,
    /// Between its kind and its body, or its end.
    pub(super) head: Vec<Token>,
    /// What is in its braces.
    pub(super) body: Option<Vec<Token>>,
}

const KINDS: [&str; 11] =
    ["const", "enum", "fn", "impl", "macro_rules", "mod", "static", "struct", "trait", "type", "use"];

/// The items that stand there.
pub(super) fn items(tokens: Vec<Token>) -> Vec<Item> {
    let (mut tokens, mut items) = (tokens.into_iter().peekable(), Vec::new());
    while tokens.peek().is_some() {
        let mut item = opened(&mut tokens);
        for token in tokens.by_ref() {
            match token {
                // `const fn`
                Token::Word(word) if KINDS.contains(&word.as_str()) && ["", "const"].contains(&item.kind.as_str()) => {
                    item.kind = word;
                    item.head.clear();
                }
                Token::Sign(';') => break,
                // What is in braces behind one of these is a value, or names.
                Token::Group('{', inside) if !["const", "static", "use"].contains(&item.kind.as_str()) => {
                    item.body = Some(inside);
                    break;
                }
                other => item.head.push(other),
            }
        }
        if let Some(Token::Word(name)) = item.head.first() {
            item.name.clone_from(name);
        }
        items.push(item);
    }
    items
}

/// The fields of a struct, in braces or brackets.
pub(super) fn fields(tokens: Vec<Token>) -> Vec<Item> {
    let (mut tokens, mut fields) = (tokens.into_iter().peekable(), Vec::new());
    while tokens.peek().is_some() {
        let mut field = opened(&mut tokens);
        let mut angles = 0;
        for token in tokens.by_ref() {
            match token {
                Token::Sign(',') if angles == 0 => break,
                Token::Sign('<') => angles += 1,
                // The arrow of a function's type closes nothing.
                Token::Sign('>') if field.head.last() != Some(&Token::Sign('-')) => angles -= 1,
                _ => {}
            }
            field.head.push(token);
        }
        fields.push(field);
    }
    fields
}

/// Attributes and visibility.
fn opened(tokens: &mut Peekable<IntoIter<Token>>) -> Item {
    let mut item = Item::default();
    loop {
        match tokens.peek() {
            Some(Token::Sign('#')) => {
                tokens.next();
                tokens.next_if_eq(&Token::Sign('!'));
                let Some(Token::Group('[', inside)) = tokens.next() else { continue };
                if let [what, Token::Group('(', list)] = &inside[..] {
                    let only = |word: &str| list.len() == 1 && list[0].is(word);
                    item.hidden |= (what.is("doc") && only("hidden")) || (what.is("cfg") && only("test"));
                    item.derives.extend(list.iter().filter(|_| what.is("derive")).cloned());
                }
            }
            Some(word) if word.is("pub") => {
                tokens.next();
                item.public = true;
                let limit = |inside: &[Token]| {
                    inside.first().is_some_and(|it| ["crate", "super", "in"].iter().any(|word| it.is(word)))
                };
                if matches!(tokens.peek(), Some(Token::Group('(', inside)) if limit(inside)) {
                    tokens.next();
                    (item.public, item.passed_on) = (false, true);
                }
            }
            _ => return item,
        }
    }
}

/// Every path that ends in a type's name, such as `a::b::C`: those begin in upper case.
pub(super) fn types(tokens: &[Token]) -> Vec<Vec<String>> {
    let (mut found, mut open, mut joined) = (Vec::new(), Vec::<String>::new(), false);
    for token in tokens {
        match token {
            Token::Path => {
                joined = true;
                continue;
            }
            Token::Word(word) => {
                if !joined {
                    found.push(std::mem::take(&mut open));
                }
                open.push(word.clone());
            }
            Token::Sign(_) => found.push(std::mem::take(&mut open)),
            Token::Group(_, inside) => {
                found.push(std::mem::take(&mut open));
                found.extend(types(inside));
            }
        }
        joined = false;
    }
    found.push(open);
    found.retain(|path| path.last().is_some_and(|name| name.starts_with(char::is_uppercase)));
    found
}

/// The names that a `use` brings, with their paths; a glob brings none.
pub(super) fn imports(head: &[Token]) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for branch in head.split(|token| *token == Token::Sign(',')) {
        let mut path = Vec::new();
        let mut words = branch.iter();
        let mut name = None;
        while let Some(token) = words.next() {
            match token {
                Token::Word(word) if word == "as" => name = words.next(),
                Token::Word(word) => path.push(word.clone()),
                Token::Group(_, inside) => {
                    let inside = imports(inside).into_iter();
                    found.extend(inside.map(|(name, rest)| match name.as_str() {
                        "self" => (path.last().cloned().unwrap_or_default(), path.clone()),
                        _ => (name, [&path[..], &rest].concat()),
                    }));
                    path.clear();
                }
                Token::Sign('*') => path.clear(),
                _ => {}
            }
        }
        let name = match name {
            Some(Token::Word(name)) => Some(name.clone()),
            _ => path.last().cloned(),
        };
        found.extend(name.map(|name| (name, path)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_have_their_kind_name_and_body() {
        let code = "#[derive(Debug)] pub struct S<'a>(pub A, B); pub(crate) const fn f() -> X { y } const N: [u8; 2] = { 1 }; \
                    use a::{b, c}; #[doc(hidden)] pub mod m;";
        let items = items(tokens(code));
        let shown: Vec<_> = items.iter().map(|it| (it.kind.as_str(), it.name.as_str(), it.public, it.hidden)).collect();
        let expected = [
            ("struct", "S", true, false),
            ("fn", "f", false, false),
            ("const", "N", false, false),
            ("use", "a", false, false),
            ("mod", "m", true, true),
        ];
        assert_eq!(shown, expected);
        assert_eq!((items[0].derives.len(), items[1].body.is_some(), items[2].body.is_some()), (1, true, false));
    }

    #[test]
    fn imports_are_followed_into_their_braces() {
        let found = imports(&tokens("a::{self, b::C as D, e::*, f}"));
        let shown: Vec<_> = found.iter().map(|(name, path)| (name.as_str(), path.join("::"))).collect();
        assert_eq!(shown, [("a", "a".to_owned()), ("D", "a::b::C".into()), ("f", "a::f".into())]);
    }

    #[test]
    fn fields_end_at_commas_that_no_angle_holds() {
        let fields = fields(tokens("pub a: Map<K, V>, #[x] b: fn(A) -> B, pub(crate) c: C"));
        let shown: Vec<_> = fields.iter().map(|it| (it.public, types(&it.head).concat().join(" "))).collect();
        assert_eq!(shown, [(true, "Map K V".to_owned()), (false, "A B".into()), (false, "C".into())]);
    }
}
