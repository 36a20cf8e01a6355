//! What core is told about one failure.

use faast_core::ErrorKind;
use faast_core::provider::{InvokeError, Ran, RetryClass};

/// What core is told about one failure, and words that a user reads.
pub(crate) struct Expected {
    pub(crate) class: RetryClass,
    pub(crate) kind: ErrorKind,
    pub(crate) ran: Ran,
    pub(crate) words: &'static [&'static str],
}

pub(crate) const fn expect(class: RetryClass, kind: ErrorKind, ran: Ran, words: &'static [&'static str]) -> Expected {
    Expected { class, kind, ran, words }
}

pub(crate) fn check(name: &str, error: &InvokeError, expected: &Expected) {
    assert_eq!((error.class, error.kind, error.ran), (expected.class, expected.kind, expected.ran), "{name}: {error}");
    for words in expected.words {
        assert!(error.message.contains(words), "{name}: `{words}` is not in `{}`", error.message);
    }
}
