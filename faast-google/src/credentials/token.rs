//! Tokens, and what made them.
//!
//! The SDK keeps a token for its hour by a clock that stands still while the machine is suspended: after that it gives, for up
//! to an hour, one that is refused. So where tokens of a maker were taken before and one is refused now, another maker is
//! made. Its own tokens have to be taken before it is replaced, so that a refusal which is meant comes through.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Secret;

/// A token, as it is sent.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    secret: Secret,
    /// That of its maker.
    taken: Arc<AtomicBool>,
}

impl Token {
    /// The text itself, for the one place that sends it.
    pub(crate) fn expose(&self) -> &str {
        self.secret.expose()
    }

    /// Whoever it was for has taken it.
    pub(crate) fn taken(&self) {
        self.taken.store(true, Ordering::Relaxed);
    }

    /// Whether its maker's tokens were taken before.
    pub(super) fn was_taken(&self) -> bool {
        self.taken.load(Ordering::Relaxed)
    }
}

/// Credentials of the SDK, with its cache.
#[derive(Debug, Clone)]
pub(super) struct Maker<C> {
    pub(super) credentials: C,
    /// Written by whoever has sent a token of it.
    taken: Arc<AtomicBool>,
}

impl<C> Maker<C> {
    pub(super) fn new(credentials: C) -> Self {
        Self { credentials, taken: Arc::default() }
    }

    pub(super) fn token(&self, text: impl Into<Arc<str>>) -> Token {
        Token { secret: Secret::new(text), taken: Arc::clone(&self.taken) }
    }

    /// Whether its tokens were taken before.
    pub(super) fn were_taken(&self) -> bool {
        self.taken.load(Ordering::Relaxed)
    }

    /// Whether a token is of this one.
    pub(super) fn has_made(&self, token: &Token) -> bool {
        Arc::ptr_eq(&self.taken, &token.taken)
    }
}
