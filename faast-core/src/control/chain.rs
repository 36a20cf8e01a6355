//! What an error of somebody else's says, with its sources, in one line.

use std::error::Error;

/// The texts of an error and its sources, outermost first, without repetitions.
///
/// ```
/// # use faast_core::{Error, ErrorKind, control::chain};
/// let cause = Error::new(ErrorKind::Io, "no route to host");
/// let error = Error::new(ErrorKind::Deploy, "the role can't be made").with_source(cause);
/// assert_eq!(chain(&error), "the role can't be made: no route to host");
/// ```
pub fn chain(error: &dyn Error) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if texts.last().is_none_or(|last| !last.contains(&text)) {
            texts.push(text);
        }
        next = error.source();
    }
    texts.join(": ")
}

#[cfg(test)]
mod tests {
    use crate::{Error, ErrorKind};

    #[test]
    fn sources_that_repeat_what_was_said_are_left_out() {
        let error = |text: &str| Error::new(ErrorKind::Io, text);
        let inner = error("no route").with_source(error("os error 113"));
        assert_eq!(super::chain(&inner), "no route: os error 113");
        assert_eq!(super::chain(&error("sending: no route").with_source(inner)), "sending: no route: os error 113");
    }
}
