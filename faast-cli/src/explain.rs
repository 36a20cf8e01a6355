//! Errors for people: what failed, why, and what to do about it.

use std::error::Error as _;
use std::fmt::Write as _;

/// An error with its causes and its hint, a line each.
pub(crate) fn error(error: &faast::Error) -> String {
    let mut text = format!("error: {error}\n");
    let mut cause = error.source();
    while let Some(source) = cause {
        // Writing to a string can't fail.
        let _ = writeln!(text, "  caused by: {source}");
        cause = source.source();
    }
    if let Some(hint) = error.hint() {
        let _ = writeln!(text, "  hint: {hint}");
    }
    text
}

/// Several of them.
pub(crate) fn errors(errors: &[faast::Error]) -> String {
    errors.iter().map(error).collect()
}

#[cfg(test)]
mod tests {
    use faast::{Error, ErrorKind};

    #[test]
    fn causes_and_hint_have_lines_of_their_own() {
        let cause = Error::new(ErrorKind::Io, "no route").with_source(std::io::Error::other("down"));
        let text =
            super::error(&Error::new(ErrorKind::Cleanup, "not listed").with_source(cause).with_hint("try again"));
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(text.ends_with("  caused by: down\n  hint: try again\n"), "{text}");
    }
}
