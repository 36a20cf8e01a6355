//! What is code, what is comment and what is a string in a Rust file, line by line.
//!
//! No parser: rules look for words, and must not find them in strings. Masking keeps every line where it was.

/// One text, split by what the compiler reads and what it does not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Masked {
    /// Comments and the insides of strings are blanks.
    pub(crate) code: String,
    /// Everything but comments is blanks.
    pub(crate) comments: String,
}

/// Takes a Rust text apart.
pub(crate) fn mask(text: &str) -> Masked {
    let mut scanner = Scanner { rest: text, before: ' ', masked: Masked::default() };
    while let Some(next) = scanner.rest.chars().next() {
        let rest = scanner.rest;
        if rest.starts_with("//") {
            scanner.take(rest.find('\n').unwrap_or(rest.len()), Part::Comment);
        } else if rest.starts_with("/*") {
            scanner.take(block_comment(rest), Part::Comment);
        } else if let Some(length) = raw_string(rest, scanner.before) {
            scanner.take(length, Part::String);
        } else if next == '"' {
            scanner.take(quoted(rest, '"'), Part::String);
        } else if next == '\'' && is_character(rest) {
            scanner.take(quoted(rest, '\''), Part::String);
        } else {
            scanner.take(next.len_utf8(), Part::Code);
        }
    }
    scanner.masked
}

/// `code` with every item under `#[cfg(test)]` blanked.
pub(crate) fn without_tests(code: &str) -> String {
    blank(code, &["#[cfg(test)]"], "{")
}

/// `code` with what macros of the `quote!` family generate blanked.
pub(crate) fn without_quotes(code: &str) -> String {
    blank(code, &["quote!", "quote_spanned!", "parse_quote!", "parse_quote_spanned!"], "{([")
}

/// The lines that hold `word` as a whole word, from 1.
pub(crate) fn lines_with(code: &str, word: &str) -> Vec<usize> {
    code.lines().enumerate().filter(|(_, line)| has_word(line, word)).map(|(index, _)| index + 1).collect()
}

/// Whether `word` stands in `line` without letters, digits or `_` around it.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let open = word.chars().next().is_some_and(in_name) && before.is_some_and(in_name);
        let close = word.chars().next_back().is_some_and(in_name) && after.is_some_and(in_name);
        !open && !close
    })
}

fn in_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

#[derive(Clone, Copy)]
enum Part {
    Code,
    Comment,
    String,
}

struct Scanner<'t> {
    rest: &'t str,
    before: char,
    masked: Masked,
}

impl Scanner<'_> {
    fn take(&mut self, length: usize, part: Part) {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        self.before = taken.chars().next_back().unwrap_or(' ');
        let blank: String = taken.chars().map(|it| if it == '\n' { '\n' } else { ' ' }).collect();
        let (code, comment) = match part {
            Part::Code => (taken, blank.as_str()),
            Part::Comment => (blank.as_str(), taken),
            Part::String => (blank.as_str(), blank.as_str()),
        };
        self.masked.code.push_str(code);
        self.masked.comments.push_str(comment);
    }
}

/// Length of the block comment that `rest` starts with; they nest.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        let here = &rest[at..];
        if here.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += here.chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// Length of the raw string that `rest` starts with at its `r`.
fn raw_string(rest: &str, before: char) -> Option<usize> {
    // `b` and `c` go before the `r` of a byte or C string, and end no other name in practice.
    if in_name(before) && !matches!(before, 'b' | 'c') {
        return None;
    }
    let body = rest.strip_prefix('r')?;
    let hashes = body.len() - body.trim_start_matches('#').len();
    let body = body[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(match body.find(&end) {
        Some(at) => 1 + hashes + 1 + at + end.len(),
        None => rest.len(),
    })
}

/// Length of the literal that `rest` starts with, quotes included.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Whether the `'` that `rest` starts with opens a character and not a lifetime.
fn is_character(rest: &str) -> bool {
    let mut characters = rest.chars().skip(1);
    match (characters.next(), characters.next()) {
        (Some('\\'), _) => true,
        (Some(_), Some(after)) => after == '\'',
        _ => false,
    }
}

/// `code` with each bracketed region that follows one of `starts` blanked, up to a `;` where no bracket comes first.
fn blank(code: &str, starts: &[&str], brackets: &str) -> String {
    let mut bytes = code.as_bytes().to_vec();
    let found = starts.iter().flat_map(|start| code.match_indices(start).map(|(at, start)| at + start.len()));
    for after in found {
        let rest = &code[after..];
        let Some(open) = rest.find(|it| it == ';' || brackets.contains(it)) else { continue };
        let end = after + open + region(&rest[open..]);
        for byte in &mut bytes[after..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
    }
    // Whole characters were replaced, byte by byte, by blanks.
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Length of the region that `rest` opens with its first bracket.
fn region(rest: &str) -> usize {
    let mut depth = 0_usize;
    for (at, character) in rest.char_indices() {
        match character {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at + character.len_utf8();
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        mask(text).code.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn strings_and_comments_are_no_code() {
        assert_eq!(code(r#"a("x \" y"); // z"#), "a( );");
        assert_eq!(code("a /* b /* c */ d */ e"), "a e");
        assert_eq!(code(r##"let x = r#"a " b"#; y"##), "let x = ; y");
        assert_eq!(code(r#"br"x\" + rb"#), "b + rb");
    }

    #[test]
    fn lifetimes_are_code_and_characters_are_not() {
        assert_eq!(code("fn f<'a>(x: &'a str) { '\"'; '\\''; g }"), "fn f<'a>(x: &'a str) { ; ; g }");
    }

    #[test]
    fn lines_stay_where_they_were() {
        let text = "a\n/* b\nc */ d\n\"e\nf\" g";
        let masked = mask(text);
        assert_eq!(lines_with(&masked.code, "d"), [3]);
        assert_eq!(lines_with(&masked.code, "g"), [5]);
        assert_eq!(lines_with(&masked.comments, "b"), [2]);
    }

    #[test]
    fn test_modules_and_quotes_are_blanked() {
        let rest = without_tests("fn a() {}\n#[cfg(test)]\nmod tests { fn b() {} }\nfn c() {}");
        assert_eq!((lines_with(&rest, "b"), lines_with(&rest, "c")), (vec![], vec![4]));
        let rest = without_quotes("quote! { x }; y; quote!(x { z })");
        assert!(!has_word(&rest, "x") && has_word(&rest, "y"));
    }

    #[test]
    fn words_are_whole() {
        assert!(has_word("a todo b", "todo") && !has_word("a todos b", "todo") && !has_word("my_todo", "todo"));
    }
}
